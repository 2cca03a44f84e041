"""The clock of a promise: cut-off, working days, requested dates, holds, both nights of the changing hour."""

from datetime import UTC, datetime, timedelta
from random import Random

import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import PRAGUE
from order_rows import Orders, Seen, at, utc

from stockbook.sla.calendar import Hours, public_holidays
from stockbook.valuation import ledger, wall_clock
from stockbook.valuation.policy import ValuationPolicy

# docs/metrics.md: cut-off 12:00, no handling days, dispatch until 18:00
EXAMPLES = {
    "a second before the cut-off": ("2025-03-04 11:59:59", "2025-03-04 18:00", "2025-03-04 17:00"),
    "the cut-off is strict": ("2025-03-04 12:00:00", "2025-03-05 18:00", "2025-03-05 17:00"),
    "over the weekend": ("2025-03-07 12:30:00", "2025-03-10 18:00", "2025-03-10 17:00"),
    "on a Saturday": ("2025-03-08 09:00:00", "2025-03-10 18:00", "2025-03-10 17:00"),
    "over the night with 23 hours": ("2025-03-28 12:30:00", "2025-03-31 18:00", "2025-03-31 16:00"),
    "just before the skipped hour": ("2025-03-30 01:30:00", "2025-03-31 18:00", "2025-03-31 16:00"),
    "over the night with 25 hours": ("2025-10-24 12:00:00", "2025-10-27 18:00", "2025-10-27 17:00"),
    "in the repeated hour": ("2025-10-26 02:30:00", "2025-10-27 18:00", "2025-10-27 17:00"),
    "over Good Friday and Easter Monday": ("2025-04-17 12:00:00", "2025-04-22 18:00", "2025-04-22 16:00"),
    "on Good Friday": ("2025-04-18 09:00:00", "2025-04-22 18:00", "2025-04-22 16:00"),
    "the day before Christmas Eve": ("2025-12-23 11:00:00", "2025-12-23 18:00", "2025-12-23 17:00"),
    "over Christmas": ("2025-12-23 13:00:00", "2025-12-29 18:00", "2025-12-29 17:00"),
    "over New Year": ("2025-12-31 12:00:00", "2026-01-02 18:00", "2026-01-02 17:00"),
    "on a Tuesday holiday": ("2025-10-28 10:00:00", "2025-10-29 18:00", "2025-10-29 17:00"),
    "late at night before a holiday": ("2025-05-07 23:59:59", "2025-05-09 18:00", "2025-05-09 16:00"),
    "at midnight": ("2025-03-05 00:00:00", "2025-03-05 18:00", "2025-03-05 17:00"),
}


def test_due_times_of_the_worked_examples() -> None:
    """An order nobody held is due where the worked examples say, in local time and UTC."""
    orders = Orders()
    for name, (created, _, _) in EXAMPLES.items():
        orders.order(name, created)

    fulfillments = orders.fulfillment("2026-02-01")

    assert {name: (row["due_date"], row["due_at_utc"]) for name, row in fulfillments.items()} == {
        name: (at(due_local).date(), at(due_utc)) for name, (_, due_local, due_utc) in EXAMPLES.items()
    }


def test_a_requested_date_moves_the_promise() -> None:
    """Asked for Saturday: due on Monday; a date that had passed changes nothing."""
    orders = Orders()
    orders.order("future", "2025-03-04 09:00", dispatch_date="2025-03-08")
    orders.order("past", "2025-03-04 09:00", dispatch_date="2025-03-01")

    fulfillments = orders.fulfillment("2025-03-05 02:15")

    assert (fulfillments["future"]["due_at_utc"], fulfillments["future"]["sla_state"]) == (
        at("2025-03-10 17:00"),
        "pending",
    )
    assert (fulfillments["future"]["not_eligible_reason"], fulfillments["past"]["not_eligible_reason"]) == (
        "requested_date",
        None,
    )
    assert fulfillments["past"]["due_at_utc"] == at("2025-03-04 17:00")


def test_a_hold_starts_the_clock_at_its_release() -> None:
    """Created Monday, released Wednesday at 11:00: due that day, and the wait is known between two polls."""
    orders = Orders()
    orders.order(
        "a",
        "2025-03-03 09:00",
        Seen("created", "2025-03-04 02:15", "2025-03-05 10:59", on_hold=True),
        Seen("in_expedition", "2025-03-05 11:00"),
    )

    fulfillment = orders.fulfillment("2025-03-05 12:00")["a"]

    assert (fulfillment["due_after_utc"], fulfillment["due_at_utc"]) == (at("2025-03-05 17:00"), at("2025-03-05 17:00"))
    assert (fulfillment["eligible_after_utc"], fulfillment["eligible_at_utc"]) == (
        utc("2025-03-05 10:59"),
        utc("2025-03-05 11:00"),
    )
    assert (fulfillment["eligible_evidence"], fulfillment["released_evidence"]) == ("poll", "poll")
    # a bound is never shown as a fact
    assert fulfillment["waiting_hours"] is None


INTERVALS = {
    "over the night with 23 hours": ("2025-03-28 17:00", "2025-03-31 09:00", 63, 2),
    "outside opening hours": ("2025-03-05 19:00", "2025-03-05 21:00", 2, 0),
    "two days and two hours": ("2025-03-03 09:00", "2025-03-05 11:00", 50, 22),
    "over the night with 25 hours": ("2025-10-24 17:00", "2025-10-27 09:00", 65, 2),
}


def test_hours_of_the_worked_examples() -> None:
    """Elapsed hours are counted between instants, business hours in opening hours only."""
    orders = Orders()
    for name, (created, left, _, _) in INTERVALS.items():
        orders.order(name, created, out=left)

    fulfillments = orders.fulfillment("2025-11-01")

    assert {
        name: (row["click_to_ship_hours"], row["click_to_ship_business_hours"]) for name, row in fulfillments.items()
    } == {name: (elapsed, business) for name, (_, _, elapsed, business) in INTERVALS.items()}


def test_the_second_pass_of_the_repeated_hour_is_told_by_the_order_of_ids() -> None:
    """Where the clock falls back between two ids, what follows is an hour later."""
    orders = Orders()
    for order_id, moved in (("a", "2025-10-26 02:10"), ("b", "2025-10-26 02:50"), ("c", "2025-10-26 02:20")):
        orders.order(order_id, "2025-10-24 10:00", out=moved)
    orders.order("d", "2025-10-24 10:00", out="2025-10-26 02:55")

    fulfillments = orders.fulfillment("2025-11-01")

    assert {name: row["dispatch_at_utc"] for name, row in fulfillments.items()} == {
        "a": at("2025-10-26 00:10"),
        "b": at("2025-10-26 00:50"),
        "c": at("2025-10-26 01:20"),
        "d": at("2025-10-26 01:55"),
    }


def test_an_order_of_the_repeated_hour_is_marked() -> None:
    """An order tells no pass: the first one is taken and the row says so."""
    orders = Orders()
    orders.order("twice", "2025-10-26 02:30")
    orders.order("once", "2025-10-26 03:30")
    orders.build("2025-11-01", "marts.fct_order")

    rows = {row["order_id"]: row for row in orders.rows("marts.fct_order")}

    assert (rows["twice"]["created_at_utc"], rows["twice"]["is_created_in_repeated_hour"]) == (
        at("2025-10-26 00:30"),
        True,
    )
    assert rows["once"]["is_created_in_repeated_hour"] is False


def test_waiting_hours_of_the_worked_example() -> None:
    """Created Monday 9:00, handed over Wednesday 11:00 as an event tells: waited 50 hours, 22 business hours."""
    orders = Orders()
    orders.order(
        "a",
        "2025-03-03 09:00",
        Seen("created", "2025-03-04 02:15", on_hold=True),
        Seen("in_expedition", "2025-03-06 02:15"),
    )
    orders.event("a", "OrderPushedToExpedition", "2025-03-05 11:00")

    fulfillment = orders.fulfillment("2025-03-06 12:00")["a"]

    assert (fulfillment["waiting_hours"], fulfillment["waiting_business_hours"]) == (50, 22)
    assert (fulfillment["due_at_utc"], fulfillment["sla_state"]) == (at("2025-03-05 17:00"), "overdue")


def test_movements_have_one_instant_in_both_halves_of_the_warehouse() -> None:
    """
    Promises (in SQL) and valuation (in arrays) read the repeated hour by one rule: equal instants.

    The movement that shows that the clock fell back may be of no order, and a text with an offset shows nothing.
    """
    orders, chance = Orders(), Random(7)
    for account in ("main", "second", "third"):
        orders.order("a", "2025-10-20 09:00", account=account)
    for account in ("main", "second"):
        for _ in range(60):
            minute = at("2025-10-26 01:30") + timedelta(minutes=chance.randint(0, 150))
            orders.move("a", minute.isoformat(" "), 1, account=account)
    for order_id, moved in (("", "02:45"), ("a", "02:40"), ("", "02:10"), ("a", "02:48"), ("a", "02:01")):
        orders.move(order_id, f"2025-10-26 {moved}:00", 1, account="third")
    orders.con.execute(
        "update staging.movements set created_text = '2025-10-26T02:01:00+02:00' where created_at = ?",
        [at("2025-10-26 02:01")],
    )
    orders.build("2025-11-01")

    rows = orders.con.execute(
        "select m.account, m.movement_id, m.created_at, o.moved_at_utc from staging.movements as m "
        "join intermediate.order_movement as o using (account, movement_id) order by all"
    ).fetchnumpy()
    now = ledger.Now(at("2025-11-01"), at("2025-10-31 23:00"))
    hours = ledger.prepare(orders.con, ValuationPolicy(), PRAGUE, now)
    passes = orders.con.execute(
        "select is_second_pass from valuation_ledger where order_id is not null order by account, movement_id"
    ).fetchnumpy()
    valued = wall_clock.to_utc(rows["created_at"], passes["is_second_pass"], hours.spans)

    assert len(valued) == 123
    assert rows["moved_at_utc"].tolist() == valued.tolist()
    assert (
        len({instant - local for instant, local in zip(valued.tolist(), rows["created_at"].tolist(), strict=True)}) == 2
    )


@pytest.mark.parametrize("year", [2024, 2025, 2026, 2027])
def test_there_are_thirteen_czech_holidays(year: int) -> None:
    """Good Friday and Easter Monday are among the thirteen."""
    named = public_holidays("CZ", datetime(year, 1, 1).date(), datetime(year, 12, 31).date())

    assert len(named) == 13
    assert {"Good Friday", "Easter Monday"} <= set(named.values())


def _open_minutes(first: datetime, last: datetime, closed: set[datetime]) -> int:
    """Minutes of opening time between two instants (naive UTC), counted one by one."""
    hours = Hours(datetime(2000, 1, 1, 8).time(), datetime(2000, 1, 1, 18).time())
    count = 0
    moment = first
    while moment < last:
        local = moment.replace(tzinfo=UTC).astimezone(PRAGUE).replace(tzinfo=None)
        midnight = local.replace(hour=0, minute=0)
        if local.weekday() < 5 and midnight not in closed and hours.opens <= local.time() < hours.closes:
            count += 1
        moment += timedelta(minutes=1)
    return count


# around both changing hours, Easter, and a week without either
_STARTS = [at("2025-03-27"), at("2025-10-23"), at("2025-04-16"), at("2025-06-09")]
_minute = st.integers(min_value=0, max_value=7 * 24 * 60)
_intervals = st.lists(st.tuples(st.sampled_from(_STARTS), _minute, _minute), min_size=40, max_size=40)


@pytest.mark.slow
@settings(max_examples=proof_size.of(ci=4, proof=200), deadline=None, suppress_health_check=list(HealthCheck))
@given(_intervals)
def test_business_hours_equal_a_count_of_minutes(intervals: list[tuple[datetime, int, int]]) -> None:
    """On any interval, business hours are what counting every open minute gives."""
    orders = Orders()
    ends = {}
    for number, (start, minute, other_minute) in enumerate(intervals):
        first, last = (start + timedelta(minutes=elapsed) for elapsed in sorted((minute, other_minute)))
        # the skipped hour does not occur in real data
        if any(moment.date() == at("2025-03-30").date() and moment.hour == 2 for moment in (first, last)):
            continue
        orders.order(f"o{number}", first.isoformat(), out=last.isoformat())
    named = public_holidays("CZ", at("2025-01-01").date(), at("2025-12-31").date())
    closed = {datetime.combine(day, datetime.min.time()) for day in named}

    for order_id, row in orders.fulfillment("2025-12-01").items():
        ends[order_id] = (row["click_to_ship_business_hours"] * 60, row["created_at_utc"], row["dispatch_at_utc"])

    assert {name: measured[0] for name, measured in ends.items()} == pytest.approx(
        {name: _open_minutes(first, last, closed) for name, (_, first, last) in ends.items()}
    )
