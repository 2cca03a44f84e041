"""SHOPLINE's fulfillments: what all events of one parcel together make of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from stockbook.staging.shopline_records import Parcel, StagedEvent
from stockbook.staging.shopline_values import id_of, instant, split_id, text_of


def parcel_id(event: StagedEvent) -> str | None:
    """The id of the fulfillment an event names."""
    return split_id(parcel_fields(event.body).get("id"))[1]


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
            "order_id": id_of(fields.get("order_id")),
            "name": text_of(fields.get("name")),
            "status": text_of(fields.get("status")),
            "shipment_status": text_of(fields.get("shipment_status")),
            "tracking_company": text_of(first.get("tracking_company")),
            "tracking_number": text_of(first.get("tracking_number")),
            "created_text": text_of(fields.get("created_at")),
            "created_at_utc": instant(fields.get("created_at")),
            "updated_text": text_of(fields.get("updated_at")),
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
