"""
Rows on their way into the writer's file, in chunks of exactly one row group.

DuckDB compresses a full row group once and leaves it alone. What is written in other chunks it merges and
compresses again, at once or at the checkpoint of a later night that deletes some of its rows.
"""

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.warehouse.arrow_view import ArrowView
from stockbook.warehouse.connect import ROW_GROUP

# two row groups at a time, as an insert writes them side by side
READY = 2 * ROW_GROUP


def append(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Add rows by the names of their columns, each chunk of them as a row group of its own."""
    with ArrowView(con, "appended_rows", rows):
        con.execute(f"insert into {name} by name select * from appended_rows")


class RowGroups:
    """Rows by table, held back until they fill row groups; ``finish`` writes what is left."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._waiting: dict[str, list[pa.Table]] = {}

    def add(self, name: str, rows: pa.Table) -> None:
        """Take rows for a table, in their declared columns; write those that fill row groups."""
        waiting = self._waiting.setdefault(name, [])
        waiting.append(rows)
        count = sum(table.num_rows for table in waiting)
        if count >= READY:
            full = count - count % ROW_GROUP
            together = pa.concat_tables(waiting)
            # copied, or the few rows that stay would hold on to all others
            self._waiting[name] = [together.slice(full).take(np.arange(count - full))]
            del waiting, rows
            self._write(name, together.slice(0, full))

    def finish(self) -> None:
        """Write what is left of every table."""
        for name in list(self._waiting):
            self._write(name, pa.concat_tables(self._waiting.pop(name)))

    def _write(self, name: str, rows: pa.Table) -> None:
        row_groups = [rows.slice(at, ROW_GROUP).combine_chunks() for at in range(0, rows.num_rows, ROW_GROUP)]
        if row_groups:
            append(self._con, name, pa.concat_tables(row_groups))
