"""
Parts of Great Expectations that no rule of ours uses, left for their first use.

Importing it takes some 3.5 seconds of a core; a third of them is statistics of scipy and charts of altair, which it
imports for expectations and pictures of its own gallery.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

UNUSED = ("scipy.stats", "altair")


class Deferred(ModuleType):
    """A module that is loaded when something of it is used; who imported it sees no difference."""

    def __getattr__(self, name: str) -> Any:
        # those who look through all loaded modules ask for these
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        self.__dict__.update(vars(importlib.import_module(self.__name__)))
        return self.__dict__[name]


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Who is imported meanwhile gets these modules as ``Deferred``; who comes later gets them as they are."""
    stand_ins = []
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            stand_in = Deferred(name)
            stand_in.__spec__, stand_in.__path__ = spec, list(spec.submodule_search_locations or [])
            sys.modules[name] = stand_in
            stand_ins.append(stand_in)
    try:
        yield
    finally:
        for stand_in in stand_ins:
            if sys.modules.get(stand_in.__name__) is stand_in:
                del sys.modules[stand_in.__name__]
