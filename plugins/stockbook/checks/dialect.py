"""
The database as Great Expectations sees it: PostgreSQL to SQLAlchemy, and each query goes to a function.

Great Expectations 1.24 has no DuckDB back end. Connections of an engine of ADDRESS ask what ``answer_by`` was given.
This module is dialect and driver in one (PEP 249); import it before using the address.
"""

import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect

ADDRESS = "stockbook://"
# what SQLAlchemy reads of a driver. With another style it would double each percent sign
apilevel, threadsafety, paramstyle = "2.0", 1, "qmark"
# the names of a query's columns, and its rows
Answer = tuple[list[str], list[list[Any]]]
_answering: list[Callable[[str], Answer]] = []


class Error(Exception):
    """Why a query has no answer."""


def answer_by(answer: Callable[[str], Answer]) -> None:
    """Send all queries there; it raises Error for one that it cannot answer."""
    _answering[:] = [answer]


class Cursor:
    """One query and its rows, which come all at once."""

    arraysize = 1
    rowcount = -1
    description: list[tuple[str, None, None, None, None, None, None]] | None = None

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, statement: str, _parameters: object = None) -> None:
        """Ask. Raises Error."""
        columns, rows = _answering[0](statement)
        self.description = [(name, None, None, None, None, None, None) for name in columns]
        self._rows = [tuple(row) for row in rows]

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """So many of the rows that were not fetched."""
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All of them."""
        return self.fetchmany(len(self._rows))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next one."""
        return next(iter(self.fetchmany()), None)

    def close(self) -> None:
        """Nothing is open."""


class Connection:
    """Queries that have nothing to do with each other."""

    def cursor(self) -> Cursor:
        """For one query."""
        return Cursor()

    def commit(self) -> None:
        """Nothing is written."""

    rollback = close = commit


class Dialect(PGDialect):
    """PostgreSQL's, which does not ask its server who it is."""

    driver = "stockbook"
    supports_statement_cache = False

    @classmethod
    def import_dbapi(cls) -> Any:
        """The driver."""
        return sys.modules[__name__]

    def initialize(self, connection: Any) -> None:
        """There is nothing to learn."""

    def connect(self, *_: Any, **__: Any) -> Any:
        """A connection; the address says nothing but where."""
        return Connection()


registry.register("stockbook", __name__, "Dialect")
