"""
Whether all is well, in parts: the published file, the last night, the inbox, subscriptions, the disk, the certificate.

Every part is looked at by itself and says so when it cannot be. Nothing waits for the lock of a home, nothing is
written to the books, and no part names a secret, a path, an account or anything of a person: who may ask may be told.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from stockbook.clock import APART, Clock
from stockbook.errors import StockbookError
from stockbook.health.certificate import certificate_of
from stockbook.limits import Limits
from stockbook.runs.context import instant_of
from stockbook.runs.last_run import last_ended
from stockbook.settings import INBOX_FILE, Settings

if TYPE_CHECKING:
    from stockbook.inbox import InboxCount

OK, UNAVAILABLE = "ok", "unavailable"
LATE = timedelta(hours=36)
"""A night and a half: one was missed."""

LOW = 500_000_000
"""Bytes of free space below which nights and inbox are in danger."""

EXPIRING = timedelta(days=14)

# in a fleet its control database has them: `stockbook fleet status`
OF_A_HOME = ("published", "last_night", "subscriptions")
CERTIFICATE = ("certificate",)

Part = dict[str, Any]
Log = Callable[[str, Exception], None]


def silent(_: str, __: Exception) -> None:
    """Nobody is told why a part is unavailable."""


def look(settings: Settings, clock: Clock, log: Log = silent, without: Collection[str] = ()) -> dict[str, Part]:
    """
    Each part with its ``status``: ok, or another word; not those that somebody else looks at.

    ``log`` gets why a part is unavailable. What does not exist has no part: without TLS there is no certificate, and
    the nights of a fleet are not of this machine.
    """
    absent = {*without, *(() if settings.lake is None else OF_A_HOME), *(() if settings.certificate else CERTIFICATE)}
    parts: dict[str, Part] = {}
    for name, look_at in LOOKS.items():
        if name in absent:
            continue
        try:
            parts[name] = look_at(settings, clock)
        except Exception as error:  # whatever it is, the other parts are told
            log(f"Health: {name} could not be looked at: %s", error)
            parts[name] = {"status": UNAVAILABLE}
    return parts


def attention(parts: Mapping[str, Part]) -> list[str]:
    """The parts that need a person."""
    return [name for name, part in parts.items() if part["status"] != OK]


def published(settings: Settings, clock: Clock) -> Part:
    """Of when the books are that readers have, and how old that is."""
    books = _books(settings)
    if books is None:
        return {"status": "none"}
    age = clock.utc() - instant_of(books.as_of, settings.zone)
    return {
        "status": "late" if age > LATE else "ahead" if age < -APART else OK,
        "as_of": books.as_of.isoformat(),
        "age_hours": hours(age),
    }


def last_night(settings: Settings, clock: Clock) -> Part:
    """How the run that ended last went."""
    ended = last_ended(settings)
    if ended is None:
        return {"status": "none"}
    is_late = clock.utc() - ended.finished_at > LATE
    status = "red" if ended.status != "published" else "late" if is_late else OK
    part: Part = {"status": status, "as_of": ended.as_of.isoformat(), "ended_at": ended.finished_at.isoformat()}
    if status != "red":
        return part
    # a run that was killed left no step that failed
    return part | ({"failed_step": ended.failed_step} if ended.failed_step else {}) | {"run": ended.run_id}


def inbox(settings: Settings, clock: Clock) -> Part:
    """What waits in the inbox; nothing where no receiver ever made one."""
    if not settings.inbox_database and not (settings.state / INBOX_FILE).exists():
        return waiting([], clock)
    from stockbook.inbox import Inbox

    with Inbox.open(settings.inbox_url) as there:
        return waiting(there.counts(), clock)


def waiting(counts: "list[InboxCount]", clock: Clock) -> Part:
    """How many events wait, and for how long; a night takes all that are there."""
    pending = [count.oldest_pending_at_utc for count in counts if count.oldest_pending_at_utc is not None]
    age = clock.utc() - min(pending) if pending else timedelta()
    part: Part = {"status": OK if age <= LATE else "waiting", "waiting": sum(count.pending for count in counts)}
    return part | ({"oldest_hours": hours(age)} if pending else {})


def subscriptions(settings: Settings, _: Clock) -> Part:
    """Topics that senders send, as the last published night asked, and those they do not send any more."""
    books = _books(settings)
    active, off = (books.active, books.off) if books else (0, 0)
    return {"status": "off" if off else OK, "active": active, "off": off}


def disk(settings: Settings, _: Clock) -> Part:
    """Room where the home is, or will be: for the copy that a night publishes, and for events."""
    folder = settings.home
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    from stockbook.warehouse.room import disk_needed

    free, needed = psutil.disk_usage(str(folder)).free, max(LOW, disk_needed(settings))
    return {
        "status": OK if free >= needed else "low",
        "free_megabytes": free // 1_000_000,
        "needed_megabytes": needed // 1_000_000,
    }


def certificate(settings: Settings, clock: Clock) -> Part:
    """Until when senders accept the receiver's certificate."""
    now = clock.utc()
    expires, refused = certificate_of(settings.certificate, int(now.timestamp() // 3600))
    if expires is None:
        return {"status": "refused", "reason": refused}
    left = expires - now
    status = "expired" if left <= timedelta() else "expiring" if left < EXPIRING else OK
    return {"status": status, "expires_at": expires.isoformat(), "days_left": left.days}


LOOKS: dict[str, Callable[[Settings, Clock], Part]] = {
    "published": published,
    "last_night": last_night,
    "inbox": inbox,
    "subscriptions": subscriptions,
    "disk": disk,
    "certificate": certificate,
}


def hours(age: timedelta) -> float:
    """A length of time in hours, to a tenth."""
    return round(age.total_seconds() / 3600, 1)


class _Books(NamedTuple):
    """What health shows of a published file: ``as_of`` is local."""

    as_of: datetime
    active: int
    off: int


def _books(settings: Settings) -> _Books | None:
    """What is published; the file is opened once for each publication."""
    with suppress(FileNotFoundError):
        seen = settings.published.stat()
        return _read(settings.published, (seen.st_ino, seen.st_mtime_ns, seen.st_size), settings.limits)
    return None


@lru_cache(maxsize=1)
def _read(file: Path, _: tuple[int, int, int], limits: Limits) -> _Books:
    from stockbook.warehouse.readers import reader

    with reader(file, limits) as con:
        nights = con.execute("select as_of from meta.current_run").fetchall()
        # a version that knew of no subscription may have published it
        there = {
            name for (name,) in con.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        }
        states = con.execute("select state from meta.subscription").fetchall() if "meta.subscription" in there else []
        # as the rules of alerts.yml have it
        measures = "select value from reports.alert_measures where measure = 'subscriptions_off'"
        switched_off = con.execute(measures).fetchall() if "reports.alert_measures" in there else []
    if not nights:
        raise StockbookError("The published file names no night.")
    active = sum(state == "active" for (state,) in states)
    return _Books(nights[0][0], active, sum(int(value) for (value,) in switched_off))
