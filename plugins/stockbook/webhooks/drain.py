"""
The drain: the inbox into staging, in order of arrival, each event once.

A batch, what follows from it, and the mark of how far the inbox was read are one transaction of the warehouse;
only then is the batch marked in the inbox. Killed between the two, the next drain meets the same events again and
knows them by their key.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from stockbook.clock import Clock
from stockbook.declarations import Table, of_layer
from stockbook.errors import InboxUnavailable
from stockbook.projection.erasures import Erasures
from stockbook.settings import INBOX_FILE, Settings
from stockbook.staging.merge import Stamp
from stockbook.warehouse import content_marks, meta_listings
from stockbook.warehouse.meta_listings import Cursor, ListingKey
from stockbook.warehouse.transaction import transaction
from stockbook.webhooks.erased_events import EventErasers
from stockbook.webhooks.event_batch import stage

if TYPE_CHECKING:
    from stockbook.inbox.store import Inbox

BATCH = 5_000
EVERYBODY = "*"


class Drained(msgspec.Struct):
    """
    What a drain did: events taken, events that were in staging already, rows dropped, and what to know of it.

    ``items`` are the rows of the events taken: as many as they have subjects. ``nameless`` counts those that name
    none, by source and account.
    """

    events: int = 0
    items: int = 0
    nameless: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    repeated: int = 0
    dropped: int = 0
    notes: list[str] = []

    def sentences(self) -> list[str]:
        """The same in sentences; none when the inbox was empty."""
        sentences = []
        if self.events or self.repeated:
            sentences.append(f"{self.events:,} events taken from the inbox, {self.repeated:,} were in staging before.")
        return sentences + self.notes


def take_inbox(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: dict[str, Table],
    run_id: str,
    observed_at: datetime,
    clock: Clock,
    account: str | None = None,
) -> Drained:
    """
    ``drain`` from the inbox of the settings; nothing where no receiver ever made one.

    Raises InboxUnavailable when its database does not answer, ConfigError when it cannot be opened or the
    key is not the books'; staging then has whole batches or none.
    """
    from stockbook import hash_key, retention_policy

    if not has_inbox(settings):
        return Drained()
    if account is None and settings.token_database:
        # a home beside the accounts' own must not take from them what they need
        return Drained(notes=["Events are left to the nights of the fleet: each account's take their own."])
    hash_key.require_same(settings)
    with open_inbox(settings) as inbox:
        erasures = Erasures.of(settings, clock.utc(), by_age=False) if settings.hash_key is not None else None
        return drain(
            con,
            inbox,
            tables,
            run_id,
            observed_at,
            settings.zone,
            clock,
            retention_policy.of(settings).inbox_days,
            account,
            erasures,
        )


def settle_inbox(settings: Settings, account: str, run_id: str, clock: Clock) -> int:
    """Mark as drained what a run took of an account's events; how many. Raises InboxUnavailable, ConfigError."""
    if not has_inbox(settings):
        return 0
    with open_inbox(settings) as inbox:
        return inbox.settle(account, run_id, clock.utc())


def has_inbox(settings: Settings) -> bool:
    """Whether a receiver ever made an inbox, or there is a database for one."""
    return bool(settings.inbox_database) or (settings.state / INBOX_FILE).exists()


@contextmanager
def open_inbox(settings: Settings) -> "Iterator[Inbox]":
    """The inbox of the settings. Raises InboxUnavailable, ConfigError."""
    from sqlalchemy.exc import SQLAlchemyError

    from stockbook.inbox.engine import damaged, read_url
    from stockbook.inbox.store import Inbox
    from stockbook.sqlite_errors import is_damaged

    try:
        with Inbox.open(settings.inbox_url) as inbox:
            yield inbox
    except SQLAlchemyError as error:
        if is_damaged(getattr(error, "orig", None)):
            raise damaged(read_url(settings.inbox_url)) from None
        # without its cause, which may quote the address
        raise InboxUnavailable(
            f"The inbox stopped answering ({type(error).__name__}): its events wait for the next drain."
        ) from None


def drain(
    con: duckdb.DuckDBPyConnection,
    inbox: "Inbox",
    tables: dict[str, Table],
    run_id: str,
    observed_at: datetime,
    zone: ZoneInfo,
    clock: Clock,
    keep_days: float,
    account: str | None = None,
    erasures: Erasures | None = None,
) -> Drained:
    """
    Take everything that waits in the inbox into staging.

    ``observed_at`` is the run's ``as_of`` (naive, local in ``zone``, which is also the zone of times that come
    without one). Drained rows older than ``keep_days`` are dropped from the inbox. Where an ``account`` is named, only
    its events are taken, and they count as drained when ``settle_inbox`` says so. Of people in ``erasures`` nothing is
    taken, whoever received it.
    """
    erasers = EventErasers(erasures) if erasures else None
    done = Drained()
    notes: dict[str, None] = {}
    # of books made before events had items
    con.execute("update staging.webhook_events set item_no = 1 where item_no is null")
    if account is not None:
        # of an account of a fleet the books hold rows of nobody else: its lake refuses them
        meta_listings.remove_cursor(con, _drained_by(EVERYBODY))
    after = 0
    while batch := inbox.pending(after, BATCH, account):
        if erasures and erasers is not None:
            erased = {event.id: new for event in batch if (new := erasers.erased(event)) is not None}
            batch = [erased.get(event.id, event) for event in batch]
            erasures.save()
            # a receiver of a fleet does not know the list
            inbox.replace(list(erased.values()))
        stamp = Stamp(run_id, observed_at, clock.utc().replace(tzinfo=None, microsecond=0))
        with transaction(con):
            staged = stage(con, batch, tables, stamp, zone)
            _write_cursor(con, account or EVERYBODY, max(event.id for event in batch), observed_at, run_id)
            drained = [table.name for table in of_layer(tables, "staging") if table.kind == "drained"]
            content_marks.renew(con, run_id, tables, [*drained, content_marks.QUARANTINE])
        if account is None:
            inbox.mark_drained([event.id for event in batch], run_id, clock.utc())
        else:
            inbox.take([event.id for event in batch], run_id)
        done.events += staged.events
        done.items += staged.items
        done.nameless += staged.nameless
        done.repeated += len(batch) - staged.events
        notes.update(dict.fromkeys(staged.notes))
        after = max(event.id for event in batch)
    done.dropped = inbox.drop_drained_before(clock.utc() - timedelta(days=keep_days))
    done.notes = [*notes, *(_nameless_note(*item) for item in sorted(done.nameless.items()))]
    return done


def _nameless_note(whose: tuple[str, str], count: int) -> str:
    source, account = whose
    return (
        f"warning: {count:,} events of {source} (account {account}) name nothing they are about: they are kept, and "
        "nothing is read for them. Look at their payload in staging.webhook_events where subject_id is null."
    )


def _write_cursor(con: duckdb.DuckDBPyConnection, account: str, up_to: int, observed_at: datetime, run_id: str) -> None:
    meta_listings.advance_cursors(con, [Cursor(_drained_by(account), up_to)], as_of=observed_at, run_id=run_id)


def _drained_by(account: str) -> ListingKey:
    return ListingKey(account, "inbox", "drained")
