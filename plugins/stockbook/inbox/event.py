"""What goes into the inbox and what comes out of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

BY_ID_ALONE = "fulfillment_cz"
"""The source whose events have an id of the sender's own choice, which says nothing of their bodies."""

MARK = "~"
"""Stands in a key behind an id that another body had before, and is in no id."""

AS_NEWEST = "as newest"
"""How a body of an undeclared version was read, where all of it fits."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    An event that was verified and reduced to its declared fields, about to be stored.

    ``event_key`` is unique per source and account: the same key again is the same event. With
    ``merge_seconds`` it is a digest instead, of an event that has no identity of its own: it merges with an
    equal one that arrived at most so long ago and was not drained yet, and is stored under the digest and
    its time of arrival otherwise. ``received_at_utc`` is aware. ``payload`` is JSON text.

    ``api_version``, ``shop_id`` and ``merchant_id`` are what the sender says of itself. ``reading`` is None for a body
    of a version that is declared; of another one it says how it was read: ``AS_NEWEST``, or what of it does not fit.
    """

    source: str
    account: str
    event_key: str
    event_type: str
    subject_kind: str | None
    subject_id: str | None
    occurred_text: str | None
    received_at_utc: datetime
    payload: str
    merge_seconds: int = 0
    api_version: str | None = None
    shop_id: str | None = None
    merchant_id: str | None = None
    reading: str | None = None


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """
    An event as the inbox holds it.

    ``id`` is the order of arrival (of one receiver exactly; receivers side by side may differ by the length of
    a commit) and never used twice. Times are aware, in UTC; ``drained_at_utc`` is None while no run took it.
    """

    id: int
    source: str
    account: str
    event_key: str
    event_type: str
    subject_kind: str | None
    subject_id: str | None
    occurred_text: str | None
    received_at_utc: datetime
    payload: str
    api_version: str | None
    shop_id: str | None
    merchant_id: str | None
    reading: str | None
    drained_at_utc: datetime | None
    drained_run_id: str | None


def key_of_body(event: Arrival | InboxEvent) -> str:
    """The key of an event whose id another body had before: the id and a digest of what is kept of the body."""
    content = [event.event_type, event.subject_kind, event.subject_id, event.occurred_text, event.payload]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return f"{event.event_key.partition(MARK)[0]}{MARK}{digest}"


@dataclass(frozen=True, slots=True)
class InboxCount:
    """How many events of an account lie in the inbox, and the times of the oldest one waiting and the last one."""

    source: str
    account: str
    pending: int
    drained: int
    oldest_pending_at_utc: datetime | None
    last_received_at_utc: datetime | None
