"""
What a person should know of a load, in sentences for the run report.

A ledger row that changed or disappeared, a listing that lost most of its rows, an unmapped status, quarantined rows:
none of it stops a night, and all of it is reported. Sentences name keys, columns and statuses, no other value.
"""

from datetime import timedelta

import duckdb

from stockbook.declarations import Table, of_layer
from stockbook.runs.context import RunContext
from stockbook.sla.statuses import MappedStatus

_SHOWN = 5
# fewer come and go on any day
_MANY_ROWS = 20
_REMEMBERED = timedelta(days=7)


def of_load(
    con: duckdb.DuckDBPyConnection, run: RunContext, tables: dict[str, Table], statuses: list[MappedStatus]
) -> list[str]:
    """The findings of the load of a run, each a sentence that begins with ``warning:``."""
    sentences = []
    for table in of_layer(tables, "staging"):
        if table.kind == "ledger":
            sentences += _changed(con, run, table)
            sentences += _gone(con, run, table)
            sentences += _reappeared(con, run, table)
    sentences += _shrunk(con, run)
    sentences += _unmapped(con, [mapped.source_status for mapped in statuses])
    sentences += _quarantined(con, run)
    sentences += _mended(con, run)
    return [f"warning: {text}" for text in sentences]


def _changed(con: duckdb.DuckDBPyConnection, run: RunContext, table: Table) -> list[str]:
    return [
        f"{len(keys):,} rows of the ledger {table.table} (account {account}) have other content than before, "
        f"{_listed(table, keys)}; their earlier versions are in {table.name}_history."
        for account, keys in _by_account(_versioned(con, run, table, "=")).items()
    ]


def _reappeared(con: duckdb.DuckDBPyConnection, run: RunContext, table: Table) -> list[str]:
    return [
        f"{len(keys):,} rows of the ledger {table.table} (account {account}) that were gone are there again, "
        f"{_listed(table, keys)}; their earlier versions are in {table.name}_history."
        for account, keys in _by_account(_versioned(con, run, table, "<")).items()
    ]


def _versioned(con: duckdb.DuckDBPyConnection, run: RunContext, table: Table, ended: str) -> list[tuple[str, int]]:
    """Rows with a version that begins now, whose version before ended now (``=``) or earlier (``<``)."""
    key = _key(table)
    return con.execute(
        f"select account, {key} from {table.name}_history as later "
        f"join {table.name}_history as earlier using (account, {key}) "
        "where later._valid_from = $as_of and earlier._version = later._version - 1 "
        f"and earlier._valid_to {ended} $as_of order by all",
        {"as_of": run.as_of},
    ).fetchall()


def _gone(con: duckdb.DuckDBPyConnection, run: RunContext, table: Table) -> list[str]:
    rows = con.execute(
        f"select account, {_key(table)} from {table.name} where _deleted_at = ? order by all", [run.as_of]
    ).fetchall()
    return [
        f"{len(keys):,} rows of the ledger {table.table} (account {account}) are gone from the source, "
        f"{_listed(table, keys)}; a ledger only grows: ask the warehouse."
        for account, keys in _by_account(rows).items()
    ]


def _shrunk(con: duckdb.DuckDBPyConnection, run: RunContext) -> list[str]:
    """A listing whose own total says so is complete, be it empty: whether that is true only its source knows."""
    rows = con.execute(
        """
        select n.account, n.api, n.listing, n.rows_received, n.rows_gone, max(before.rows_received)
        from meta.listing as n
        left join (
            select l.*
            from meta.listing as l
            inner join meta.run as r on l.run_id = r.run_id
            where r.run_id <> $run_id and r.as_of between $since and $as_of
        ) as before using (account, api, listing)
        where n.run_id = $run_id
        group by all
        having
            (n.rows_gone >= $many and n.rows_gone > any_value(n.rows_loaded))
            or (n.rows_received = 0 and max(before.rows_received) >= $many)
        order by all
        """,
        {"run_id": run.run_id, "as_of": run.as_of, "since": run.as_of - _REMEMBERED, "many": _MANY_ROWS},
    ).fetchall()
    return [
        f"{api}.{listing} (account {account}) has {received:,} rows"
        + ("" if before is None else f", and had up to {before:,} in the seven days before")
        + f"; {gone:,} are gone from the books with it. Ask the source whether that is so."
        for account, api, listing, received, gone, before in rows
    ]


def _unmapped(con: duckdb.DuckDBPyConnection, mapped: list[str]) -> list[str]:
    rows = con.execute(
        "select account, source_status, count(*) from staging.orders "
        "where _deleted_at is null and not list_contains($mapped, source_status) group by all order by all",
        {"mapped": mapped},
    ).fetchall()
    return [
        f"status {status!r} of {orders:,} orders (account {account}) stands in no line of statuses.yml: "
        "they count as unmapped until it does."
        for account, status, orders in rows
    ]


def _quarantined(con: duckdb.DuckDBPyConnection, run: RunContext) -> list[str]:
    rows = con.execute(
        "select table_name, account, reason, count(*) from staging.quarantine where _run_id = ? group by all "
        "order by all",
        [run.run_id],
    ).fetchall()
    return [
        f"{count:,} rows of {table} (account {account}) are in quarantine: {reason}."
        for table, account, reason, count in rows
    ]


def _mended(con: duckdb.DuckDBPyConnection, run: RunContext) -> list[str]:
    rows = con.execute(
        "select account, api, listing, characters_mended from meta.listing where run_id = ? and characters_mended > 0 "
        "order by all",
        [run.run_id],
    ).fetchall()
    return [
        f"{count:,} characters of {api}.{listing} (account {account}) are no text; U+FFFD stands in their place."
        for account, api, listing, count in rows
    ]


def _key(table: Table) -> str:
    return next(name for name in table.grain if name != "account")


def _by_account(rows: list[tuple[str, int]]) -> dict[str, list[int]]:
    keys: dict[str, list[int]] = {}
    for account, key in rows:
        keys.setdefault(account, []).append(key)
    return keys


def _listed(table: Table, keys: list[int]) -> str:
    more = f" and {len(keys) - _SHOWN:,} more" if len(keys) > _SHOWN else ""
    return f"{_key(table)} {', '.join(str(key) for key in keys[:_SHOWN])}{more}"
