"""SHOPLINE's fulfillment orders: small bodies merged, ids as text, and in the end the sandbox's truth."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import pytest
from model_runner import run as build

from stockbook.checks.rules import of_table
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox import Arrival, Inbox
from stockbook.staging import shopline_fold
from stockbook.staging.shopline_parcels import fold_numbers, fold_parcel
from stockbook.staging.shopline_records import Folded, StagedEvent
from stockbook.staging.shopline_values import split_id
from stockbook.webhooks.drain import drain
from stockbook.webhooks.event_fields import EVENTS, Declarations
from stockbook_sandbox import Shop
from stockbook_sandbox.events import Events

FO = "4005740193290131085320"
ORDER = "21057401932826316666967110"
WHOLE: dict[str, Any] = {
    "id": FO,
    "order_id": ORDER,
    "shop_id": "1610418123456",
    "status": "open",
    "request_status": "unsubmitted",
    "supported_actions": "release_hold",
    "assigned_location_id": "5327026538935748524",
    "assigned_location": {"location_id": "5327026538935748524", "country": "United States", "country_code": "US"},
    "delivery_method": {"method_type": "shipping", "min_delivery_date_time": "2021-05-26T10:00:00-04:00"},
    "destination": {"country": "US", "country_code": "US", "zip": "405"},
    "fulfillment_holds": [],
    "line_items": [
        {"id": "91", "line_item_id": "81", "variant_id": "18057401932826316666967110", "quantity": 3,
         "fulfillable_quantity": "2", "harmonized_system_code": "0121"},
        {"id": "92", "line_item_id": "82", "quantity": 1, "fulfillable_quantity": 1},
    ],
}  # fmt: skip


def heard(*bodies: tuple[str, dict[str, Any]]) -> list[StagedEvent]:
    """Events in order of arrival, a minute apart."""
    start = datetime(2026, 3, 1, 8, 0)
    return [
        StagedEvent(number, f"e{number}", f"fulfillment_order/{topic}", start + timedelta(minutes=number), body)
        for number, (topic, body) in enumerate(bodies, start=1)
    ]


def folded(*bodies: tuple[str, dict[str, Any]]) -> Folded:
    """One fulfillment order from (topic, body) in order of arrival."""
    return shopline_fold.fold(FO, heard(*bodies))


def small(key: str = "fulfillment_order", **fields: Any) -> dict[str, Any]:
    """A small body."""
    return {key: {"id": FO, **fields}}


def test_a_full_body_fills_every_column() -> None:
    """Ids of 26 digits stay text, a bare text is a list of one, numbers may be text, the code is the country."""
    order, lines, holds, refused, *_ = folded(("create", {"fulfillment_order": WHOLE}))

    assert (order.order_id, order.assigned_location_id) == (ORDER, "5327026538935748524")
    assert order.supported_actions == ["release_hold"]
    assert (order.location_country_code, order.destination_country_code, order.destination_postcode) == (
        "US", "US", "405",
    )  # fmt: skip
    assert order.min_delivery_at_utc == datetime(2021, 5, 26, 14)
    assert [(line.line_id, line.variant_id, line.quantity, line.fulfillable_quantity) for line in lines] == [
        ("91", "18057401932826316666967110", 3, 2),
        ("92", None, 1, 1),
    ]
    assert lines[0].harmonized_system_code == "0121"
    assert (holds, refused, order.is_whole) == ([], [], True)


def test_small_bodies_merge_and_erase_nothing() -> None:
    """A release changes the status and leaves address and lines; null and absent are no order to erase."""
    hold = [{"reason": "inventory_out_of_stock"}, {"reason": "other"}]
    state = folded(
        ("create", {"fulfillment_order": WHOLE}), ("on_hold", small(status="on_hold", fulfillment_holds=hold))
    )
    assert [(hold.hold_no, hold.reason) for hold in state.holds] == [(1, "inventory_out_of_stock"), (2, "other")]
    released = folded(
        ("create", {"fulfillment_order": WHOLE}),
        ("on_hold", small(status="on_hold", fulfillment_holds=hold)),
        ("released", small(status="open", assigned_location_id=None)),
    )
    assert (released.order.status, released.order.destination_postcode, len(released.lines)) == ("open", "405", 2)
    assert released.order.assigned_location_id == "5327026538935748524"
    assert released.holds == []


def test_a_create_that_comes_late_overwrites_nothing() -> None:
    """Accepted came first and made the record; the create fills what it lacked and no more."""
    order, lines, *_ = folded(
        ("accepted", small(request_status="accepted", status="in_progress")),
        ("create", {"fulfillment_order": WHOLE}),
    )

    assert (order.status, order.request_status, len(lines), order.is_whole) == ("in_progress", "accepted", 2, True)
    assert folded(("accepted", small(request_status="accepted"))).order.is_whole is False


def test_bodies_with_two_orders_name_both() -> None:
    """Submitted and moved have no plain key; the original has its request status in camel case."""
    body = {
        "original_fulfillment_order": {"id": FO, "requestStatus": "unsubmitted", "status": "open"},
        "submitted_fulfillment_order": {"id": f"{ORDER}_4006", "request_status": "submitted", "status": "open"},
    }
    original, submitted = shopline_fold.mentions(body)
    assert (original.fulfillment_order_id, original.role, shopline_fold.request_status(original.fields)) == (
        FO, "original", "unsubmitted",
    )  # fmt: skip
    assert (submitted.fulfillment_order_id, submitted.role, submitted.fields["order_id"]) == (
        "4006",
        "submitted",
        ORDER,
    )

    moved = {
        "original_fulfillment_order": {"id": FO, "assigned_location_id": "1", "status": "open"},
        "moved_fulfillment_order": {"id": FO, "assigned_location_id": "2", "status": "open"},
    }
    assert folded(("location_changed", moved)).order.assigned_location_id == "2"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{ORDER}_{FO}", (ORDER, FO)),
        ("83234231_8234234", ("83234231", "8234234")),
        (FO, (None, FO)),
        (4005, (None, "4005")),
        ("", (None, None)),
        (None, (None, None)),
        (True, (None, None)),
        (1.5, (None, None)),
    ],
)
def test_ids_are_normalised(text: Any, parts: tuple[str | None, str | None]) -> None:
    """Behind the last underscore stands the own id, before it the order's; nothing becomes a number."""
    assert split_id(text) == parts


def test_lines_that_break_their_declaration_are_refused_by_reason() -> None:
    """No id, or a quantity that is no whole number: named without the value; the rest is kept."""
    items = [{"id": "1", "quantity": "many"}, {"quantity": 1}, {"id": "3", "quantity": 2}, "nonsense"]
    items += [{"id": "5", "quantity": 2.5}, {"id": "6", "quantity": 2.0}, {"id": "7", "fulfillable_quantity": "3.00"}]
    items += [{"id": "8", "quantity": -1}]
    state = folded(("update", {"fulfillment_order": {**WHOLE, "line_items": items}}))

    assert [(line.line_id, line.quantity or line.fulfillable_quantity) for line in state.lines] == [
        ("3", 2),
        ("6", 2),
        ("7", 3),
    ]
    assert [(refusal.row_key, refusal.reason) for refusal in state.refused] == [
        (f"{FO}/1", "quantity: expected bigint"),
        (f"{FO}/2", "line_id: missing"),
        (f"{FO}/4", "line_id: missing"),
        (f"{FO}/5", "quantity: expected bigint"),
        (f"{FO}/8", "quantity: below 0"),
    ]


def test_a_parcel_follows_its_own_clock() -> None:
    """An update that arrived before an older one wins by updated_at, whatever the offset."""
    late = {"id": "7", "status": "success", "shipment_status": "delivered", "updated_at": "2026-03-02T01:00:00+02:00"}
    early = {"id": "7", "order_id": "5", "shipment_status": "in_transit", "updated_at": "2026-03-01T22:59:00+00:00"}
    parcel = fold_parcel("7", heard(("x", late), ("y", {"fulfillment": early})))

    assert (parcel.shipment_status, parcel.order_id, parcel.updated_at_utc, parcel.event_count) == (
        "delivered", "5", datetime(2026, 3, 1, 23), 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "updated_at",
    ["2026-03-01T10:00:00", 1772359200, "2026-03-01", "2026-03-01T24:00:00Z", "2126-03-01T10:00:00Z", "", None],
)
def test_a_change_without_a_readable_time_comes_when_it_arrives(updated_at: Any) -> None:
    """It lost to every other one, or won for good with a slip of the year. Behind it a later time still counts."""
    sent = {"id": "7", "shipment_status": "in_transit", "tracking_number": "a", "updated_at": "2026-03-01T01:00:00Z"}
    done = {"id": "7", "shipment_status": "Delivered", "tracking_number": "b", "updated_at": updated_at}
    first = {**sent, "shipment_status": "label", "updated_at": "2026-03-01T00:00:00Z"}

    assert fold_parcel("7", heard(("x", sent), ("y", done))).shipment_status == "delivered"
    assert [row.tracking_number for row in fold_numbers("7", heard(("x", sent), ("y", done)))] == ["b"]
    assert fold_parcel("7", heard(("x", sent), ("y", done), ("z", first))).shipment_status == "delivered"
    assert fold_parcel("7", heard(("y", done), ("x", sent))).shipment_status == "in_transit"


def received(**fields: Any) -> dict[str, Any]:
    """What the receiver keeps of an order's body."""
    body = msgspec.json.decode(msgspec.json.encode(small(**fields)))
    payload = DECLARED.reduce("fulfillment_order/update", body, b"a key of at least sixteen").payload
    return dict(msgspec.json.decode(payload))


DECLARED = Declarations(EVENTS / "shopline_events.yml")


@pytest.mark.parametrize("id_", [f" {FO} ", f"{FO}\u200b", [FO], f"{ORDER}_{FO}\t"])
def test_an_id_is_one_however_it_is_written(id_: Any) -> None:
    """Of orders, lines and what they name."""
    body = received(id=id_, order_id=id_, line_items=[{"id": id_, "variant_id": id_, "quantity": 1}])
    (mention,) = shopline_fold.mentions(body)
    state = shopline_fold.fold(FO, heard(("update", body)))

    assert (mention.fulfillment_order_id, state.order.order_id) == (FO, FO)
    assert [(line.line_id, line.variant_id) for line in state.lines] == [(FO, FO)]


@pytest.mark.parametrize("id_", ["a b", "null", "undefined", 0, "0", "", None, {"id": "1", "of": "2"}, "21_null"])
def test_what_names_nothing_is_no_order_and_no_line(id_: Any) -> None:
    """All of them were one order, whose events and lines lay over each other."""
    assert shopline_fold.mentions(received(id=id_)) == []
    lines = [{"id": id_, "quantity": 1}, {"id": id_, "quantity": 2}]
    state = folded(("update", received(order_id=id_, line_items=lines)))
    assert (state.order.order_id, state.lines) == (None, [])
    assert [line.reason for line in state.refused] == ["line_id: missing"] * 2


@pytest.mark.parametrize(
    ("fields", "status", "reasons"),
    [
        ({"status": "ON_HOLD"}, "on_hold", ["other"]),
        ({"status": "on_hold "}, "on_hold", ["other"]),
        ({"status": ""}, "on_hold", ["other"]),
        ({"status": "On hold, see note"}, "?", ["other"]),
        ({"status": "CANCELLED"}, "cancelled", []),
        ({"fulfillment_holds": {"reason": "alone"}}, "on_hold", ["alone"]),
        ({"fulfillment_holds": []}, "on_hold", []),
    ],
)
def test_a_hold_ends_with_a_status_that_can_be_read(fields: dict[str, Any], status: str, reasons: list[str]) -> None:
    """Capitals and blanks are no other status, and of a hidden one nobody knows that it ends a hold."""
    on_hold = received(status="on_hold", fulfillment_holds=[{"reason": "other"}])
    state = folded(("on_hold", on_hold), ("update", received(**fields)))
    assert (state.order.status, [hold.reason for hold in state.holds]) == (status, reasons)


def test_an_object_alone_is_a_list_of_one() -> None:
    """Lines, requests and tracking entries that came without their list."""
    line, request = {"id": "91", "quantity": 3}, {"kind": "cancel", "send_at": "2026-03-01T00:00:00Z"}
    state = folded(("update", received(line_items=line, merchant_requests=request)))
    assert ([line.quantity for line in state.lines], state.order.request_kind) == ([3], "cancel")
    entry = {"id": "7", "tracking_info_list": {"tracking_company": "PPL", "tracking_number": ["a"]}}
    assert [row.tracking_company for row in fold_numbers("7", heard(("x", entry)))] == ["PPL"]


Deliver = Callable[..., list[str]]


@pytest.fixture
def deliver(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock, tmp_path: Path
) -> Iterator[Deliver]:
    """Puts (topic, body) through a real inbox and drains them; gives the findings."""
    sent = 0
    with Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}") as inbox:

        def run(*bodies: tuple[str, dict[str, Any]], run_id: str = "d1") -> list[str]:
            nonlocal sent
            for topic, body in bodies:
                sent += 1
                parcel = topic.startswith("fulfillments/")
                inbox.append(
                    Arrival(
                        source="shopline",
                        account="main",
                        event_key=f"k{sent}",
                        event_type=topic,
                        subject_kind="fulfillment" if parcel else "fulfillment_order",
                        subject_id=body.get("id"),
                        occurred_text=None,
                        received_at_utc=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=sent),
                        payload=msgspec.json.encode(body).decode(),
                    )
                )
            done = inbox.append(Arrival("shopline", "none", f"end{sent}", "end", None, None, None, clock.utc(), "{}"))
            done.result(timeout=30)
            as_of = datetime(2026, 3, 1, 2, 15)
            return drain(con, inbox, tables, run_id, as_of, ZoneInfo("Europe/Prague"), clock, 30).notes

        yield run


def test_the_end_is_the_sandboxes_truth_however_events_are_cut_into_drains(
    con: duckdb.DuckDBPyConnection, deliver: Deliver
) -> None:
    """Every fulfillment order has the shop's status, request status, location and open pieces after three drains."""
    shop = Shop.small(seed=4, orders=900)
    events = [(event.topic, event.body) for event in Events(shop).between(0, shop.end, ("shopline",))]
    cuts = [0, *sorted(random.Random(1).sample(range(len(events)), 2)), len(events)]
    for number, (first, last) in enumerate(pairwise(cuts)):
        assert deliver(*events[first:last], run_id=f"d{number}") == []

    truth = shop.shopline.truth(shop.end)
    states = con.execute("""
        select fulfillment_order_id, status, request_status, assigned_location_id
        from staging.shopline_fulfillment_orders
    """).fetchall()
    assert {own: state for own, *state in states} == {
        own: [state["status"], state["request_status"], state["location"]] for own, state in truth.items()
    }
    left = con.execute("""
        select fulfillment_order_id, list(fulfillable_quantity order by line_id)
        from staging.shopline_fulfillment_order_lines
        where _deleted_at is null
        group by 1
    """).fetchall()
    assert dict(left) == {own: state["fulfillable"] for own, state in truth.items()}
    assert {state["status"] for state in truth.values()} >= {"closed", "cancelled", "in_progress"}


def test_marts_show_orders_lines_holds_and_history(con: duckdb.DuckDBPyConnection, deliver: Deliver) -> None:
    """One row an order with its sums; a row per event and part; unknown statuses are kept."""
    hold = [{"reason": "other"}]
    deliver(
        ("fulfillment_order/create", {"fulfillment_order": WHOLE}),
        ("fulfillment_order/on_hold", small(status="on_hold", fulfillment_holds=hold)),
        ("fulfillment_order/update", small(status="melted")),
        ("fulfillment_order/on_hold", small(status="on_hold", fulfillment_holds=hold)),
        ("fulfillments/create", {"id": "77", "order_id": ORDER, "status": "success"}),
    )
    for name in ("", "_line", "_hold", "_status"):
        build(con, f"marts.fct_shopline_fulfillment_order{name}", datetime(2026, 3, 1, 2, 15))
    build(con, "marts.fct_shopline_fulfillment", datetime(2026, 3, 1, 2, 15))

    def rows(query: str) -> list[tuple[Any, ...]]:
        return con.execute(query).fetchall()

    assert rows("""
        select
            order_id, status, is_on_hold, line_count, quantity, fulfillable_quantity, hold_count, event_count, evidence
        from marts.fct_shopline_fulfillment_order
    """) == [(ORDER, "on_hold", True, 2, 4, 3, 1, 4, "webhook")]
    assert rows("select line_id from marts.fct_shopline_fulfillment_order_line order by 1") == [("91",), ("92",)]
    assert rows("select hold_no, reason from marts.fct_shopline_fulfillment_order_hold") == [(1, "other")]
    assert rows("""
        select received_no, status, is_new_status from marts.fct_shopline_fulfillment_order_status order by 1
    """) == [(1, "open", True), (2, "on_hold", True), (3, "melted", True), (4, "on_hold", True)]
    assert rows("select fulfillment_id, order_id from marts.fct_shopline_fulfillment") == [("77", ORDER)]


def test_a_closed_order_that_stands_open_again_is_told(
    con: duckdb.DuckDBPyConnection, deliver: Deliver, tables: dict[str, Table]
) -> None:
    """Nothing orders two bodies: an old one that comes late counts, and a check names its order until a newer comes."""
    [rule] = [
        rule
        for rule in of_table(tables["marts.fct_shopline_fulfillment_order_status"])
        if rule.name == "a fulfillment order that was closed or cancelled does not stand open again"
    ]

    def broken(*bodies: tuple[str, str]) -> list[tuple[Any, ...]]:
        deliver(*((f"fulfillment_order/{topic}", small(status=status)) for topic, status in bodies))
        build(con, "marts.fct_shopline_fulfillment_order_status", datetime(2026, 3, 1, 2, 15))
        return con.execute(rule.bad_rows).fetchall()

    # a create that comes late changes nothing
    assert broken(("update", "in_progress"), ("update", "closed"), ("create", "open")) == []
    assert broken(("accepted", "in_progress")) == [("main", FO)]
    assert broken(("update", "cancelled")) == []


def test_what_cannot_be_understood_is_kept_and_told(con: duckdb.DuckDBPyConnection, deliver: Deliver) -> None:
    """An event that names no order stays in webhook_events; a refused line is in quarantine until it heals."""
    broken = {"fulfillment_order": {**WHOLE, "line_items": [{"id": "91", "quantity": "many"}]}}
    notes = deliver(("fulfillment_order/update", broken), ("fulfillment_order/on_hold", {"surprise": 1}))

    assert [note.split(" (")[0] for note in notes] == [
        "warning: 1 SHOPLINE events", "warning: 1 lines or holds of SHOPLINE fulfillment orders",
    ]  # fmt: skip
    assert con.execute("select row_key, reason, parent_key from staging.quarantine").fetchall() == [
        (f"{FO}/91", "quantity: expected bigint", FO)
    ]
    assert con.execute("select count(*) from staging.webhook_events where source = 'shopline'").fetchall() == [(3,)]
    deliver(("fulfillment_order/update", {"fulfillment_order": WHOLE}))
    assert con.execute("select count(*) from staging.quarantine").fetchall() == [(0,)]


def test_a_hold_that_is_none_and_a_line_that_came_twice_are_counted(
    con: duckdb.DuckDBPyConnection, deliver: Deliver, tables: dict[str, Table]
) -> None:
    """Both are somewhere: the hold in quarantine under its order, the line once in staging and once as repeated."""
    line = WHOLE["line_items"][0]
    odd = {**WHOLE, "line_items": [line, line], "fulfillment_holds": ["stop", {"reason": "other"}]}
    deliver(("fulfillment_order/update", {"fulfillment_order": odd}))

    assert con.execute("select table_name, row_key, parent_key from staging.quarantine").fetchall() == [
        ("shopline_fulfillment_order_holds", f"{FO}/1", FO)
    ]
    assert con.execute("select hold_no from staging.shopline_fulfillment_order_holds").fetchall() == [(2,)]
    assert con.execute(
        "select table_name, rows_received, rows_new, rows_repeated, rows_quarantined from meta.loaded_rows "
        "where table_name like 'shopline%' order by 1"
    ).fetchall() == [("shopline_fulfillment_order_holds", 2, 1, 0, 1), ("shopline_fulfillment_order_lines", 2, 1, 1, 0)]
