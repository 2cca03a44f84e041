"""
Compiled functions whose cache can be trusted.

Numba keys a cached function by its own file only: a change in a function it calls, from
another file, would go unseen and old arithmetic would be used. So the cache folder carries a
digest of every compiled module that another one calls. Compiling takes some 10 s, once; loading 0.3 s.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from numba import config, njit

P = ParamSpec("P")
R = TypeVar("R")

_HERE = Path(__file__).parent
_SOURCES = (
    "jsonscan/tokens.py",
    "valuation/fixed_point.py",
    "valuation/int128.py",
    "valuation/issuing.py",
    "valuation/kernel.py",
    "valuation/receipt_cost.py",
    "valuation/receiving.py",
    "valuation/receiving_lines.py",
    "valuation/replay_tables.py",
    "valuation/versions.py",
)


def _folder() -> str:
    digest = hashlib.sha256(b"\0".join((_HERE / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]
    given = os.environ.get("NUMBA_CACHE_DIR")
    beside = _HERE / "__pycache__"
    if given:
        root = Path(given)
    elif os.access(beside if beside.exists() else _HERE, os.W_OK):
        root = beside
    else:
        root = Path(tempfile.gettempdir()) / f"stockbook-compiled-{os.getuid()}"
    return str(root / f"valuation-{digest}")


_FOLDER = _folder()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use; the lock of the interpreter is not held while it runs."""
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]  # numba has no types
    finally:
        config.CACHE_DIR = before


def interpreted(names: dict[str, Any]) -> dict[str, Any]:
    """
    The same functions for the interpreter, where whole numbers have no largest.

    Takes the names of their modules (``vars(module)``), gives them with every compiled function
    replaced by its source, calling sources in turn.
    """
    found = dict(names)
    for name, value in names.items():
        source = getattr(value, "py_func", None)
        if source is not None:
            found[name] = FunctionType(source.__code__, found, name)
    return found
