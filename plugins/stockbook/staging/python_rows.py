"""Rows made in Python into a declared staging table: typed by its declaration, merged like rows that landed."""

import json
import re
from collections.abc import Sequence
from typing import Any

import duckdb
import msgspec

from stockbook.declarations import Table
from stockbook.staging.merge import Counts, Stamp, merge

_LIST = re.compile(r"(.+)\[\]")


def make_table(con: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], rows: Sequence[Any]) -> None:
    """
    Make the temporary table ``name`` with these columns (name: DuckDB type) from structs or dicts.

    A value of a JSON column is its text. Rows go over as one JSON text: binding them one by one takes
    a hundred times longer.
    """
    structure = {column: _shape(type_) for column, type_ in columns.items()}
    columns_cast = ", ".join(f"cast(r.{column} as {type_}) as {column}" for column, type_ in columns.items())
    con.execute(
        f"""
        create or replace temp table {name} as
        select {columns_cast}
        from (select unnest(from_json(cast($rows as json), $structure)) as r)
        """,
        {"rows": msgspec.json.encode(rows).decode(), "structure": json.dumps([structure])},
    )


def _shape(type_: str) -> str | list[str]:
    if (inner := _LIST.fullmatch(type_)) is not None:
        return [inner[1]]
    return "varchar" if type_ == "json" else type_


def merge_rows(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    account: str,
    rows: Sequence[Any],
    stamp: Stamp,
    gone_scope: str | None = None,
    refused: Sequence[Any] = (),
    looked_at: str = "false",
) -> Counts:
    """
    Merge rows of one account (structs with the table's columns) into a drained table.

    ``refused`` are structs with ``row_key``, ``reason``, ``parent_key`` and the columns of the grain; ``gone_scope``
    and ``looked_at`` as in ``merge``.
    """
    columns = {name: column.type for name, column in table.columns.items()}
    make_table(con, "python_rows", columns, rows)
    hashed = ", ".join(columns)
    con.execute(
        f"create or replace temp table accepted as "
        f"select cast($account as varchar) as account, *, hash({hashed}) as _row_hash from python_rows",
        {"account": account},
    )
    keys = {name: columns[name] for name in table.grain if name != "account"}
    texts = {"row_key": "varchar", "reason": "varchar", "parent_key": "varchar"}
    make_table(con, "python_refused", texts | keys, refused)
    con.execute(
        f"create or replace temp table refused as select cast($account as varchar) as account, row_key, reason, "
        f"cast(null as json) as fields, parent_key, {', '.join(keys)} from python_refused",
        {"account": account},
    )
    try:
        return merge(con, table, account, stamp, gone_scope, looked_at=looked_at)
    finally:
        for name in ("python_rows", "python_refused", "accepted", "refused", "merged", "gone"):
            con.execute(f"drop table if exists {name}")
