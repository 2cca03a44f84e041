"""A night and the inbox: it takes the events first, asks the APIs for what they name, and does without them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from night_rig import Rig

from stockbook.errors import RunLocked
from stockbook.inbox import Arrival, Inbox
from stockbook.night import steps
from stockbook.runs import context as runs
from stockbook.sources.plan import AccountPlan
from stockbook_sandbox import Running, Shop, running

FIRST = datetime(2025, 11, 20, 2, 15)
SECOND = FIRST + timedelta(days=1)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(Shop.small(seed=12), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A home after its first night, without an inbox."""
    night_rig = Rig(server, tmp_path_factory.mktemp("home") / "home")
    night_rig.books(FIRST, build=False)
    return night_rig


def arrive(rig: Rig, key: str, order_id: str, source: str = "fulfillment_cz", **fields: Any) -> None:
    """Store an event in the home's inbox as a receiver would."""
    arrival: dict[str, Any] = {
        "source": source,
        "account": "main",
        "event_key": key,
        "event_type": "OrderSent",
        "subject_kind": "order",
        "subject_id": order_id,
        "occurred_text": "2025-11-20 10:00:00",
        "received_at_utc": datetime(2025, 11, 20, 9, 0, 1, tzinfo=UTC),
        "payload": json.dumps({"id": order_id}),
    }
    with Inbox.open(rig.settings.inbox_url) as inbox:
        inbox.append(Arrival(**(arrival | fields))).result(timeout=30)


def plan(rig: Rig, run: runs.RunContext, conn_id: str) -> AccountPlan:
    """What an account was asked in a run."""
    file = runs.folder(rig.settings, run.run_id) / f"plan-{conn_id}.json"
    return msgspec.json.decode(file.read_bytes(), type=AccountPlan)


def staged(rig: Rig, query: str) -> list[tuple[Any, ...]]:
    """A query on the writer's file."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def an_old_order(rig: Rig) -> str:
    """A final order from before the window of days, which no night would ask for by itself."""
    rows = staged(rig, "select order_id from staging.orders where source_status = 'delivered' order by created_at")
    return str(rows[0][0])


def test_without_an_inbox_nothing_is_different(rig: Rig) -> None:
    """No inbox was made by the night, no event is there, and the drain of such a home has nothing to do."""
    assert not (rig.settings.state / "inbox.db").exists()
    assert steps.drain(rig.tonight(), "d0").sentences() == []
    assert staged(rig, "select count(*) from staging.webhook_events") == [(0,)]


def test_what_events_name_is_read_again_until_it_was_loaded(rig: Rig, server: Running) -> None:
    """A night that fails before its load asks again in the next; once loaded, it is not asked any more."""
    order_id = an_old_order(rig)
    shipped = staged(
        rig, "select fulfillment_id from staging.flickrocket_fulfillments where status = 100 order by created_at"
    )[0][0]
    arrive(rig, "e1", order_id)
    arrive(rig, "e2", "no id of theirs!")
    arrive(rig, "f1", shipped, source="flickrocket", event_type="order/create")
    seen = f"select _last_seen_at from staging.orders where order_id = '{order_id}'"
    before = staged(rig, seen)

    server.set_clock(SECOND)
    tonight = rig.tonight()
    parameters = runs.parse_parameters({"as_of": SECOND.isoformat()})
    failed = steps.open_run(tonight, "failed", parameters, ["fulfillment_cz", "flickrocket"], whole_run_here=True)
    tonight.lock.release(failed.run_id)
    assert order_id in plan(rig, failed, "fulfillment_cz").open_order_ids
    assert shipped in plan(rig, failed, "flickrocket").open_fulfillment_ids
    assert staged(rig, seen) == before

    read = rig.books(SECOND, build=False)
    account_plan = plan(rig, read, "fulfillment_cz")
    assert order_id in account_plan.open_order_ids
    assert "no id of theirs!" not in account_plan.open_order_ids
    assert account_plan.events_to == 2
    assert staged(rig, seen) == [(SECOND,)]

    assert staged(rig, "select event_id, _run_id from staging.webhook_events order by received_no") == [
        ("e1", "failed"), ("e2", "failed"), ("f1", "failed"),
    ]  # fmt: skip


def test_an_inbox_that_is_away_stops_no_night(rig: Rig, tmp_path: Path) -> None:
    """The night goes on and says that no events were taken; what was read again is not asked for once more."""
    broken = tmp_path / "file"
    broken.write_text("no database")
    away = Rig(rig.server, rig.home, {"STOCKBOOK_INBOX_URL": f"sqlite:///{broken}"})
    run = away.books(SECOND + timedelta(days=1), "away", build=False)
    assert an_old_order(rig) not in plan(rig, run, "fulfillment_cz").open_order_ids
    assert plan(rig, run, "fulfillment_cz").events_to == 0

    step = json.loads((runs.folder(away.settings, run.run_id) / "steps" / "open.json").read_text())
    assert [note for note in step["notes"] if note.startswith("warning: no events were taken: ")]


def test_a_drain_leaves_a_running_night_alone(rig: Rig) -> None:
    """The lock of the home: the drain is refused at once and its events stay; with the lock free it takes them."""
    arrive(rig, "e9", "later")
    tonight = rig.tonight()
    tonight.lock.take("a-night", whole_run_here=True)
    with tonight.lock.step("a-night", "extract"), pytest.raises(RunLocked, match="a-night"):
        steps.drain(tonight, "d9")
    tonight.lock.release("a-night")
    with Inbox.open(rig.settings.inbox_url) as inbox:
        assert [event.event_key for event in inbox.pending()] == ["e9"]

    assert steps.drain(tonight, "d9").events == 1
    assert tonight.lock.holder() is None
