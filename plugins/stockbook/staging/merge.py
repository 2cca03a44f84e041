"""
Typed rows into a staging table: new, changed, unchanged, gone.

Everything here is written as of the run's ``observed_at`` and undoes what an earlier attempt at
the same ``observed_at`` wrote, so that repeating a night changes nothing.
"""

from datetime import datetime
from typing import NamedTuple

import duckdb

from stockbook.declarations import Table
from stockbook.landing.landed_shape import parent_of
from stockbook.sql_text import quoted


class Counts(NamedTuple):
    """
    What a load did to one table, in rows.

    Of those ``received``, ``repeated`` came again later and ``waiting`` lie in a row that is in quarantine.
    """

    new: int
    changed: int
    unchanged: int
    gone: int
    quarantined: int
    received: int = 0
    repeated: int = 0
    waiting: int = 0


class Stamp(NamedTuple):
    """Who writes, and as of when: ``observed_at`` local, ``loaded_at`` UTC (both naive)."""

    run_id: str
    observed_at: datetime
    loaded_at: datetime


def merge(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    account: str,
    stamp: Stamp,
    gone_scope: str | None,
    spared: str | None = None,
    *,
    in_place: bool = False,
    looked_at: str = "false",
) -> Counts:
    """
    Merge the relations ``accepted`` and ``refused`` into the table; what became of each key is ``merged``.

    ``gone_scope`` is a condition on the table (alias ``t``): live rows in it that did not come are
    marked deleted, but those of which the condition ``spared`` holds. None: absence means nothing. A refused row is no
    absence: what was known stays.
    ``looked_at`` is a condition on ``staging.quarantine``: what of it is not refused again is none any more.
    ``in_place`` leaves ``merged`` as a view instead of a temporary table; ``accepted`` must then stay while it is used.
    """
    keys = ["account", *[name for name in table.grain if name != "account"]]
    began_empty = not has_rows(con, table.name, account)
    _make_merged(con, table, keys, account, stamp, began_empty, in_place)
    count = (
        {"new": count_of(con, "select count(*) from merged")}
        if began_empty
        else dict(con.execute("select _change, count(*) from merged group by _change").fetchall())
    )
    if "changed" in count:
        con.execute(
            f"delete from {table.name} as t using merged as m "
            f"where m._change = 'changed' and {same_keys(keys, 't', 'm')}"
        )
    if "unchanged" in count:
        # equal content: only what tells when it was seen moves on
        seen = ["_last_seen_at", *(name for name, column in table.columns.items() if column.observed)]
        con.execute(
            f"update {table.name} as t set {', '.join(f'{name} = m.{name}' for name in seen)} "
            f"from merged as m where m._change = 'unchanged' and {same_keys(keys, 't', 'm')}"
        )
    if count.keys() - {"unchanged"}:
        columns = ", ".join(
            [
                "account",
                *table.columns,
                "_run_id",
                "_loaded_at",
                "_first_seen_at",
                "_last_seen_at",
                "_deleted_at",
                "_row_hash",
            ]
        )
        con.execute(f"insert into {table.name} ({columns}) select {columns} from merged where _change <> 'unchanged'")
    gone = _find_gone(con, table, keys, account, stamp, None if began_empty else gone_scope, spared)
    refused = count_of(con, "select count(*) from refused")
    if gone:
        con.execute(
            f"update {table.name} as t set _deleted_at = $observed_at from gone as g where {same_keys(keys, 'g', 't')}",
            {"observed_at": stamp.observed_at},
        )
    if con.execute(f"select 1 from staging.quarantine where {_of_table(table, account)} limit 1").fetchall():
        _take_out_of_quarantine(con, table, keys, account, looked_at)
    if refused:
        _quarantine(con, table, stamp)
    return Counts(count.get("new", 0), count.get("changed", 0), count.get("unchanged", 0), gone, refused)


def has_rows(con: duckdb.DuckDBPyConnection, relation: str, account: str) -> bool:
    """Whether a table has a row of an account."""
    return bool(con.execute(f"select 1 from {relation} where account = {quoted(account)} limit 1").fetchall())


def same_keys(keys: list[str], left: str, right: str) -> str:
    """The condition that two rows have the same keys."""
    return " and ".join(f"{left}.{key} = {right}.{key}" for key in keys)


def _make_merged(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    keys: list[str],
    account: str,
    stamp: Stamp,
    began_empty: bool,
    in_place: bool,
) -> None:
    observed_at, loaded_at = (f"timestamp {quoted(at.isoformat())}" for at in (stamp.observed_at, stamp.loaded_at))
    run_id = quoted(stamp.run_id)
    if began_empty:
        rows = f"""
            select
                i.*,
                'new' as _change,
                {run_id} as _run_id,
                {loaded_at} as _loaded_at,
                {observed_at} as _first_seen_at,
                {observed_at} as _last_seen_at,
                cast(null as timestamp) as _deleted_at
            from accepted as i
        """
    else:
        is_unchanged = "s._row_hash = i._row_hash and s._deleted_at is null"
        rows = f"""
            select
                i.*,
                case
                    when s.account is null then 'new'
                    when {is_unchanged} then 'unchanged'
                    else 'changed'
                end as _change,
                case when {is_unchanged} then s._run_id else {run_id} end as _run_id,
                case when {is_unchanged} then s._loaded_at else {loaded_at} end as _loaded_at,
                coalesce(s._first_seen_at, {observed_at}) as _first_seen_at,
                greatest({observed_at}, s._last_seen_at) as _last_seen_at,
                cast(null as timestamp) as _deleted_at
            from accepted as i
            left join {table.name} as s on {same_keys(keys, "s", "i")} and s.account = {quoted(account)}
        """
    if not in_place:
        con.execute(f"create or replace temp table merged as {rows}")
        return
    # of an account that has nothing yet, every row is new: no copy of them is made
    if not began_empty:
        con.execute(f"create or replace temp table merged_rows as {rows}")
        rows = "select * from merged_rows"
    con.execute(f"create or replace temp view merged as {rows}")


def live_in(table: Table, account: str, stamp: Stamp, gone_scope: str, spared: str | None) -> str:
    """A select of the keys of an account's rows in ``gone_scope`` that were there before this observation."""
    keys = ["account", *[name for name in table.grain if name != "account"]]
    return f"""
        select {", ".join(f"t.{key}" for key in keys)}
        from {table.name} as t
        where
            t.account = {quoted(account)}
            and (t._deleted_at is null or t._deleted_at = timestamp {quoted(stamp.observed_at.isoformat())})
            and {gone_scope}
            and not {spared or "false"}
    """


def _find_gone(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    keys: list[str],
    account: str,
    stamp: Stamp,
    gone_scope: str | None,
    spared: str | None,
) -> int:
    """Make the temporary table ``gone`` of the keys that are; how many."""
    if gone_scope is None:
        con.execute(f"create or replace temp table gone as select {', '.join(keys)} from {table.name} limit 0")
        return 0
    typed_keys = [key for key in keys if key != "account"]
    nameless = " and ".join(f"(r.{key} is null or r.{key} = t.{key})" for key in typed_keys)
    some_null = " or ".join(f"{key} is null" for key in typed_keys)
    if (parent := parent_of(table)) is not None:
        # of a list that has a broken part the places of the others may be others
        gone_scope += f" and not exists (select 1 from refused as r where r.parent_key = cast(t.{parent} as varchar))"
    live = live_in(table, account, stamp, gone_scope, spared)
    # the answer of a table that is made is how many rows it has
    query = f"""
        create or replace temp table gone as
        select {", ".join(f"t.{key}" for key in keys)}
        from ({live}) as t
        where
            not exists (select 1 from merged as m where {same_keys(keys, "m", "t")})
            and not exists (select 1 from refused as r where {same_keys(typed_keys, "r", "t")})
            -- one of which not all of the key could be read may be any of those that it can be
            and not exists (select 1 from (select * from refused where {some_null}) as r where {nameless})
    """
    return count_of(con, query)


def _of_table(table: Table, account: str) -> str:
    return f"account = {quoted(account)} and table_name = {quoted(table.table)}"


def _take_out_of_quarantine(
    con: duckdb.DuckDBPyConnection, table: Table, keys: list[str], account: str, looked_at: str
) -> None:
    key_text = f"concat_ws('/', {', '.join(f'cast({key} as varchar)' for key in keys if key != 'account')})"
    healed = f"{looked_at} or row_key in (select {key_text} from merged) or row_key in (select row_key from refused)"
    con.execute(f"delete from staging.quarantine where {_of_table(table, account)} and ({healed})")


def _quarantine(con: duckdb.DuckDBPyConnection, table: Table, stamp: Stamp) -> None:
    con.execute(
        """
        insert into staging.quarantine
            (account, table_name, row_key, reason, fields, _run_id, _first_seen_at, parent_key)
        select account, $table_name, row_key, reason, fields, $run_id, $observed_at, parent_key from refused
        """,
        {"table_name": table.table, "run_id": stamp.run_id, "observed_at": stamp.observed_at},
    )


def count_of(con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object] | None = None) -> int:
    """The number that a query gives."""
    return int(con.execute(query, parameters).fetchall()[0][0])
