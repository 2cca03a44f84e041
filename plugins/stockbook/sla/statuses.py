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


class _File(msgspec.Struct, forbid_unknown_fields=True):
    statuses: list[MappedStatus]


def read(path: Path) -> list[MappedStatus]:
    """The mapped statuses of a file. Raises ConfigError naming file, line and field; a text may be mapped once."""
    file = PolicyFile(path)
    mapped = file.read(_File).statuses
    problems = Problems()
    seen: set[str] = set()
    for number, status in enumerate(mapped):
        if status.source_status in seen:
            with problems.gathered():
                raise file.refusal(("statuses", number), f"source_status {status.source_status!r} is mapped twice")
        seen.add(status.source_status)
    problems.settle()
    return mapped
