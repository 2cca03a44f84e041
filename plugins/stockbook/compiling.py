"""
Functions compiled to machine code, whose cache can be trusted, and the same functions for the interpreter.

Numba keys a cached function by its own file only: a change in a function it calls, or in a constant, from
another file would go unseen and old arithmetic would be used. So the cache folder of a module carries a digest of
its source and of every module of ours that it imports. Compiling takes some 10 s, once; loading 0.3 s.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import ParamSpec, TypeVar

from numba import config, njit

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE = Path(__file__).parent
# a text that only looks like an import is one file more; parsing the syntax takes a hundred times as long
_IMPORTS = re.compile(r"^\s*(?:from ([\w.]+) import (\([^)]*\)|.*)|import ([\w.]+))", re.MULTILINE)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use; the lock of the interpreter is not held while it runs."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_cache_root() / _folder_name(Path(function.__code__.co_filename)))
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]  # numba has no types
    finally:
        config.CACHE_DIR = before


@cache
def interpreted(function: Callable[P, R]) -> Callable[P, R]:
    """The source of a compiled function for the interpreter, where whole numbers have no largest; so all it calls."""
    source: FunctionType = function.py_func  # type: ignore[attr-defined]  # numba has no types
    called = {name: source.__globals__.get(name) for name in source.__code__.co_names}
    sources = {name: interpreted(value) for name, value in called.items() if hasattr(value, "py_func")}
    return FunctionType(source.__code__, source.__globals__ | sources, source.__name__)


def sources_of(file: Path, package: Path = PACKAGE) -> list[Path]:
    """A module's file and those of all modules of ``package`` that it imports, directly or through others, by path."""
    files, waiting = set[Path](), [file]
    while waiting:
        module = waiting.pop()
        if module not in files:
            files.add(module)
            waiting += _imported(module, package)
    return sorted(files)


@cache
def _imported(file: Path, package: Path) -> list[Path]:
    names = []
    for module, imported, plain in _IMPORTS.findall(file.read_text()):
        names += [plain or module, *(f"{module}.{name}" for name in re.findall(r"\w+", imported))]
    own = (name.split(".")[1:] for name in names if name.split(".")[0] == package.name)
    candidates = (package.joinpath(*parts).with_suffix(".py") for parts in own if parts)
    return [candidate for candidate in candidates if candidate.exists()]


@cache
def _folder_name(file: Path) -> str:
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources_of(file))).hexdigest()
    return f"{file.stem}-{digest[:16]}"


def _cache_root() -> Path:
    from_environment = os.environ.get("NUMBA_CACHE_DIR")
    beside = PACKAGE / "__pycache__"
    if from_environment:
        return Path(from_environment)
    if os.access(beside if beside.exists() else PACKAGE, os.W_OK):
        return beside
    return Path(tempfile.gettempdir()) / f"stockbook-compiled-{os.getuid()}"
