"""What the status texts of the warehouse mean."""

from pathlib import Path
from typing import Literal

import msgspec

from stockbook.errors import Problems
from stockbook.policy_file import PolicyFile

Status = Literal[
    "created",
    "waiting_for_storage",
    "in_expedition",
    "problem_in_expedition",
    "packed",
    "not_sent",
    "sent",
    "delivered",
    "returned",
    "cancelled",
]
Stage = Literal["shop", "stock", "warehouse", "carrier", "closed"]

# How far an order has come: a later status proves that every earlier one was passed (returned: up to sent).
PROGRESS: dict[Status, int] = {
    "created": 0,
    "waiting_for_storage": 0,
    "in_expedition": 1,
    "problem_in_expedition": 1,
    "not_sent": 1,
    "packed": 2,
    "sent": 3,
    "delivered": 4,
    "returned": 4,
    "cancelled": 0,
}


class MappedStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source text: what it means, who has the order, and whether the order is expected to change again."""

    source_status: str
    status: Status
    stage: Stage
    is_final: bool


class MappedShipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One state of a shipment, and what of the order it proves when an event tells of it."""

    shipment_status: str
    event_type: Literal["sent", "delivered", "returned"]


# of a file written before there were any
SHIPMENTS = (
    MappedShipment("inTransit", "sent"),
    MappedShipment("delivered", "delivered"),
    MappedShipment("returned", "returned"),
)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    statuses: list[MappedStatus]
    shipments: list[MappedShipment] | None = None


def read(path: Path) -> list[MappedStatus]:
    """The mapped statuses of a file. Raises ConfigError naming file, line and field; a text may be mapped once."""
    return _read(path).statuses


def read_shipments(path: Path) -> list[MappedShipment]:
    """The mapped states of shipments, which an empty list leaves without a meaning. Raises ConfigError."""
    shipments = _read(path).shipments
    return list(SHIPMENTS) if shipments is None else shipments


def _read(path: Path) -> _File:
    file = PolicyFile(path, is_verbatim=True)
    content = file.read(_File)
    problems = Problems()
    for section, name, texts in (
        ("statuses", "source_status", [status.source_status for status in content.statuses]),
        ("shipments", "shipment_status", [shipment.shipment_status for shipment in content.shipments or ()]),
    ):
        for number, text in enumerate(texts):
            if text in texts[:number]:
                with problems.gathered():
                    raise file.refusal((section, number), f"{name} {text!r} is mapped twice")
    problems.settle()
    return content
