"""What readers see beside every table and column: comments of the file, written from the declarations."""

from collections.abc import Iterator, Mapping
from itertools import chain

import duckdb

from stockbook.declarations import Table
from stockbook.sql_text import quoted
from stockbook.warehouse.content_marks import QUARANTINE
from stockbook.warehouse.schema import HISTORY_COLUMNS, QUARANTINE_COLUMNS, QUARANTINE_TEXT, ROW_COLUMNS

ACCOUNT = "Fulfillment account the row came from; one connection each."
# kind, qualified name and comment of everything that may have one
_WRITTEN = """
select 'table', schema_name || '.' || table_name, comment
from duckdb_tables()
where database_name = current_database()
union all
select 'view', schema_name || '.' || view_name, comment
from duckdb_views()
where database_name = current_database()
union all
select 'macro table', schema_name || '.' || function_name, comment
from duckdb_functions()
where database_name = current_database() and function_type = 'table_macro'
union all
select 'column', schema_name || '.' || table_name || '.' || column_name, comment
from duckdb_columns()
where database_name = current_database()
"""


def write_comments(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> None:
    """Comment every table, view, macro and column from its declaration, where that is not its comment already."""
    written = {(kind, name): comment for kind, name, comment in con.execute(_WRITTEN).fetchall()}
    statements = [
        f"comment on {kind} {name} is {quoted(text)}"
        for kind, name, text in chain(_of_quarantine(), *map(_comments, tables.values()))
        # a history has some of these columns
        if written.get((kind, name), text) != text
    ]
    # in one call: more than two thousand statements one by one take twice the time
    con.execute(";".join(statements))


def _comments(table: Table) -> Iterator[tuple[str, str, str]]:
    """Kind, name and comment of a table, its columns and its history."""
    if table.kind == "macro":
        yield "macro table", table.name, _with_grain(table)
        return
    yield "view" if table.kind == "view" else "table", table.name, _with_grain(table)
    texts = column_texts(table)
    for column, text in texts.items():
        yield "column", f"{table.name}.{column}", text
    if table.history:
        yield "table", f"{table.name}_history", f"Versions of {table.name}: {table.description}"
        for column, text in (texts | {name: text for name, (_, text) in HISTORY_COLUMNS.items()}).items():
            yield "column", f"{table.name}_history.{column}", text


def _of_quarantine() -> Iterator[tuple[str, str, str]]:
    yield "table", QUARANTINE, QUARANTINE_TEXT
    yield from (("column", f"{QUARANTINE}.{name}", text) for name, (_, text) in QUARANTINE_COLUMNS.items())


def _with_grain(table: Table) -> str:
    grain = f" One row per {' × '.join(table.grain)}." if table.grain else ""
    return table.description.strip() + grain


def column_texts(table: Table) -> dict[str, str]:
    """Description of each column as readers see it, with its unit."""
    texts = {}
    if table.is_staged or ("account" in table.grain and "account" not in table.columns):
        texts["account"] = ACCOUNT
    texts |= {
        name: column.description + (f" Unit: {column.unit}." if column.unit else "")
        for name, column in table.columns.items()
    }
    if table.is_staged:
        texts |= {name: text for name, (_, text) in ROW_COLUMNS.items()}
    return texts
