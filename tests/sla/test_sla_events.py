"""Webhook events as evidence: exact where they come, harmless where they come twice, late, wrongly or not at all."""

from pathlib import Path
from typing import Any

from empty_warehouse import MODELS
from order_rows import Orders, Seen, at, policy_folder, utc

from stockbook.declaration_files import load

# created on Tuesday before the cut-off, due that day at 18:00
CREATED = "2025-03-04 09:00"
MORNING_AFTER = "2025-03-05 02:15"
LATER = "2025-03-10 02:15"
PUSHED, PACKED, SENT = "OrderPushedToExpedition", "OrderPacked", "OrderSent"
WAITING, SENT_BACK = "OrderStatusChangedToWaitingForStorage", "OrderStatusChangedToCreated"


def ends(row: dict[str, Any], name: str) -> tuple[Any, Any, Any]:
    """Both ends of a milestone and what it rests on."""
    return row[f"{name}_after_utc"], row[f"{name}_at_utc"], row[f"{name}_evidence"]


def test_an_event_says_when_to_the_second() -> None:
    """What polls know between two nights, events know exactly; what no event told stays an interval."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("delivered", "2025-03-06 02:15"),
        out="2025-03-04 15:00",
    )
    orders.webhooks("a", (PUSHED, "2025-03-04 09:05"), (PACKED, "2025-03-04 15:00"), (SENT, "2025-03-04 18:40"))

    fulfillment = orders.fulfillment(LATER)["a"]

    assert ends(fulfillment, "pushed") == (utc("2025-03-04 09:05"), utc("2025-03-04 09:05"), "webhook")
    assert ends(fulfillment, "packed") == (utc("2025-03-04 15:00"), utc("2025-03-04 15:00"), "webhook")
    assert ends(fulfillment, "sent") == (utc("2025-03-04 18:40"), utc("2025-03-04 18:40"), "webhook")
    assert ends(fulfillment, "delivered") == (utc("2025-03-04 15:00"), utc("2025-03-06 02:15"), "poll")


def test_a_promise_that_stops_at_sending_is_decided_by_the_event(tmp_path: Path) -> None:
    """Sent at 17:30 or 18:30, seen only the morning after: polls leave it open, the event decides."""
    orders = Orders()
    policy = policy_folder(tmp_path, stop_event="sent")
    polls = (Seen("in_expedition", "2025-03-04 10:00"), Seen("sent", MORNING_AFTER))
    for name in ("untold", "in time", "late"):
        orders.order(name, CREATED, *polls, out="2025-03-04 15:00")
    orders.event("in time", SENT, "2025-03-04 17:30")
    orders.event("late", SENT, "2025-03-04 18:30")

    fulfillments = orders.fulfillment(LATER, policy)

    assert {name: (row["sla_state"], row["dispatch_evidence"]) for name, row in fulfillments.items()} == {
        "untold": ("unknown", "poll"),
        "in time": ("on_time", "webhook"),
        "late": ("late", "webhook"),
    }


def test_events_doubled_and_out_of_order_change_nothing() -> None:
    """Every event twice, the copy an hour later and all in reverse order: the earliest of each type counts."""
    once, twice = Orders(), Orders()
    events = [
        ("OrderCreated", CREATED), (PUSHED, "2025-03-04 09:05"), (WAITING, "2025-03-04 09:30"),
        (PUSHED, "2025-03-05 10:00"), (PACKED, "2025-03-05 15:00"), (SENT, "2025-03-05 18:40"),
        ("OrderDelivered", "2025-03-06 11:00"),
    ]  # fmt: skip
    for orders in (once, twice):
        orders.order("a", CREATED, Seen("delivered", "2025-03-07 02:15"), out="2025-03-05 15:00")
    once.webhooks("a", *events)
    for event_type, occurred in reversed(events):
        copied = at(occurred).replace(minute=at(occurred).minute + 1)
        twice.event("a", event_type, copied.isoformat(" "))
        twice.event("a", event_type, occurred)
        twice.event("a", event_type, occurred, event_id=f"again {event_type} {occurred}")

    expected, fulfillments = once.fulfillment(LATER), twice.fulfillment(LATER)

    assert expected["a"]["eligible_at_utc"] == utc("2025-03-05 10:00")
    assert expected["a"]["sla_state"] == "on_time"
    assert fulfillments == expected


def test_what_is_missing_is_bounded_by_what_came() -> None:
    """Delivered was told and sending was not: it was sent after packing, not later than delivered."""
    orders = Orders()
    orders.order("a", CREATED, Seen("in_expedition", "2025-03-04 10:00", MORNING_AFTER), out="2025-03-04 15:00")
    orders.webhooks("a", (PACKED, "2025-03-04 15:00"), ("OrderDelivered", "2025-03-05 11:00"))

    fulfillment = orders.fulfillment(LATER)["a"]

    assert ends(fulfillment, "sent") == (utc("2025-03-04 15:00"), utc("2025-03-05 11:00"), "webhook")


def test_events_of_unknown_orders_and_other_things_are_nothing() -> None:
    """An event of an order nobody read, of a type that says nothing of the clock, or of a product changes no order."""
    orders = Orders()
    orders.order("a", CREATED, out="2025-03-04 15:00")
    expected = orders.fulfillment(LATER)
    orders.event("nobody", SENT, "2025-03-04 15:00")
    orders.event("a", "OrderDeliveryChanged", "2025-03-04 15:00")
    orders.event("a", "OrderTeleported", "2025-03-04 15:00")
    orders.event("a", SENT, "2025-03-04 16:00", account="second")
    orders.event("a", SENT, "2025-03-04 17:00")
    orders.con.execute(
        "update staging.webhook_events set subject_kind = 'product' where received_no = ?", [orders.events]
    )

    assert orders.fulfillment(LATER) == expected
    orders.build(LATER, "marts.fct_order_event")
    assert {row["evidence"] for row in orders.rows("marts.fct_order_event")} == {"poll", "movement"}


def test_an_event_of_before_its_order_is_warned_of() -> None:
    """Sent a year before it was created: an old event sent again, or a wrong clock; a person has to look."""
    orders = Orders()
    for order in ("early", "sound"):
        orders.order(order, CREATED, out="2025-03-04 10:00")
    orders.webhooks("early", (SENT, "2024-03-04 10:00"))
    orders.webhooks("sound", (SENT, "2025-03-04 10:00"))
    orders.build(LATER)

    checks = {check.name: check.rows for check in load(MODELS)["marts.fct_fulfillment"].checks}
    assert orders.con.execute(checks["no order went its way before it was created"] or "").fetchall() == [
        ("main", "early")
    ]


def test_what_comes_after_now_is_not_known_yet() -> None:
    """A run dated in the past knows no later event, poll or movement: the order is as it was then."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("in_expedition", "2025-03-04 10:00"),
        Seen("sent", "2025-03-06 02:15"),
        out="2025-03-05 15:00",
    )
    orders.webhooks("a", (PUSHED, "2025-03-04 09:05"), (PACKED, "2025-03-05 15:00"), (SENT, "2025-03-05 18:30"))

    then = orders.fulfillment("2025-03-04 17:00")["a"]
    next_morning = orders.fulfillment(MORNING_AFTER)["a"]
    now = orders.fulfillment(LATER)["a"]

    assert [row["sla_state"] for row in (then, next_morning, now)] == ["pending", "overdue", "late"]
    assert [row["packed_at_utc"] for row in (then, next_morning)] == [None, None]
    assert then["pushed_at_utc"] == utc("2025-03-04 09:05")
    assert now["packed_at_utc"] == utc("2025-03-05 15:00")


def test_an_event_in_the_skipped_hour_proves_nothing() -> None:
    """02:30 of the last Sunday of March never was: the event is left out and polls decide."""
    orders = Orders()
    orders.order(
        "a",
        "2025-03-28 09:00",
        Seen("packed", "2025-03-29 02:15"),
        Seen("sent", "2025-03-31 02:15"),
        out="2025-03-28 15:00",
    )
    orders.event("a", SENT, "2025-03-30 02:30")

    fulfillment = orders.fulfillment("2025-04-05")["a"]

    assert ends(fulfillment, "sent") == (utc("2025-03-29 02:15"), utc("2025-03-31 02:15"), "poll")


def test_an_event_in_the_repeated_hour_keeps_both_readings() -> None:
    """Received before the second pass began it was the first; received after it may be either, and both are kept."""
    orders = Orders()
    for name in ("first", "either"):
        orders.order(name, "2025-10-24 09:00", out="2025-10-24 15:00")
    # 00:31 UTC lies in the first pass, 01:31 UTC in the second
    orders.event("first", SENT, "2025-10-26 02:30", received="2025-10-26 02:31")
    orders.con.execute("update staging.webhook_events set received_at_utc = timestamp '2025-10-26 00:31'")
    orders.event("either", SENT, "2025-10-26 02:30")
    orders.con.execute(
        "update staging.webhook_events set received_at_utc = timestamp '2025-10-26 01:31' where subject_id = 'either'"
    )

    fulfillments = orders.fulfillment("2025-11-01")

    assert ends(fulfillments["first"], "sent") == (at("2025-10-26 00:30"), at("2025-10-26 00:30"), "webhook")
    assert ends(fulfillments["either"], "sent") == (at("2025-10-26 00:30"), at("2025-10-26 01:30"), "webhook")


def test_handing_over_ends_a_hold_exactly() -> None:
    """Seen on hold by night, handed to the warehouse at 11:59:59 or 12:00: the cut-off decides, not the poll."""
    orders = Orders()
    on_hold = Seen("created", MORNING_AFTER, on_hold=True)
    free = Seen("in_expedition", "2025-03-06 02:15")
    for name, pushed in (("before", "2025-03-05 11:59:59"), ("at", "2025-03-05 12:00:00"), ("untold", None)):
        orders.order(name, CREATED, on_hold, free, out="2025-03-06 15:00")
        orders.event(name, "OrderCreated", CREATED, on_hold=True)
        if pushed:
            orders.event(name, PUSHED, pushed)

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["sla_state"], row["eligible_evidence"]) for name, row in fulfillments.items()} == {
        "before": ("late", "webhook"),
        "at": ("on_time", "webhook"),
        "untold": ("unknown", "poll"),
    }
    assert ends(fulfillments["at"], "released") == (utc("2025-03-05 12:00"), utc("2025-03-05 12:00"), "webhook")


def test_a_hold_that_only_an_event_told_of_stops_the_clock() -> None:
    """Created on hold and released between two polls, or set on hold later by an update: the wait is the shop's."""
    orders = Orders()
    orders.order("created", CREATED, Seen("in_expedition", MORNING_AFTER), out="2025-03-05 10:00")
    orders.event("created", "OrderCreated", CREATED, on_hold=True)
    orders.event("created", PUSHED, "2025-03-04 16:00")
    orders.order("updated", CREATED, Seen("in_expedition", MORNING_AFTER), out="2025-03-06 10:00")
    orders.event("updated", "OrderCreated", CREATED, on_hold=False)
    orders.event("updated", PUSHED, "2025-03-04 09:05")
    orders.event("updated", "OrderUpdated", "2025-03-04 10:00", on_hold=False)
    orders.event("updated", "OrderUpdated", "2025-03-04 11:00", on_hold=True)
    orders.event("updated", "OrderUpdated", "2025-03-04 11:30", on_hold=True)
    orders.event("updated", PUSHED, "2025-03-05 16:00")
    orders.order("still held", CREATED, Seen("created", "2025-03-04 10:00"))
    orders.event("still held", "OrderUpdated", "2025-03-04 11:00", on_hold=True)

    fulfillments = orders.fulfillment(LATER)

    assert {
        name: (row["sla_state"], row["eligible_at_utc"], row["not_eligible_reason"])
        for name, row in fulfillments.items()
    } == {
        "created": ("on_time", utc("2025-03-04 16:00"), None),
        "updated": ("on_time", utc("2025-03-05 16:00"), None),
        "still held": ("pending", None, "hold"),
    }


def test_an_update_that_lifts_a_hold_counts_until_the_hand_over_is_told() -> None:
    """Released by an update at 10:00; once the hand-over of 10:20 is told, that counts."""
    orders = Orders()
    orders.order("a", CREATED, Seen("created", MORNING_AFTER, on_hold=True))
    orders.event("a", "OrderCreated", CREATED, on_hold=True)
    orders.event("a", "OrderUpdated", "2025-03-05 10:00", on_hold=False)

    lifted = orders.fulfillment("2025-03-05 11:00")["a"]
    orders.event("a", PUSHED, "2025-03-05 10:20")
    pushed = orders.fulfillment("2025-03-05 11:00")["a"]

    assert [row["eligible_at_utc"] for row in (lifted, pushed)] == [utc("2025-03-05 10:00"), utc("2025-03-05 10:20")]


def test_waiting_for_stock_lasts_until_the_order_is_handed_over_again() -> None:
    """No poll saw the wait; its end is the next hand-over, and an order that still waits is not eligible."""
    orders = Orders()
    orders.order("ended", CREATED, Seen("in_expedition", "2025-03-06 02:15"), out="2025-03-06 10:00")
    orders.webhooks("ended", (PUSHED, "2025-03-04 09:05"), (WAITING, "2025-03-04 09:06"), (PUSHED, "2025-03-05 13:00"))
    orders.order("waits", CREATED, Seen("in_expedition", "2025-03-04 10:00"))
    orders.webhooks("waits", (PUSHED, "2025-03-04 09:05"), (WAITING, "2025-03-04 11:00"))

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["sla_state"], row["not_eligible_reason"]) for name, row in fulfillments.items()} == {
        "ended": ("on_time", None),
        "waits": ("pending", "stock"),
    }
    assert ends(fulfillments["ended"], "stock_ready") == (utc("2025-03-05 13:00"), utc("2025-03-05 13:00"), "webhook")


def test_a_lost_begin_or_end_of_a_wait_leaves_what_polls_saw() -> None:
    """Without the event of its begin a poll shows the wait, without that of its end polls bound it."""
    orders = Orders()
    polls = (
        Seen("waiting_for_storage", MORNING_AFTER),
        Seen("in_expedition", "2025-03-06 02:15"),
    )
    orders.order("no begin", CREATED, *polls, out="2025-03-06 10:00")
    orders.webhooks("no begin", (PUSHED, "2025-03-04 09:05"), (PUSHED, "2025-03-05 13:00"))
    orders.order("no end", CREATED, *polls, out="2025-03-06 10:00")
    orders.webhooks("no end", (PUSHED, "2025-03-04 09:05"), (WAITING, "2025-03-04 09:06"))

    fulfillments = orders.fulfillment(LATER)

    assert {
        name: (row["sla_state"], row["eligible_after_utc"], row["eligible_at_utc"])
        for name, row in fulfillments.items()
    } == {
        "no begin": ("on_time", utc("2025-03-05 13:00"), utc("2025-03-05 13:00")),
        "no end": ("unknown", utc(MORNING_AFTER), utc("2025-03-06 02:15")),
    }


def test_sent_back_ends_eligibility_until_handed_over_again() -> None:
    """Correction is the shop's wait, in the same cycle; what was promised before it does not count."""
    orders = Orders()
    orders.order("corrected", CREATED, Seen("in_expedition", MORNING_AFTER), out="2025-03-05 16:00")
    orders.webhooks(
        "corrected", (PUSHED, "2025-03-04 09:05"), (SENT_BACK, "2025-03-04 10:00"), (PUSHED, "2025-03-05 11:00")
    )
    orders.order("with the shop", CREATED, Seen("created", "2025-03-04 09:01"))
    orders.webhooks("with the shop", (PUSHED, "2025-03-04 09:05"), (SENT_BACK, "2025-03-04 10:00"))

    fulfillments = orders.fulfillment(LATER)

    assert {
        name: (row["sla_state"], row["cycle_no"], row["due_at_utc"], row["not_eligible_reason"])
        for name, row in fulfillments.items()
    } == {
        "corrected": ("on_time", 1, utc("2025-03-05 18:00"), None),
        "with the shop": ("pending", 1, None, "correction"),
    }


def test_not_sent_ends_the_attempt_to_the_second() -> None:
    """After OrderNotSent the order is overdue until it leaves again: by a new movement, or else by its OrderSent."""
    orders = Orders()
    failed = ((PACKED, "2025-03-04 15:00"), ("OrderNotSent", "2025-03-04 17:00"))
    for name in ("still there", "sent that day", "sent later", "left again", "given up"):
        orders.order(name, CREATED, Seen("in_expedition", "2025-03-04 10:00"), out="2025-03-04 15:00")
        orders.webhooks(name, *failed)
    orders.event("sent that day", SENT, "2025-03-04 17:50")
    orders.event("sent later", SENT, "2025-03-05 17:50")
    orders.move("left again", "2025-03-04 17:30", 1)
    orders.event("left again", SENT, "2025-03-05 17:50")
    orders.event("given up", "OrderCanceled", "2025-03-05 10:00")

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["sla_state"], row["dispatch_evidence"]) for name, row in fulfillments.items()} == {
        "still there": ("overdue", None),
        "sent that day": ("on_time", "webhook"),
        "sent later": ("late", "webhook"),
        "left again": ("on_time", "movement"),
        "given up": ("late", None),
    }
    assert {row["is_perfect"] for row in fulfillments.values()} == {False}


def test_a_failed_attempt_polls_saw_and_an_event_told_is_one() -> None:
    """The event lies between the two polls: the movement between event and second poll belongs to the next attempt."""
    orders = Orders()
    orders.order(
        "a", CREATED, Seen("packed", "2025-03-04 16:00"), Seen("not_sent", MORNING_AFTER), out="2025-03-04 15:00"
    )
    orders.event("a", "OrderNotSent", "2025-03-04 17:00")
    orders.move("a", "2025-03-04 17:30", 1)

    fulfillment = orders.fulfillment(LATER)["a"]

    assert (fulfillment["sla_state"], fulfillment["dispatch_at_utc"]) == ("on_time", utc("2025-03-04 17:30"))


def test_a_cancellation_is_decided_by_its_event() -> None:
    """Between the same two polls, cancelled before the due time or after it."""
    orders = Orders()
    polls = (Seen("in_expedition", "2025-03-04 10:00"), Seen("cancelled", MORNING_AFTER))
    for name, cancelled in (("before", "2025-03-04 18:00"), ("after", "2025-03-04 18:00:01"), ("untold", None)):
        orders.order(name, CREATED, *polls)
        if cancelled:
            orders.event(name, "OrderCanceled", cancelled)

    assert {name: row["sla_state"] for name, row in orders.fulfillment(LATER).items()} == {
        "before": "excluded",
        "after": "late",
        "untold": "unknown",
    }


def test_a_restore_no_poll_saw_begins_a_cycle() -> None:
    """Cancelled and restored between two polls that both show it in the warehouse: two cycles, two promises."""
    orders = Orders()
    orders.order("a", CREATED, Seen("in_expedition", "2025-03-04 10:00", LATER), out="2025-03-06 16:00")
    orders.webhooks(
        "a", (PUSHED, "2025-03-04 09:05"), ("OrderCanceled", "2025-03-04 12:00"),
        ("OrderRestored", "2025-03-06 09:00"), (PUSHED, "2025-03-06 09:05"),
    )  # fmt: skip
    orders.build(LATER)

    cycles = orders.rows("marts.fct_fulfillment", "cycle_no")

    assert [(row["cycle_no"], row["is_latest_cycle"], row["sla_state"], row["due_at_utc"]) for row in cycles] == [
        (1, False, "excluded", utc("2025-03-04 18:00")),
        (2, True, "on_time", utc("2025-03-06 18:00")),
    ]
    assert ends(cycles[1], "restored") == (utc("2025-03-06 09:00"), utc("2025-03-06 09:00"), "webhook")


def test_restored_twice_is_restored_once_unless_cancelled_between() -> None:
    """A doubled OrderRestored begins one cycle, also where no cancellation was told; a second one, two."""
    orders = Orders()
    seen = Seen("in_expedition", "2025-03-09 02:15")
    orders.order("doubled", CREATED, seen)
    orders.webhooks(
        "doubled",
        ("OrderCanceled", "2025-03-04 12:00"),
        ("OrderRestored", "2025-03-06 09:00"),
        ("OrderRestored", "2025-03-06 09:10"),
    )
    orders.order("untold", CREATED, seen)
    orders.webhooks("untold", ("OrderRestored", "2025-03-06 09:00"))
    orders.order("twice", CREATED, seen)
    orders.webhooks(
        "twice", ("OrderCanceled", "2025-03-04 12:00"), ("OrderRestored", "2025-03-06 09:00"),
        ("OrderCanceled", "2025-03-06 10:00"), ("OrderRestored", "2025-03-07 09:00"),
    )  # fmt: skip

    fulfillments = orders.fulfillment(LATER)

    assert {name: (row["cycle_no"], row["due_at_utc"]) for name, row in fulfillments.items()} == {
        "doubled": (2, utc("2025-03-06 18:00")),
        "untold": (2, utc("2025-03-06 18:00")),
        "twice": (3, utc("2025-03-07 18:00")),
    }


def test_a_restore_polls_saw_and_an_event_told_is_one() -> None:
    """Seen cancelled and then alive, told in between: one new cycle, which begins at the second of the event."""
    orders = Orders()
    orders.order(
        "a", CREATED, Seen("in_expedition", "2025-03-04 10:00"), Seen("cancelled", MORNING_AFTER),
        Seen("created", "2025-03-06 02:15"),
    )  # fmt: skip
    orders.event("a", "OrderRestored", "2025-03-05 11:00")

    fulfillment = orders.fulfillment(LATER)["a"]

    assert (fulfillment["cycle_no"], fulfillment["due_after_utc"], fulfillment["due_at_utc"]) == (
        2,
        utc("2025-03-05 18:00"),
        utc("2025-03-05 18:00"),
    )


def test_a_hold_outlasts_a_cancellation() -> None:
    """Created on hold, cancelled and restored before anybody released it: still held, until it is handed over."""
    orders = Orders()
    for name in ("held", "handed over"):
        orders.order(name, CREATED, Seen("created", MORNING_AFTER, on_hold=True))
        orders.event(name, "OrderCreated", CREATED, on_hold=True)
        orders.webhooks(name, ("OrderCanceled", "2025-03-05 09:00"), ("OrderRestored", "2025-03-05 10:00"))
    orders.event("handed over", PUSHED, "2025-03-05 13:00")

    fulfillments = orders.fulfillment("2025-03-05 14:00")

    assert {
        name: (row["cycle_no"], row["sla_state"], row["eligible_at_utc"]) for name, row in fulfillments.items()
    } == {
        "held": (2, "pending", None),
        "handed over": (2, "pending", utc("2025-03-05 13:00")),
    }
    assert (fulfillments["held"]["not_eligible_reason"], fulfillments["handed over"]["due_at_utc"]) == (
        "hold",
        utc("2025-03-06 18:00"),
    )


def test_an_order_nobody_saw_wait_counts_from_its_creation_unless_waits_widen(tmp_path: Path) -> None:
    """Handed over at 12:05: by default the minutes before it are nobody's wait; with widen they are the shop's."""
    orders = Orders()
    orders.order("a", "2025-03-04 11:58", Seen("in_expedition", MORNING_AFTER), out="2025-03-05 15:00")
    orders.event("a", "OrderCreated", "2025-03-04 11:58", on_hold=False)
    orders.event("a", PUSHED, "2025-03-04 12:05")

    assumed = orders.fulfillment(LATER)["a"]
    widened = orders.fulfillment(LATER, policy_folder(tmp_path, unseen_waits="widen"))["a"]

    assert (assumed["sla_state"], *ends(assumed, "eligible")) == (
        "late",
        utc("2025-03-04 11:58"),
        utc("2025-03-04 11:58"),
        "assumed",
    )
    assert (widened["sla_state"], *ends(widened, "eligible")) == (
        "on_time",
        utc("2025-03-04 12:05"),
        utc("2025-03-04 12:05"),
        "webhook",
    )


def test_events_narrow_what_polls_saw_of_a_problem() -> None:
    """A problem begins after the hand-over and is over when the order is packed, whatever the polls saw."""
    orders = Orders()
    orders.order(
        "a",
        CREATED,
        Seen("problem_in_expedition", MORNING_AFTER),
        Seen("sent", "2025-03-06 02:15"),
        out="2025-03-05 11:00",
    )
    orders.webhooks("a", (PUSHED, "2025-03-04 09:05"), (PACKED, "2025-03-05 11:00"), (SENT, "2025-03-05 18:30"))

    fulfillment = orders.fulfillment(LATER)["a"]

    assert (fulfillment["problem_began_after_utc"], fulfillment["problem_began_at_utc"]) == (
        utc("2025-03-04 09:05"),
        utc(MORNING_AFTER),
    )
    assert (fulfillment["problem_ended_after_utc"], fulfillment["problem_ended_at_utc"]) == (
        utc(MORNING_AFTER),
        utc("2025-03-05 11:00"),
    )


def test_order_events_name_their_evidence() -> None:
    """fct_order_event shows events beside polls and movements, each with a key of its own."""
    orders = Orders()
    orders.order("a", CREATED, Seen("packed", MORNING_AFTER), out="2025-03-04 15:00")
    orders.webhooks("a", (PUSHED, "2025-03-04 09:05"), (PACKED, "2025-03-04 15:00"))
    orders.build(LATER, "marts.fct_order_event")

    rows = orders.rows("marts.fct_order_event")

    assert len({row["event_id"] for row in rows}) == len(rows)
    assert {
        (row["event_type"], row["evidence"], row["occurred_after_utc"], row["occurred_at_utc"]) for row in rows
    } == {
        ("created", "poll", None, utc(CREATED)),
        ("pushed", "poll", utc(CREATED), utc(MORNING_AFTER)),
        ("packed", "poll", utc(CREATED), utc(MORNING_AFTER)),
        ("stock_out", "movement", None, utc("2025-03-04 15:00")),
        ("pushed", "webhook", None, utc("2025-03-04 09:05")),
        ("packed", "webhook", None, utc("2025-03-04 15:00")),
    }


def test_a_state_of_the_shipment_is_a_milestone_to_the_second() -> None:
    """What statuses.yml gives a meaning proves it; any other state is listed as it came, and none says nothing."""
    orders = Orders()
    orders.order("a", CREATED, Seen("sent", "2025-03-06 02:15"), out="2025-03-04 15:00")
    for moment, state in (
        ("2025-03-04 18:40:07", "inTransit"),
        ("2025-03-05 08:00:00", "readyForPickup"),
        ("2025-03-05 09:30:11", "delivered"),
        ("2025-03-05 10:00:00", None),
    ):
        orders.event("a", "OrderDeliveryChanged", moment, shipment=state)

    fulfillment = orders.fulfillment(LATER)["a"]
    orders.build(LATER, "marts.fct_order_event")

    assert ends(fulfillment, "sent") == (utc("2025-03-04 18:40:07"), utc("2025-03-04 18:40:07"), "webhook")
    assert ends(fulfillment, "delivered") == (utc("2025-03-05 09:30:11"), utc("2025-03-05 09:30:11"), "webhook")
    events = [row for row in orders.rows("marts.fct_order_event", "occurred_at_utc") if row["evidence"] == "webhook"]
    assert [(row["event_type"], row["shipment_status"], row["occurred_at_utc"]) for row in events] == [
        ("sent", "inTransit", utc("2025-03-04 18:40:07")),
        ("shipment_changed", "readyForPickup", utc("2025-03-05 08:00:00")),
        ("delivered", "delivered", utc("2025-03-05 09:30:11")),
    ]


def test_an_operator_says_what_a_state_of_the_shipment_proves(tmp_path: Path) -> None:
    """With an empty list no state proves anything; a file written before there was one means what is shipped."""
    orders = Orders()
    orders.order("a", CREATED, Seen("in_expedition", "2025-03-04 10:00"), out="2025-03-04 15:00")
    orders.event("a", "OrderDeliveryChanged", "2025-03-04 18:40", shipment="inTransit")
    policy = policy_folder(tmp_path)
    file = policy / "statuses.yml"
    before = "statuses:\n" + file.read_text().split("\nstatuses:\n")[1]

    file.write_text(before)
    assert orders.fulfillment(LATER, policy)["a"]["sent_evidence"] == "webhook"
    file.write_text(f"{before}shipments: []\n")
    assert orders.fulfillment(LATER, policy)["a"]["sent_evidence"] is None


def test_whether_the_warehouse_said_why_an_order_was_not_sent() -> None:
    """The note itself is not kept: the event says only that there is one."""
    orders = Orders()
    for order, has_note in (("a", True), ("b", False)):
        orders.order(order, CREATED, Seen("not_sent", "2025-03-06 02:15"))
        orders.event(order, "OrderNotSent", "2025-03-05 10:00", has_note=has_note)
    orders.build(LATER, "marts.fct_order_event")

    events = [row for row in orders.rows("marts.fct_order_event", "order_id") if row["evidence"] == "webhook"]
    assert [(row["order_id"], row["event_type"], row["has_note"]) for row in events] == [
        ("a", "not_sent", True),
        ("b", "not_sent", False),
    ]
