"""
DuckDB without pandas, until somebody asks for a frame.

With the first parameter of a statement DuckDB imports pandas, to see whether the value is pandas' NA: half a second
and 60 MB in every step of a night, and no parameter of ours ever is. So it is given a stand-in at that moment, which
knows the two names it compares with and asks pandas itself for every other.
"""

import importlib
import sys
from importlib.abc import MetaPathFinder
from types import ModuleType

import duckdb


class _StandIn(ModuleType):
    NA = object()
    NaT = object()

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module("pandas"), name)


class _Absent(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


def spare_pandas(con: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB keep the stand-in for the life of this process, unless pandas is there already."""
    if "pandas" in sys.modules:
        return
    sys.modules["pandas"] = _StandIn("pandas")
    try:
        con.execute("select ?", [0]).fetchall()
    finally:
        del sys.modules["pandas"]


def spare_pandas_of_arrow() -> None:
    """
    The same of Arrow, which looks for pandas with the first value that it takes or hands over, and here finds none.

    Asked for a frame later it looks again.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(absent)
