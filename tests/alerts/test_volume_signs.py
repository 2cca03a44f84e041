"""What orders say themselves of how many are missing or too many, where the count of a day may pass for chance."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pytest
from model_runner import POLICY
from volumes import TABLES, History

from stockbook.alerts import rules
from stockbook.alerts.rules import Figure

FIRST = date(2025, 2, 3)
# nine Mondays behind the first
MONDAYS = [FIRST + timedelta(weeks=number) for number in range(1, 10)]
LAST = MONDAYS[-1]
SHIPPED = rules.read(POLICY)
# id, number, buyer, worth, minutes since eight
Order = tuple[str, str | None, str | None, int | None, int]


def plain(day: date, places: Iterable[int] = range(40), number: str = "{}") -> list[Order]:
    """An order of a buyer of its own at each of these places of a day, whose numbers run on."""
    start = (day - FIRST).days * 100
    return [(f"{day}-{at}", number.format(start + at), f"{day}-{at}", 100, at * 10) for at in places]


def place(rows: History, day: date, orders: list[Order]) -> None:
    rows.con.execute(
        "insert into staging.orders by name select 'main' as account, unnest(?::varchar[]) as order_id, "
        "unnest(?::varchar[]) as remote_number, unnest(?::varchar[]) as recipient_key, "
        "unnest(?::int[]) as goods_value, "
        "cast(? as timestamp) + interval 8 hour + to_minutes(unnest(?::int[])) as created_at",
        [*([order[place] for order in orders] for place in range(4)), day, [order[4] for order in orders]],
    )


def send(rows: History, day: date, order_ids: Iterable[str]) -> None:
    rows.con.execute(
        "insert into staging.movements by name select 'main' as account, 'out' as direction, "
        "unnest(?::varchar[]) as order_id, cast(? as timestamp) + interval 16 hour as created_at",
        [list(order_ids), day],
    )


def figures_of(rows: History, measure: str, subject: str) -> list[Figure]:
    return [f for f in rows.figures(LAST) if (f.measure, f.subject) == (measure, subject)]


def is_told(figure: Figure, name: str) -> bool:
    """Whether the shipped rule of that name raises an alert."""
    return any(rules.crosses(rule, figure) for rule in SHIPPED if rule.rule == name)


def with_last(rows: History, orders: list[Order], number: str = "{}") -> None:
    """Eight Mondays of forty orders, and these on the last."""
    place(rows, FIRST, plain(FIRST, [0]))
    for day in MONDAYS[:-1]:
        place(rows, day, plain(day, number=number))
    place(rows, LAST, orders)


@pytest.fixture(scope="module")
def settled() -> History:
    """The policies, and the calendar of such days."""
    rows = History(FIRST, LAST)
    with_last(rows, plain(LAST))
    rows.settle()
    return rows


@pytest.fixture
def rows(settled: History) -> History:
    """The same without orders, for one test."""
    for table in TABLES.values():
        settled.con.execute(f"delete from {table}")
    return settled


NUMBERS = [order[1] for order in plain(LAST)]
GAPS = [at for at in range(40) if at % 4 < 2]


@pytest.mark.parametrize(
    ("orders", "number", "value"),
    [
        # two come, two do not: half of them have the next number behind them, where 39 of 40 are usual
        (plain(LAST, GAPS), "{}", ((1 - 0.5 / 0.975) + 0.5) / 2),
        (plain(LAST, GAPS, "W-{}/cz"), "W-{}/cz", ((1 - 0.5 / 0.975) + 0.5) / 2),
        # fewer orders, and none is missing between them
        (plain(LAST, range(22)), "{}", ((1 - 21 / 22 / 0.975) + 0.45) / 2),
        # gaps, and as many orders as ever: two rows of numbers of which one is used up for something else
        (plain(LAST, range(0, 80, 2)), "{}", 0.5),
        # a number said twice is one
        ([*plain(LAST), (f"{LAST}-x", NUMBERS[0], "x", 1, 1)], "{}", 0),
    ],
)
def test_gaps_in_the_numbers_are_missing_orders(rows: History, orders: list[Order], number: str, value: float) -> None:
    """The mean of the share of numbers without the next, beside the usual one, and of what is missing by count."""
    with_last(rows, orders, number)
    (figure,) = figures_of(rows, "missing_orders", "numbers")

    assert figure.value == pytest.approx(value)
    assert (figure.basis, figure.usual, figure.age_hours) == (40, 0, 2.25)
    assert is_told(figure, "order numbers missing") == (value > 0.36)


@pytest.mark.parametrize("number", ["{}7", "{}0/2025", "kniha"])
def test_numbers_that_do_not_run_on_say_nothing(rows: History, number: str) -> None:
    """Nor do words, and the number of another order is not the next one."""
    with_last(rows, plain(LAST, GAPS, number), number)

    assert figures_of(rows, "missing_orders", "numbers") == []


def again(at: int, number: str | None = None, buyer: str | None = None, worth: int = 100, minutes: int = 1) -> Order:
    """What comes behind the order at a place of the last day; of the same buyer where none is said."""
    return (f"again {at}", number, buyer or f"{LAST}-{at}", worth, at * 10 + minutes)


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ([again(at) for at in range(40)], 1),
        ([again(at) for at in range(10)], 0.25),
        # of another buyer, whose number it has
        ([again(at, NUMBERS[at], f"other {at}") for at in range(20)], 0.5),
        # of the same buyer, and worth something else; the day after; of nobody
        ([again(at, worth=90) for at in range(40)], 0),
        ([again(at, minutes=24 * 60) for at in range(40)], 0),
        ([(f"again {at}", None, None, 100, at * 10) for at in range(40)], 0),
    ],
)
def test_an_order_that_came_before_is_too_many(rows: History, more: list[Order], value: float) -> None:
    """Of the same buyer and the same amounts less than a day before, or with the same number; beside the others."""
    with_last(rows, plain(LAST) + more)
    (figure,) = figures_of(rows, "extra_orders", "repeats")

    assert (figure.value, figure.basis) == (pytest.approx(value), 40)
    assert is_told(figure, "orders twice") == (value > 0.25)


def test_buyers_that_always_order_twice_are_usual(rows: History) -> None:
    """A tenth of the orders of each Monday repeats another one, and of the last too."""
    place(rows, FIRST, plain(FIRST, [0]))
    for day in MONDAYS:
        place(rows, day, [*plain(day), *((f"{day}-{at} again", None, f"{day}-{at}", 100, 500) for at in range(4))])

    assert [figure.value for figure in figures_of(rows, "extra_orders", "repeats")] == [0]


def sent(rows: History, last: list[str], usual: int = 30) -> None:
    """Eight Mondays on which so many of forty orders left, the others the day after; and these on the last."""
    for day in [FIRST, *MONDAYS]:
        orders = [order[0] for order in plain(day)]
        place(rows, day, plain(day))
        send(rows, day, orders[:usual] if day < LAST else last)
        if day < LAST:
            send(rows, day + timedelta(days=1), orders[usual:])


IDS = [order[0] for order in plain(LAST)]


@pytest.mark.parametrize(("left", "value"), [(30, 0), (40, 0), (20, 1 / 3), (15, 0.5), (1, 29 / 30)])
def test_orders_that_wait_and_do_not_leave_are_missing(rows: History, left: int, value: float) -> None:
    """Of forty that wait thirty are usual, however many come."""
    sent(rows, IDS[:left])
    (figure,) = figures_of(rows, "missing_dispatches", "waiting")

    assert (figure.value, figure.basis) == (pytest.approx(value), 30)
    assert is_told(figure, "waiting orders not sent") == (value > 0.3)


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ([], 0),
        ([f"nobody's {at}" for at in range(15)], 0.5),
        ([f"nobody's {at}" for at in range(30)], 1),
        # of the Monday before
        ([order[0] for order in plain(MONDAYS[-2])], 40 / 30),
        # twice on one day is one dispatch
        (IDS[:30], 0),
    ],
)
def test_what_nobody_ordered_or_had_left_before_is_too_many(rows: History, more: list[str], value: float) -> None:
    """Beside the dispatches of orders that are there and leave for the first time."""
    sent(rows, IDS[:30] + more)
    (figure,) = figures_of(rows, "extra_dispatches", "strays")

    assert (figure.value, figure.basis) == (pytest.approx(value), 30)
    assert is_told(figure, "sent without an order") == (value > 0.25)


def test_later_orders_are_no_sign(rows: History) -> None:
    """The number behind the last one of the day counts only once it came by now."""
    with_last(rows, plain(LAST, range(39)))
    place(rows, LAST + timedelta(days=1), [("later", plain(LAST)[39][1], "later", 1, 0)])
    (figure,) = figures_of(rows, "missing_orders", "numbers")

    assert figure.value == pytest.approx((1 - 38 / 39 / 0.975 + 0.025) / 2)


@pytest.mark.parametrize(
    ("subject", "detail", "said"),
    [
        ("numbers", "20 on Monday, 2025-04-07, 10 with a gap behind their number", "too few"),
        ("repeats", "80 on Monday, 2025-04-07, 40 the same as another one", "too many"),
        ("waiting", "15 on Monday, 2025-04-07 of 40 that waited", "too few"),
        ("strays", "45 on Monday, 2025-04-07, 15 not ordered, or sent before", "too many"),
    ],
)
def test_a_message_says_what_is_odd_of_the_orders(rows: History, subject: str, detail: str, said: str) -> None:
    """With the day, and how many were to be expected."""
    histories = {
        "numbers": lambda: with_last(rows, plain(LAST, GAPS)),
        "repeats": lambda: with_last(rows, plain(LAST) + [again(at) for at in range(40)]),
        "waiting": lambda: sent(rows, IDS[:15]),
        "strays": lambda: sent(rows, IDS[:30] + [f"nobody's {at}" for at in range(15)]),
    }
    histories[subject]()
    (figure,) = [f for f in rows.figures(LAST) if f.subject == subject]
    (rule,) = [rule for rule in SHIPPED if rule.subject == subject]

    kind = figure.measure.split("_")[1].capitalize()
    message = rules.message(rule, figure, datetime(2025, 4, 8, 2, 15))

    assert figure.detail == detail
    assert message.startswith(
        f"{kind}: {detail}, where {figure.basis} were to be expected, {figure.value:.1%} {said} (above"
    )
