"""Fulfillments followed until they are shipped, over shops that live between the nights."""

import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import proof_size
import pytest
from checkout import PROJECT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Shop, account_at, fulfillment, serving

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.landing.pages import lines_of
from stockbook.progress import Silent
from stockbook.sources.extract import extract
from stockbook.sources.fulfillment_window import FulfillmentWindow
from stockbook.sources.plan import AccountPlan

TABLES = {
    name: table
    for name, table in declaration_files.load(PROJECT / "include" / "sql").items()
    if table.table.startswith("flickrocket_fulfillment")
}
START = date(2025, 1, 1)
WINDOW_DAYS = 3

draws = st.lists(st.floats(0, 0.999), max_size=3)


@dataclass
class Day:
    """
    What happens before a night: orders placed that day, shipped, taken back to the shop's start, removed.

    ``late`` are orders that appear with a date of the past. A night has either those or removals: one of each before
    the window leaves the count as it was, and no other trace.
    """

    placed: int
    shipped: list[float]
    removed: list[float]
    late: list[float]


days = st.builds(Day, st.integers(0, 3), draws, draws, st.just([])) | st.builds(
    Day, st.integers(0, 3), draws, st.just([]), draws
)


@dataclass
class Books:
    """What staging knows of fulfillments, by id, and how the next night is planned from it."""

    rows: dict[str, Any] = field(default_factory=dict)
    read_to: date | None = None

    def plan(self, today: date) -> AccountPlan:
        """As the night plans it: everything at first, then a window, and by id what is open before it."""
        plan = AccountPlan(
            api="flickrocket", account="main", as_of=datetime(today.year, today.month, today.day, 2, 15),
            zone="Europe/Prague", orders_to=today,
            orders_from=None if self.read_to is None else today - timedelta(days=WINDOW_DAYS),
        )  # fmt: skip
        if plan.fulfillments_from is None:
            return plan
        before = {key: row for key, row in self.rows.items() if row["created_at"] < plan.fulfillments_from.isoformat()}
        return AccountPlan(
            **{name: getattr(plan, name) for name in plan.__struct_fields__}
            | {
                "open_fulfillment_ids": sorted(key for key, row in before.items() if row["status"] != 100),
                "fulfillments_before": len(before),
            }
        )

    def night(self, url: str, today: date) -> None:
        """Read, and take over what was read: absence means deletion where everything was read."""
        clock = ManualClock(datetime(today.year, today.month, today.day, 1, 15, tzinfo=UTC))
        with tempfile.TemporaryDirectory() as folder:
            wanted = self.plan(today)
            (manifest,) = extract(
                account_at(url, "flickrocket"), wanted, Path(folder) / "n", TABLES, b"k" * 16, clock, Silent()
            )
            place = Path(folder) / "n" / "main" / "flickrocket.fulfillments"
            rows = {row["id"]: row for row in map(json.loads, lines_of(place, manifest.pages))}
        assert sum(1 for _ in rows) == manifest.distinct_keys
        if manifest.window_from is None:
            self.rows = rows
        else:
            assert wanted.fulfillments_from is not None
            inside = wanted.fulfillments_from.isoformat()
            self.rows = {key: row for key, row in self.rows.items() if row["created_at"] < inside} | rows
        self.read_to = today


def lived(shop: Shop, day: Day, today: date, number: int) -> int:
    """Let a day pass; the next free number."""
    rows = shop.rows["fulfillments"]
    for place in day.removed:
        if rows:
            rows.pop(int(place * len(rows)))
    for place in day.late:
        past = START + timedelta(days=int(place * ((today - START).days + 1)))
        rows.append(fulfillment(number, f"{past}T11:00:00"))
        number += 1
    for _ in range(day.placed):
        rows.append(fulfillment(number, f"{today}T00:30:00"))
        number += 1
    for place in day.shipped:
        if rows:
            rows[int(place * len(rows))]["status"] = 100
    return number


@pytest.mark.slow
@settings(max_examples=proof_size.of(ci=30, proof=1_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(days, min_size=2, max_size=9))
def test_after_every_night_the_books_hold_what_the_shop_holds(history: list[Day]) -> None:
    """Every fulfillment with its status, however old, and none that is gone; whatever happened between the nights."""
    shop = Shop(rows={"fulfillments": []})
    books, number = Books(), 0
    with serving(shop) as url:
        for passed, day in enumerate(history):
            today = START + timedelta(days=passed * 2)
            number = lived(shop, day, today, number)
            books.night(url, today)
            assert {key: row["status"] for key, row in books.rows.items()} == {
                row["id"]: row["status"] for row in shop.rows["fulfillments"]
            }


def test_a_window_is_enough_when_nothing_old_changed() -> None:
    """What is shipped and before the window is asked for neither by date nor by id."""
    shop = Shop(rows={"fulfillments": [fulfillment(n, "2025-01-01T11:00:00", 100) for n in range(9)]})
    books = Books()
    with serving(shop) as url:
        books.night(url, START)
        shop.asked.clear()
        books.night(url, START + timedelta(days=20))

    assert dict(shop.asked) == {"/api/fulfillments.json": 1, "/api/fulfillments/count.json": 1}
    assert len(books.rows) == 9


SHIPPED_LATE = [Day(1, [], [], []), *[Day(0, [], [], [])] * 3, Day(0, [0.0], [], [])]


def test_one_shipped_long_after_its_window_is_seen() -> None:
    """The order date never comes into a window again: it is asked for by id."""
    assert statuses(SHIPPED_LATE) == {"0": 100}


def test_without_following_it_would_stay_open_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same shop read by its window alone."""
    monkeypatch.setattr(FulfillmentWindow, "_read_open", lambda self, pool: None)

    assert statuses(SHIPPED_LATE) == {"0": 0}


def statuses(history: list[Day]) -> dict[str, int]:
    """The statuses the books have after a history."""
    shop = Shop(rows={"fulfillments": []})
    books, number = Books(), 0
    with serving(shop) as url:
        for passed, day in enumerate(history):
            today = START + timedelta(days=passed * 2)
            number = lived(shop, day, today, number)
            books.night(url, today)
    return {key: row["status"] for key, row in books.rows.items()}
