"""
Arrow tables that DuckDB reads in place, by a name that is registered for as long as it is needed.

DuckDB holds on to what was registered until the transaction ends, as it does to a dropped table. So it gets a holder,
which lets go of the table when the view is released.
"""

from contextlib import suppress
from typing import Any, Self

import duckdb


class ArrowView:
    """An Arrow table under a name of a connection, as a temporary view: until ``release``, or the end of a ``with``."""

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str, table: Any) -> None:
        """Register the table."""
        self._con = con
        self._name = name
        self._table: Any = table
        con.register(name, self)

    def __enter__(self) -> Self:
        """The view itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the table."""
        self.release()

    def __arrow_c_schema__(self) -> Any:
        """As Arrow's interface for Python has it; DuckDB calls it."""
        return self._table.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """As Arrow's interface for Python has it; DuckDB calls it for every query."""
        return self._table.__arrow_c_stream__(requested_schema)

    def release(self) -> None:
        """Take the name away and let the memory go."""
        self._table = None
        # DuckDB 2 takes nothing in a transaction that failed: its rollback takes the name away
        with suppress(duckdb.TransactionException):
            self._con.unregister(self._name)
