"""What a night changed in the figures of days that were over: by which orders, and why."""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from model_runner import MODELS, POLICY, PRAGUE
from order_rows import Orders, Seen, at

from stockbook.declaration_files import load
from stockbook.models.programs import BuildContext
from stockbook.sla import changes
from stockbook.warehouse.schema import create_all

FIRST, SECOND, THIRD = "2025-03-06 02:15", "2025-03-07 02:15", "2025-03-08 02:15"
TUESDAY, WEDNESDAY = date(2025, 3, 4), date(2025, 3, 5)


class Nights:
    """Nights over one set of orders; what each built is published into a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published: Path | None = None
        self.orders = Orders()
        self.made = 0

    def night(self, as_of: str, publish: bool = True) -> None:
        """Build as of a local time, compare with what is published, publish."""
        self.orders.build(as_of, "reports.sla_daily")
        context = BuildContext(at(as_of), "test", PRAGUE, POLICY, load(MODELS), published=self.published)
        self.orders.con.execute("detach database if exists published")
        changes.build(self.orders.con, context)
        if publish:
            self.made += 1
            self.published = self.folder / f"{self.made}.duckdb"
            with duckdb.connect(str(self.published)) as con:
                create_all(con, load(MODELS))
            self.orders.con.execute(f"attach '{self.published}' as made")
            for name in ("marts.fct_fulfillment", "reports.sla_daily", changes.ORDERS, changes.DAYS):
                self.orders.con.execute(f"create table made.{name} as select * from {name}")
            self.orders.con.execute("insert into made.meta.current_run select * from meta.current_run")
            self.orders.con.execute("detach made")

    def changed_orders(self) -> set[tuple[object, ...]]:
        """The changes of orders: day, order, kind of change, states, why."""
        return {
            (row["due_date"], row["order_id"], row["change"], row["old_state"], row["new_state"], row["reason"])
            for row in self.orders.rows(changes.ORDERS)
        }

    def broken(self) -> list[tuple[object, ...]]:
        """What the check of the declaration finds."""
        (check,) = load(MODELS)[changes.DAYS].checks
        return self.orders.con.execute(check.rows or "").fetchall()


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Five orders due on Tuesday and Wednesday, published on Thursday night."""
    nights = Nights(tmp_path)
    orders = nights.orders
    orders.order("left", "2025-03-04 09:00", out="2025-03-04 10:00")
    orders.order("there", "2025-03-04 09:00", Seen("in_expedition", "2025-03-05 02:15", THIRD))
    orders.order("doubt", "2025-03-04 09:00", Seen("in_expedition", "2025-03-04 10:00"), Seen("cancelled", FIRST))
    orders.order("wednesday", "2025-03-05 09:00", out="2025-03-05 10:00")
    orders.order("today", "2025-03-06 01:00", Seen("created", FIRST))
    nights.night(FIRST)
    return nights


def test_the_first_night_changes_nothing(nights: Nights) -> None:
    """There is nothing to compare with; a second night that learnt nothing finds nothing either."""
    assert nights.changed_orders() == set()

    nights.night(SECOND)

    assert (nights.changed_orders(), nights.orders.rows(changes.DAYS)) == (set(), [])


def test_a_past_day_changes_by_the_orders_named_and_says_why(nights: Nights) -> None:
    """One leaves late, one's cancellation is read, one is sent back in time, one appears: each with its evidence."""
    orders = nights.orders
    orders.move("there", "2025-03-06 10:00", 1)
    orders.event("doubt", "OrderCanceled", "2025-03-04 17:00")
    orders.event("wednesday", "OrderStatusChangedToCreated", "2025-03-05 09:30")
    orders.event("wednesday", "OrderPushedToExpedition", "2025-03-05 13:00")
    orders.order("forgotten", "2025-03-04 08:00", Seen("in_expedition", SECOND))

    nights.night(SECOND)

    assert nights.changed_orders() == {
        (TUESDAY, "there", "state", "overdue", "late", "stock_out (movement)"),
        (TUESDAY, "doubt", "state", "unknown", "excluded", "cancelled (webhook)"),
        (TUESDAY, "forgotten", "joined", None, "overdue", "first seen"),
        (WEDNESDAY, "wednesday", "left", "on_time", "on_time", "pushed (webhook)"),
    }
    days = {row["due_date"]: row for row in orders.rows(changes.DAYS)}
    assert {day: (row["old_orders"], row["new_orders"]) for day, row in days.items()} == {
        TUESDAY: (3, 4),
        WEDNESDAY: (1, 0),
    }
    assert (days[TUESDAY]["old_on_time_rate"], days[TUESDAY]["new_on_time_rate"]) == (0.5, pytest.approx(1 / 3))
    assert nights.broken() == []


def test_changes_are_kept_and_a_red_or_repeated_night_adds_none(nights: Nights) -> None:
    """A night that was not published leaves no trace, one made again no second; the next keeps what was written."""
    nights.orders.move("there", "2025-03-06 10:00", 1)
    nights.night(SECOND, publish=False)
    nights.night(SECOND)
    nights.night(SECOND)
    first = nights.changed_orders()
    nights.orders.event("doubt", "OrderCanceled", "2025-03-04 19:00")

    nights.night(THIRD)

    assert first == {(TUESDAY, "there", "state", "overdue", "late", "stock_out (movement)")}
    assert nights.changed_orders() == first | {(TUESDAY, "doubt", "state", "unknown", "late", "cancelled (webhook)")}
    assert [row["changed_as_of"] for row in nights.orders.rows(changes.DAYS, "changed_as_of")] == [
        at(SECOND),
        at(THIRD),
    ]
    assert nights.broken() == []


def test_a_night_dated_before_the_published_one_changes_nothing(nights: Nights) -> None:
    """As of a time before it, figures are of another day: nothing is compared, what was written stays."""
    nights.orders.move("there", "2025-03-06 10:00", 1)
    nights.night(SECOND)
    before = nights.changed_orders()

    nights.night(FIRST, publish=False)

    assert nights.changed_orders() == before != set()


def test_after_a_published_night_of_the_past_a_change_is_told_once(nights: Nights) -> None:
    """The night after it compares with the past, and finds anew what it had found before."""
    nights.orders.move("there", "2025-03-06 10:00", 1)
    nights.night(SECOND)
    before = nights.changed_orders()

    nights.night(FIRST)
    nights.night(SECOND)

    assert nights.changed_orders() == before != set()
    assert nights.broken() == []
    counts = nights.orders.con.execute(f"select count(*), count(distinct order_id) from {changes.ORDERS}").fetchall()
    assert counts[0][0] == counts[0][1]


def test_the_check_finds_a_day_that_changed_by_no_order(nights: Nights) -> None:
    """A figure of a past day that no named order explains breaks the check."""
    nights.orders.move("there", "2025-03-06 10:00", 1)
    nights.night(SECOND)
    nights.orders.con.execute(f"delete from {changes.ORDERS} where order_id = 'there'")

    assert [row[1] for row in nights.broken()] == [TUESDAY]
