"""
Arrow tables that DuckDB reads in place.

DuckDB keeps a registered object until the transaction ends, as it does a dropped table. So a view is registered,
which frees the table as soon as it is released.
"""

from typing import Any

import duckdb


class ArrowView:
    """An Arrow table under a name of a connection, as a temporary view."""

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str, table: Any) -> None:
        """Register the table."""
        self._con = con
        self._name = name
        self._table: Any = table
        con.register(name, self)

    def __arrow_c_schema__(self) -> Any:
        """As Arrow's interface for Python has it; DuckDB calls it."""
        return self._table.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """As Arrow's interface for Python has it; DuckDB calls it for every query."""
        return self._table.__arrow_c_stream__(requested_schema)

    def release(self) -> None:
        """Take the name away and let the memory go."""
        self._table = None
        self._con.unregister(self._name)
