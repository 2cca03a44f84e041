"""SHOPLINE's fulfillment events as staging holds them, and the rows that are made of them."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec


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
    location_name: str | None = None
    location_city: str | None = None
    location_province: str | None = None
    location_country: str | None = None
    location_country_code: str | None = None
    delivery_method: str | None = None
    min_delivery_text: str | None = None
    min_delivery_at_utc: datetime | None = None
    max_delivery_text: str | None = None
    max_delivery_at_utc: datetime | None = None
    service_code: str | None = None
    destination_country_code: str | None = None
    destination_province: str | None = None
    destination_province_code: str | None = None
    delivery_store_code: str | None = None
    delivery_store_name: str | None = None
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


class MerchantRequest(msgspec.Struct):
    """A request of the merchant; the columns of ``staging.shopline_merchant_requests``."""

    fulfillment_order_id: str
    request_no: int
    kind: str | None
    sent_text: str | None
    sent_at_utc: datetime | None
    has_message: bool | None
    notifies_customer: bool | None
    first_received_at_utc: datetime
    last_received_at_utc: datetime


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
    requests: list[MerchantRequest]
    refused: list[Refused]
    refused_holds: list[Refused]
    lines_received: int
    lines_repeated: int
    holds_received: int


class TrackingNumber(msgspec.Struct):
    """One number of a parcel; the columns of ``staging.shopline_tracking_numbers``."""

    fulfillment_id: str
    parcel_no: int
    tracking_company: str | None
    tracking_number: str


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
