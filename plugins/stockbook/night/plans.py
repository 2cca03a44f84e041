"""
What each account will be asked tonight, from what staging already has.

Orders: a rolling window of days of creation (final orders in it too, they can be restored or
returned) and, by id, every older order that is not final; fulfillments of FlickRocket alike. Movements:
everything above the highest committed id less an overlap (in ids and in hours, whichever reaches
lower), because a lower id may become visible after a higher one. A backfill's days are read besides, and so
are orders that webhooks named since the listing was last loaded: events are hints, the API is the truth.
"""

from datetime import date, datetime, timedelta

import duckdb
import msgspec

from stockbook.atomic_files import sealed, write_atomically
from stockbook.connections import Account
from stockbook.runs.context import RunContext, folder
from stockbook.settings import Settings
from stockbook.sla.statuses import read as read_statuses
from stockbook.sources.plan import AccountPlan

WINDOWED = {"fulfillment_cz": "orders", "flickrocket": "fulfillments"}
SHIPPED = 100


def write_plans(con: duckdb.DuckDBPyConnection, settings: Settings, run: RunContext, accounts: list[Account]) -> None:
    """Write ``plan-<conn_id>.json`` of every account into the run's folder."""
    final = [mapped.source_status for mapped in read_statuses(settings.policy_dir / "statuses.yml") if mapped.is_final]
    for account in accounts:
        account_plan = plan(con, settings, run, account, final)
        file = folder(settings, run.run_id) / f"plan-{account.conn_id}.json"
        write_atomically(file, sealed(msgspec.json.format(msgspec.json.encode(account_plan))))


def plan(
    con: duckdb.DuckDBPyConnection, settings: Settings, run: RunContext, account: Account, final: list[str]
) -> AccountPlan:
    """The plan of one account. ``final`` are the source status texts of orders that are not expected to change."""
    first = _orders_from(con, settings, run, account)
    named, events_to = _named_by_events(con, account)
    open_orders = [] if first is None else _open_orders(con, account.account, first, final)
    if first is not None and account.source == "fulfillment_cz":
        open_orders = sorted({*open_orders, *named})
    account_plan = AccountPlan(
        api=account.source,
        account=account.account,
        as_of=run.as_of,
        zone=run.zone,
        orders_from=first,
        orders_to=run.as_of.date(),
        full_refresh=run.full_refresh,
        open_order_ids=open_orders,
        movements_floor=_movements_floor(con, settings, run, account.account),
        backfill=(run.backfill_from, run.backfill_to) if run.backfill_from and run.backfill_to else None,
        takes_snapshot=run.observes,
        read_before=_read_before(con, account),
        events_to=events_to,
    )
    if account.source != "flickrocket" or account_plan.fulfillments_from is None:
        return account_plan
    open_ids, count = _fulfillments(con, account.account, account_plan.fulfillments_from, set(named))
    return msgspec.structs.replace(account_plan, open_fulfillment_ids=open_ids, fulfillments_before=count)


def _named_by_events(con: duckdb.DuckDBPyConnection, account: Account) -> tuple[list[str], int]:
    """The orders that events named since the listing was last loaded, and the number of the last of these events."""
    cursor = con.execute(
        "select ceiling from meta.cursor where account = ? and api = 'inbox' and listing = ?",
        [account.account, account.source],
    ).fetchall()
    events = con.execute(
        """
        select
            received_no,
            -- with an id no API of ours gives the whole question could be refused
            case when subject_kind = 'order' and regexp_full_match(subject_id, '[0-9A-Za-z-]{1,64}') then subject_id end
        from staging.webhook_events
        where account = $account and source = $source and received_no > $read_to
        """,
        {"account": account.account, "source": account.source, "read_to": (cursor[0][0] or 0) if cursor else 0},
    ).fetchall()
    named = {subject_id for _, subject_id in events if subject_id is not None}
    return sorted(named), max((number for number, _ in events), default=0)


def _fulfillments(
    con: duckdb.DuckDBPyConnection, account: str, before: datetime, named: set[str]
) -> tuple[list[str], int]:
    """
    The ids to ask for, and the number of all, among fulfillments placed before an instant (UTC).

    Asked for are those not shipped yet and those that events named. A named order that is not known has no
    fulfillment from before: it is in the window, or there is nothing to ship.
    """
    rows = con.execute(
        """
        select fulfillment_id, status
        from staging.flickrocket_fulfillments
        where account = $account and _deleted_at is null and created_at < $before
        order by fulfillment_id
        """,
        {"account": account, "before": before},
    ).fetchall()
    return [own for own, status in rows if status != SHIPPED or own in named], len(rows)


def _read_before(con: duckdb.DuckDBPyConnection, account: Account) -> list[str]:
    rows = con.execute(
        "select listing from meta.cursor where account = ? and api = ? order by listing",
        [account.account, account.source],
    ).fetchall()
    return [listing for (listing,) in rows]


def _orders_from(con: duckdb.DuckDBPyConnection, settings: Settings, run: RunContext, account: Account) -> date | None:
    """First day of the window; None (everything) for a first load and a full refresh."""
    cursor = con.execute(
        "select window_to from meta.cursor where account = ? and api = ? and listing = ?",
        [account.account, account.source, WINDOWED[account.source]],
    ).fetchall()
    if run.full_refresh or not cursor or cursor[0][0] is None:
        return None
    # nights that were missed widen the window: it reaches back to the last day read, and one day of overlap
    read_to: date = cursor[0][0]
    return min(run.as_of.date() - timedelta(days=settings.orders_window_days), read_to - timedelta(days=1))


def _open_orders(con: duckdb.DuckDBPyConnection, account: str, first: date, final: list[str]) -> list[str]:
    """
    Orders that are not final and that the window from ``first`` may be without.

    Those of its first day too: one whose time has an offset may be of the day before at its source. What the
    window gave is not asked for again.
    """
    rows = con.execute(
        """
        select order_id
        from staging.orders
        where
            account = $account
            and _deleted_at is null
            and cast(created_at as date) <= $first
            and not list_contains($final, source_status)
        order by order_id
        """,
        {"account": account, "first": first, "final": final},
    ).fetchall()
    return [order_id for (order_id,) in rows]


def _movements_floor(con: duckdb.DuckDBPyConnection, settings: Settings, run: RunContext, account: str) -> int:
    cursor = con.execute(
        "select ceiling, as_of from meta.cursor where account = ? and api = 'fulfillment_cz' and listing = 'movements'",
        [account],
    ).fetchall()
    if run.full_refresh or not cursor or cursor[0][0] is None:
        return 0
    ceiling, last = cursor[0]
    floors = [int(ceiling) - settings.movements_overlap]
    # hours count back from the latest load: nights that were missed must not shorten the overlap; and a row dated far
    # ahead by a slip must not lengthen it to the ledger's beginning
    lowest = con.execute(
        "select min(movement_id) from staging.movements where account = ? and created_at between ? and ?",
        [account, last - timedelta(hours=settings.movements_overlap_hours), last + timedelta(days=1)],
    ).fetchall()[0][0]
    if lowest is not None:
        floors.append(int(lowest) - 1)
    return max(0, min(floors))
