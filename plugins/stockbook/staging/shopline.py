"""SHOPLINE's events of a drain into the tables of its fulfillment orders: each order that was named is folded anew."""

from collections.abc import Collection, Iterable

import duckdb
import msgspec

from stockbook.declarations import Table
from stockbook.staging import shopline_fold
from stockbook.staging.load_log import add_rows, drained
from stockbook.staging.merge import Stamp
from stockbook.staging.python_rows import make_table, merge_rows
from stockbook.staging.shopline_parcels import fold_numbers, fold_parcel, parcel_id
from stockbook.staging.shopline_records import Folded, StagedEvent
from stockbook.staging.shopline_values import word_of

SOURCE = "shopline"
FULFILLMENT = "fulfillments/"


class OrderEvent(msgspec.Struct):
    """What one event said of one order; the columns of ``staging.shopline_fulfillment_order_events``."""

    fulfillment_order_id: str
    received_no: int
    role: str
    event_id: str
    event_type: str
    received_at_utc: str
    status: str | None
    request_status: str | None
    assigned_location_id: str | None


class RefusedHold(msgspec.Struct):
    """A hold that was refused, with the grain it would have had."""

    row_key: str
    reason: str
    parent_key: str
    fulfillment_order_id: str
    hold_no: int


class RefusedLine(msgspec.Struct):
    """A line that was refused, with the grain it would have had."""

    row_key: str
    reason: str
    parent_key: str
    fulfillment_order_id: str
    line_id: str


def take(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], account: str, first_no: int, stamp: Stamp
) -> list[str]:
    """
    Take the account's events numbered ``first_no`` and up, which are in ``staging.webhook_events``, on.

    Returns findings in words: events that name nothing known, lines that were refused.
    """
    fresh = _staged_events(
        con,
        """
        select received_no, event_id, event_type, received_at_utc, payload
        from staging.webhook_events
        where account = $account and source = $source and received_no >= $first_no
        """,
        {"account": account, "source": SOURCE, "first_no": first_no},
    )
    parcels = [event for event in fresh if event.event_type.startswith(FULFILLMENT)]
    not_parcels = [event for event in fresh if not event.event_type.startswith(FULFILLMENT)]
    order_events = [row for event in not_parcels for row in _order_events(event)]
    merge_rows(con, tables["staging.shopline_fulfillment_order_events"], account, order_events, stamp)
    refused = _orders(con, tables, account, sorted({row.fulfillment_order_id for row in order_events}), stamp)
    named = {own for event in parcels if (own := parcel_id(event)) is not None}
    _parcels(con, tables, account, named, stamp)
    mute = len(parcels) - sum(parcel_id(event) is not None for event in parcels)
    mute += sum(
        not shopline_fold.mentions(event.body) for event in not_parcels if event.event_type.startswith("fulfillment_")
    )
    findings = []
    if mute:
        findings.append(
            f"warning: {mute:,} SHOPLINE events (account {account}) name no fulfillment order; they are kept."
        )
    if refused:
        findings.append(
            f"warning: {refused:,} lines or holds of SHOPLINE fulfillment orders (account {account}) are in quarantine."
        )
    return findings


def _staged_events(con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> list[StagedEvent]:
    events = []
    for received_no, event_id, event_type, received_at, payload in con.execute(query, parameters).fetchall():
        body = msgspec.json.decode(payload) if payload else None
        events.append(
            StagedEvent(received_no, event_id, event_type, received_at, body if isinstance(body, dict) else {})
        )
    return events


def _order_events(event: StagedEvent) -> Iterable[OrderEvent]:
    for mention in shopline_fold.mentions(event.body):
        yield OrderEvent(
            mention.fulfillment_order_id,
            event.received_no,
            mention.role,
            event.event_id,
            event.event_type,
            event.received_at_utc.isoformat(),
            word_of(mention.fields.get("status")),
            shopline_fold.request_status(mention.fields),
            shopline_fold.location(mention.fields),
        )


def _orders(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], account: str, touched: list[str], stamp: Stamp
) -> int:
    if not touched:
        return 0
    folded = [shopline_fold.fold(own, events) for own, events in _events_by_order(con, account, touched).items()]
    scope = "t.fulfillment_order_id in (select fulfillment_order_id from touched)"
    merge_rows(
        con,
        tables["staging.shopline_fulfillment_orders"],
        account,
        [result.order for result in folded],
        stamp,
    )
    refused_lines = _refused_lines(folded)
    refused_holds = _refused_holds(folded)
    looked_at = "parent_key in (select fulfillment_order_id from touched)"
    merge_rows(
        con,
        tables["staging.shopline_merchant_requests"],
        account,
        [request for result in folded for request in result.requests],
        stamp,
    )
    lines = merge_rows(
        con,
        tables["staging.shopline_fulfillment_order_lines"],
        account,
        [line for result in folded for line in result.lines],
        stamp,
        scope,
        refused_lines,
        looked_at,
    )
    holds = merge_rows(
        con,
        tables["staging.shopline_fulfillment_order_holds"],
        account,
        [hold for result in folded for hold in result.holds],
        stamp,
        scope,
        refused_holds,
        looked_at,
    )
    con.execute("drop table touched")
    counted = {
        "shopline_fulfillment_order_lines": lines._replace(
            received=sum(result.lines_received for result in folded),
            repeated=sum(result.lines_repeated for result in folded),
        ),
        "shopline_fulfillment_order_holds": holds._replace(received=sum(result.holds_received for result in folded)),
    }
    for table, counts in counted.items():
        add_rows(con, drained(stamp, account, table), counts)
    return len(refused_lines) + len(refused_holds)


def _events_by_order(
    con: duckdb.DuckDBPyConnection, account: str, touched: list[str]
) -> dict[str, Collection[StagedEvent]]:
    """All events of the orders that were named, each once. Leaves the orders in the table ``touched``."""
    make_table(con, "touched", {"fulfillment_order_id": "varchar"}, [{"fulfillment_order_id": own} for own in touched])
    rows = con.execute(
        """
        select s.fulfillment_order_id, e.received_no, e.event_id, e.event_type, e.received_at_utc, e.payload
        from staging.shopline_fulfillment_order_events as s
        inner join touched as t on s.fulfillment_order_id = t.fulfillment_order_id
        inner join staging.webhook_events as e on s.received_no = e.received_no
        where s.account = $account and e.account = $account
        """,
        {"account": account},
    ).fetchall()
    events: dict[str, dict[int, StagedEvent]] = {own: {} for own in touched}
    for own, received_no, event_id, event_type, received_at, payload in rows:
        body = msgspec.json.decode(payload, type=dict)
        events[own][received_no] = StagedEvent(received_no, event_id, event_type, received_at, body)
    return {own: events_of_order.values() for own, events_of_order in events.items()}


def _refused_lines(folded: list[Folded]) -> list[RefusedLine]:
    return [
        RefusedLine(line.row_key, line.reason, result.order.fulfillment_order_id, *line.row_key.split("/", 1))
        for result in folded
        for line in result.refused
    ]


def _refused_holds(folded: list[Folded]) -> list[RefusedHold]:
    return [
        RefusedHold(
            hold.row_key,
            hold.reason,
            own := result.order.fulfillment_order_id,
            own,
            int(hold.row_key[len(own) + 1 :]),
        )
        for result in folded
        for hold in result.refused_holds
    ]


def _parcels(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], account: str, named: set[str], stamp: Stamp
) -> None:
    if not named:
        return
    heard: dict[str, list[StagedEvent]] = {own: [] for own in sorted(named)}
    events = _staged_events(
        con,
        """
        select received_no, event_id, event_type, received_at_utc, payload
        from staging.webhook_events
        where
            account = $account
            and source = $source
            and starts_with(event_type, $topics)
            and list_contains($named, regexp_replace(subject_id, '^.*_', ''))
        """,
        {"account": account, "source": SOURCE, "topics": FULFILLMENT, "named": sorted(named)},
    )
    for event in events:
        own = parcel_id(event)
        if own in heard:
            heard[own].append(event)
    rows = [fold_parcel(own, events) for own, events in heard.items() if events]
    merge_rows(con, tables["staging.shopline_fulfillments"], account, rows, stamp)
    numbers = [number for own, events in heard.items() for number in fold_numbers(own, events)]
    make_table(con, "touched", {"fulfillment_id": "varchar"}, [{"fulfillment_id": own} for own in heard])
    scope = "t.fulfillment_id in (select fulfillment_id from touched)"
    merge_rows(con, tables["staging.shopline_tracking_numbers"], account, numbers, stamp, scope)
    con.execute("drop table touched")
