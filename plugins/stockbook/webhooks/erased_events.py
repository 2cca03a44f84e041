"""Events of people who were forgotten: what stays of their subject and their payload."""

import dataclasses
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from stockbook.clock import Clock
from stockbook.connections import SOURCES
from stockbook.declarations import Erased
from stockbook.inbox.event import Arrival, InboxEvent
from stockbook.projection.erased import HASHED, Eraser, Plan
from stockbook.projection.erasures import FILE, Erasures, order_name
from stockbook.settings import Settings
from stockbook.webhooks.event_fields import EVENTS, Declarations, Item

E = TypeVar("E", Arrival, InboxEvent)

_WHEN_ERASED: dict[str, Erased] = {"hash": "renamed", "hashes": "renamed", "digits": "renamed", "prefix": "emptied"}
_ORDER_IDS = re.compile(rb'"order_id":"?([^",}\]]+)')


def plan_of_body(declared: Mapping[str, Any]) -> Plan:
    """What becomes of each personal field of a declared body; elements of a list have the plan of the list."""
    plan: dict[str, Plan | Erased] = {}
    for name, inner in declared.items():
        fields = inner[0] if isinstance(inner, list) else inner
        if isinstance(fields, Mapping):
            if below := plan_of_body(fields):
                plan[name] = below
        elif fields in _WHEN_ERASED:
            plan[name] = _WHEN_ERASED[fields]
    return plan


class EventErasers:
    """Takes from events of all systems what tells of people on the list."""

    def __init__(self, erasures: Erasures) -> None:
        """Nothing is read before the first event."""
        self._erasures = erasures
        self._eraser = cache(self._make)

    def erased(self, event: E) -> E | None:
        """An event without its person; None where nothing of it has to go."""
        subject, payload = self.parts(
            event.source, event.account, event.event_type, event.subject_id, event.payload or None
        )
        if (subject, payload or "") == (event.subject_id, event.payload):
            return None
        return dataclasses.replace(event, subject_id=subject, payload=payload or "")

    def parts(
        self, source: str, account: str, topic: str, subject: str | None, payload: str | None
    ) -> tuple[str | None, str | None]:
        """Subject and payload as they stay; a payload may be a list of items, as the inbox has it."""
        if payload is not None and payload.startswith("["):
            items = []
            for item in msgspec.json.decode(payload, type=list[Item]):
                inner, text = self.parts(source, account, topic, item.subject_id, bytes(item.payload).decode())
                items.append(Item(inner, msgspec.Raw((text or "null").encode())))
            return self._subject(subject), msgspec.json.encode(items).decode()
        if source not in SOURCES:
            return self._subject(subject), payload
        if payload is not None:
            orders = [order_name(source, account, key.decode()) for key in _ORDER_IDS.findall(payload.encode())]
            if subject is not None and not HASHED.fullmatch(subject):
                orders.append(order_name(source, account, subject))
            erased = self._eraser(source, topic).erase(payload.encode(), orders)
            payload = payload if erased is None else erased.decode()
        return self._subject(subject), payload

    def _subject(self, subject: str | None) -> str | None:
        return self._erasures.stand_in(subject) if subject and HASHED.fullmatch(subject) else subject

    def _make(self, source: str, topic: str) -> Eraser:
        return Eraser(self._erasures, plan_of_body(_declared(source).body_of(topic)))


@cache
def _declared(source: str) -> Declarations:
    return Declarations(EVENTS / f"{source}_events.yml")


class Arriving:
    """The same for events as they arrive, with the list as it is at that moment: a receiver lives for months."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """The list is read with the first event."""
        self._settings, self._clock = settings, clock
        self._state: tuple[int, int] | None = None
        self._current: tuple[Erasures, EventErasers] | None = None

    def without_forgotten(self, arrival: Arrival) -> Arrival:
        """An arrival as it may be stored. Raises ConfigError when the list was altered."""
        state = self._looked_at()
        if state != self._state:
            erasures = Erasures.of(self._settings, self._clock.utc(), by_age=False)
            self._current = (erasures, EventErasers(erasures)) if erasures else None
            self._state = state
        if self._current is None:
            return arrival
        erasures, erasers = self._current
        erased = erasers.erased(arrival)
        if erasures.save():
            self._state = self._looked_at()
        return erased or arrival

    def _looked_at(self) -> tuple[int, int] | None:
        try:
            stat = (self._settings.home / FILE).stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size
