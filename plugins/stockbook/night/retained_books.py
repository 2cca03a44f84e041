"""
Rows of the writer's file that are older than ``retention.yml`` keeps them: how many there are, and gone.

How old a row is, is told by the books' own now, the as_of of their last run: books that no night wrote for a year lose
nothing by the clock. Valuation reads of the nights' counts the first of each account alone, and that stays.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

import duckdb

from stockbook.declarations import Table
from stockbook.retention_policy import Retention, months_before
from stockbook.warehouse import content_marks
from stockbook.warehouse.transaction import transaction

STOCK_LEVELS, QUARANTINE = "staging.stock_levels", content_marks.QUARANTINE
_BY_RUN = ("meta.check_result", "meta.listing", "meta.loaded_rows")
_OLD_RUN = (
    "r.run_id in (select run_id from meta.run where started_at < $border) "
    "and r.run_id not in (select run_id from meta.current_run)"
)
# the latest counts of a listing say what came last, however long ago
_NOT_LATEST = "(r.run_id, r.api, r.listing) not in (select (run_id, api, listing) from meta.cursor)"
_OLD = {
    "meta.check_result": _OLD_RUN,
    "meta.listing": f"{_OLD_RUN} and {_NOT_LATEST}",
    "meta.loaded_rows": f"{_OLD_RUN} and {_NOT_LATEST}",
    QUARANTINE: "r._first_seen_at < $border",
    # the first count opens the ledger; of each month the last night stays
    STOCK_LEVELS: f"""
        r.snapshot_date < cast($border as date)
        and not exists (
            select 1
            from (
                select account, min(snapshot_date) as snapshot_date
                from {STOCK_LEVELS}
                where _deleted_at is null
                group by account
                union all
                select account, max(snapshot_date)
                from {STOCK_LEVELS}
                where _deleted_at is null
                group by account, date_trunc('month', snapshot_date)
            ) as k
            where k.account = r.account and k.snapshot_date = r.snapshot_date
        )
    """,
}
_TIMED = {
    "meta.check_result": "r.checked_at",
    "meta.listing": "(select started_at from meta.run as m where m.run_id = r.run_id)",
    "meta.loaded_rows": "(select started_at from meta.run as m where m.run_id = r.run_id)",
    QUARANTINE: "r._first_seen_at",
    STOCK_LEVELS: "r.snapshot_date",
}


class OldRows(NamedTuple):
    """Rows of one table that are older than ``border``: how many, the oldest and the newest day."""

    table: str
    border: date
    rows: int
    oldest: date | None
    newest: date | None


def borders(policy: Retention, as_of: datetime) -> dict[str, date]:
    """Before which day rows of each table go, of what does not stay for ever."""
    before: dict[str, date] = {}
    if policy.runs_days is not None:
        before |= dict.fromkeys(_BY_RUN, as_of.date() - timedelta(days=policy.runs_days))
    if policy.quarantine_months is not None:
        before[QUARANTINE] = months_before(as_of.date(), policy.quarantine_months)
    if policy.stock_levels_daily_months is not None:
        # whole months are thinned: behind the last night of a month the next one stands
        before[STOCK_LEVELS] = months_before(as_of.date(), policy.stock_levels_daily_months)
    return before


def now_of(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """The as_of of the books; None of books without one."""
    there = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'meta' and table_name = 'current_run'"
    ).fetchall()
    row = con.execute("select as_of from meta.current_run").fetchone() if there[0][0] else None
    return row[0] if row else None


def old_rows(con: duckdb.DuckDBPyConnection, policy: Retention) -> list[OldRows]:
    """The tables that have rows to go."""
    as_of = now_of(con)
    if as_of is None:
        return []
    old_tables = []
    for table, border in borders(policy, as_of).items():
        query = (
            f"select count(*), cast(min({_TIMED[table]}) as date), cast(max({_TIMED[table]}) as date) "
            f"from {table} as r where {_OLD[table]}"
        )
        rows, oldest, newest = con.execute(query, {"border": border}).fetchall()[0]
        if rows:
            old_tables.append(OldRows(table, border, rows, oldest, newest))
    return old_tables


def drop(con: duckdb.DuckDBPyConnection, policy: Retention, tables: dict[str, Table], name: str) -> list[OldRows]:
    """Delete them, all in one transaction; what was built of changed tables is built anew by the next night."""
    with transaction(con):
        old_tables = old_rows(con, policy)
        for old in old_tables:
            con.execute(f"delete from {old.table} as r where {_OLD[old.table]}", {"border": old.border})
        changed = [old.table for old in old_tables if not old.table.startswith("meta.")]
        if changed:
            content_marks.renew(con, name, tables, changed)
    return old_tables
