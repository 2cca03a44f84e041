"""
The tables of staging, generated from their declarations.

Tables that are merged have no PRIMARY KEY: merging into a keyed table was measured ten times
slower (docs/stack.md); uniqueness of the grain is checked every night instead.
"""

import duckdb

from stockbook.declarations import LAYERS, Table, of_layer
from stockbook.warehouse import casts
from stockbook.warehouse.content_marks import QUARANTINE
from stockbook.warehouse.meta import write_file_format
from stockbook.warehouse.migrations import FORMAT

ROW_COLUMNS = {
    "_run_id": ("varchar", "Run that wrote the row's present content."),
    "_loaded_at": ("timestamp", "When that was, in UTC."),
    "_first_seen_at": ("timestamp", "as_of of the run that first saw the key (local)."),
    "_last_seen_at": ("timestamp", "as_of of the latest run that saw the row (local)."),
    "_deleted_at": (
        "timestamp",
        "as_of of the complete listing that no longer had it; NULL while it is there (local).",
    ),
    "_row_hash": ("ubigint", "Hash of the declared columns: equal content, equal hash."),
}

HISTORY_COLUMNS = {
    "_version": ("integer", "Number of the version of this key, from 1."),
    "_valid_from": ("timestamp", "as_of at which this content was first seen (local)."),
    "_last_seen_at": ("timestamp", "as_of of the latest observation with this content (local)."),
    "_valid_to": (
        "timestamp",
        "as_of at which other content, or absence, was seen; NULL for the current version (local).",
    ),
    "_in_first_load": ("boolean", "Seen in the account's very first load."),
}

QUARANTINE_TEXT = (
    "Rows of staging that broke their declaration, with the reason; gone once they are right, or are read no more."
)
QUARANTINE_COLUMNS = {
    "account": ("varchar", "Account the row came from."),
    "table_name": ("varchar", "Table of staging that the row was for."),
    "row_key": ("varchar", "Key of the row, as far as it has one."),
    "reason": ("varchar", "How it breaks its declaration, without personal data."),
    "fields": ("json", "What could be read of it, without personal data; NULL of a row set aside whole."),
    "_run_id": ("varchar", "Run that set it aside last."),
    "_first_seen_at": ("timestamp", "as_of of the run that set it aside first (local)."),
    "parent_key": ("varchar", "Key of the row of the listing that it lies in, of rows of an array."),
}

# DuckDB's AT TIME ZONE takes the second pass of the repeated hour and shifts the skipped one silently
# (docs/stack.md); these take the first pass, the second pass, and NULL for a time that never was.
MACROS = (
    """
    create or replace macro staging.utc_of(local_ts, zone) as
    case
        when (local_ts at time zone zone) at time zone zone <> local_ts then null
        when ((local_ts at time zone zone) - interval 1 hour) at time zone zone = local_ts
            then ((local_ts at time zone zone) - interval 1 hour) at time zone 'UTC'
        else (local_ts at time zone zone) at time zone 'UTC'
    end
    """,
    """
    create or replace macro staging.utc_of_second(local_ts, zone) as
    case
        when (local_ts at time zone zone) at time zone zone <> local_ts then null
        else (local_ts at time zone zone) at time zone 'UTC'
    end
    """,
    *casts.MACROS,
)


def create_all(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """Create schemas, macros, and the tables of meta and staging with their histories; keeps what is there."""
    for schema in LAYERS:
        con.execute(f"create schema if not exists {schema}")
    for macro in MACROS:
        con.execute(macro)
    con.execute(_ddl(QUARANTINE, QUARANTINE_COLUMNS))
    have = _columns_of(con, ("meta", "staging"))
    for table in of_layer(tables, "meta"):
        if table.name not in have:
            con.execute(declared_ddl(table))
        add_missing_columns(con, table, have.get(table.name))
    write_file_format(con, FORMAT)
    for table in of_layer(tables, "staging"):
        if table.is_staged:
            if table.name not in have:
                con.execute(staging_ddl(table))
            add_missing_columns(con, table, have.get(table.name))
            if table.history:
                if f"{table.name}_history" not in have:
                    con.execute(history_ddl(table))
                _add_history_columns(con, table, have.get(f"{table.name}_history"))


def _ddl(name: str, columns: dict[str, tuple[str, str]]) -> str:
    return f"create table if not exists {name} ({', '.join(f'{key} {type_}' for key, (type_, _) in columns.items())})"


def declared_ddl(table: Table) -> str:
    """``create table if not exists`` of exactly the declared columns."""
    columns = ", ".join(f"{name} {column.type}" for name, column in table.columns.items())
    return f"create table if not exists {table.name} ({columns})"


def staging_ddl(table: Table) -> str:
    """``create table if not exists`` of a staging table: account, declared columns, bookkeeping."""
    columns = ["account varchar", *(f"{name} {column.type}" for name, column in table.columns.items())]
    columns += [f"{name} {type_}" for name, (type_, _) in ROW_COLUMNS.items()]
    return f"create table if not exists {table.name} ({', '.join(columns)})"


def _columns_of(con: duckdb.DuckDBPyConnection, schemas: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The columns every table of the schemas has and their types, by the table's qualified name."""
    have: dict[str, dict[str, str]] = {}
    # listed once: that takes longer than making most tables
    listed = (
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        "where list_contains(?, schema_name)"
    )
    for table, column, type_ in con.execute(listed, [list(schemas)]).fetchall():
        have.setdefault(table, {})[column] = type_
    return have


def add_missing_columns(con: duckdb.DuckDBPyConnection, table: Table, have: dict[str, str] | None) -> None:
    """
    A column declared since the table was made appears as NULL; the next observation of each row fills it. A number
    declared with more digits gets them.

    ``have`` are the columns it has with their types, None when it was only just made.
    """
    if have is None:
        return
    for name, column in table.columns.items():
        if name not in have:
            con.execute(f"alter table {table.name} add column {name} {column.type}")
        elif column.type.startswith("decimal") and _plain(have[name]) != _plain(column.type):
            con.execute(f"alter table {table.name} alter column {name} set data type {column.type}")


def _add_history_columns(con: duckdb.DuckDBPyConnection, table: Table, have: dict[str, str] | None) -> None:
    """
    A column tracked since the history was made: open versions take what the table has, so that nothing seems to change.

    ``have`` are the columns the history has, None when it was only just made.
    """
    missing = [name for name in history_columns(table) if have is not None and name not in have]
    for name in missing:
        con.execute(f"alter table {table.name}_history add column {name} {table.columns[name].type}")
    if missing:
        same = " and ".join(f"h.{key} = t.{key}" for key in dict.fromkeys(["account", *table.grain]))
        values = ", ".join(f"{name} = t.{name}" for name in missing)
        con.execute(
            f"update {table.name}_history as h set {values} from {table.name} as t where h._valid_to is null and {same}"
        )


def _plain(type_: str) -> str:
    return type_.lower().replace(" ", "")


def history_columns(table: Table) -> list[str]:
    """The columns that identify and describe a version: account, grain, tracked columns."""
    return list(dict.fromkeys(["account", *table.grain, *table.history]))


def history_ddl(table: Table) -> str:
    """``create table if not exists`` of a table's history."""
    types = {"account": "varchar"} | {name: column.type for name, column in table.columns.items()}
    columns = [f"{name} {types[name]}" for name in history_columns(table)]
    columns += [f"{name} {type_}" for name, (type_, _) in HISTORY_COLUMNS.items()]
    return f"create table if not exists {table.name}_history ({', '.join(columns)})"
