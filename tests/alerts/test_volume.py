"""Orders placed and sent on a day beside what is usual for its weekday: what is measured, and what the rules find."""

import math
from datetime import date, datetime, timedelta
from random import Random

import proof_size
import pytest
from volumes import History

from stockbook.alerts import rules
from stockbook.alerts.rules import VOLUMES, Figure, Rule

# Mondays; the last is no holiday, the Easter Monday before it is one
FIRST, EASTER, LAST = date(2025, 2, 3), date(2025, 4, 21), date(2025, 6, 2)


def weeks(amounts: dict[int, int], first: date = FIRST, last: date = LAST) -> dict[date, int]:
    """So many on each day of a weekday (Monday is 0), from the first to the last day."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return {day: amounts.get(day.weekday(), 0) for day in days}


def history(orders: dict[date, int], dispatches: dict[date, int] | None = None) -> History:
    rows = History(min(orders), max(orders))
    rows.write("orders", orders)
    rows.write("dispatches", dispatches or {})
    rows.settle()
    return rows


def measured(rows: History, day: date) -> dict[str, Figure]:
    return {figure.measure: figure for figure in rows.figures(day) if figure.subject == "day"}


def test_a_day_is_beside_eight_of_its_weekday() -> None:
    """Median and deviation of the eight before it, whatever other weekdays had; what is later than now is not known."""
    orders = weeks({0: 40, 1: 90})
    mondays = [LAST - timedelta(weeks=number) for number in range(1, 9)]
    for day, amount in zip(mondays, (36, 38, 38, 40, 40, 42, 42, 44), strict=True):
        orders[day] = amount
    orders[mondays[-1] - timedelta(weeks=1)] = 900
    orders[LAST], orders[LAST + timedelta(days=1)] = 30, 10
    figures = measured(history(orders, orders), LAST)

    missing, extra = figures["missing_orders"], figures["extra_orders"]
    assert (missing.value, missing.basis, missing.detail) == (pytest.approx(0.25), 40, f"30 on Monday, {LAST}")
    assert (extra.value, extra.age_hours) == (0, 2.25)
    # of |n - 40| the middle is 2: twice 1.4826 of that, of 40, as a factor down and up
    assert missing.usual == pytest.approx(1 - math.exp(-2 * 1.4826 * 2 / 40))
    assert extra.usual == pytest.approx(math.exp(2 * 1.4826 * 2 / 40) - 1)
    assert figures["missing_dispatches"][4:] == missing[4:]


def test_days_on_which_nothing_is_usual_say_nothing() -> None:
    """A Saturday without orders is none to miss: Friday is still the last day judged, and stands over the weekend."""
    orders = weeks(dict.fromkeys(range(5), 60))
    friday = LAST - timedelta(days=3)
    orders[friday] = 0
    rows = history(orders)

    assert [measured(rows, friday + timedelta(days=later))["missing_orders"].detail for later in range(3)] == [
        f"0 on Friday, {friday}"
    ] * 3
    assert [bool(rows.standing(friday + timedelta(days=later))) for later in (-1, 0, 1, 2, 3)] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_a_silence_stands_until_it_is_over() -> None:
    """Three weeks without orders are no new rhythm: the alert stands from the first night until orders come again."""
    orders = weeks(dict.fromkeys(range(7), 60), first=FIRST + timedelta(days=14), last=LAST + timedelta(days=21))
    silent = [LAST - timedelta(days=1) + timedelta(days=number) for number in range(21)]
    rows = history(orders | dict.fromkeys(silent, 0))

    assert ["no orders placed" in rows.standing(silent[number]) for number in (0, 6, 13, 20)] == [True] * 4
    assert "no orders placed" not in rows.standing(silent[-1] + timedelta(days=1))


def test_a_holiday_is_no_outage() -> None:
    """
    Easter Monday is compared with holidays alone, of which there are too few, and so is the weekend behind Good Friday.

    The Monday after misses nothing.
    """
    orders = weeks(dict.fromkeys(range(7), 60))
    orders[EASTER] = 0
    rows = history(orders)

    assert measured(rows, EASTER)["missing_orders"].detail.endswith(str(EASTER - timedelta(days=4)))
    assert rows.standing(EASTER) == set()
    assert measured(rows, EASTER + timedelta(weeks=1))["missing_orders"].value == 0


def test_eight_weeks_have_to_be_known() -> None:
    """The first day counts for none, it may have begun before the history did."""
    orders = weeks({0: 60}, FIRST, FIRST + timedelta(weeks=9))
    rows = history(orders)

    assert measured(rows, FIRST + timedelta(weeks=8)) == {}
    assert measured(rows, FIRST + timedelta(weeks=9)).keys() == {"missing_orders", "extra_orders"}


@pytest.mark.parametrize(
    ("usual", "value", "is_told"),
    [(0.1, 0.39, False), (0.1, 0.41, True), (0.5, 0.49, False), (0.5, 0.51, True), (3, 0.59, False), (3, 0.61, True)],
)
def test_floor_and_ceiling_of_a_rule_bound_what_is_usual(usual: float, value: float, is_told: bool) -> None:
    """Never under `above`, always over `up_to`, between them by what such days differ by."""
    rule = Rule(rule="r", measure="missing_orders", above=0.4, up_to=0.6, at_least=20)

    assert rules.crosses(rule, Figure("main", "missing_orders", "", "", value, 20, 2, usual)) == is_told
    assert not rules.crosses(rule, Figure("main", "missing_orders", "", "", value, 19, 2, usual))


def test_a_message_says_the_day_the_number_and_what_is_usual() -> None:
    """In a sentence that is as true tomorrow."""
    rule = Rule(rule="r", measure="missing_dispatches", above=0.4, up_to=0.6)
    figure = Figure("main", "missing_dispatches", "day", "12 on Friday, 2025-05-30", 0.8, 60, 2, 0.1)

    assert rules.message(rule, figure, datetime(2025, 5, 31, 2, 15)) == (
        "Dispatches: 12 on Friday, 2025-05-30, where 60 were to be expected, 80.0% too few "
        "(above 40.0%; as of 2025-05-31 02:15)."
    )


@pytest.mark.slow
def test_the_shipped_rules_on_months_of_days() -> None:
    """
    Days that differ by an eighth without anything being wrong, closed weekends, a trend: one false alarm at most; every
    silent day is found in the next night, most that are halved or doubled too, nearly all when it goes on for three.
    """
    chance = Random(7)
    first, last = date(2025, 1, 1) - timedelta(days=proof_size.of(ci=0, proof=92)), date(2025, 4, 30)
    level = (70, 80, 75, 70, 60, 20, 30)
    rows = History(first, last)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows.write("orders", {
        day: round(level[day.weekday()] * (1 + number / 700) * chance.lognormvariate(0, 0.13))
        for number, day in enumerate(days)
    })  # fmt: skip
    rows.send()
    rows.settle()

    raised = rows.raised()
    shares = rows.found(5, chance)

    assert sum(map(len, raised.values())) <= 1
    assert {what: by_night for what, by_night in shares.items() if "silence" in what} == {
        "silence orders": [1.0], "silence dispatches": [1.0],
    }  # fmt: skip
    assert {what: by_night for what, by_night in shares.items() if by_night[0] < 0.5 or by_night[-1] < 0.8} == {}
    assert {rule.measure for rule in rules.read(rows.policy_dir)} >= set(VOLUMES)


def by_hours(rows: History, orders: dict[date, list[int]]) -> None:
    """An order at each of the hours of each day."""
    placed = [(day, hour) for day, hours in orders.items() for hour in hours]
    rows.con.execute(
        "insert into staging.orders by name select 'main' as account, uuid()::varchar as order_id, "
        "unnest(?::timestamp[]) + to_hours(unnest(?::int[])) as created_at",
        [[day for day, _ in placed], [hour for _, hour in placed]],
    )
    rows.settle()


@pytest.mark.parametrize(
    ("hours", "share", "detail"),
    [
        # ten an hour from 8 to 17 are usual: the hours strictly between two orders count
        ([*range(8, 18)] * 10, 0, None),
        ([8, 9, 10, 15, 16, 17] * 10, 0.4, "none from 10:00 to 15:00"),
        ([*range(12, 18)] * 10, 0.4, "none from 00:00 to 12:00"),
        ([*range(8, 13)] * 10, 0.5, "none from 12:00 to 24:00"),
        # as many as ever, but late
        ([16] * 90 + [17] * 10, 0.8, "none from 00:00 to 16:00"),
    ],
)
def test_a_stretch_without_orders_is_as_long_as_what_usually_comes_in_it(
    hours: list[int], share: float, detail: str | None
) -> None:
    """Between two orders, before the first and behind the last; nights count nothing."""
    days = [FIRST + timedelta(weeks=number) for number in range(1, 11)]
    rows = History(FIRST, days[-1])
    by_hours(rows, {FIRST: [9]} | dict.fromkeys(days[:-1], [*range(8, 18)] * 10) | {days[-1]: hours})
    (figure,) = [figure for figure in rows.figures(days[-1]) if figure.subject == "in a row"]

    assert (figure.measure, figure.value, figure.usual) == ("missing_orders", pytest.approx(share), 0)
    assert figure.detail == f"{detail} on Monday, {days[-1]}" or detail is None
    assert ("no orders for hours" in rows.standing(days[-1])) == (share > 0.37)


def test_batches_are_no_outage() -> None:
    """What comes in two batches a day has a long stretch every day, also where both come an hour later."""
    days = [FIRST + timedelta(weeks=number) for number in range(1, 11)]
    rows = History(FIRST, days[-1])
    usual = {day: [7 + number % 3] * 30 + [15 + number % 3] * 30 for number, day in enumerate(days[:-1])}
    by_hours(rows, {FIRST: [9]} | usual | {days[-1]: [10] * 30 + [18] * 30})

    assert rows.standing(days[-1]) == set()


def test_a_message_of_a_stretch_says_its_hours() -> None:
    """And what usually comes in them."""
    rule = Rule(rule="r", measure="missing_orders", subject="in a row", above=0.4)
    figure = Figure("main", "missing_orders", "in a row", "none from 10:00 to 15:00 on Friday, 2025-05-30", 0.5, 60, 2)

    assert rules.message(rule, figure, datetime(2025, 5, 31, 2, 15)) == (
        "Orders: none from 10:00 to 15:00 on Friday, 2025-05-30, when 50.0% of such a day's usually come "
        "(above 40.0%; as of 2025-05-31 02:15)."
    )
