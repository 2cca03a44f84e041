"""States of orders: claimed when the evidence agrees, unknown when it does not, and always one of six."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_rows import Orders, Seen, at, policy_folder, utc

from stockbook.sla.statuses import PROGRESS

# created on Tuesday before the cut-off, due that day at 18:00
CREATED = "2025-03-04 09:00"
MORNING_AFTER = "2025-03-05 02:15"
LATER = "2025-03-10 02:15"


def states(orders: Orders, as_of: str, policy_dir: Path | None = None) -> dict[str, str]:
    """State of each order's latest cycle."""
    fulfillments = orders.fulfillment(as_of, policy_dir) if policy_dir else orders.fulfillment(as_of)
    return {name: row["sla_state"] for name, row in fulfillments.items()}


def test_a_movement_decides_to_the_second() -> None:
    """At the due second an order is on time, a second after it is late; nothing but the ledger is needed."""
    orders = Orders()
    orders.order("at the second", CREATED, out="2025-03-04 18:00:00")
    orders.order("a second after", CREATED, out="2025-03-04 18:00:01")

    fulfillments = orders.fulfillment(LATER)

    assert {name: row["sla_state"] for name, row in fulfillments.items()} == {
        "at the second": "on_time",
        "a second after": "late",
    }
    assert {row["dispatch_evidence"] for row in fulfillments.values()} == {"movement"}


def test_an_order_that_has_not_left_is_pending_then_overdue() -> None:
    """Until the due second it is pending, after it overdue, and whole working days past due are counted."""
    orders = Orders()
    orders.order("a", CREATED, Seen("in_expedition", "2025-03-04 17:00"))

    states = [
        (row["sla_state"], row["overdue_working_days"])
        for as_of in ("2025-03-04 18:00:00", "2025-03-04 18:00:01", "2025-03-05 18:00:01", "2025-03-10 02:15")
        for row in [orders.fulfillment(as_of)["a"]]
    ]

    assert states == [("pending", None), ("overdue", 0), ("overdue", 1), ("overdue", 3)]


def test_an_order_left_only_when_every_piece_did() -> None:
    """Split dispatch: the last piece counts, the first is kept; a missing piece keeps the order overdue."""
    orders = Orders()
    orders.order("split", CREATED, pieces=3)
    orders.move("split", "2025-03-04 10:00", 2)
    orders.move("split", "2025-03-05 10:00", 1)
    orders.order("short", CREATED, pieces=3)
    orders.move("short", "2025-03-04 10:00", 2)
    orders.order("other variant", CREATED, pieces=1)
    orders.move("other variant", "2025-03-04 10:00", 1, variant_id=2)

    fulfillments = orders.fulfillment(LATER)

    assert {name: row["sla_state"] for name, row in fulfillments.items()} == {
        "split": "late",
        "short": "overdue",
        "other variant": "overdue",
    }
    assert fulfillments["split"]["first_stock_out_at_utc"] == utc("2025-03-04 10:00")
    assert (fulfillments["split"]["is_in_full"], fulfillments["short"]["is_in_full"]) == (True, False)


def test_in_full_means_exactly_what_was_ordered() -> None:
    """One piece more than ordered is not in full; of a set whose contents nothing tells nothing is said."""
    orders = Orders()
    orders.order("exact", CREATED, out="2025-03-04 10:00")
    orders.order("more", CREATED)
    orders.move("more", "2025-03-04 10:00", 2)
    orders.order("set", CREATED, out="2025-03-04 10:00")
    orders.line("set", 500, 1)
    orders.move("set", "2025-03-04 10:00", 4, variant_id=7)

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["sla_state"], row["is_in_full"], row["is_otif"]) for name, row in fulfillments.items()} == {
        "exact": ("on_time", True, True),
        "more": ("on_time", False, False),
        "set": ("unknown", None, None),
    }
    assert fulfillments["set"]["unknown_reason"] == "no variant has the code"


def test_a_perfect_order_had_no_problem_and_no_damage_back() -> None:
    """A problem in dispatch or a damaged piece back within 30 days spoils it; a return after that does not."""
    orders = Orders()
    good = Seen("sent", MORNING_AFTER)
    orders.order("good", CREATED, good, out="2025-03-04 10:00")
    orders.order("problem", CREATED, Seen("problem_in_expedition", MORNING_AFTER), out="2025-03-04 10:00")
    orders.order("damaged", CREATED, good, out="2025-03-04 10:00")
    orders.move("damaged", "2025-04-03 09:00", 0, direction="in", damaged=1)
    orders.order("damaged late", CREATED, good, out="2025-03-04 10:00")
    orders.move("damaged late", "2025-04-04 09:00", 0, direction="in", damaged=1)
    orders.order("undamaged", CREATED, good, out="2025-03-04 10:00")
    orders.move("undamaged", "2025-03-10 09:00", 1, direction="in")
    orders.order("late", CREATED, good, out="2025-03-06 10:00")

    fulfillments = orders.fulfillment("2025-06-01")

    assert {name: row["is_perfect"] for name, row in fulfillments.items()} == {
        "good": True,
        "problem": False,
        "damaged": False,
        "damaged late": True,
        "undamaged": True,
        "late": False,
    }
    assert (fulfillments["undamaged"]["returned_at_utc"], fulfillments["undamaged"]["returned_evidence"]) == (
        utc("2025-03-10 09:00"),
        "movement",
    )


def test_a_cancelled_order_is_excluded_or_late_by_the_bounds_of_its_cancellation() -> None:
    """Seen cancelled before the due time: excluded; alive after it: late; in between: unknown, never on time."""
    orders = Orders()
    seen = Seen("in_expedition", "2025-03-04 10:00")
    orders.order("before", CREATED, seen, Seen("cancelled", "2025-03-04 17:00"))
    orders.order("after", CREATED, Seen("in_expedition", "2025-03-04 10:00", "2025-03-05 02:15"))
    orders.order(
        "late", CREATED, Seen("in_expedition", "2025-03-04 10:00", "2025-03-05 02:15"), Seen("cancelled", LATER)
    )
    orders.order("between", CREATED, seen, Seen("cancelled", MORNING_AFTER))
    orders.order("at first sight", CREATED, Seen("cancelled", "2025-03-04 12:00"))
    orders.order("dispatched first", CREATED, seen, Seen("cancelled", LATER), out="2025-03-04 16:00")

    fulfillments = orders.fulfillment(LATER)

    assert {name: row["sla_state"] for name, row in fulfillments.items()} == {
        "before": "excluded",
        "after": "overdue",
        "late": "late",
        "between": "unknown",
        "at first sight": "excluded",
        "dispatched first": "on_time",
    }
    assert (fulfillments["between"]["could_be_on_time"], fulfillments["between"]["could_be_late"]) == (False, True)


def test_an_order_that_was_never_eligible_has_no_due_time() -> None:
    """On hold or waiting it is pending with the reason; cancelled from there it is excluded."""
    orders = Orders()
    on_hold = Seen("created", MORNING_AFTER, "2025-03-09 02:15", on_hold=True)
    waiting = Seen("waiting_for_storage", MORNING_AFTER, "2025-03-09 02:15")
    orders.order("held", CREATED, on_hold)
    orders.order("waiting", CREATED, waiting)
    orders.order("held, cancelled", CREATED, on_hold, Seen("cancelled", LATER))
    orders.order("waiting, cancelled", CREATED, waiting, Seen("cancelled", LATER))
    sent_back = (Seen("in_expedition", "2025-03-04 12:00"), Seen("created", "2025-03-04 14:00", LATER))
    orders.order("sent back", CREATED, *sent_back)

    fulfillments = orders.fulfillment(LATER)

    assert {
        name: (row["sla_state"], row["not_eligible_reason"], row["due_at_utc"]) for name, row in fulfillments.items()
    } == {
        "held": ("pending", "hold", None),
        "waiting": ("pending", "stock", None),
        "held, cancelled": ("excluded", None, None),
        "waiting, cancelled": ("excluded", None, None),
        "sent back": ("pending", "correction", None),
    }


def test_a_cancellation_from_a_wait_may_hide_its_end() -> None:
    """Held in one poll, cancelled in the next after a whole working day: it may have been due in between."""
    orders = Orders()
    on_hold = Seen("created", MORNING_AFTER, on_hold=True)
    orders.order("a day apart", CREATED, on_hold, Seen("cancelled", "2025-03-06 02:15"))
    orders.order("the same day", CREATED, on_hold, Seen("cancelled", "2025-03-05 17:00"))

    assert states(orders, LATER) == {"a day apart": "unknown", "the same day": "excluded"}


def test_a_wait_that_ended_between_two_polls_leaves_a_doubt() -> None:
    """Released between two polls around a cut-off: two due days are possible, and only agreement is claimed."""
    orders = Orders()
    on_hold = Seen("created", "2025-03-04 10:00", MORNING_AFTER, on_hold=True)
    free = Seen("in_expedition", "2025-03-06 02:15")
    orders.order("left before both", CREATED, on_hold, free, out="2025-03-05 15:00")
    orders.order("left between", CREATED, on_hold, free, out="2025-03-06 15:00")
    orders.order("left after both", CREATED, on_hold, free, out="2025-03-07 09:00")
    orders.order("still there", CREATED, on_hold, free)

    fulfillments = orders.fulfillment("2025-03-06 17:00")
    later = orders.fulfillment("2025-03-07 10:00")

    assert {
        name: (row["sla_state"], row["could_be_on_time"], row["could_be_late"]) for name, row in fulfillments.items()
    } == {
        "left before both": ("on_time", True, False),
        "left between": ("unknown", True, True),
        # what leaves tomorrow is still there today
        "left after both": ("unknown", False, True),
        "still there": ("unknown", False, True),
    }
    assert {name: later[name]["sla_state"] for name in ("left after both", "still there")} == {
        "left after both": "late",
        "still there": "overdue",
    }
    assert (fulfillments["left between"]["due_after_utc"], fulfillments["left between"]["due_at_utc"]) == (
        utc("2025-03-05 18:00"),
        utc("2025-03-06 18:00"),
    )


def test_a_hold_set_after_the_release_is_read_both_ways() -> None:
    """Whether a later hold stops the clock only an event can say: with either reading overdue it is not claimed."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("created", "2025-03-04 10:00"),
        Seen("created", MORNING_AFTER, LATER, on_hold=True),
    )

    fulfillment = orders.fulfillment(LATER)["a"]

    assert (
        fulfillment["sla_state"],
        fulfillment["not_eligible_reason"],
        fulfillment["due_after_utc"],
        fulfillment["due_at_utc"],
    ) == (
        "unknown",
        "hold",
        utc("2025-03-04 18:00"),
        None,
    )


def test_stock_ready_and_sent_back_move_the_promise() -> None:
    """The clock starts when goods are there, and again when a corrected order is handed over."""
    orders = Orders()
    orders.order(
        "waited",
        CREATED,
        Seen("waiting_for_storage", "2025-03-04 10:00", "2025-03-06 08:00"),
        Seen("in_expedition", "2025-03-06 09:00"),
    )
    orders.order(
        "corrected",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("created", "2025-03-04 11:00", "2025-03-07 08:00"),
        Seen("in_expedition", "2025-03-07 09:00"),
    )

    fulfillments = orders.fulfillment("2025-03-07 10:00")

    assert {name: (row["due_after_utc"], row["due_at_utc"]) for name, row in fulfillments.items()} == {
        "waited": (utc("2025-03-06 18:00"), utc("2025-03-06 18:00")),
        "corrected": (utc("2025-03-07 18:00"), utc("2025-03-07 18:00")),
    }
    assert (fulfillments["waited"]["stock_ready_after_utc"], fulfillments["waited"]["stock_ready_at_utc"]) == (
        utc("2025-03-06 08:00"),
        utc("2025-03-06 09:00"),
    )


def test_a_restored_order_begins_a_new_cycle() -> None:
    """The first cycle ends cancelled, the second counts from the restore; reports count the order once."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("cancelled", "2025-03-04 12:00", "2025-03-06 08:00"),
        Seen("in_expedition", "2025-03-06 09:00", LATER),
        out="2025-03-06 16:00",
    )
    orders.build(LATER, "reports.sla_daily")

    cycles = orders.rows("marts.fct_fulfillment", "cycle_no")

    assert [(row["cycle_no"], row["is_latest_cycle"], row["sla_state"], row["due_at_utc"]) for row in cycles] == [
        (1, False, "excluded", utc("2025-03-04 18:00")),
        (2, True, "on_time", utc("2025-03-06 18:00")),
    ]
    assert [(row["due_date"], row["orders"]) for row in orders.rows("reports.sla_daily")] == [
        (at("2025-03-06").date(), 1)
    ]


def test_an_attempt_that_was_not_sent_does_not_count() -> None:
    """After not_sent the order is overdue until it leaves again, by a movement or as polls show."""
    orders = Orders()
    failed = (Seen("packed", "2025-03-04 15:00"), Seen("not_sent", "2025-03-04 20:00", "2025-03-05 20:00"))
    orders.order("still there", CREATED, *failed, out="2025-03-04 14:00")
    orders.order("sent later", CREATED, *failed, Seen("sent", "2025-03-06 20:00"), out="2025-03-04 14:00")
    orders.order("left again", CREATED, *failed, Seen("sent", "2025-03-06 20:00"), out="2025-03-04 14:00")
    orders.move("left again", "2025-03-06 14:00", 1)

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["sla_state"], row["dispatch_evidence"]) for name, row in fulfillments.items()} == {
        "still there": ("overdue", None),
        "sent later": ("unknown", "poll"),
        "left again": ("late", "movement"),
    }


def test_polls_bound_the_milestones_they_pass_over() -> None:
    """Seen in the warehouse, then delivered: packed, sent and delivered lie between, and after the stock left."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("delivered", "2025-03-06 02:15"),
        out="2025-03-04 15:00",
    )

    fulfillment = orders.fulfillment(LATER)["a"]

    assert {
        name: (fulfillment[f"{name}_after_utc"], fulfillment[f"{name}_at_utc"])
        for name in ("packed", "sent", "delivered")
    } == {name: (utc("2025-03-04 15:00"), utc("2025-03-06 02:15")) for name in ("packed", "sent", "delivered")}


@pytest.mark.parametrize(
    ("stop_event", "expected"),
    [("stock_out", "on_time"), ("packed", "on_time"), ("sent", "unknown"), ("delivered", "late")],
)
def test_the_policy_says_what_stops_the_clock(tmp_path: Path, stop_event: str, expected: str) -> None:
    """The same order by four stop events: exact by the ledger, within bounds by polls."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("packed", "2025-03-04 17:00"),
        Seen("sent", MORNING_AFTER, "2025-03-05 10:00"),
        Seen("delivered", "2025-03-06 02:15"),
        out="2025-03-04 15:00",
    )

    assert states(orders, LATER, policy_folder(tmp_path, stop_event=stop_event)) == {"a": expected}


def test_unseen_waits_may_widen(tmp_path: Path) -> None:
    """With widen, lateness is never claimed where a wait nobody saw could explain it; being on time is."""
    orders = Orders()
    orders.order("in time", CREATED, out="2025-03-04 15:00")
    orders.order("late", CREATED, out="2025-03-06 15:00")
    orders.order("open", CREATED)

    assumed = states(orders, LATER)
    widened = states(orders, LATER, policy_folder(tmp_path, unseen_waits="widen"))

    assert assumed == {"in time": "on_time", "late": "late", "open": "overdue"}
    assert widened == {"in time": "on_time", "late": "unknown", "open": "unknown"}


def test_an_unmapped_status_stops_nothing() -> None:
    """A text nobody mapped is shown as unmapped, never final, and the ledger still decides."""
    orders = Orders()
    orders.order("gone", CREATED, Seen("teleported", MORNING_AFTER), out="2025-03-04 15:00")
    orders.order("there", CREATED, Seen("in_expedition", "2025-03-04 10:00"), Seen("teleported", MORNING_AFTER))

    assert states(orders, LATER) == {"gone": "on_time", "there": "overdue"}
    orders.build(LATER, "marts.dim_order_status")
    orders.build(LATER, "marts.fct_order")
    assert [
        (row["status"], row["stage"], row["is_final"], row["is_seen"])
        for row in orders.rows("marts.dim_order_status")
        if row["source_status"] == "teleported"
    ] == [("unmapped", "unknown", False, True)]
    assert {row["status"] for row in orders.rows("marts.fct_order")} == {"unmapped"}


def test_a_piece_that_never_moved_leaves_a_delivered_order_unknown() -> None:
    """Delivered without every ordered piece in the ledger: it went, but when the last piece did is not known."""
    orders = Orders()
    delivered = (Seen("in_expedition", "2025-03-04 10:00"), Seen("delivered", LATER))
    orders.order("nothing moved", CREATED, *delivered)
    orders.order("short", CREATED, *delivered, pieces=2)
    orders.move("short", "2025-03-04 10:00", 1)
    orders.order("short and late", CREATED, *delivered, pieces=2)
    orders.move("short and late", "2025-03-06 10:00", 1)

    assert states(orders, LATER) == {"nothing moved": "unknown", "short": "unknown", "short and late": "late"}


def test_stock_that_left_before_the_creation_is_taken_as_in_time() -> None:
    """A movement before the order's own time contradicts it; the state is defined and the row can be found."""
    orders = Orders()
    orders.order("a", CREATED, out="2025-03-04 08:00")

    fulfillment = orders.fulfillment(LATER)["a"]

    assert (fulfillment["sla_state"], fulfillment["first_stock_out_at_utc"] < fulfillment["created_at_utc"]) == (
        "on_time",
        True,
    )


def test_accounts_stay_apart() -> None:
    """The same order id in two accounts is two orders."""
    orders = Orders()
    orders.order("a", CREATED, out="2025-03-04 15:00")
    orders.order("a", CREATED, out="2025-03-06 15:00", account="second")
    orders.build(LATER, "reports.sla_daily")

    assert [(row["account"], row["on_time"], row["late"]) for row in orders.rows("reports.sla_daily")] == [
        ("main", 1, 0),
        ("second", 0, 1),
    ]


def test_the_range_of_a_day_holds_what_may_be() -> None:
    """One order in time, one late, one in doubt: one half, between a third and two thirds."""
    orders = Orders()
    on_hold = Seen("created", "2025-03-04 10:00", MORNING_AFTER, on_hold=True)
    free = Seen("in_expedition", "2025-03-06 02:15")
    orders.order("doubt", CREATED, on_hold, free, out="2025-03-06 15:00")
    orders.order("in time", "2025-03-06 09:00", out="2025-03-06 15:00")
    orders.order("late", "2025-03-06 09:00", out="2025-03-07 15:00")
    orders.build(LATER, "reports.sla_daily")

    (day,) = orders.rows("reports.sla_daily")

    assert (day["on_time_rate_sure"], day["on_time_rate"], day["on_time_rate_possible"]) == pytest.approx(
        (1 / 3, 1 / 2, 2 / 3)
    )


def test_the_backlog_sorts_what_has_not_left() -> None:
    """Every order that has not left stands in one bucket, the most urgent first."""
    orders = Orders()
    orders.order("old", "2025-03-03 09:00")
    orders.order("yesterday", "2025-03-05 09:00")
    orders.order("today", "2025-03-06 09:00")
    orders.order("tomorrow", "2025-03-06 13:00")
    orders.order("later", "2025-03-06 09:00", dispatch_date="2025-03-12")
    orders.order("held", "2025-03-06 09:00", Seen("created", "2025-03-06 10:00", on_hold=True))
    orders.order("gone", "2025-03-06 09:00", out="2025-03-06 10:00")
    orders.build("2025-03-06 14:00", "reports.backlog")

    assert [(row["bucket"], row["orders"]) for row in orders.rows("reports.backlog", "position") if row["orders"]] == [
        ("overdue_more_than_a_day", 1),
        ("overdue", 1),
        ("due_today", 1),
        ("due_tomorrow", 1),
        ("not_eligible_hold", 1),
        ("not_eligible_requested_date", 1),
    ]


_hours = st.integers(min_value=0, max_value=200)
_statuses = st.sampled_from([*PROGRESS, "teleported"])
_events = st.sampled_from(
    [
        "OrderCreated",
        "OrderUpdated",
        "OrderCanceled",
        "OrderPushedToExpedition",
        "OrderPacked",
        "OrderReturned",
        "OrderNotSent",
        "OrderSent",
        "OrderDelivered",
        "OrderRestored",
        "OrderStatusChangedToWaitingForStorage",
        "OrderStatusChangedToCreated",
        "OrderDeliveryChanged",
        "OrderTeleported",
    ]
)
# also before the creation and after now
_any_hour = st.integers(min_value=-30, max_value=500)
_lives = st.lists(
    st.tuples(
        st.lists(st.tuples(_statuses, st.booleans(), _hours), min_size=1, max_size=5),
        st.none() | _any_hour,
        st.lists(st.tuples(_events, st.none() | st.booleans(), _any_hour), max_size=5),
    ),
    min_size=20,
    max_size=20,
)


@pytest.mark.slow
@settings(max_examples=proof_size.of(ci=6, proof=300), deadline=None, suppress_health_check=list(HealthCheck))
@given(_lives, st.sampled_from(["stock_out", "packed", "sent", "delivered"]), st.sampled_from(["assume_none", "widen"]))
def test_whatever_happens_every_order_has_one_state(
    tmp_path_factory: pytest.TempPathFactory,
    lives: list[tuple[list[tuple[str, bool, int]], int | None, list[tuple[str, bool | None, int]]]],
    stop_event: str,
    unseen_waits: str,
) -> None:
    """Any life and any events of an order give one latest cycle, one of six states, intervals the right way round."""
    orders = Orders()
    start = at("2025-03-03 09:00")
    for number, (life, left, events) in enumerate(lives):
        polls = sorted((start + timedelta(hours=1 + hours), status, is_on_hold) for status, is_on_hold, hours in life)
        seen = [Seen(status, moment.isoformat(), on_hold=is_on_hold) for moment, status, is_on_hold in polls]
        out = (start + timedelta(hours=left)).isoformat() if left is not None else None
        orders.order(f"o{number}", start.isoformat(), *seen, out=out)
        for event_type, on_hold, hours in events:
            orders.event(f"o{number}", event_type, (start + timedelta(hours=hours)).isoformat(), on_hold=on_hold)
    folder = policy_folder(tmp_path_factory.mktemp("policy"), stop_event=stop_event, unseen_waits=unseen_waits)

    fulfillments = orders.fulfillment("2025-03-20", folder)

    assert set(fulfillments) == {f"o{number}" for number in range(len(lives))}
    assert [problem for row in orders.rows("marts.fct_fulfillment") for problem in _problems(row)] == []


def _problems(row: dict[str, Any]) -> list[str]:
    """What contradicts itself in a fulfillment."""
    problems = []
    if row["sla_state"] not in {"on_time", "late", "overdue", "pending", "excluded", "unknown"}:
        problems.append(f"state {row['sla_state']}")
    for name in ("due", "eligible", "dispatch", "packed", "sent", "delivered", "cancelled", "released", "stock_ready"):
        first, last = row[f"{name}_after_utc"], row[f"{name}_at_utc"]
        if first and last and first > last:
            problems.append(f"{name} is turned round")
    expected = {
        "on_time": (True, False),
        "late": (False, True),
        "overdue": (False, True),
        "pending": (False, False),
        "excluded": (False, False),
    }.get(row["sla_state"])
    could = (row["could_be_on_time"], row["could_be_late"])
    if expected is not None and could != expected:
        problems.append(f"{row['sla_state']} with {could}")
    if row["sla_state"] == "unknown" and could == (False, False):
        problems.append("unknown without a reading")
    return problems
