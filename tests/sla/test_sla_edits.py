"""Orders that were edited: what was ordered when it left is what the promise is judged by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from model_runner import run, run_again
from order_rows import Orders, Seen, at, policy_folder

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.progress import Silent
from stockbook.staging.load import Landed, load

NIGHTS = ("2026-03-04T02:15:00", "2026-03-05T02:15:00", "2026-03-06T02:15:00", "2026-03-07T02:15:00")
# due on its own day at 18:00
CREATED = "2026-03-03 09:00:00"

Lines = dict[str, Any]


@dataclass
class Life:
    """What each night read of an order (the last stays), and what moved: variant, pieces out, when."""

    read: list[tuple[str, Lines]]
    moved: list[tuple[int, int, str]] = field(default_factory=list)
    items: dict[int, int] = field(default_factory=dict)


def sent(*lines: Lines) -> list[tuple[str, Lines]]:
    """Nights that all saw the order sent, with these lines."""
    return [("sent", of_night) for of_night in lines]


NOT_YET = "not yet made"
TEN, NEXT, THIRD = "2026-03-03 10:00:00", "2026-03-04 10:00:00", "2026-03-05 10:00:00"
LIVES = {
    "never edited": Life(sent({"DS1": 2}), [(1, 2, TEN)]),
    "more after it left": Life(sent({"DS1": 2}, {"DS1": 3}), [(1, 2, TEN)]),
    "fewer after it left": Life(sent({"DS1": 2}, {"DS1": 1}), [(1, 1, TEN)]),
    "fewer after a part left, sent later": Life(
        [("in_expedition", {"DS1": 2}), ("in_expedition", {"DS1": 1}), ("sent", {"DS1": 1})], [(1, 1, TEN)]
    ),
    "fewer after a part left": Life([("in_expedition", {"DS1": 2}), ("in_expedition", {"DS1": 1})], [(1, 1, TEN)]),
    "a line added": Life(sent({"DS1": 1}, {"DS1": 1, "DS2": 1}), [(1, 1, TEN)]),
    "a line removed": Life(sent({"DS1": 1, "DS2": 1}, {"DS1": 1}), [(1, 1, TEN)]),
    "a first line put in": Life(sent({"DS1": 1}, {"DS2": 1, "DS1": 1}), [(1, 1, TEN)]),
    "another code": Life(sent({"DS1": 1}, {"DS2": 1}), [(1, 1, TEN)]),
    "a set": Life(sent({"SET": 1}, {"SET": 2, "DS1": 1}), [(1, 1, TEN), (2, 1, TEN)], {1: 1, 2: 1}),
    "edited, then exchanged": Life(sent({"DS1": 2}, {"DS1": 3}), [(1, 2, TEN), (1, 1, THIRD)]),
    "lines in another order": Life(sent({"DS1": 1, "DS2": 1}, {"DS2": 1, "DS1": 1}), [(1, 1, TEN), (2, 1, TEN)]),
    "edited before it left": Life([("in_expedition", {"DS1": 2}), *sent({"DS1": 3})], [(1, 3, NEXT)]),
    "edited between two parts": Life(
        [("in_expedition", {"DS1": 2}), ("in_expedition", {"DS1": 3}), *sent({"DS1": 3}, {"DS1": 5})],
        [(1, 1, TEN), (1, 2, THIRD)],
    ),
    "put back and edited": Life(
        [("in_expedition", {"DS1": 2}), ("in_expedition", {"DS1": 1})],
        [(1, 2, TEN), (1, -2, "2026-03-03 11:00:00")],
    ),
    "restored and edited": Life(
        [("cancelled", {"DS1": 2}), ("created", {"DS1": 3}), *sent({"DS1": 3}, {"DS1": 4})],
        [(1, 2, TEN), (1, -2, "2026-03-03 13:00:00"), (1, 3, THIRD)],
    ),
    "edited before its first poll": Life(sent({"DS1": 3}), [(1, 2, TEN)]),
    "read whole the night after": Life(
        [(NOT_YET, {}), *sent({"DS2": "a few", "DS1": 1}, {"DS2": 1, "DS1": 1})], [(1, 1, NEXT), (2, 1, NEXT)]
    ),
}
# code, pieces when it left, pieces now
LINES: dict[str, list[tuple[str, int, int]]] = {
    "never edited": [("DS1", 2, 2)],
    "more after it left": [("DS1", 2, 3)],
    "fewer after it left": [("DS1", 2, 1)],
    "fewer after a part left, sent later": [("DS1", 2, 1)],
    "fewer after a part left": [("DS1", 2, 1)],
    "a line added": [("DS1", 1, 1)],
    "a line removed": [("DS1", 1, 1), ("DS2", 1, 0)],
    "a first line put in": [("DS1", 1, 1)],
    "another code": [("DS1", 1, 0)],
    "a set": [("SET", 1, 2)],
    "edited, then exchanged": [("DS1", 2, 3)],
    "lines in another order": [("DS1", 1, 1), ("DS2", 1, 1)],
    "edited before it left": [("DS1", 3, 3)],
    "edited between two parts": [("DS1", 3, 5)],
    "put back and edited": [("DS1", 1, 1)],
    "restored and edited": [("DS1", 3, 4)],
    "edited before its first poll": [("DS1", 3, 3)],
    "read whole the night after": [("DS1", 1, 1), ("DS2", 1, 1)],
}
EDITED_AFTER = {name for name, lines in LINES.items() if any(then != now for _, then, now in lines)} | {
    "a line added",
    "a first line put in",
}
STATES = {
    "never edited": ("on_time", True),
    "more after it left": ("on_time", True),
    "fewer after it left": ("unknown", False),
    "fewer after a part left, sent later": ("unknown", False),
    "fewer after a part left": ("overdue", False),
    "a line added": ("on_time", True),
    "a line removed": ("unknown", False),
    "a first line put in": ("on_time", True),
    "another code": ("on_time", True),
    "a set": ("on_time", True),
    "edited, then exchanged": ("on_time", True),
    "lines in another order": ("on_time", True),
    "edited before it left": ("late", True),
    "edited between two parts": ("late", True),
    "put back and edited": ("overdue", False),
    "restored and edited": ("unknown", True),
    "edited before its first poll": ("unknown", False),
    "read whole the night after": ("late", True),
}


def test_an_edit_after_an_order_left_moves_no_figure(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], land: Callable[..., Landed], clock: ManualClock
) -> None:
    """The state and the lines stay as the first night after it left told them; an edit before that counts."""
    ids = iter(range(1, 100))
    moves = [
        {
            "id": next(ids),
            "variant_id": variant_id,
            "movement": "out" if pieces > 0 else "in",
            "fulfillment_order_id": name,
            "quantity": abs(pieces),
            "damaged_quantity": 0,
            "created": moved,
        }
        for name, life in LIVES.items()
        for variant_id, pieces, moved in life.moved
    ]
    moves.sort(key=lambda move: str(move["created"]))
    products = [{"id": n, "name": f"P{n}", "variants": [{"id": n, "code": f"DS{n}"}]} for n in (1, 2)]
    judged = []
    for number, as_of in enumerate(NIGHTS):
        night = as_of.replace("T", " ")
        orders = [order for name, life in LIVES.items() if (order := _order(name, life, number))["status"] != NOT_YET]
        landed = [
            land("orders", orders, window_from="2026-03-01", window_to="2026-03-08", read_at=as_of),
            land("products", products, read_at=as_of),
            land("movements", [m for m in moves if m["created"] < night], floor=0, ceiling=99, read_at=as_of),
        ]
        load(con, a_run(as_of, f"r{number}"), landed, tables, clock, Silent(), 1)
        run(con, "marts.fct_fulfillment", at(as_of))
        judged.append(_states(con))
    run(con, "reports.fill_rate", at(NIGHTS[-1]))
    run(con, "marts.fct_order_line", at(NIGHTS[-1]))
    lines: dict[str, list[Any]] = {}
    for name, *line in con.execute(
        "select order_id, code, quantity, quantity_now from marts.fct_order_line order by order_id, code"
    ).fetchall():
        lines.setdefault(name, []).append(tuple(line))
    edited = con.execute("select distinct order_id from intermediate.order_line_edit").fetchall()
    filled = con.execute("select ordered_pieces, filled_pieces from reports.fill_rate").fetchall()

    assert lines == LINES
    assert {name: state[:2] for name, state in judged[-1].items()} == STATES
    assert {name for (name,) in edited} == EDITED_AFTER
    # judged once, by the night after the order left
    for name in EDITED_AFTER - {
        "edited between two parts",
        "restored and edited",
        "fewer after a part left, sent later",
    }:
        assert [states[name] for states in judged] == [judged[0][name]] * len(NIGHTS), name
    # of each that is not in full one piece is missing
    ordered = sum(then for of_order in LINES.values() for _, then, _ in of_order)
    assert filled == [(ordered, ordered - sum(not is_in_full for _, is_in_full in STATES.values()))]

    run_again(con, "marts.fct_fulfillment", at(NIGHTS[0]))
    assert _states(con)["more after it left"] == judged[0]["more after it left"]


def _order(name: str, life: Life, night: int) -> dict[str, Any]:
    status, lines = life.read[min(night, len(life.read) - 1)]
    return {
        "id": name,
        "status": status,
        "created": CREATED,
        "products": [{"code": code, "quantity": quantity} for code, quantity in lines.items()],
        "stock_items": [
            {"variant_id": variant, "code": f"DS{variant}", "quantity": n} for variant, n in life.items.items()
        ],
    }


def _states(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[Any, ...]]:
    columns = "order_id, sla_state, is_in_full, unknown_reason, stock_out_at_utc"
    rows = con.execute(f"select {columns} from marts.fct_fulfillment where is_latest_cycle").fetchall()
    return {name: tuple(row) for name, *row in rows}


# due on Tuesday at 18:00; it leaves on Thursday, which is too late
TUESDAY, THURSDAY = "2025-03-04 09:00", "2025-03-06 10:00"
THURSDAY_NOON, LATER_ON, FRIDAY, LAST = "2025-03-06 12:00", "2025-03-06 13:00", "2025-03-07 09:00", "2025-03-12 02:15"
BEFORE = Seen("in_expedition", TUESDAY, "2025-03-06 02:15")
AFTER = Seen("sent", "2025-03-07 02:15", "2025-03-07 02:15")


def test_what_stops_an_order_after_it_left_moves_no_promise() -> None:
    """A wait for stock, a correction or a hold of an exchange makes no late order punctual, by events or by polls."""
    orders = Orders()
    for event_type, on_hold in (
        ("OrderStatusChangedToWaitingForStorage", None), ("OrderStatusChangedToCreated", None), ("OrderUpdated", True),
    ):  # fmt: skip
        orders.order(event_type, TUESDAY, out=THURSDAY)
        orders.webhooks(event_type, ("OrderSent", THURSDAY_NOON))
        orders.event(event_type, event_type, LATER_ON, on_hold=on_hold)
    # the night of Friday sees what the event told of
    waiting = Seen("waiting_for_storage", "2025-03-07 02:15", LAST)
    orders.order("event and poll", TUESDAY, BEFORE, waiting, out=THURSDAY)
    orders.event("event and poll", "OrderStatusChangedToWaitingForStorage", LATER_ON)
    for status in ("waiting_for_storage", "created"):
        orders.order(f"poll {status}", TUESDAY, BEFORE, AFTER, Seen(status, "2025-03-08 02:15", LAST), out=THURSDAY)
    # nobody knows whether it waited before it left, in the same night
    orders.order("poll in between", TUESDAY, BEFORE, waiting, out=THURSDAY)
    # the wait of before counts, until its own end: due on Wednesday
    orders.order("waited before", TUESDAY, out=THURSDAY)
    orders.webhooks(
        "waited before", ("OrderStatusChangedToWaitingForStorage", "2025-03-04 10:00"),
        ("OrderPushedToExpedition", "2025-03-05 11:00"), ("OrderSent", THURSDAY_NOON),
        ("OrderStatusChangedToWaitingForStorage", FRIDAY), ("OrderPushedToExpedition", "2025-03-10 09:00"),
    )  # fmt: skip
    # still here when it began to wait
    orders.order("open", TUESDAY)
    orders.event("open", "OrderStatusChangedToWaitingForStorage", LATER_ON)

    rows = orders.fulfillment(LAST)

    assert {name: (row["sla_state"], str(row["due_date"])) for name, row in rows.items()} == {
        "OrderStatusChangedToWaitingForStorage": ("late", "2025-03-04"),
        "OrderStatusChangedToCreated": ("late", "2025-03-04"),
        "OrderUpdated": ("late", "2025-03-04"),
        "event and poll": ("late", "2025-03-04"),
        "poll waiting_for_storage": ("late", "2025-03-04"),
        "poll created": ("late", "2025-03-04"),
        "poll in between": ("unknown", "2025-03-06"),
        "waited before": ("late", "2025-03-05"),
        "open": ("pending", "None"),
    }
    orders.build(LAST, "reports.sla_late_orders")
    late = {row["order_id"]: row for row in orders.rows("reports.sla_late_orders")}
    assert {name: (row["shop_hours_least"], row["stock_hours_least"]) for name, row in late.items()} == {
        name: (0, 25 if name == "waited before" else 0) for name, row in rows.items() if row["sla_state"] == "late"
    }


def test_a_stop_before_the_clock_stopped_counts(tmp_path: Path) -> None:
    """Where sending stops the clock, a wait between the goods' leaving the shelf and the sending is the shop's."""
    orders = Orders()
    orders.order("a", TUESDAY, out="2025-03-04 10:00")
    orders.webhooks(
        "a",
        ("OrderStatusChangedToWaitingForStorage", "2025-03-04 11:00"),
        ("OrderPushedToExpedition", "2025-03-06 09:00"),
        ("OrderSent", THURSDAY_NOON),
    )

    rows = orders.fulfillment(LAST, policy_folder(tmp_path, stop_event="sent"))

    assert (rows["a"]["sla_state"], str(rows["a"]["due_date"])) == ("on_time", "2025-03-06")


def test_a_requested_day_counts_as_it_was_when_the_order_left() -> None:
    """Written in, moved or cleared afterwards it changes no past day; between two polls both days are kept."""
    orders = Orders()

    def asked(name: str, *days: str | None, out: str | None) -> None:
        """Nights of 5, 7, 8 and 11 March saw these days; the last one stays."""
        nights = ["2025-03-05 02:15", "2025-03-07 02:15", "2025-03-08 02:15", "2025-03-11 02:15"]
        seen = [
            Seen("in_expedition" if out is None or night < out else "sent", night, asked_for=day)
            for night, day in zip(nights, days, strict=False)
        ]
        orders.order(name, TUESDAY, *seen, out=out)

    asked("none", None, None, None, out=THURSDAY)
    asked("written in", None, None, "2025-03-10", out=THURSDAY)
    asked("cleared", "2025-03-06", "2025-03-06", None, out=THURSDAY)
    asked("cleared with it", "2025-03-07", "2025-03-07", None, out="2025-03-07 10:00")
    asked("moved twice", "2025-03-06", "2025-03-06", "2025-03-20", "2025-03-21", out=THURSDAY)
    asked("in between", None, "2025-03-10", out=THURSDAY)
    asked("moved before", "2025-03-05", "2025-03-10", "2025-03-10", "2025-03-10", out="2025-03-10 10:00")
    asked("not gone", None, "2025-03-20", out=None)

    rows = orders.fulfillment(LAST)

    assert {
        name: (row["sla_state"], str(row["due_after_utc"])[:10], str(row["due_date"])) for name, row in rows.items()
    } == {
        "none": ("late", "2025-03-04", "2025-03-04"),
        "written in": ("late", "2025-03-04", "2025-03-04"),
        "cleared": ("on_time", "2025-03-06", "2025-03-06"),
        "cleared with it": ("unknown", "2025-03-04", "2025-03-07"),
        "moved twice": ("on_time", "2025-03-06", "2025-03-06"),
        "in between": ("unknown", "2025-03-04", "2025-03-06"),
        "moved before": ("on_time", "2025-03-10", "2025-03-10"),
        "not gone": ("pending", "2025-03-20", "2025-03-20"),
    }


OVERRIDES = """[{delivery_id: 3, handling_days: 4}, {warehouse_id: west, handling_days: 4}]"""


def test_method_and_warehouse_count_as_they_were_when_the_order_left(tmp_path: Path) -> None:
    """Due on Tuesday by method 1, on Monday after by method 3; an edit after it left makes no late order punctual."""
    orders = Orders()

    def by(name: str, *methods: int | None, out: str | None = THURSDAY) -> None:
        """Nights of 5, 7 and 8 March saw these methods; the last one stays."""
        nights = ["2025-03-05 02:15", "2025-03-07 02:15", "2025-03-08 02:15"]
        seen = [Seen("in_expedition", night, delivery_id=method) for night, method in zip(nights, methods, strict=True)]
        orders.order(name, TUESDAY, *seen, out=out)

    by("edited", 1, 1, 3)
    by("edited back", 3, 3, 1)
    by("edited before", 1, 3, 3)
    by("first read later", None, None, 3)
    by("read later, then edited", None, 1, 3)
    by("not gone", 1, 1, 3, out=None)
    for name in ("events", "an event before", "events, not gone"):
        by(name, 1, 1, 1, out=None if name == "events, not gone" else THURSDAY)
    first, then = ("east", TUESDAY), ("west", LATER_ON)
    for name, *words in (
        ("events", first, then),
        ("an event before", ("west", TUESDAY)),
        ("events, not gone", first, then),
    ):
        for warehouse_id, occurred in words:
            orders.event(name, "OrderUpdated", occurred)
            orders.con.execute(
                "update staging.webhook_events set payload = {'warehouse_id': ?}::json where received_no = ?",
                [warehouse_id, orders.events],
            )

    rows = orders.fulfillment(LAST, policy_folder(tmp_path, overrides=OVERRIDES))

    assert {name: (row["sla_state"], row["delivery_id"], str(row["due_date"])) for name, row in rows.items()} == {
        "edited": ("late", 1, "2025-03-04"),
        "edited back": ("on_time", 3, "2025-03-10"),
        "edited before": ("on_time", 3, "2025-03-10"),
        "first read later": ("on_time", 3, "2025-03-10"),
        "read later, then edited": ("late", 1, "2025-03-04"),
        "not gone": ("overdue", 3, "2025-03-10"),
        "events": ("late", 1, "2025-03-04"),
        "an event before": ("on_time", 1, "2025-03-10"),
        "events, not gone": ("overdue", 1, "2025-03-10"),
    }
    # so do parcels and their carriers
    orders.build(LAST, "intermediate.shipped_order", policy_folder(tmp_path, overrides=OVERRIDES))
    left = {row["order_id"]: row["delivery_id"] for row in orders.rows("intermediate.shipped_order")}
    assert left == {name: row["delivery_id"] for name, row in rows.items() if row["dispatch_at_utc"]}
