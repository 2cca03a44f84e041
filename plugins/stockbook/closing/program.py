"""The program ``closes``: the tables of signed months, made of the landed closes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from stockbook.closing.landed import Close, lines_file, read_all
from stockbook.declarations import Table
from stockbook.models.build import replace_table
from stockbook.models.programs import BuildContext
from stockbook.sql_text import file_pattern, quoted

CLOSES = "marts.fct_period_close"
LINES = "marts.fct_period_close_line"


def write_closes(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Bring both tables to what is landed; they stand where they are that already, unless all is built anew."""
    closes = read_all(context.closes) if context.closes is not None else []
    if context.full_refresh or not _stand(con, context.tables, closes):
        replace(con, context.tables, closes, context.closes or Path())


def replace(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], closes: Sequence[Close], folder: Path) -> None:
    """Write both tables of the landed closes in ``folder``."""
    replace_table(con, tables[CLOSES], _empty(tables[CLOSES]))
    for row in rows_of(closes):
        con.execute(f"insert into {CLOSES} by name select {', '.join(f'? as {name}' for name in row)}", [*row.values()])
    files = ", ".join(quoted(file_pattern(lines_file(folder, close))) for close in closes)
    lines = f"select * from read_parquet([{files}], union_by_name := true)" if files else _empty(tables[LINES])
    replace_table(con, tables[LINES], lines)


def rows_of(closes: Sequence[Close]) -> list[dict[str, Any]]:
    """The rows of fct_period_close; the last close of a month is in force."""
    last = {(close.account, close.month): close.sequence for close in closes}
    return [
        {"close_id": close.close_id}
        | {name: getattr(close, name) for name in close.__struct_fields__}
        | {"superseded_by": None if is_last else close.sequence + 1, "is_in_force": is_last}
        for close in closes
        for is_last in [last[close.account, close.month] == close.sequence]
    ]


def _stand(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], closes: Sequence[Close]) -> bool:
    there = con.execute(
        "select schema_name || '.' || table_name as name, list(column_name order by column_index) "
        f"from duckdb_columns() where name in ('{CLOSES}', '{LINES}') and database_name = current_database() "
        "group by name"
    ).fetchall()
    if dict(there) != {name: list(tables[name].columns) for name in (CLOSES, LINES)}:
        return False
    signed = con.execute(f"select close_id, digest, line_count from {CLOSES} order by all").fetchall()
    counted = con.execute(f"select close_id, count(*) from {LINES} group by close_id").fetchall()
    return signed == sorted((close.close_id, close.digest, close.line_count) for close in closes) and dict(counted) == {
        close.close_id: close.line_count for close in closes if close.line_count
    }


def _empty(table: Table) -> str:
    columns = ", ".join(f"cast(null as {column.type}) as {name}" for name, column in table.columns.items())
    return f"select {columns} where false"
