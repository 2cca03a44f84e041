"""The drain: from a real inbox into staging, each event once, whatever is killed between."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from stockbook.checks.rules import of_table
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox import Arrival, Inbox
from stockbook.settings import Settings
from stockbook.webhooks import drain as draining
from stockbook.webhooks.drain import Drained

PRAGUE = ZoneInfo("Europe/Prague")
AS_OF = datetime(2026, 3, 1, 2, 15)
Drain = Callable[..., Drained]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """An empty inbox in a file."""
    with Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}") as opened:
        yield opened


@pytest.fixture
def drain(con: duckdb.DuckDBPyConnection, inbox: Inbox, tables: dict[str, Table], clock: ManualClock) -> Drain:
    """Drains the inbox into the warehouse in memory."""

    def run(run_id: str = "d1", as_of: datetime = AS_OF, keep_days: float = 30) -> Drained:
        return draining.drain(con, inbox, tables, run_id, as_of, PRAGUE, clock, keep_days)

    return run


def arrive(inbox: Inbox, key: str, event_type: str = "OrderSent", **fields: Any) -> None:
    """Store an event as the receiver would."""
    arrival: dict[str, Any] = {
        "source": "fulfillment_cz",
        "account": "main",
        "event_key": key,
        "event_type": event_type,
        "subject_kind": "order",
        "subject_id": f"order-{key}",
        "occurred_text": "2026-02-28 14:05:06",
        "received_at_utc": datetime(2026, 2, 28, 13, 5, 7, tzinfo=UTC),
        "payload": json.dumps({"id": f"order-{key}"}),
    }
    inbox.append(Arrival(**(arrival | fields))).result(timeout=10)


def events(con: duckdb.DuckDBPyConnection, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events in staging, in order of arrival."""
    return con.execute(f"select {columns} from staging.webhook_events order by received_no").fetchall()


def test_events_come_into_staging_in_order_of_arrival(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain
) -> None:
    """Times are local text, local time and instant; numbers count on from drain to drain."""
    arrive(inbox, "a")
    arrive(inbox, "b", "OrderPacked", account="shop2")
    assert drain().sentences() == ["2 events taken from the inbox, 0 were in staging before."]
    arrive(inbox, "c")
    drain("d2")

    assert events(con, "received_no, account, event_id, event_type, subject_id, _run_id") == [
        (1, "main", "a", "OrderSent", "order-a", "d1"),
        (2, "shop2", "b", "OrderPacked", "order-b", "d1"),
        (3, "main", "c", "OrderSent", "order-c", "d2"),
    ]
    assert events(con, "occurred_text, occurred_at, occurred_at_utc, received_at_utc, payload")[0] == (
        "2026-02-28 14:05:06",
        datetime(2026, 2, 28, 14, 5, 6),
        datetime(2026, 2, 28, 13, 5, 6),
        datetime(2026, 2, 28, 13, 5, 7),
        '{"id": "order-a"}',
    )


def test_an_event_names_its_order_whatever_the_case(con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain) -> None:
    """A UUID in capitals names the order that staging has in small letters; any other id stays as it came."""
    arrive(inbox, "a", subject_id="0B9F8A34-1C2D-4E5F-8A9B-0C1D2E3F4A5B")
    arrive(inbox, "b", subject_id="Order-B")
    drain()

    assert events(con, "subject_id") == [("0b9f8a34-1c2d-4e5f-8a9b-0c1d2e3f4a5b",), ("Order-B",)]


@pytest.mark.parametrize(
    ("text", "local", "instant"),
    [
        ("2025-10-26 02:30:00", datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 0, 30)),
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 2, 30), None),
        ("2021-05-26T10:00:00-04:00", datetime(2021, 5, 26, 16), datetime(2021, 5, 26, 14)),
        ("2021-05-26T10:00:00Z", datetime(2021, 5, 26, 12), datetime(2021, 5, 26, 10)),
        ("2025-10-26T02:30:00+01:00", datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 1, 30)),
        ("yesterday", None, None),
        ("2026-03-04", None, None),
        ("-0001-11-30 00:00:00", None, None),
        ("9999-12-31T23:59:59Z", None, None),
        (None, None, None),
    ],
)
def test_times_as_sent_become_wall_clock_and_instant(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, text: str | None, local: Any, instant: Any
) -> None:
    """An offset tells the instant; else the first pass of the repeated hour, none in the skipped one; no nonsense."""
    arrive(inbox, "a", occurred_text=text)
    drain()

    assert events(con, "occurred_text, occurred_at, occurred_at_utc") == [(text, local, instant)]


def test_a_drain_killed_before_it_marked_the_inbox_takes_nothing_twice(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed and not marked: the next drain meets the events again, knows them, and marks them."""
    arrive(inbox, "a")
    with monkeypatch.context() as patch:
        patch.setattr(inbox, "mark_drained", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            drain()
    arrive(inbox, "b")

    assert drain("d2").sentences() == ["1 events taken from the inbox, 1 were in staging before."]
    counted = "select rows_received, rows_new, rows_repeated from meta.loaded_rows where run_id = 'd2'"
    assert con.execute(counted).fetchall() == [(2, 1, 1)]
    assert events(con, "received_no, event_id, _run_id") == [(1, "a", "d1"), (2, "b", "d2")]
    assert inbox.pending() == []


def test_events_of_one_account_wait_until_its_books_are_safe(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, tables: dict[str, Table], clock: ManualClock
) -> None:
    """A drain of one account leaves the others' events, and its own undrained: books that were lost take them again."""
    arrive(inbox, "mine")
    arrive(inbox, "other", account="shop2")

    def drain_mine() -> Drained:
        return draining.drain(con, inbox, tables, "d1", AS_OF, PRAGUE, clock, 30, "main")

    assert (drain_mine().events, drain_mine().repeated) == (1, 1)
    con.execute("delete from staging.webhook_events")
    assert drain_mine().events == 1
    assert events(con, "account, subject_id") == [("main", "order-mine")]
    assert inbox.settle("main", "d1", clock.utc()) == 1
    assert [event.event_key for event in inbox.pending()] == ["other"]


def test_a_home_beside_a_fleet_leaves_events_to_the_accounts(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, tables: dict[str, Table], clock: ManualClock, tmp_path: Path
) -> None:
    """Where machines share a control database, a drain of all accounts takes nothing and says so."""
    arrive(inbox, "a")
    variables = {"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_INBOX_URL": f"sqlite:///{tmp_path / 'inbox.db'}"}
    shared = Settings.load(variables | {"STOCKBOOK_CONTROL_URL": "postgresql://127.0.0.1:9/control"})

    drained = draining.take_inbox(con, shared, tables, "d1", AS_OF, clock)

    assert (drained.events, len(inbox.pending())) == (0, 1)
    assert "left to the nights of the fleet" in drained.sentences()[0]


def test_a_drain_killed_before_its_commit_took_nothing(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events, their number and the cursor are one transaction."""
    arrive(inbox, "a")
    with monkeypatch.context() as patch:
        patch.setattr(draining, "_write_cursor", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            drain()

    assert events(con, "event_id") == []
    assert [event.event_key for event in inbox.pending()] == ["a"]
    drain("d2")
    assert events(con, "received_no, event_id") == [(1, "a")]
    assert con.execute("select account, api, listing, ceiling, run_id from meta.cursor").fetchall() == [
        ("*", "inbox", "drained", 1, "d2")
    ]


def test_every_event_taken_is_counted(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, tables: dict[str, Table]
) -> None:
    """Received = new + repeated, by account and over the drains of a run; else a check names the account."""
    for key, account in (("a", "main"), ("b", "main"), ("c", "shop2")):
        arrive(inbox, key, account=account)
    drain()
    arrive(inbox, "d")
    drain()

    counted = "select account, rows_received, rows_new, rows_repeated from meta.loaded_rows order by 1"
    assert con.execute(counted).fetchall() == [("main", 3, 3, 0), ("shop2", 1, 1, 0)]
    [query] = [
        expectation.bad_rows
        for expectation in of_table(tables["staging.webhook_events"])
        if expectation.name == "every row received is somewhere"
    ]
    assert con.execute(query).fetchall() == []
    con.execute("update meta.loaded_rows set rows_received = 4 where account = 'main'")
    assert [row[0] for row in con.execute(query).fetchall()] == ["main"]


def test_a_key_that_returns_after_its_row_was_dropped_is_still_known(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, clock: ManualClock
) -> None:
    """The inbox forgets drained rows after the retention; staging does not. Another body under the key is no repeat."""
    arrive(inbox, "a")
    drain()
    clock.sleep(timedelta(days=31).total_seconds())
    assert drain().dropped == 1
    arrive(inbox, "a")
    assert (drain().events, events(con, "event_id, subject_id")) == (0, [("a", "order-a")])
    clock.sleep(timedelta(days=31).total_seconds())
    assert drain().dropped == 1
    arrive(inbox, "a", subject_id="another")

    assert (drain().events, events(con, "left(event_id, 2), subject_id")) == (1, [("a", "order-a"), ("a~", "another")])


def test_another_body_under_an_id_is_an_event_of_its_own(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, tables: dict[str, Table]
) -> None:
    """In one commit, later, after a drain: each body once, every row somewhere, and a check names the others."""
    for _ in range(2):
        arrive(inbox, "a")
        arrive(inbox, "a", occurred_text="2026-02-28 15:00:00")
        arrive(inbox, "a", event_type="OrderPacked")
    assert (drain().events, len(inbox.pending())) == (3, 0)
    arrive(inbox, "a", occurred_text="2026-02-28 15:00:00")
    arrive(inbox, "a", payload='{"id": "order-a", "note": true}')
    # of another source whose key has its body in it
    arrive(inbox, "a", source="shopline", event_type="fulfillments/update")
    arrive(inbox, "a", source="shopline", event_type="fulfillments/update", payload="{}")

    assert drain().events == 2
    assert events(con, "source, split_part(event_id, '~', 1), event_type, occurred_text") == [
        ("fulfillment_cz", "a", "OrderSent", "2026-02-28 14:05:06"),
        ("fulfillment_cz", "a", "OrderSent", "2026-02-28 15:00:00"),
        ("fulfillment_cz", "a", "OrderPacked", "2026-02-28 14:05:06"),
        ("fulfillment_cz", "a", "OrderSent", "2026-02-28 14:05:06"),
        ("shopline", "a", "fulfillments/update", "2026-02-28 14:05:06"),
    ]
    broken = {
        expectation.name: len(con.execute(expectation.bad_rows).fetchall())
        for expectation in of_table(tables["staging.webhook_events"])
        if expectation.name in ("every row received is somewhere", "an event_id of the warehouse came with one body")
    }
    assert broken == {"every row received is somewhere": 0, "an event_id of the warehouse came with one body": 1}


def test_batches_are_transactions_of_their_own(
    con: duckdb.DuckDBPyConnection, inbox: Inbox, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog of several batches is taken whole and in order."""
    monkeypatch.setattr(draining, "BATCH", 3)
    for number in range(8):
        arrive(inbox, f"e{number}")

    assert drain().events == 8
    assert events(con, "received_no, event_id") == [(n + 1, f"e{n}") for n in range(8)]
