"""
Requests to be forgotten that wait for their turn, such as the maintenance of a day.

A request holds the hashes that are looked for and no value, and these as bytes, so that they are no find of the search
that proves the erasure; an order's id or number is the shop's, and is kept as it is. With the last step of a request
they are gone too, and what is left says when it came, when it was done and how many rows that were.
"""

import base64
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from stockbook.clock import Clock
from stockbook.erasure.forgetting import forget_waiting, people_of, require_home
from stockbook.erasure.spelling import Kind, Sought
from stockbook.errors import ConfigError, UnknownOrder
from stockbook.progress import Progress
from stockbook.settings import Settings
from stockbook.webhooks.drain import has_inbox, open_inbox

if TYPE_CHECKING:
    from stockbook.inbox.requests import Request


class _Sought(msgspec.Struct, omit_defaults=True):
    """What is written down of somebody: hashes and hashes of names as base64 of their bytes."""

    hashes: list[str] = []
    names: list[str] = []
    order: str | None = None


class Done(Protocol):
    """What came of a request."""

    @property
    def rows(self) -> Counter[str]:
        """Rows that were erased, by place."""

    @property
    def unknown(self) -> int:
        """Whether the person is known to nothing, as 1."""


Forget = Callable[[Kind, Sought], Done]
"""Forgets a person who is named like that."""


def ask(settings: Settings, clock: Clock, kind: Kind, text: str) -> list[str]:
    """
    Put those whom the lines of a text name on the table; what there is to say. Whether the home is in use or not.

    Raises as ``forget``; whether an order is known shows when it is done.
    """
    if not settings.is_of_fleet:
        require_home(settings)
    _require_place(settings)
    people = people_of(settings, kind, text)
    with open_inbox(settings) as inbox:
        count = inbox.requests.add(kind.value, [_written(person) for person in people], clock.utc())
    return [
        f"{count} requests wait: the DAG stockbook_maintenance works them off, or `stockbook forget --due` does now. "
        "Who was named is kept as hashes until then, and in no other form."
    ]


def work_off(settings: Settings, clock: Clock, progress: Progress, forget: Forget | None = None) -> list[str]:
    """
    Do every request that waits, one after the other; what there is to say, and never of whom.

    ``forget`` does one of them where that is not this home's affair. One that was killed is done anew. Raises as
    ``forget``, then this one and those behind it wait.
    """
    _require_place(settings)
    if not has_inbox(settings):
        return ["No request waits."]

    def of_home(kind: Kind, person: Sought) -> Done:
        return forget_waiting(settings, clock, progress, kind, person)

    sentences = []
    with open_inbox(settings) as inbox:
        for request in inbox.requests.open():
            rows, note = _do(forget or of_home, request)
            inbox.requests.finish(request, clock.utc(), rows, note)
            sentences.append(f"Request {request.id}: done, {rows or 0:,} rows{f'; {note}' if note else ''}.")
    return sentences or ["No request waits."]


def told(settings: Settings) -> list[str]:
    """Every request in a line: when it came, when it was done, how many rows."""
    _require_place(settings)
    if not has_inbox(settings):
        return ["There is no request."]
    with open_inbox(settings) as inbox:
        return [_line(request) for request in inbox.requests.all()] or ["There is no request."]


def _line(request: "Request") -> str:
    came = f"{request.id}: {request.kind}, requested {request.requested_at_utc:%Y-%m-%d %H:%M} UTC"
    if request.done_at_utc is None:
        return f"{came}, waits"
    note = f" ({request.note})" if request.note else ""
    return f"{came}, done {request.done_at_utc:%Y-%m-%d %H:%M} UTC, {request.rows_erased or 0:,} rows{note}"


def _require_place(settings: Settings) -> None:
    if settings.is_of_fleet and not settings.inbox_database:
        raise ConfigError(
            "Requests wait in the inbox, which the machines of a fleet share only in a PostgreSQL: set "
            "STOCKBOOK_INBOX_URL on each, or forget at once, without --later. Nothing was done."
        )


def _do(forget: Forget, request: "Request") -> tuple[int | None, str | None]:
    """The rows, and what is to be known besides."""
    if request.sought is None:
        return request.rows_erased, request.note  # killed when all was done but the note of it
    try:
        forgotten = forget(Kind(request.kind), _read(request.sought))
    except UnknownOrder:
        return 0, "no order is known by it"
    return sum(forgotten.rows.values()), "known to no order and no customer" if forgotten.unknown else None


def _written(person: Sought) -> str:
    packed = _Sought([_packed(text) for text in person.hashes], [_packed(text) for text in person.names], person.order)
    return msgspec.json.encode(packed).decode()


def _read(text: str) -> Sought:
    packed = msgspec.json.decode(text, type=_Sought)
    return Sought([_unpacked(each) for each in packed.hashes], [_unpacked(each) for each in packed.names], packed.order)


def _packed(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _unpacked(packed: str) -> str:
    return base64.b64decode(packed).hex()
