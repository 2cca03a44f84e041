"""
SHOPLINE's fulfillment bodies: what one event says of a fulfillment order, and what all of them together make of it.

Bodies of small events name only what changed, so they are merged in order of arrival and erase nothing. The
source sends neither a version nor a time of change, and it does not sign topics: only what stands in the body
decides; the topic is shown and, for a late ``create``, moves an event to the front, where it can only lose.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from stockbook.projection.personal import HIDDEN
from stockbook.staging.shopline_records import Folded, Hold, Line, Mention, MerchantRequest, Order, Refused, StagedEvent
from stockbook.staging.shopline_values import (
    id_of,
    instant,
    listed,
    split_id,
    text_of,
    texts_of,
    truth_of,
    whole,
    word_of,
)

ROLES = {
    "fulfillment_order": "subject",
    "original_fulfillment_order": "original",
    "submitted_fulfillment_order": "submitted",
    "moved_fulfillment_order": "moved",
}
CREATE = "fulfillment_order/create"
ON_HOLD = "on_hold"


def mentions(body: dict[str, Any]) -> list[Mention]:
    """
    What a body says of fulfillment orders, under whichever of its four keys; empty when it names none.

    A body may name two: the original and the one that was submitted or moved. They are told apart even when
    they are the same.
    """
    rows = []
    for key, role in ROLES.items():
        fields = body.get(key)
        if not isinstance(fields, dict):
            continue
        order_id, own = split_id(fields.get("id"))
        if own is not None:
            own_fields = dict(fields)
            if order_id is not None and own_fields.get("order_id") is None:
                own_fields["order_id"] = order_id
            rows.append(Mention(own, role, own_fields))
    return rows


def fold(fulfillment_order_id: str, events: Iterable[StagedEvent]) -> Folded:
    """
    One fulfillment order from every event that names it.

    Merged in order of arrival, a ``create`` first whenever it came. A field that is absent or null erases nothing;
    lines are those of the latest body that has any; holds end with a status that is not ``on_hold``.
    """
    order = Order(fulfillment_order_id)
    lines: list[Any] = []
    holds: list[Any] = []
    requests: dict[tuple[str | None, str | None], MerchantRequest] = {}
    ordered = sorted(events, key=lambda event: (event.event_type != CREATE, event.received_no))
    for event in ordered:
        for mention in mentions(event.body):
            if mention.fulfillment_order_id != fulfillment_order_id:
                continue
            _merge(order, mention.fields)
            _add_requests(requests, fulfillment_order_id, mention.fields, event.received_at_utc)
            lines = listed(mention.fields.get("line_items")) or lines
            order_holds, status = listed(mention.fields.get("fulfillment_holds")), word_of(mention.fields.get("status"))
            if order_holds is not None:
                holds = order_holds
            # a status that was hidden says nothing of a hold
            elif status not in (None, HIDDEN, ON_HOLD):
                holds = []
    order.event_count = len(ordered)
    order.first_received_at_utc = min(event.received_at_utc for event in ordered)
    latest = max(ordered, key=lambda event: event.received_no)
    order.last_received_at_utc, order.last_received_no = latest.received_at_utc, latest.received_no
    valid_lines, refused, repeated = _lines(fulfillment_order_id, lines)
    numbered = list(enumerate(holds, start=1))
    valid_holds = [
        Hold(fulfillment_order_id, number, text_of(hold.get("reason")))
        for number, hold in numbered
        if isinstance(hold, dict)
    ]
    odd = [
        Refused(f"{fulfillment_order_id}/{number}", "a hold must be an object")
        for number, hold in numbered
        if not isinstance(hold, dict)
    ]
    return Folded(order, valid_lines, valid_holds, [*requests.values()], refused, odd, len(lines), repeated, len(holds))


def _merge(order: Order, fields: dict[str, Any]) -> None:
    location, method, destination = (
        value if isinstance(value := fields.get(name), dict) else {}
        for name in ("assigned_location", "delivery_method", "destination")
    )
    order.is_whole = order.is_whole or "line_items" in fields or "destination" in fields
    fields_of_order: dict[str, Any] = {
        "order_id": id_of(fields.get("order_id")),
        "shop_id": id_of(fields.get("shop_id")),
        "status": word_of(fields.get("status")),
        "request_status": request_status(fields),
        "supported_actions": texts_of(fields.get("supported_actions")),
        "assigned_location_id": id_of(fields.get("assigned_location_id")) or id_of(location.get("location_id")),
        "location_name": text_of(location.get("name")),
        "location_city": text_of(location.get("city")),
        "location_province": text_of(location.get("province")),
        "location_country": text_of(location.get("country")),
        "location_country_code": text_of(location.get("country_code")),
        "delivery_method": text_of(method.get("method_type")),
        "service_code": text_of(method.get("service_code")),
        "destination_country_code": text_of(destination.get("country_code")),
        "destination_province": text_of(destination.get("province")),
        "destination_province_code": text_of(destination.get("province_code")),
        "delivery_store_code": text_of(destination.get("delivery_store_code")),
        "delivery_store_name": text_of(destination.get("delivery_store_name")),
        "destination_postcode": text_of(destination.get("zip")),
    }
    for name, value in (
        ("min_delivery", method.get("min_delivery_date_time")),
        ("max_delivery", method.get("max_delivery_date_time")),
        ("created", fields.get("created_at")),
    ):
        fields_of_order[f"{name}_text"] = text_of(value)
        fields_of_order[f"{name}_at_utc"] = instant(value)
    requests = listed(fields.get("merchant_requests"))
    if requests and isinstance(requests[-1], dict):
        fields_of_order["request_kind"] = text_of(requests[-1].get("kind"))
        fields_of_order["request_sent_at_utc"] = instant(requests[-1].get("send_at"))
    for name, value in fields_of_order.items():
        if value is not None:
            setattr(order, name, value)


def _add_requests(
    requests: dict[tuple[str | None, str | None], MerchantRequest],
    fulfillment_order_id: str,
    fields: dict[str, Any],
    received_at_utc: datetime,
) -> None:
    """Requests by kind and time: one that a later body does not list any more was still made."""
    for request in listed(fields.get("merchant_requests")) or []:
        if not isinstance(request, dict):
            continue  # said to be undeclared when it came
        key = text_of(request.get("kind")), text_of(request.get("send_at"))
        known_request = requests.setdefault(
            key,
            MerchantRequest(
                fulfillment_order_id,
                len(requests) + 1,
                *key,
                instant(request.get("send_at")),
                has_message=None,
                notifies_customer=None,
                first_received_at_utc=received_at_utc,
                last_received_at_utc=received_at_utc,
            ),
        )
        options = request.get("request_options")
        for name, value in (
            ("has_message", truth_of(request.get("message"))),
            ("notifies_customer", truth_of(options.get("notify_customer")) if isinstance(options, dict) else None),
        ):
            if value is not None:
                setattr(known_request, name, value)
        known_request.first_received_at_utc = min(known_request.first_received_at_utc, received_at_utc)
        known_request.last_received_at_utc = max(known_request.last_received_at_utc, received_at_utc)


def request_status(fields: dict[str, Any]) -> str | None:
    """The request status; the original of a submission spells it in camel case (docs/apis/shopline.md)."""
    return word_of(fields.get("request_status")) or word_of(fields.get("requestStatus"))


def location(fields: dict[str, Any]) -> str | None:
    """The location a mention names."""
    return id_of(fields.get("assigned_location_id"))


def _lines(fulfillment_order_id: str, received: list[Any]) -> tuple[list[Line], list[Refused], int]:
    repeated = 0
    lines: dict[str, Line] = {}
    refused: list[Refused] = []
    for number, item in enumerate(received, start=1):
        fields = item if isinstance(item, dict) else {}
        _, line_id = split_id(fields.get("id"))
        broken = []
        if line_id is None:
            broken.append("line_id: missing")
        numbers: dict[str, int | None] = {}
        for name in ("quantity", "fulfillable_quantity"):
            numbers[name] = whole(fields.get(name))
            if numbers[name] is None and fields.get(name) not in (None, ""):
                broken.append(f"{name}: expected bigint")
            elif (numbers[name] or 0) < 0:
                broken.append(f"{name}: below 0")
        if line_id is None or broken:
            refused.append(Refused(f"{fulfillment_order_id}/{line_id or number}", "; ".join(broken)))
            continue
        repeated += line_id in lines
        lines[line_id] = Line(
            fulfillment_order_id,
            line_id,
            id_of(fields.get("line_item_id")),
            id_of(fields.get("variant_id")),
            numbers["quantity"],
            numbers["fulfillable_quantity"],
            text_of(fields.get("country_code_of_origin")),
            text_of(fields.get("harmonized_system_code")),
        )
    return list(lines.values()), refused, repeated
