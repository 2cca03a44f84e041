"""
The history of a staging table: a version for every content that its rows had.

As in ``merge``, what an earlier attempt at the same ``observed_at`` wrote is undone first.
"""

import duckdb

from stockbook.declarations import Table
from stockbook.staging.merge import Stamp, has_rows, same_keys
from stockbook.warehouse.schema import history_columns


def keep_history(
    con: duckdb.DuckDBPyConnection, table: Table, account: str, stamp: Stamp, gone: int, first_load: bool
) -> None:
    """
    Write the versions of the keys in ``merged`` and close those of the ``gone`` keys in ``gone`` (both by ``merge``).

    A key whose tracked columns are as before only moves its ``_last_seen_at``.
    """
    history = f"{table.name}_history"
    keys = ["account", *[name for name in table.grain if name != "account"]]
    parameters: dict[str, object] = {"account": account, "observed_at": stamp.observed_at}
    columns = history_columns(table)
    if has_rows(con, history, account):
        _undo(con, history, keys, parameters)
        _close(con, history, keys, [name for name in columns if name not in keys], gone, parameters)
        versions = _next_versions(history, keys, columns)
    else:
        versions = f"""
            select {", ".join(columns)}, 1, $observed_at, $observed_at, null, $first_load
            from merged
        """
    con.execute(
        f"""
        insert into {history} ({", ".join(columns)}, _version, _valid_from, _last_seen_at, _valid_to, _in_first_load)
        {versions}
        """,
        {"observed_at": stamp.observed_at, "first_load": first_load},
    )


def _close(
    con: duckdb.DuckDBPyConnection,
    history: str,
    keys: list[str],
    tracked: list[str],
    gone: int,
    parameters: dict[str, object],
) -> None:
    """Close the open versions whose content changed or whose row is gone; the others were seen once more."""
    differs = " or ".join(f"h.{name} is distinct from m.{name}" for name in tracked) or "false"
    con.execute(
        f"""
        update {history} as h
        set
            _valid_to = case when {differs} then $observed_at end,
            _last_seen_at = case when {differs} then h._last_seen_at else $observed_at end
        from merged as m
        where h._valid_to is null and h.account = $account and {same_keys(keys, "h", "m")}
        """,
        parameters,
    )
    if gone:
        con.execute(
            f"""
            update {history} as h
            set _valid_to = $observed_at
            from gone as g
            where h._valid_to is null and h.account = $account and {same_keys(keys, "h", "g")}
            """,
            parameters,
        )


def _next_versions(history: str, keys: list[str], columns: list[str]) -> str:
    """The query for the versions of keys in ``merged`` that have no open one."""
    of_history = ", ".join(f"h.{key}" for key in keys)
    return f"""
        with

        latest as (
            select {of_history}, max(_version) as _version, bool_or(_valid_to is null) as _is_open
            from {history} as h
            semi join merged as m on {same_keys(keys, "h", "m")}
            group by {of_history}
        )

        select
            {", ".join(f"m.{name}" for name in columns)},
            coalesce(l._version, 0) + 1,
            $observed_at,
            $observed_at,
            null,
            $first_load
        from merged as m
        left join latest as l on {same_keys(keys, "l", "m")}
        where l._is_open is not true
    """


def _undo(con: duckdb.DuckDBPyConnection, history: str, keys: list[str], parameters: dict[str, object]) -> None:
    touched = "h.account = $account and {edge} = $observed_at"
    rows = f"(select count(*) from {history} as h where {touched})"
    again, closed = con.execute(
        f"select {rows.format(edge='_valid_from')}, {rows.format(edge='_valid_to')}", parameters
    ).fetchall()[0]
    if again:
        con.execute(
            f"delete from {history} as h using merged as m "
            f"where {touched.format(edge='h._valid_from')} and {same_keys(keys, 'h', 'm')}",
            parameters,
        )
    if closed:
        con.execute(
            f"update {history} as h set _valid_to = null from merged as m "
            f"where {touched.format(edge='h._valid_to')} and {same_keys(keys, 'h', 'm')}",
            parameters,
        )
