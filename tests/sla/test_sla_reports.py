"""Reports of the promise: given rows of staging in, rows a person reads out."""

from datetime import date
from typing import Any

import pytest
from model_runner import MODELS
from order_rows import Orders, Seen, at, policy_folder, utc

from stockbook.declaration_files import load
from stockbook.models.build import replace_table

# created on Tuesday before the cut-off, due that day at 18:00
CREATED = "2025-03-04 09:00"
MORNING_AFTER = "2025-03-05 02:15"
LATER = "2025-03-10 02:15"
POLLED = Seen("in_expedition", MORNING_AFTER)


def report(orders: Orders, name: str, as_of: str = LATER, order: str = "all") -> list[dict[str, Any]]:
    """Rows of a report as of a local time, every check of severity fail asked and held."""
    orders.build(as_of, f"reports.{name}")
    orders.build(as_of, "marts.fct_order")  # some checks count against it
    for check in load(MODELS)[f"reports.{name}"].checks:
        if check.severity == "fail" and check.rows:
            assert orders.con.execute(check.rows).fetchall() == [], check.name
    return orders.rows(f"reports.{name}", order)


def of(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def test_the_states_of_a_delivery_method_add_up_to_its_orders() -> None:
    """By month, method and segment; an order without a due time is counted under no month."""
    orders = Orders()
    orders.con.execute("insert into staging.deliveries (account, delivery_id, name) values ('main', 7, 'Express')")
    orders.order("in time", CREATED, POLLED, out="2025-03-04 10:00", delivery_id=7)
    orders.order("late", CREATED, POLLED, out="2025-03-05 10:00", delivery_id=7)
    orders.order("overdue", CREATED, POLLED, delivery_id=7)
    orders.order("april", "2025-04-01 09:00", out="2025-04-01 10:00")
    orders.order("held", CREATED, Seen("created", MORNING_AFTER, on_hold=True), delivery_id=7)
    orders.order("damaged", CREATED, POLLED, out="2025-03-04 10:00", delivery_id=7)
    orders.con.execute("update staging.orders set is_damaged_sale = true where order_id = 'damaged'")
    orders.build("2025-04-10", "reports.sla_daily")

    rows = report(orders, "sla_by_delivery_method", "2025-04-10", "due_month, delivery_id, is_damaged_sale")

    names = ("due_month", "delivery_name", "is_damaged_sale", "orders", "on_time", "late", "overdue", "pending")
    assert of(rows, *names) == [
        (date(2025, 3, 1), "Express", False, 3, 1, 1, 1, 0),
        (date(2025, 3, 1), "Express", True, 1, 1, 0, 0, 0),
        (date(2025, 4, 1), None, False, 1, 1, 0, 0, 0),
        (None, "Express", False, 1, 0, 0, 0, 1),
    ]
    assert rows[0]["on_time_rate"] == pytest.approx(1 / 3)
    assert (rows[3]["on_time_rate"], rows[3]["on_time_rate_possible"]) == (None, None)


def test_a_late_order_says_where_its_time_went() -> None:
    """Hold, wait for stock, warehouse and problem, each at least and at most as polls bound them."""
    orders = Orders()
    orders.order(
        "held",
        "2025-03-03 09:00",
        Seen("created", "2025-03-03 09:00", "2025-03-06 02:00", on_hold=True),
        Seen("in_expedition", "2025-03-07 02:00"),
        out="2025-03-10 20:00",
    )
    orders.order(
        "no stock",
        "2025-03-03 09:00",
        Seen("waiting_for_storage", "2025-03-03 09:00", "2025-03-06 02:00"),
        Seen("in_expedition", "2025-03-07 02:00"),
        out="2025-03-07 19:00",
    )
    orders.order("slow", CREATED, POLLED, out="2025-03-05 09:00")
    orders.order(
        "problem",
        CREATED,
        Seen("problem_in_expedition", MORNING_AFTER, "2025-03-06 02:15", problem="eshop"),
        Seen("in_expedition", "2025-03-07 02:15"),
    )
    orders.order("in time", CREATED, POLLED, out="2025-03-04 10:00")

    rows = {row["order_id"]: row for row in report(orders, "sla_late_orders", "2025-03-11 02:00")}

    assert set(rows) == {"held", "no stock", "slow", "problem"}
    assert {name: row["longest_with"] for name, row in rows.items()} == {
        "held": "warehouse",
        "no stock": "stock",
        "slow": "warehouse",
        "problem": "problem",
    }
    on_hold, no_stock, slow, problem = (rows[name] for name in ("held", "no stock", "slow", "problem"))
    # on hold from Monday 9:00 to between Thursday 2:00 and Friday 2:00; gone Monday 20:00
    assert (on_hold["shop_hours_least"], on_hold["shop_hours_most"]) == (65, 89)
    assert (on_hold["warehouse_hours_least"], on_hold["warehouse_hours_most"]) == (90, 114)
    assert (no_stock["stock_hours_least"], no_stock["stock_hours_most"]) == (65, 89)
    assert (no_stock["warehouse_hours_least"], no_stock["warehouse_hours_most"]) == (17, 41)
    assert (slow["warehouse_hours_least"], slow["warehouse_hours_most"], slow["shop_hours_most"]) == (24, 24, 0)
    assert slow["late_business_hours"] == 1
    assert problem["dispatch_at_utc"] is None
    assert problem["problem_hours_least"] == pytest.approx(24)


def test_a_requested_day_is_the_shops_time_and_the_carrier_counts_when_delivery_does(tmp_path: Any) -> None:
    """Before the requested day nobody waits for the warehouse; under `delivered` the carrier's time is shown."""
    orders = Orders()
    sent = Seen("sent", "2025-03-10 12:00", "2025-03-12 12:00")
    orders.order(
        "wished", CREATED, Seen("in_expedition", CREATED, "2025-03-10 11:00"), sent, dispatch_date="2025-03-10"
    )
    orders.build("2025-03-12 12:00", "reports.sla_late_orders", policy_folder(tmp_path, stop_event="delivered"))

    (row,) = orders.rows("reports.sla_late_orders")

    assert (row["sla_state"], row["longest_with"]) == ("overdue", "shop")
    assert (row["shop_hours_least"], row["shop_hours_most"]) == (135, 135)
    assert (row["warehouse_hours_least"], row["warehouse_hours_most"]) == (11, 12)
    assert (row["carrier_hours_least"], row["carrier_hours_most"]) == (48, 49)


def test_every_open_order_is_in_one_bucket_and_empty_buckets_are_shown() -> None:
    """The list and its count agree; a bucket without orders says zero."""
    orders = Orders()
    orders.order("old", "2025-03-03 09:00")
    orders.order("yesterday", "2025-03-05 09:00")
    orders.order("today", "2025-03-06 09:00")
    orders.order("held", "2025-03-06 09:00", Seen("created", "2025-03-06 10:00", on_hold=True))
    orders.order("gone", "2025-03-06 09:00", out="2025-03-06 10:00")
    orders.order("cancelled", "2025-03-06 09:00", Seen("cancelled", "2025-03-06 10:00"))

    counted = report(orders, "backlog", "2025-03-06 14:00", "position")
    listed = orders.rows("reports.backlog_orders", "due_at_utc nulls last")

    assert of(listed, "order_id", "bucket", "overdue_working_days") == [
        ("old", "overdue_more_than_a_day", 2),
        ("yesterday", "overdue", 0),
        ("today", "due_today", None),
        ("held", "not_eligible_hold", None),
    ]
    assert len(counted) == 11
    assert {row["bucket"]: row["orders"] for row in counted if row["orders"]} == {
        "overdue_more_than_a_day": 1,
        "overdue": 1,
        "due_today": 1,
        "not_eligible_hold": 1,
    }
    assert (counted[0]["oldest_age_hours"], counted[2]["oldest_age_hours"]) == (77, None)


def test_a_problem_is_an_interval_with_the_name_a_night_saw() -> None:
    """Begin and end lie between polls; a problem that lasts is counted until now; a second one is its own row."""
    orders = Orders()
    orders.order(
        "solved",
        "2025-03-03 09:00",
        Seen("in_expedition", "2025-03-03 12:00", "2025-03-03 12:00"),
        Seen("problem_in_expedition", "2025-03-04 12:00", "2025-03-05 12:00", problem="eshop"),
        Seen("packed", "2025-03-06 12:00"),
    )
    orders.order("lasting", "2025-03-03 09:00", Seen("problem_in_expedition", "2025-03-04 12:00"))
    orders.order(
        "twice",
        "2025-03-03 09:00",
        Seen("problem_in_expedition", "2025-03-03 12:00", problem="warehouse"),
        Seen("in_expedition", "2025-03-04 12:00"),
        Seen("problem_in_expedition", "2025-03-05 12:00", problem="carrier"),
        Seen("sent", "2025-03-06 12:00"),
    )
    orders.order("none", "2025-03-03 09:00", POLLED, out="2025-03-03 10:00")

    rows = report(orders, "problem_orders", "2025-03-07 12:00", "order_id, problem_no")

    assert of(rows, "order_id", "problem_no", "problem_source", "hours_least", "hours_most", "is_open") == [
        ("lasting", 1, "unknown", 72, 99, True),
        ("solved", 1, "eshop", 24, 72, False),
        ("twice", 1, "warehouse", 0, 27, False),
        ("twice", 2, "carrier", 0, 48, False),
    ]
    assert (rows[1]["began_after_utc"], rows[1]["ended_at_utc"]) == (utc("2025-03-03 12:00"), utc("2025-03-06 12:00"))
    rates = report(orders, "problem_rate", "2025-03-07 12:00")
    assert of(rates, "problem_source", "orders_in_dispatch", "orders", "problem_rate", "open_problems") == [
        ("carrier", 4, 1, 0.25, 0),
        ("eshop", 4, 1, 0.25, 0),
        ("unknown", 4, 1, 0.25, 1),
        ("warehouse", 4, 1, 0.25, 0),
    ]


def test_an_answered_problem_is_told_from_one_that_waits() -> None:
    """The first night that saw a solution dates the answer; one nobody saw the field of is not called answered."""
    orders = Orders()
    waiting = Seen("problem_in_expedition", "2025-03-04 12:00", problem="eshop", solved=False)
    answered = Seen("problem_in_expedition", "2025-03-05 12:00", problem="eshop", solved=True)
    orders.order("answered", "2025-03-03 09:00", waiting, answered)
    orders.order("asked", "2025-03-03 09:00", waiting)
    orders.order("old", "2025-03-03 09:00", Seen("problem_in_expedition", "2025-03-04 12:00", problem="eshop"))

    rows = report(orders, "problem_orders", "2025-03-07 12:00", "order_id")
    (rate,) = report(orders, "problem_rate", "2025-03-07 12:00")

    assert of(rows, "order_id", "is_open", "is_answered", "answered_at_utc") == [
        ("answered", True, True, utc("2025-03-05 12:00")),
        ("asked", True, False, None),
        ("old", True, None, None),
    ]
    assert (rate["open_problems"], rate["unanswered_problems"]) == (3, 2)


def test_a_postponed_dispatch_is_told_from_a_problem() -> None:
    """What the last night before its end saw; it is not known of a problem whose kind that night did not see."""
    orders = Orders()
    for name in ("postponed", "problem", "unseen"):
        orders.order(name, "2025-03-03 09:00", Seen("problem_in_expedition", "2025-03-04 12:00", problem="eshop"))
    orders.con.execute("""
        update staging.orders_history set problem_postponed = order_id = 'postponed' where order_id <> 'unseen'
    """)
    first = Seen("problem_in_expedition", "2025-03-04 12:00", problem="eshop")
    second = Seen("problem_in_expedition", "2025-03-05 12:00", problem="eshop", solved=True)
    orders.order("reworded", "2025-03-03 09:00", first, second)
    orders.con.execute("""
        update staging.orders_history set problem_postponed = true where order_id = 'reworded' and _version = 1
    """)

    rows = report(orders, "problem_orders", "2025-03-07 12:00", "order_id")
    (rate,) = report(orders, "problem_rate", "2025-03-07 12:00")

    assert of(rows, "order_id", "problem_kind") == [
        ("postponed", "postponed"),
        ("problem", "problem"),
        ("reworded", "unknown"),
        ("unseen", "unknown"),
    ]
    assert rate["postponed_problems"] == 1


def test_goods_that_left_end_a_wait_nobody_saw_end() -> None:
    """Stock that left proves that the hold had ended, not since when: its end lies between."""
    orders = Orders()
    orders.order("held", "2025-03-03 09:00", Seen("created", "2025-03-03 12:00", on_hold=True), out="2025-03-04 09:00")
    orders.build(LATER, "intermediate.order_wait_interval")

    (wait,) = orders.rows("intermediate.order_wait_interval")

    assert (wait["kind"], wait["ended_after_utc"], wait["ended_at_utc"]) == (
        "hold",
        utc("2025-03-03 12:00"),
        utc("2025-03-04 09:00"),
    )
    assert (wait["hours_least"], wait["hours_most"], wait["ended_evidence"]) == (0, 24, "movement")


def test_webhooks_make_waits_exact() -> None:
    """Told to the minute, a hold and a wait for stock have one length, whatever polls saw of them beside."""
    orders = Orders()
    on_hold = Seen("created", "2025-03-04 02:15", on_hold=True)
    orders.order("held", "2025-03-03 09:00", on_hold, Seen("in_expedition", MORNING_AFTER), out="2025-03-06 09:00")
    orders.event("held", "OrderCreated", "2025-03-03 09:00", on_hold=True)
    orders.event("held", "OrderPushedToExpedition", "2025-03-04 15:00")
    orders.order("no stock", "2025-03-03 09:00", Seen("in_expedition", MORNING_AFTER), out="2025-03-06 09:00")
    orders.webhooks(
        "no stock",
        ("OrderStatusChangedToWaitingForStorage", "2025-03-03 10:00"),
        ("OrderPushedToExpedition", "2025-03-04 15:00"),
    )
    orders.build(LATER, "intermediate.order_wait_interval")

    rows = orders.rows("intermediate.order_wait_interval", "order_id")

    assert of(rows, "order_id", "kind", "hours_least", "hours_most", "ended_evidence") == [
        ("held", "hold", 30, 30, "webhook"),
        ("no stock", "stock", 29, 29, "webhook"),
    ]
    late = {row["order_id"]: row for row in report(orders, "sla_late_orders")}
    assert of([late["held"]], "shop_hours_least", "shop_hours_most", "warehouse_hours_least") == [(30, 30, 42)]
    assert of([late["no stock"]], "stock_hours_least", "stock_hours_most", "warehouse_hours_most") == [(29, 29, 42)]


def test_perfect_orders_are_counted_not_multiplied() -> None:
    """A day of five: in full, OTIF and perfect by order, what is in doubt beside; the month holds the same orders."""
    orders = Orders()
    orders.order("good", CREATED, POLLED, out="2025-03-04 10:00")
    orders.order("problem", CREATED, Seen("problem_in_expedition", MORNING_AFTER), out="2025-03-04 10:00")
    orders.order("late", CREATED, POLLED, out="2025-03-05 10:00")
    orders.order("set", CREATED, POLLED, out="2025-03-04 10:00")
    orders.line("set", 500, 1)
    orders.move("set", "2025-03-04 10:00", 1, variant_id=7)
    orders.order("overdue", CREATED, POLLED)
    orders.order("cancelled in time", CREATED, Seen("cancelled", "2025-03-04 12:00"))
    orders.build("2025-03-20", "reports.sla_daily")

    day, month = report(orders, "perfect_orders", "2025-03-20", "period")

    assert (day["period"], month["period"], month["period_start"]) == ("day", "month", date(2025, 3, 1))
    assert {**day, "period": "", "period_start": ""} == {**month, "period": "", "period_start": ""}
    assert of([day], "orders", "on_time", "in_full", "in_full_unknown", "otif", "otif_unknown", "perfect") == [
        (5, 2, 3, 2, 2, 1, 1)
    ]
    assert (day["otif_rate"], day["otif_rate_sure"], day["otif_rate_possible"]) == pytest.approx((2 / 4, 2 / 5, 3 / 5))
    # the good one left sixteen days ago: a damaged unit may still come back
    assert (day["perfect_so_far"], day["perfect_rate_sure"], day["perfect_rate_possible"]) == (1, 0, 0.4)
    later = report(orders, "perfect_orders", "2025-06-01", "period")[0]
    assert (later["perfect_so_far"], later["perfect_rate_sure"]) == (0, 0.2)


def test_fill_rates_count_pieces_and_lines() -> None:
    """Too much of one line fills no other; a line is complete or not; orders with a set stand beside."""
    orders = Orders()
    orders.order("whole", CREATED, POLLED, out="2025-03-04 10:00", pieces=2)
    orders.order("short", CREATED, POLLED, pieces=4)
    orders.line("short", 2, 6)
    orders.move("short", "2025-03-04 10:00", 5)
    orders.move("short", "2025-03-04 10:00", 3, variant_id=2)
    orders.order("nothing", CREATED, POLLED, pieces=8)
    orders.order("set", CREATED, POLLED, out="2025-03-04 10:00")
    orders.line("set", 500, 1)

    (row,) = report(orders, "fill_rate")

    assert of(
        [row], "orders", "orders_not_countable", "ordered_pieces", "filled_pieces", "lines", "complete_lines"
    ) == [(4, 1, 20, 9, 4, 2)]
    assert (row["unit_fill_rate"], row["line_fill_rate"]) == (0.45, 0.5)


def test_the_same_day_is_the_local_one() -> None:
    """Before the cut-off and gone by midnight counts, after midnight does not, also across the clock change."""
    orders = Orders()
    orders.order("gone", CREATED, POLLED, out="2025-03-04 23:59:59")
    orders.order("midnight", CREATED, POLLED, out="2025-03-05 00:00")
    orders.order("after the cut-off", "2025-03-04 12:00", POLLED, out="2025-03-04 17:00")
    orders.order("summer time begins", "2025-03-30 09:00", out="2025-03-30 23:59")
    orders.order("its next day", "2025-03-30 09:00", out="2025-03-31 00:30")

    rows = report(orders, "same_day_share", "2025-04-10", "created_date")

    names = ("created_date", "is_working_day", "orders", "orders_before_cutoff", "same_day", "same_day_after_cutoff")
    assert of(rows, *names) == [
        (date(2025, 3, 4), True, 3, 2, 1, 1),
        (date(2025, 3, 30), False, 2, 2, 1, 0),
    ]
    assert (rows[0]["same_day_share_sure"], rows[0]["same_day_share_possible"]) == (0.5, 0.5)


def test_percentiles_keep_what_is_open_beside_them() -> None:
    """Eleven orders leave after 1 to 11 hours, one is open: the median is 6 hours, a twelfth is open."""
    orders = Orders()
    for hours in range(1, 12):
        orders.order(f"o{hours}", "2025-03-04 06:00", POLLED, out=f"2025-03-04 {6 + hours:02}:00", delivery_id=7)
    orders.order("open", "2025-03-04 06:00", POLLED, delivery_id=8)
    orders.order("cancelled", "2025-03-04 06:00", Seen("cancelled", "2025-03-04 07:00"), delivery_id=8)

    rows = report(orders, "lead_time_percentiles", order="measure, hours, is_all_methods, delivery_id")

    ship = [row for row in rows if row["measure"] == "click_to_ship" and row["hours"] == "elapsed"]
    names = ("is_all_methods", "delivery_id", "orders", "n", "n_exact", "open_orders")
    assert of(ship, *names) == [(False, 7, 11, 11, 11, 0), (False, 8, 2, 0, 0, 1), (True, None, 13, 11, 11, 1)]
    everything = ship[2]
    assert everything["open_share"] == pytest.approx(1 / 12)
    assert of([everything], "p50_least", "p50_most", "p90_most", "p95_most") == [(6, 6, 10, 10.5)]
    # open from 8:00: two hours of each are not business hours
    (business,) = [
        row for row in rows if (row["measure"], row["hours"], row["delivery_id"]) == ("click_to_ship", "business", 7)
    ]
    assert (business["n"], business["p50_least"]) == (11, 4)
    assert {(row["measure"], row["hours"]) for row in rows} == {
        *((measure, "elapsed") for measure in ("click_to_ship", "warehouse", "waiting", "transit", "click_to_door")),
        *((measure, "business") for measure in ("click_to_ship", "warehouse", "waiting")),
    }


def test_polls_bound_percentiles_and_transit_from_both_sides() -> None:
    """Sent and delivered between polls: transit is at least and at most, and what never arrived is counted beside."""
    orders = Orders()
    orders.con.execute("insert into staging.deliveries (account, delivery_id, name) values ('main', 7, 'Express')")
    sent = Seen("sent", MORNING_AFTER, "2025-03-06 02:15")
    orders.order("arrived", CREATED, sent, Seen("delivered", "2025-03-07 02:15"), out="2025-03-04 16:15", delivery_id=7)
    orders.order("on its way", CREATED, sent, out="2025-03-04 16:15", delivery_id=7)
    orders.order("came back", CREATED, sent, out="2025-03-04 16:15", delivery_id=7)
    orders.move("came back", "2025-03-08 09:00", 1, direction="in")

    # first seen when it had long arrived: counted, but its transit says nothing
    orders.order("long ago", CREATED, Seen("delivered", LATER), out="2025-03-04 16:15", delivery_id=7)

    (row,) = report(orders, "carrier_transit")

    assert of([row], "delivery_name", "sent", "delivered", "returned_undelivered", "in_transit", "measured") == [
        ("Express", 4, 2, 1, 1, 1)
    ]
    assert (row["coverage"], row["measured_exactly"]) == (0.5, 0)
    # handed over between Tuesday 16:15 and Wednesday 2:15, delivered between Thursday and Friday 2:15
    assert (row["p50_hours_least"], row["p50_hours_most"], row["oldest_open_hours"]) == (24, 58, 120)
    rows = report(orders, "lead_time_percentiles")
    (transit,) = [row for row in rows if row["measure"] == "transit" and row["is_all_methods"]]
    assert of([transit], "n", "n_exact", "open_orders", "p50_least", "p50_most") == [(2, 0, 1, 12, 94)]


def test_own_labels_leave_figures_of_carriers_and_stay_in_those_of_dispatch() -> None:
    """What the shop's own carrier takes counts as shipped, and as neither sent, on its way nor delivered by others."""
    orders = Orders()
    for name in ("ours", "theirs"):
        orders.order(name, CREATED, Seen("sent", MORNING_AFTER), out="2025-03-04 16:15", delivery_id=7)
    orders.own_label("ours")

    (row,) = report(orders, "carrier_transit")
    rows = {row["measure"]: row for row in report(orders, "lead_time_percentiles") if row["is_all_methods"]}

    assert (row["sent"], row["in_transit"]) == (1, 1)
    assert (rows["click_to_ship"]["n"], rows["transit"]["open_orders"], rows["click_to_door"]["open_orders"]) == (
        2,
        1,
        1,
    )
    marked = orders.con.execute("select order_id, has_own_label, own_label_count from marts.fct_order order by 1")
    assert marked.fetchall() == [("ours", True, 1), ("theirs", False, 0)]


def test_cancellations_say_whether_they_came_after_the_promise() -> None:
    """By day of creation: cancelled in time, after the due time, perhaps after it, and after having left."""
    orders = Orders()
    orders.order("kept", CREATED, POLLED, out="2025-03-04 10:00")
    orders.order("in time", CREATED, Seen("cancelled", "2025-03-04 12:00"))
    orders.order("after", CREATED, POLLED, Seen("cancelled", LATER))
    orders.order("perhaps", CREATED, Seen("in_expedition", "2025-03-04 10:00"), Seen("cancelled", MORNING_AFTER))
    orders.order("gone", CREATED, POLLED, Seen("cancelled", LATER), out="2025-03-04 16:00")
    orders.order("restored", CREATED, Seen("cancelled", "2025-03-04 12:00"), Seen("in_expedition", LATER))
    orders.order("next day", "2025-03-05 09:00", POLLED)

    first, second = report(orders, "cancel_rate", order="created_date")

    names = ("orders", "cancelled", "cancelled_dispatched", "cancelled_after_due", "perhaps_after_due", "open_orders")
    assert of([first, second], *names) == [(6, 4, 1, 1, 1, 1), (1, 0, 0, 0, 0, 1)]
    assert (first["cancel_rate"], first["after_due_share_sure"], first["after_due_share_possible"]) == pytest.approx(
        (4 / 6, 1 / 4, 2 / 4)
    )
    assert (second["cancel_rate"], second["after_due_share_sure"]) == (0, None)


def test_returns_belong_to_the_month_they_were_shipped_in() -> None:
    """Of twelve shipped in March three came back in March and one, damaged, in May: 25 %, 25 %, a third."""
    orders = Orders()
    orders.order("many", CREATED, POLLED, out="2025-03-31 23:30", pieces=12)
    orders.event("many", "OrderSent", "2025-03-31 23:40")
    orders.move("many", "2025-03-31 23:45", 3, direction="in")
    orders.move("many", "2025-05-02 09:00", 0, direction="in", damaged=1)
    orders.order("april", "2025-04-01 00:30", out="2025-04-01 00:40", pieces=2)

    rows = report(orders, "return_rate", "2025-05-20", "ship_month, age_months")

    names = ("ship_month", "age_months", "is_latest_age", "shipped_units", "returned_units_so_far", "return_rate")
    assert of(rows, *names) == [
        (date(2025, 3, 1), 0, False, 12, 3, 0.25),
        (date(2025, 3, 1), 1, False, 12, 3, 0.25),
        (date(2025, 3, 1), 2, True, 12, 4, pytest.approx(1 / 3)),
        (date(2025, 4, 1), 0, False, 2, 0, 0),
        (date(2025, 4, 1), 1, True, 2, 0, 0),
    ]
    assert rows[2]["damaged_units_so_far"] == 1


def test_receivings_are_counted_and_timed_in_working_days() -> None:
    """Announced for Friday, in stock on Monday: one working day; early is negative; uncounted is no shortage."""
    orders = Orders()
    orders.order("first", "2025-03-03 09:00")
    for number, planned, closed in ((1, "2025-03-07", True), (2, "2025-03-12", False), (3, "2025-03-20", False)):
        orders.con.execute(
            "insert into staging.receivings (account, receiving_id, is_closed, planned_date) values ('main', ?, ?, ?)",
            [number, closed, planned],
        )
    orders.con.execute(
        """
        insert into staging.receiving_lines
            (account, receiving_id, line_no, variant_id, quantity, received_quantity, damaged_quantity)
        values ('main', 1, 1, 1, 10, 8, 2), ('main', 1, 2, 2, 10, 10, 0),
            ('main', 2, 1, 1, 5, 6, 0), ('main', 2, 2, 2, 5, null, null), ('main', 3, 1, 1, 5, null, null)
        """
    )
    replace_table(
        orders.con,
        load(MODELS)["marts.fct_stock_movement"],
        """
        select 'main' as account, 'in' as direction,
            unnest([1, 2, 3]) as movement_id, unnest([1, 1, 2]) as receiving_id,
            unnest([timestamp '2025-03-07 10:00', '2025-03-10 11:00', '2025-03-11 09:00']) as moved_at,
            unnest([8, 10, 6]) as quantity, unnest([2, 0, 0]) as damaged_quantity
        """,
    )

    rows = report(orders, "receiving_accuracy", order="receiving_id")

    names = ("lines", "right_lines", "uncounted_lines", "received_pieces", "damaged_pieces", "stocked_pieces")
    assert of(rows, *names) == [(2, 1, 0, 18, 2, 20), (2, 0, 1, 6, 0, 6), (1, 0, 1, 0, 0, 0)]
    assert of(rows, "receiving_accuracy", "damaged_share", "dock_to_stock_days") == [
        (0.9, 0.1, 1),
        (1.2, 0, -1),
        (None, None, None),
    ]
    assert rows[0]["last_stocked_at"] == at("2025-03-10 11:00")


def test_flickrocket_orders_are_timed_by_the_nights_that_saw_them() -> None:
    """Shipped between two nights, shipped before the first one, and open ones with their age."""
    orders = Orders()
    for name, status in (("seen", 100), ("at first sight", 100), ("open", 0)):
        orders.con.execute(
            """
            insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_text, created_at,
                created_at_utc, status) values ('main', ?, '', ?, ?, ?)
            """,
            [name, at("2025-03-04 12:00"), at("2025-03-04 12:00"), status],
        )
    for name, version, status, first, last in (
        ("seen", 1, 0, "2025-03-05 01:00", "2025-03-06 01:00"),
        ("seen", 2, 100, "2025-03-07 01:00", "2025-03-08 01:00"),
        ("at first sight", 1, 100, "2025-03-05 01:00", "2025-03-08 01:00"),
        ("open", 1, 0, "2025-03-05 01:00", "2025-03-08 01:00"),
    ):
        orders.con.execute(
            """
            insert into staging.flickrocket_fulfillments_history
                (account, fulfillment_id, status, _version, _valid_from, _last_seen_at) values ('main', ?, ?, ?, ?, ?)
            """,
            [name, status, version, at(first), at(last)],
        )

    (row,) = report(orders, "flickrocket_time_to_ship", "2025-03-08 01:00")
    waiting = report(orders, "flickrocket_open", "2025-03-08 01:00")

    assert of([row], "created_month", "fulfillments", "shipped", "open") == [(date(2025, 3, 1), 3, 2, 1)]
    # seen: open Thursday midnight UTC (36 h), shipped Friday (60 h); the other: within the first 12 hours
    assert of([row], "p50_hours_least", "p50_hours_most", "oldest_open_hours") == [(18, 36, 84)]
    assert of(waiting, "fulfillment_id", "open_hours", "last_seen_open_at") == [("open", 84, at("2025-03-08 01:00"))]
