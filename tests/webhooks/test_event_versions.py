"""What a sender says of itself is kept with its event; a body of a version nobody declared is marked, or set aside."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import hooks_rig as hooks
import pytest
from hooks_rig import Sent
from night_rig import KEY

from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox import Arrival, Inbox
from stockbook.webhooks import drain as draining
from stockbook.webhooks.accounts import HookAccount
from stockbook.webhooks.drain import Drained
from stockbook.webhooks.receiver import Receiver

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ACCOUNTS = {
    ("shopline", "main"): HookAccount("shopline", "main", (hooks.SHOP_SECRET.encode(),)),
    ("flickrocket", "main"): HookAccount("flickrocket", "main", (hooks.APP_SECRET.encode(),)),
    ("fulfillment_cz", "main"): HookAccount("fulfillment_cz", "main", (hooks.TOKEN.encode(),)),
}
SMALL = {"fulfillment_order": {"id": "4005", "status": "open"}}
Take = Callable[..., Drained]


def received(sent: Sent) -> Arrival:
    """What a receiver in this process makes of a request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body}

    _, _, source, account = sent.path.split("/")
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]
    scope = {"method": "POST", "headers": headers}
    return asyncio.run(Receiver(KEY.encode()).take(source, account, ACCOUNTS, scope, receive, NOW))


def of_version(version: str, content: Any, message: str = "m1", topic: str = "fulfillment_order/on_hold") -> Sent:
    """A SHOPLINE event with a body of a version."""
    sent = hooks.shopline(topic, content, message)
    sent.headers["X-Shopline-API-Version"] = version
    return sent


@pytest.fixture
def take(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock
) -> Iterator[Take]:
    """Puts requests into an inbox as a receiver would, and drains it."""
    with Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}") as inbox:

        def run(*sent: Sent) -> Drained:
            for request in sent:
                inbox.append(received(request)).result(timeout=10)
            as_of = datetime(2026, 3, 5, 2, 15)
            return draining.drain(con, inbox, tables, "d1", as_of, ZoneInfo("Europe/Prague"), clock, 30)

        yield run


def test_version_shop_and_merchant_are_kept_with_the_event(take: Take, con: duckdb.DuckDBPyConnection) -> None:
    """SHOPLINE says them in headers, FlickRocket its company in the body, fulfillment.cz nothing."""
    take(
        of_version("v20251201", SMALL),
        hooks.flickrocket("order/create", "order", "7"),
        hooks.fulfillment_cz(1),
    )

    assert con.execute(
        "select source, api_version, shop_id, merchant_id, is_unknown_version from staging.webhook_events order by 1"
    ).fetchall() == [
        ("flickrocket", None, "1202", None, False),
        ("fulfillment_cz", None, None, None, False),
        ("shopline", "v20251201", "1610418123456", "2000001234", False),
    ]


def test_what_looks_like_no_version_or_id_is_not_kept() -> None:
    """Headers are not signed: whoever has a body could write anything there."""
    sent = of_version("Jan Novák", SMALL)
    sent.headers["X-Shopline-Merchant-Id"] = "9" * 101
    sent.headers["X-Shopline-API-Version"] = "v" * 41

    arrival = received(sent)

    assert (arrival.api_version, arrival.merchant_id, arrival.shop_id) == (None, None, "1610418123456")


def test_a_body_of_an_unknown_version_that_fits_is_read_and_marked(take: Take, con: duckdb.DuckDBPyConnection) -> None:
    """By the newest declaration: its fulfillment order is there, a field nobody declared is not."""
    new = {"fulfillment_order": SMALL["fulfillment_order"] | {"courier": "Jan Novák"}}

    drained = take(of_version("v20270301", new))

    assert drained.notes == [
        "warning: 1 events of shopline (account main) have bodies of version v20270301, which is not declared: they "
        "were read as those of the newest one; 0 do not fit and are in quarantine."
    ]
    assert con.execute("select is_unknown_version, payload from staging.webhook_events").fetchall() == [
        (True, json.dumps(SMALL, separators=(",", ":")))
    ]
    assert con.execute("select status from staging.shopline_fulfillment_orders").fetchall() == [("open",)]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"fulfillment_order": "4005 of Jan Novák"}, ["fulfillment_order", "fulfillment_order.id"]),
        ({"order": {"fulfillment_id": "4005"}}, ["fulfillment_order.id"]),
        (
            {"fulfillment_order": {"id": "4005", "fulfillment_holds": ["Jan Novák"]}},
            ["fulfillment_order.fulfillment_holds[]"],
        ),
    ],
    ids=["a text for an object", "no id where one was", "texts for objects in a list"],
)
def test_what_does_not_fit_is_set_aside_until_one_does(
    take: Take, con: duckdb.DuckDBPyConnection, body: Any, fields: list[str]
) -> None:
    """Only names of ours are kept of it; the event is known, and the next body of its order or topic clears it."""
    take(of_version("v20270301", body))
    rows = con.execute("select table_name, reason, fields from staging.quarantine").fetchall()

    assert [(table, reason, json.loads(named)) for table, reason, named in rows] == [
        ("webhook_events", "version v20270301 is not declared, and its body is another one", fields)
    ]
    assert con.execute("select is_unknown_version, payload from staging.webhook_events").fetchall() == [(True, None)]
    assert con.execute("select count(*) from staging.shopline_fulfillment_orders").fetchall() == [(0,)]

    assert take(of_version("v20270301", body)).events == 0
    take(of_version("v20251201", SMALL, "m2"))
    assert con.execute("select count(*) from staging.quarantine").fetchall() == [(0,)]


def test_of_a_note_only_whether_there_is_one_is_kept(take: Take, con: duckdb.DuckDBPyConnection) -> None:
    """Why an order was not sent may name people; an event that has no place for a note says nothing of one."""
    take(
        hooks.fulfillment_cz(1, "OrderNotSent", {"note": "call Jan Novák"}),
        hooks.fulfillment_cz(2, "OrderNotSent", {"note": " "}),
        hooks.fulfillment_cz(3, "OrderSent"),
    )

    rows = con.execute("select event_type, has_note, payload from staging.webhook_events order by received_no")
    noted = rows.fetchall()
    assert [row[:2] for row in noted] == [("OrderNotSent", True), ("OrderNotSent", False), ("OrderSent", None)]
    assert "Jan" not in str(noted)
