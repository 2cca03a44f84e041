"""When an order is out: what is put back before sending counts less, what comes back or leaves later counts nothing."""

from typing import Any

import pytest
from order_rows import Orders, Seen, at, utc

from stockbook.checks.rules import of_table
from stockbook.declarations import Table

# created on Tuesday before the cut-off, due that day at 18:00
CREATED = "2025-03-04 09:00"
OUT = "2025-03-04 10:00"
THERE = Seen("in_expedition", "2025-03-04 09:30", "2025-03-05 02:15")
DELIVERED = (THERE, Seen("delivered", "2025-03-07 02:15", "2025-04-05 02:15"))
SENT_THAT_NIGHT = (Seen("in_expedition", "2025-03-04 09:30"), Seen("sent", "2025-03-05 02:15", "2025-04-05 02:15"))
MONTH_LATER = "2025-04-05 02:15"

# movements of one order: direction, local time, pieces, variant
Moves = tuple[tuple[str, str, int, int], ...]
FIRST: Moves = (("out", OUT, 1, 1),)

# what was seen of the order, what moved, events; state, in full, when all was out, pieces never ordered, pieces later
CASES: dict[
    str, tuple[tuple[Seen, ...], Moves, dict[str, str], tuple[str, bool | None, str | None, int | None, int]]
] = {
    "exchanged after delivery": (
        DELIVERED,
        (*FIRST, ("in", "2025-03-13 09:00", 1, 1), ("out", "2025-03-14 09:00", 1, 1)),
        {},
        ("on_time", True, OUT, 0, 1),
    ),
    "lost and sent again": (DELIVERED, (*FIRST, ("out", "2025-03-11 09:00", 1, 1)), {}, ("on_time", True, OUT, 0, 1)),
    "a leaflet booked later": (
        DELIVERED,
        (*FIRST, ("out", "2025-03-05 09:00", 1, 9)),
        {},
        ("on_time", True, OUT, 1, 0),
    ),
    "a leaflet booked before": (
        DELIVERED,
        (("out", "2025-03-04 09:30", 2, 9), *FIRST),
        {},
        ("on_time", True, OUT, 2, 0),
    ),
    "put back and still there": (
        (Seen("in_expedition", "2025-03-04 09:30", MONTH_LATER),),
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1)),
        {},
        ("overdue", False, None, 0, 0),
    ),
    "put back, out again in time": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1), ("out", "2025-03-04 15:00", 1, 1)),
        {"OrderSent": "2025-03-04 17:00"},
        ("on_time", True, "2025-03-04 15:00", 0, 0),
    ),
    "put back, out again too late": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1), ("out", "2025-03-05 15:00", 1, 1)),
        {"OrderSent": "2025-03-05 17:00"},
        ("late", True, "2025-03-05 15:00", 0, 0),
    ),
    "returned by the customer": (
        DELIVERED,
        (*FIRST, ("in", "2025-03-20 09:00", 1, 1)),
        {},
        ("on_time", True, OUT, 0, 0),
    ),
    "returned and put back in one second of sending": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (*FIRST, ("in", "2025-03-04 17:00", 1, 1)),
        {"OrderSent": "2025-03-04 17:00"},
        ("on_time", True, OUT, 0, 0),
    ),
    "back in the night of sending": (
        SENT_THAT_NIGHT,
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1)),
        {},
        ("unknown", None, None, 0, 0),
    ),
    "back and out in the night of sending, both in time": (
        SENT_THAT_NIGHT,
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1), ("out", "2025-03-04 15:00", 1, 1)),
        {},
        ("on_time", None, "2025-03-04 15:00", 0, 1),
    ),
    "back and out in the night of sending, one too late": (
        SENT_THAT_NIGHT,
        (*FIRST, ("in", "2025-03-04 11:00", 1, 1), ("out", "2025-03-04 19:00", 1, 1)),
        {},
        ("unknown", None, "2025-03-04 19:00", 0, 1),
    ),
    "back and out in the night of sending, both too late": (
        (Seen("in_expedition", "2025-03-05 02:15"), Seen("sent", "2025-03-06 02:15", MONTH_LATER)),
        (("out", "2025-03-05 10:00", 1, 1), ("in", "2025-03-05 11:00", 1, 1)),
        {},
        ("late", None, None, 0, 0),
    ),
    "first seen delivered": (
        (Seen("delivered", "2025-03-20 02:15", MONTH_LATER),),
        (*FIRST, ("in", "2025-03-13 09:00", 1, 1), ("out", "2025-03-14 09:00", 1, 1)),
        {},
        ("on_time", True, OUT, 0, 1),
    ),
    "first seen returned": (
        (Seen("returned", "2025-03-20 02:15", MONTH_LATER),),
        (*FIRST, ("in", "2025-03-13 09:00", 1, 1)),
        {},
        ("on_time", True, OUT, 0, 0),
    ),
    "first seen delivered, a leaflet put back before": (
        (Seen("delivered", "2025-03-20 02:15", MONTH_LATER),),
        (("out", "2025-03-04 09:20", 1, 9), ("in", "2025-03-04 09:25", 1, 9), *FIRST, ("in", "2025-03-13 09:00", 1, 1)),
        {},
        ("on_time", True, OUT, 0, 0),
    ),
    "first seen delivered, a leaflet came back after": (
        (Seen("delivered", "2025-03-20 02:15", MONTH_LATER),),
        (("out", "2025-03-04 09:20", 1, 9), *FIRST, ("in", "2025-03-13 09:00", 1, 9)),
        {},
        ("on_time", True, OUT, 1, 0),
    ),
    "told returned and nothing else": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (*FIRST, ("in", "2025-03-12 09:00", 1, 1)),
        {"OrderPacked": "2025-03-04 10:05", "OrderSent": "2025-03-04 17:00", "OrderReturned": "2025-03-11 09:00"},
        ("on_time", True, OUT, 0, 0),
    ),
    "cancelled and put back": (
        (Seen("in_expedition", "2025-03-04 09:30"), Seen("cancelled", "2025-03-04 12:00", MONTH_LATER)),
        (*FIRST, ("in", "2025-03-04 13:00", 1, 1)),
        {},
        ("excluded", False, None, 0, 0),
    ),
    "cancelled too late and put back": (
        (THERE, Seen("cancelled", "2025-03-06 02:15", MONTH_LATER)),
        (*FIRST, ("in", "2025-03-06 13:00", 1, 1)),
        {},
        ("late", False, None, 0, 0),
    ),
    "not sent, put back, sent a day later": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (*FIRST, ("in", "2025-03-04 17:30", 1, 1), ("out", "2025-03-05 09:00", 1, 1)),
        {"OrderNotSent": "2025-03-04 17:00", "OrderSent": "2025-03-05 17:00"},
        ("late", True, "2025-03-05 09:00", 0, 0),
    ),
    "not sent, never put back, not sent since": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        FIRST,
        {"OrderNotSent": "2025-03-04 17:00"},
        ("overdue", True, None, 0, 0),
    ),
    "not sent, never put back, sent a day later": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        FIRST,
        {"OrderNotSent": "2025-03-04 17:00", "OrderSent": "2025-03-05 17:00"},
        ("late", True, None, 0, 0),
    ),
    "more than ordered, the rest put back": (
        (Seen("in_expedition", "2025-03-04 09:30"),),
        (("out", OUT, 2, 1), ("in", "2025-03-04 11:00", 1, 1)),
        {"OrderSent": "2025-03-04 17:00"},
        ("on_time", False, OUT, 0, 0),
    ),
}


def _fill(orders: Orders, name: str) -> None:
    seen, moves, events, _ = CASES[name]
    orders.order(name, CREATED, *seen)
    for direction, moved, pieces, variant in moves:
        orders.move(name, moved, pieces, variant_id=variant, direction=direction)
    for event_type, occurred in events.items():
        orders.event(name, event_type, occurred)


@pytest.fixture(scope="module")
def books() -> Orders:
    """All the orders of the table above and those of the tests below, built once."""
    orders = Orders()
    for name in CASES:
        _fill(orders, name)
    # two variants, of which one was put back for an hour
    orders.order("two variants", CREATED, *DELIVERED)
    orders.line("two variants", 2, 2)
    for direction, moved, pieces, variant in (
        ("out", "2025-03-04 10:00", 1, 1),
        ("in", "2025-03-04 11:00", 1, 1),
        ("out", "2025-03-04 12:00", 2, 2),
        ("out", "2025-03-04 13:00", 1, 1),
    ):
        orders.move("two variants", moved, pieces, variant_id=variant, direction=direction)
    # a piece was missing and followed: the order was out with it, and a return before it changes nothing
    orders.order("the rest followed", CREATED, *DELIVERED, pieces=2)
    orders.move("the rest followed", OUT, 1)
    orders.move("the rest followed", "2025-03-10 10:00", 1)
    # restored after it came back: the second cycle is that of its own pieces
    cancelled = (Seen("in_expedition", "2025-03-04 09:30"), Seen("cancelled", "2025-03-04 11:00"))
    orders.order("restored", CREATED, *cancelled)
    orders.webhooks("restored", ("OrderCanceled", "2025-03-04 10:30"), ("OrderRestored", "2025-03-04 12:00"))
    orders.move("restored", OUT, 1)
    orders.move("restored", "2025-03-04 12:30", 1, direction="in")
    orders.move("restored", "2025-03-04 16:00", 1)
    orders.event("restored", "OrderSent", "2025-03-04 17:00")
    for model in ("return_rate", "fill_rate", "problem_rate", "same_day_share", "carrier_transit"):
        orders.build(MONTH_LATER, f"reports.{model}")
    return orders


@pytest.fixture(scope="module")
def fulfillments(books: Orders) -> dict[str, dict[str, Any]]:
    """The latest cycle of every order."""
    return {row["order_id"]: row for row in books.rows("marts.fct_fulfillment") if row["is_latest_cycle"]}


@pytest.mark.parametrize("name", CASES)
def test_when_an_order_was_out(fulfillments: dict[str, dict[str, Any]], name: str) -> None:
    """Its pieces decide when they were all out for the first time and stayed out until it was sent."""
    state, in_full, out, extra, later = CASES[name][3]
    row = fulfillments[name]

    assert (row["sla_state"], row["is_in_full"]) == (state, in_full)
    assert row["stock_out_at_utc"] == (utc(out) if out else None)
    assert (row["extra_pieces"], row["later_pieces"]) == (extra, later)


def test_a_doubt_says_why(fulfillments: dict[str, dict[str, Any]]) -> None:
    """Where it is not known whether pieces were put back before sending, the row says so and keeps both readings."""
    row = fulfillments["back in the night of sending"]
    both = fulfillments["back and out in the night of sending, one too late"]

    assert row["unknown_reason"] == "perhaps put back before it was sent"
    assert (row["could_be_on_time"], row["could_be_late"]) == (True, True)
    assert both["stock_out_after_utc"] < utc(OUT) < both["stock_out_at_utc"]


def test_all_variants_are_out_together(fulfillments: dict[str, dict[str, Any]]) -> None:
    """A variant put back while another leaves makes the order whole only when it is out again."""
    assert fulfillments["two variants"]["stock_out_at_utc"] == utc("2025-03-04 13:00")
    assert (fulfillments["two variants"]["sla_state"], fulfillments["two variants"]["is_in_full"]) == ("on_time", True)


def test_what_followed_makes_it_whole(fulfillments: dict[str, dict[str, Any]]) -> None:
    """An order sent short is out when the rest has left."""
    row = fulfillments["the rest followed"]

    assert (row["sla_state"], row["stock_out_at_utc"], row["later_pieces"]) == ("late", utc("2025-03-10 10:00"), 0)


def test_a_restored_order_owes_nothing_to_its_first_cycle(fulfillments: dict[str, dict[str, Any]]) -> None:
    """Pieces of the first cycle put back after the restore are not missing in the second."""
    row = fulfillments["restored"]

    assert (row["cycle_no"], row["sla_state"], row["stock_out_at_utc"]) == (2, "on_time", utc("2025-03-04 16:00"))


def test_put_back_is_neither_shipped_nor_returned(books: Orders) -> None:
    """The return rate counts what customers sent back of what was sent; the rest never went."""
    rows = books.con.execute(
        """
        select event_type, is_put_back, sum(pieces) from marts.fct_order_event
        where event_type in ('stock_in', 'stock_out') group by all order by all
        """
    ).fetchall()
    pieces = {(kind, back): count for kind, back, count in rows}
    (month,) = [row for row in books.rows("reports.return_rate") if row["is_latest_age"]]

    assert month["shipped_units"] == pieces["stock_out", None] - pieces["stock_in", True]
    assert month["doubtful_units_so_far"] == pieces["stock_in", None]
    assert month["returned_units_so_far"] == pieces["stock_in", None] + pieces["stock_in", False]


def test_a_return_is_a_customers(fulfillments: dict[str, dict[str, Any]]) -> None:
    """Only what came back after sending is a return of the order."""
    assert fulfillments["returned by the customer"]["returned_at_utc"] == utc("2025-03-20 09:00")
    assert fulfillments["put back and still there"]["returned_at_utc"] is None
    assert fulfillments["put back, out again in time"]["returned_at_utc"] is None


def test_the_fill_rate_leaves_out_what_was_put_back(books: Orders) -> None:
    """Pieces put back fill no line, pieces sent again fill none twice."""
    (row,) = books.rows("reports.fill_rate")
    orders = [row for row in books.rows("marts.fct_fulfillment") if row["is_latest_cycle"]]
    counted = [row for row in orders if row["sla_state"] not in ("excluded", "pending")]

    assert (row["orders"], row["orders_not_countable"]) == (len(counted), 0)
    # overdue in the warehouse, and late for its cancellation: these two lines are empty
    assert row["lines"] - row["complete_lines"] == 2


def test_goods_that_left_early_waited_until_they_left() -> None:
    """Left before the requested day, the creation, or a release that was told later: no stretch is negative."""
    orders = Orders()
    orders.order("requested later", CREATED, out=OUT, dispatch_date="2025-03-10")
    orders.order("requested in another age", CREATED, out=OUT, dispatch_date="2099-12-31")
    orders.order("before its creation", CREATED, out="2025-03-04 08:00")
    orders.order("held on paper", CREATED, Seen("created", "2025-03-04 09:30", on_hold=True), out=OUT)
    orders.event("held on paper", "OrderCreated", CREATED, on_hold=True)
    orders.event("held on paper", "OrderPushedToExpedition", "2025-03-04 14:00")
    orders.order("ordinary", CREATED, out=OUT)
    orders.order("still asked for", CREATED, dispatch_date="2099-12-31")

    rows = orders.fulfillment("2025-03-20")
    hours = {
        name: (row["is_left_early"], row["waiting_hours"], row["warehouse_hours"], row["click_to_ship_hours"])
        for name, row in rows.items()
        if row["dispatch_at_utc"]
    }

    assert hours == {
        "requested later": (True, 1, 0, 1),
        "requested in another age": (True, 1, 0, 1),
        "before its creation": (True, 0, 0, 0),
        "held on paper": (True, 1, 0, 1),
        "ordinary": (False, 0, 1, 1),
    }
    assert rows["requested later"]["due_date"] == at("2025-03-10").date()
    assert (rows["requested later"]["sla_state"], rows["requested later"]["waiting_business_hours"]) == ("on_time", 1)
    assert (rows["still asked for"]["sla_state"], rows["still asked for"]["not_eligible_reason"]) == (
        "pending",
        "requested_date",
    )


def test_an_order_that_gets_more_back_than_left_is_told(tables: dict[str, Table]) -> None:
    """In parts or without a dispatch; not what was put back and sent again, nor before the ledger's first row."""
    orders = Orders()
    orders.order("first", "2025-03-01 09:00", out="2025-03-01 10:00")
    orders.move("before", "2025-03-05 10:00", 5, direction="in")
    orders.order("before", "2025-02-01 09:00")
    for name, *moves in (
        ("all back", ("out", 2), ("in", 1), ("in", 1)),
        ("too many", ("out", 2), ("in", 2), ("in", 1)),
        ("never out", ("in", 1)),
        ("sent again", ("out", 1), ("in", 1), ("out", 1)),
    ):  # fmt: skip
        orders.order(name, CREATED)
        for hour, (direction, pieces) in enumerate(moves, start=10):
            orders.move(name, f"2025-03-05 {hour}:00", pieces, direction=direction)
    name = "an order gets no more back than left for it"
    [rule] = [rule for rule in of_table(tables["marts.fct_order_event"]) if rule.name == name]
    for model in ("marts.fct_order", "marts.fct_order_event"):
        orders.build(MONTH_LATER, model)

    assert orders.con.execute(f"{rule.bad_rows} order by all").fetchall() == [
        ("main", "never out", 0, 1),
        ("main", "too many", 2, 3),
    ]
