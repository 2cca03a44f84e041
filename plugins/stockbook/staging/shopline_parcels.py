"""SHOPLINE's fulfillments: what all events of one parcel together make of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from stockbook.staging.shopline_records import Parcel, StagedEvent, TrackingNumber
from stockbook.staging.shopline_values import id_of, instant, listed, split_id, text_of, texts_of, word_of

# clocks differ by less; who counts local time as UTC is ahead by less, too
_AHEAD = timedelta(days=1)


def parcel_id(event: StagedEvent) -> str | None:
    """The id of the fulfillment an event names."""
    return split_id(parcel_fields(event.body).get("id"))[1]


def fold_parcel(fulfillment_id: str, events: Iterable[StagedEvent]) -> Parcel:
    """
    One fulfillment from every event that names it.

    Merged by the source's own ``updated_at``, and by arrival where there is none.
    """
    parcel = Parcel(fulfillment_id)
    ordered = list(events)
    for event in _in_order(ordered):
        fields = parcel_fields(event.body)
        numbers = tracking_numbers(fields)
        company = next((company for company, _ in _tracking_entries(fields) if company), None)
        values: dict[str, Any] = {
            "order_id": id_of(fields.get("order_id")),
            "name": text_of(fields.get("name")),
            "status": word_of(fields.get("status")),
            "shipment_status": word_of(fields.get("shipment_status")),
            "tracking_company": company,
            "tracking_number": numbers[0][1] if numbers else None,
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


def fold_numbers(fulfillment_id: str, events: Iterable[StagedEvent]) -> list[TrackingNumber]:
    """The tracking numbers of the latest body that has any, in its order, each once."""
    numbers: list[tuple[str | None, str]] = []
    for event in _in_order(events):
        numbers = tracking_numbers(parcel_fields(event.body)) or numbers
    return [TrackingNumber(fulfillment_id, at, *number) for at, number in enumerate(numbers, start=1)]


def tracking_numbers(fields: dict[str, Any]) -> list[tuple[str | None, str]]:
    """(carrier, number) of each tracking number a body names: those of its list, else those beside it."""
    numbers: dict[str, str | None] = {}
    for company, hashes in _tracking_entries(fields):
        for number in texts_of(hashes) or []:
            numbers.setdefault(number, company)
    return [(company, number) for number, company in numbers.items()]


def _tracking_entries(fields: dict[str, Any]) -> list[tuple[str | None, Any]]:
    """
    (carrier, numbers) of each entry of the list; of a body without one the numbers beside it.

    Of bodies that were stored before numbers were parted a number is one text.
    """
    entries = [item for item in listed(fields.get("tracking_info_list")) or [] if isinstance(item, dict)]
    if entries:
        return [(text_of(item.get("tracking_company")), item.get("tracking_number")) for item in entries]
    company = text_of(fields.get("tracking_company"))
    return [(company, fields.get("tracking_numbers")), (company, fields.get("tracking_number"))]


def _in_order(events: Iterable[StagedEvent]) -> list[StagedEvent]:
    """
    By the source's own time; one that tells none comes behind the newest of those that arrived before it.

    A time of after its arrival tells none: it would win over every change to come.
    """
    newest = datetime.min  # noqa: DTZ901  # naive UTC
    timed = []
    for event in sorted(events, key=lambda event: event.received_no):
        at = updated(event.body) or newest
        if at > event.received_at_utc + _AHEAD:
            at = newest
        newest = max(newest, at)
        timed.append((at, event.received_no, event))
    return [event for *_, event in sorted(timed, key=lambda entry: entry[:2])]


def parcel_fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a fulfillment, bare or under its own key: the pages show no key around them."""
    inner = body.get("fulfillment")
    return inner if isinstance(inner, dict) else body


def updated(body: dict[str, Any]) -> datetime | None:
    """When a fulfillment changed, by the source's own time (naive UTC)."""
    fields = parcel_fields(body)
    return instant(fields.get("updated_at")) or instant(fields.get("created_at"))
