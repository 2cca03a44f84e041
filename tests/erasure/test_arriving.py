"""Events of people who were forgotten, as they arrive and as they are drained."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from night_rig import KEY

from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox import Arrival, Inbox
from stockbook.projection.erasures import NOBODY, Erasures, order_name
from stockbook.projection.personal import hashed
from stockbook.settings import Settings
from stockbook.webhooks.drain import drain
from stockbook.webhooks.erased_events import Arriving

NOW = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
CUSTOMER, PARCEL = (hashed(text, KEY.encode()) or "" for text in ("7907900001", "DR123"))


def of_customer() -> Arrival:
    """An event about a FlickRocket customer."""
    payload = json.dumps({"data": {"type": "customer", "id": CUSTOMER}})
    return Arrival("flickrocket", "main", "e1", "customer/update", "customer", CUSTOMER, None, NOW, payload)


def of_parcel() -> Arrival:
    """An event about an order, with the hash of its parcel."""
    payload = json.dumps({"data": {"id": "o-1", "delivery": {"tracking_number": PARCEL}}})
    return Arrival("fulfillment_cz", "main", "e2", "OrderPacked", "order", "o-1", None, NOW, payload)


def test_a_receiver_asks_the_list_as_it_is_now(tmp_path: Path) -> None:
    """It lives for months: who is forgotten meanwhile is nobody with the next event, and what it shows is listed."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY})
    arriving = Arriving(settings, ManualClock(NOW))
    assert arriving.without_forgotten(of_customer()) == of_customer()

    erasures = Erasures.of(settings, NOW)
    erasures.add("person", CUSTOMER)
    erasures.add("order", order_name("fulfillment_cz", "main", "o-1"))
    erasures.save()

    customer, parcel = map(arriving.without_forgotten, (of_customer(), of_parcel()))
    assert customer.subject_id == NOBODY
    assert CUSTOMER not in customer.payload
    assert parcel.subject_id == "o-1"
    assert PARCEL not in parcel.payload
    assert Erasures.of(settings, NOW).has("value", PARCEL)


def test_a_drain_takes_nothing_of_them_whoever_received_it(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], tmp_path: Path
) -> None:
    """A receiver elsewhere does not have the list of this home: what it stored is written anew in the inbox too."""
    erasures = Erasures(tmp_path / "erasures.jsonl", KEY.encode(), NOW)
    erasures.add("person", CUSTOMER)
    with Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}") as inbox:
        inbox.append(of_customer()).result(timeout=30)
        now = NOW.replace(tzinfo=None)
        drain(con, inbox, tables, "r", now, ZoneInfo("UTC"), ManualClock(NOW), 30, "main", erasures)
        rewritten = inbox.rewrite(lambda event: event if CUSTOMER in f"{event}" else None, lambda: None)

    assert rewritten == 0
    # of a fleet the books of an account hold rows of nobody else
    assert con.execute("select distinct account from meta.cursor").fetchall() == [("main",)]
    [(subject, payload)] = con.execute(
        "select subject_id, cast(payload as varchar) from staging.webhook_events"
    ).fetchall()
    assert subject == NOBODY
    assert CUSTOMER not in payload
