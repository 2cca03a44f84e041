"""
The drain: the inbox into staging, in order of arrival, each event once.

A batch, what follows from it, and the mark of how far the inbox was read are one transaction of the warehouse;
only then is the batch marked in the inbox. Killed between the two, the next drain meets the same events again and
knows them by their key.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from stockbook.clock import Clock
from stockbook.declarations import Table
from stockbook.errors import InboxUnavailable
from stockbook.settings import INBOX_FILE, Settings
from stockbook.sql_text import quoted
from stockbook.staging import shopline
from stockbook.staging.load_log import add_rows, drained
from stockbook.staging.merge import Counts, Stamp
from stockbook.staging.python_rows import given
from stockbook.warehouse import meta
from stockbook.warehouse.casts import within
from stockbook.warehouse.transaction import transaction
from stockbook.webhooks.event_fields import Item, text_of_item

if TYPE_CHECKING:
    from stockbook.inbox.event import InboxEvent
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


class _Row(msgspec.Struct):
    inbox_id: int
    account: str
    source: str
    event_id: str
    item_no: int
    event_type: str
    occurred_text: str | None
    received_at_utc: str
    subject_kind: str | None
    subject_id: str | None
    payload: str | None


_TYPES = {
    "inbox_id": "bigint",
    "account": "varchar",
    "source": "varchar",
    "event_id": "varchar",
    "item_no": "integer",
    "event_type": "varchar",
    "occurred_text": "varchar",
    "received_at_utc": "timestamp",
    "subject_kind": "varchar",
    "subject_id": "varchar",
    "payload": "json",
}


def take_inbox(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: dict[str, Table],
    run_id: str,
    observed_at: datetime,
    clock: Clock,
) -> Drained:
    """
    ``drain`` from the inbox of the settings; nothing where no receiver ever made one.

    Raises InboxUnavailable when its database does not answer, ConfigError when it cannot be opened or the
    key is not the books'; staging then has whole batches or none.
    """
    if not settings.inbox_database and not (settings.state / INBOX_FILE).exists():
        return Drained()
    from sqlalchemy.exc import SQLAlchemyError

    from stockbook import hash_key
    from stockbook.inbox.engine import damaged, read_url
    from stockbook.inbox.store import Inbox
    from stockbook.sqlite_errors import is_damaged

    hash_key.require_same(settings)

    try:
        with Inbox.open(settings.inbox_url) as inbox:
            return drain(con, inbox, tables, run_id, observed_at, settings.zone, clock, settings.inbox_days)
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
) -> Drained:
    """
    Take everything that waits in the inbox into staging.

    ``observed_at`` is the run's ``as_of`` (naive, local in ``zone``, which is also the zone of times that come
    without one). Drained rows older than ``keep_days`` are dropped from the inbox.
    """
    done = Drained()
    notes: dict[str, None] = {}
    # of books made before events had items
    con.execute("update staging.webhook_events set item_no = 1 where item_no is null")
    after = 0
    while batch := inbox.pending(after, BATCH):
        stamp = Stamp(run_id, observed_at, clock.utc().replace(tzinfo=None, microsecond=0))
        with transaction(con):
            new = _stage(con, batch, tables, stamp, zone, done, notes)
            _write_cursor(con, max(event.id for event in batch), observed_at, run_id)
        inbox.mark_drained([event.id for event in batch], run_id, clock.utc())
        done.events += new
        done.repeated += len(batch) - new
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


def _stage(
    con: duckdb.DuckDBPyConnection,
    batch: "Sequence[InboxEvent]",
    tables: dict[str, Table],
    stamp: Stamp,
    zone: ZoneInfo,
    done: Drained,
    notes: dict[str, None],
) -> int:
    arrived = [row for event in batch for row in _rows(event)]
    given(con, "arrived", _TYPES, arrived)
    declared = tables["staging.webhook_events"].columns
    first_no = 1 + int(con.execute("select coalesce(max(received_no), 0) from staging.webhook_events").fetchall()[0][0])
    con.execute(
        f"""
        create or replace temp table fresh as
        with

        unknown as (

            select *
            from arrived as a
            anti join staging.webhook_events as e
                on a.account = e.account and a.source = e.source and a.event_id = e.event_id
            -- an event that came twice within a batch is the first one, with all its items
            qualify inbox_id = min(inbox_id) over (partition by account, source, event_id)

        ),

        timed as (

            select
                *,
                staging.local_of(occurred_text, {quoted(zone.key)}) as occurred_at,
                staging.utc_of_text(occurred_text, {quoted(zone.key)}) as occurred_at_utc
            from unknown

        )

        select
            account,
            source,
            event_id,
            item_no,
            event_type,
            occurred_text,
            case when {within(declared["occurred_at"], "occurred_at")} then occurred_at end as occurred_at,
            case when {within(declared["occurred_at"], "occurred_at")} then occurred_at_utc end as occurred_at_utc,
            received_at_utc,
            cast($first_no - 1 + row_number() over (order by inbox_id, item_no) as bigint) as received_no,
            subject_kind,
            staging.id_of(subject_id) as subject_id,
            payload
        from timed
        """,
        {"first_no": first_no},
    )
    columns = ", ".join(declared)
    shops = con.execute("select distinct account from fresh where source = ? order by 1", [shopline.SOURCE]).fetchall()
    con.execute(
        f"""
        insert into staging.webhook_events
            (account, {columns}, _run_id, _loaded_at, _first_seen_at, _last_seen_at, _deleted_at, _row_hash)
        select account, {columns}, $run_id, $loaded_at, $observed_at, $observed_at, null, hash({columns})
        from fresh
        """,
        stamp._asdict(),
    )
    [(new, items)] = con.execute("select count(distinct (account, source, event_id)), count(*) from fresh").fetchall()
    done.items += items
    for source, account, nameless in con.execute(
        """
        select source, account, count(*)
        from fresh
        -- of a fulfillment order of SHOPLINE its own findings tell; an app is the whole subscription
        where subject_id is null and not starts_with(event_type, 'fulfillment') and subject_kind <> 'app'
        group by all
        order by all
        """
    ).fetchall():
        done.nameless[source, account] += nameless
    _write_rows(con, Counter(row.account for row in arrived), stamp)
    con.execute("drop table fresh")
    con.execute("drop table arrived")
    for (account,) in shops:
        notes.update(dict.fromkeys(shopline.take(con, tables, account, first_no, stamp)))
    return int(new)


def _write_rows(con: duckdb.DuckDBPyConnection, received: Counter[str], stamp: Stamp) -> None:
    """What became of each item of a batch (``arrived``, of which ``fresh`` are new)."""
    rows = con.execute(
        """
        select
            a.account,
            count(*) filter (f.event_id is not null) as new,
            count(*) filter (f.event_id is null) as repeated
        from (
            select *, inbox_id = min(inbox_id) over (partition by account, source, event_id) as is_first
            from arrived
        ) as a
        semi join staging.webhook_events as e
            on a.account = e.account and a.source = e.source and a.event_id = e.event_id
        left join fresh as f
            on
                a.account = f.account
                and a.source = f.source
                and a.event_id = f.event_id
                and a.item_no = f.item_no
                and a.is_first
        group by a.account
        """
    ).fetchall()
    done = {account: Counts(new, 0, 0, 0, 0, repeated=repeated) for account, new, repeated in rows}
    for account, count in received.items():
        counts = done.get(account, Counts(0, 0, 0, 0, 0))._replace(received=count)
        add_rows(con, drained(stamp, account, "webhook_events"), counts)


def _rows(event: "InboxEvent") -> Iterator[_Row]:
    """A row for each item of an event: of most one."""
    items = [(event.subject_id, event.payload or None)]
    if event.payload.startswith("["):
        listed = msgspec.json.decode(event.payload, type=list[Item])
        items = [(item.subject_id, text_of_item(item)) for item in listed]
    for number, (subject_id, payload) in enumerate(items, start=1):
        yield _Row(
            event.id,
            event.account,
            event.source,
            event.event_key,
            number,
            event.event_type,
            event.occurred_text,
            event.received_at_utc.astimezone(UTC).replace(tzinfo=None).isoformat(),
            event.subject_kind,
            subject_id,
            payload,
        )


def _write_cursor(con: duckdb.DuckDBPyConnection, up_to: int, observed_at: datetime, run_id: str) -> None:
    drained = meta.ListingKey(EVERYBODY, "inbox", "drained")
    meta.advance_cursor(con, drained, read_to=up_to, as_of=observed_at, run_id=run_id)
