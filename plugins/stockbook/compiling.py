"""
Functions compiled to machine code, whose cache can be trusted, and the same functions for the interpreter.

Numba keys a cached function by its own file only: a change in a function it calls, or in a constant, from
another file would go unseen and old arithmetic would be used. So the cache folder of a module carries a digest of
its source and of every module of ours that it imports. Compiling takes some 10 s, once; loading 0.3 s.
"""

import hashlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import ParamSpec, TypeVar

from stockbook import caches


class _Without(MetaPathFinder):
    """Tells the thread that made it that a package is not installed; others import it as ever."""

    def __init__(self, package: str) -> None:
        self._package, self._thread = package, threading.get_ident()

    def find_spec(self, name: str, _: Sequence[str] | None, __: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] == self._package and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(name, name=name)
        return None


@contextmanager
def _without(package: str) -> Iterator[None]:
    refusal = _Without(package)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


# numba looks here whether scipy has linear algebra for it: that takes as long as numba itself, and no function of ours
# multiplies matrices
with _without("scipy"):
    import numba.np.arraymath  # noqa: F401
    from numba import config, njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first use; the lock of the interpreter is not held while it runs."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(caches.root() / _folder_name(Path(function.__code__.co_filename)))
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


@cache
def _folder_name(file: Path) -> str:
    digest = hashlib.sha256(b"\0".join(caches.code_of(file))).hexdigest()
    return f"{file.stem}-{digest[:16]}"
