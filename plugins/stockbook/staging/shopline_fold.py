"""
SHOPLINE's fulfillment bodies: what one event says of a fulfillment order, and what all of them together make of it.

Bodies of small events name only what changed, so they are merged in order of arrival and erase nothing. The
source sends neither a version nor a time of change, and it does not sign topics: only what stands in the body
decides; the topic is shown and, for a late ``create``, moves an event to the front, where it can only lose.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from stockbook.declarations import DAYS

ROLES = {
    "fulfillment_order": "subject",
    "original_fulfillment_order": "original",
    "submitted_fulfillment_order": "submitted",
    "moved_fulfillment_order": "moved",
}
CREATE = "fulfillment_order/create"
ON_HOLD = "on_hold"

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
# as declared of pieces in staging (``max_abs``)
_MOST_PIECES = 10**9


class StagedEvent(NamedTuple):
    """An event as staging holds it; ``received_at_utc`` is naive UTC, ``body`` the JSON object that was kept of it."""

    received_no: int
    event_id: str
    event_type: str
    received_at_utc: datetime
    body: dict[str, Any]


class Mention(NamedTuple):
    """What an event says of one fulfillment order: the part it has in the event, and the fields the body names."""

    fulfillment_order_id: str
    role: str
    fields: dict[str, Any]


class Order(msgspec.Struct):
    """A fulfillment order as its events tell it; the columns of ``staging.shopline_fulfillment_orders``."""

    fulfillment_order_id: str
    order_id: str | None = None
    shop_id: str | None = None
    status: str | None = None
    request_status: str | None = None
    supported_actions: list[str] | None = None
    assigned_location_id: str | None = None
    location_country_code: str | None = None
    delivery_method: str | None = None
    min_delivery_text: str | None = None
    min_delivery_at_utc: datetime | None = None
    max_delivery_text: str | None = None
    max_delivery_at_utc: datetime | None = None
    service_code: str | None = None
    destination_country_code: str | None = None
    destination_postcode: str | None = None
    request_kind: str | None = None
    request_sent_at_utc: datetime | None = None
    created_text: str | None = None
    created_at_utc: datetime | None = None
    is_whole: bool = False
    event_count: int = 0
    first_received_at_utc: datetime | None = None
    last_received_at_utc: datetime | None = None
    last_received_no: int = 0


class Line(msgspec.Struct):
    """A line of a fulfillment order; the columns of ``staging.shopline_fulfillment_order_lines``."""

    fulfillment_order_id: str
    line_id: str
    order_line_id: str | None
    variant_id: str | None
    quantity: int | None
    fulfillable_quantity: int | None
    origin_country_code: str | None
    harmonized_system_code: str | None


class Hold(msgspec.Struct):
    """A hold; the columns of ``staging.shopline_fulfillment_order_holds``."""

    fulfillment_order_id: str
    hold_no: int
    reason: str | None


class Refused(msgspec.Struct):
    """A line or hold that breaks its declaration: its key as text, and why."""

    row_key: str
    reason: str


class Folded(NamedTuple):
    """
    A fulfillment order with its lines and holds, and those that were refused.

    ``lines_received`` came, of which ``lines_repeated`` had the id of a later one; ``holds_received`` likewise.
    """

    order: Order
    lines: list[Line]
    holds: list[Hold]
    refused: list[Refused]
    refused_holds: list[Refused]
    lines_received: int
    lines_repeated: int
    holds_received: int


class Parcel(msgspec.Struct):
    """A fulfillment; the columns of ``staging.shopline_fulfillments``."""

    fulfillment_id: str
    order_id: str | None = None
    name: str | None = None
    status: str | None = None
    shipment_status: str | None = None
    tracking_company: str | None = None
    tracking_number: str | None = None
    created_text: str | None = None
    created_at_utc: datetime | None = None
    updated_text: str | None = None
    updated_at_utc: datetime | None = None
    event_count: int = 0
    last_received_at_utc: datetime | None = None
    last_received_no: int = 0


def split_id(text: object) -> tuple[str | None, str | None]:
    """
    (order id or None, own id or None) of an id as sent.

    ``<order id>_<own id>`` is a composite: text after the last underscore is the own id
    (docs/apis/shopline.md). Ids have up to 26 digits and stay text.
    """
    if text is None or isinstance(text, bool) or not isinstance(text, str | int):
        return None, None
    order_id, _, own = str(text).strip().rpartition("_")
    return order_id or None, own or None


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
    ordered = sorted(events, key=lambda event: (event.event_type != CREATE, event.received_no))
    for event in ordered:
        for mention in mentions(event.body):
            if mention.fulfillment_order_id != fulfillment_order_id:
                continue
            _merge(order, mention.fields)
            line_items, status = mention.fields.get("line_items"), _text(mention.fields.get("status"))
            order_holds = mention.fields.get("fulfillment_holds")
            if isinstance(line_items, list) and line_items:
                lines = line_items
            if isinstance(order_holds, list):
                holds = order_holds
            elif status is not None and status != ON_HOLD:
                holds = []
    order.event_count = len(ordered)
    order.first_received_at_utc = min(event.received_at_utc for event in ordered)
    latest = max(ordered, key=lambda event: event.received_no)
    order.last_received_at_utc, order.last_received_no = latest.received_at_utc, latest.received_no
    valid_lines, refused, repeated = _lines(fulfillment_order_id, lines)
    numbered = list(enumerate(holds, start=1))
    valid_holds = [
        Hold(fulfillment_order_id, number, _text(hold.get("reason")))
        for number, hold in numbered
        if isinstance(hold, dict)
    ]
    odd = [
        Refused(f"{fulfillment_order_id}/{number}", "a hold must be an object")
        for number, hold in numbered
        if not isinstance(hold, dict)
    ]
    return Folded(order, valid_lines, valid_holds, refused, odd, len(lines), repeated, len(holds))


def _merge(order: Order, fields: dict[str, Any]) -> None:
    location, method, destination = (
        value if isinstance(value := fields.get(name), dict) else {}
        for name in ("assigned_location", "delivery_method", "destination")
    )
    order.is_whole = order.is_whole or "line_items" in fields or "destination" in fields
    fields_of_order: dict[str, Any] = {
        "order_id": _id(fields.get("order_id")),
        "shop_id": _id(fields.get("shop_id")),
        "status": _text(fields.get("status")),
        "request_status": request_status(fields),
        "supported_actions": _texts(fields.get("supported_actions")),
        "assigned_location_id": _id(fields.get("assigned_location_id")) or _id(location.get("location_id")),
        "location_country_code": _text(location.get("country_code")),
        "delivery_method": _text(method.get("method_type")),
        "service_code": _text(method.get("service_code")),
        "destination_country_code": _text(destination.get("country_code")),
        "destination_postcode": _text(destination.get("zip")),
    }
    for name, value in (
        ("min_delivery", method.get("min_delivery_date_time")),
        ("max_delivery", method.get("max_delivery_date_time")),
        ("created", fields.get("created_at")),
    ):
        fields_of_order[f"{name}_text"] = _text(value)
        fields_of_order[f"{name}_at_utc"] = instant(value)
    requests = fields.get("merchant_requests")
    if isinstance(requests, list) and requests and isinstance(requests[-1], dict):
        fields_of_order["request_kind"] = _text(requests[-1].get("kind"))
        fields_of_order["request_sent_at_utc"] = instant(requests[-1].get("send_at"))
    for name, value in fields_of_order.items():
        if value is not None:
            setattr(order, name, value)


def request_status(fields: dict[str, Any]) -> str | None:
    """The request status; the original of a submission spells it in camel case (docs/apis/shopline.md)."""
    return _text(fields.get("request_status")) or _text(fields.get("requestStatus"))


def location(fields: dict[str, Any]) -> str | None:
    """The location a mention names."""
    return _id(fields.get("assigned_location_id"))


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
        numbers = {}
        for name in ("quantity", "fulfillable_quantity"):
            numbers[name] = whole(fields.get(name))
            if numbers[name] is None and fields.get(name) not in (None, ""):
                broken.append(f"{name}: expected bigint")
        if line_id is None or broken:
            refused.append(Refused(f"{fulfillment_order_id}/{line_id or number}", "; ".join(broken)))
            continue
        repeated += line_id in lines
        lines[line_id] = Line(
            fulfillment_order_id,
            line_id,
            _id(fields.get("line_item_id")),
            _id(fields.get("variant_id")),
            numbers["quantity"],
            numbers["fulfillable_quantity"],
            _text(fields.get("country_code_of_origin")),
            _text(fields.get("harmonized_system_code")),
        )
    return list(lines.values()), refused, repeated


def fold_parcel(fulfillment_id: str, events: Iterable[StagedEvent]) -> Parcel:
    """
    One fulfillment from every event that names it.

    Merged by the source's own ``updated_at``, and in order of arrival where there is none.
    """
    parcel = Parcel(fulfillment_id)
    ordered = list(events)
    for event in sorted(ordered, key=lambda event: (updated(event.body) or datetime.min, event.received_no)):  # noqa: DTZ901  # naive UTC
        fields = parcel_fields(event.body)
        first = next((item for item in fields.get("tracking_info_list") or [] if isinstance(item, dict)), {})
        values: dict[str, Any] = {
            "order_id": _id(fields.get("order_id")),
            "name": _text(fields.get("name")),
            "status": _text(fields.get("status")),
            "shipment_status": _text(fields.get("shipment_status")),
            "tracking_company": _text(first.get("tracking_company")),
            "tracking_number": _text(first.get("tracking_number")),
            "created_text": _text(fields.get("created_at")),
            "created_at_utc": instant(fields.get("created_at")),
            "updated_text": _text(fields.get("updated_at")),
            "updated_at_utc": instant(fields.get("updated_at")),
        }
        for name, value in values.items():
            if value is not None:
                setattr(parcel, name, value)
    parcel.event_count = len(ordered)
    latest = max(ordered, key=lambda event: event.received_no)
    parcel.last_received_at_utc, parcel.last_received_no = latest.received_at_utc, latest.received_no
    return parcel


def parcel_fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a fulfillment, bare or under its own key: the pages show no key around them."""
    inner = body.get("fulfillment")
    return inner if isinstance(inner, dict) else body


def updated(body: dict[str, Any]) -> datetime | None:
    """When a fulfillment changed, by the source's own time (naive UTC)."""
    fields = parcel_fields(body)
    return instant(fields.get("updated_at")) or instant(fields.get("created_at"))


def instant(text: object) -> datetime | None:
    """The instant (naive UTC) of an ISO 8601 text with offset, within the days of any time; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        at = None if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    first, last = DAYS
    return at if at is not None and first <= at.date() <= last else None


def whole(value: object) -> int | None:
    """A whole number that came as a number or as text, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    number = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) <= _MOST_PIECES else None


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _id(value: object) -> str | None:
    return split_id(value)[1]


def _texts(value: object) -> list[str] | None:
    """A list of texts; a bare text is a list of one (the vendor's sample prints it so)."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value if (text := _text(item)) is not None]
    return None
