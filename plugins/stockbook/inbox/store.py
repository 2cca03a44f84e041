"""The inbox as receivers and the drain use it."""

import asyncio
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import URL, Engine, case, delete, func, insert, select, true, update
from sqlalchemy.exc import SQLAlchemyError

from stockbook.errors import InboxUnavailable
from stockbook.inbox.engine import connect, damaged, read_url, refusal, scrub, why, writing
from stockbook.inbox.event import Arrival, InboxCount, InboxEvent
from stockbook.inbox.migrate import migrate
from stockbook.inbox.model import InboxRow
from stockbook.inbox.requests import Requests
from stockbook.inbox.writer import GroupWriter
from stockbook.sqlite_errors import is_damaged

_COLUMNS = [getattr(InboxRow, name) for name in InboxEvent.__dataclass_fields__]
_IDS_AT_ONCE = 500
_EVENTS_AT_ONCE = 5_000


class Inbox:
    """
    The inbox. One object serves all threads of a process; any number of processes may have it open.

    Use it as a context manager, or ``close`` it.
    """

    def __init__(self, engine: Engine) -> None:
        """Made by ``open``."""
        self._engine = engine
        self._writer: GroupWriter | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, url: str | URL) -> "Inbox":
        """
        Open the inbox of a URL (see ``Settings.inbox_url``), making or migrating its schema when needed.

        Raises ConfigError when the URL is none, its driver is missing, the database cannot be opened or is newer.
        """
        address = read_url(url) if isinstance(url, str) else url
        engine = connect(address)
        kind, broken = "", False
        try:
            migrate(engine)
        except (SQLAlchemyError, ValueError) as error:
            # the error itself is not chained, which quotes the address
            kind, broken = type(error).__name__, is_damaged(getattr(error, "orig", None))
        except BaseException:
            engine.dispose()
            raise
        if kind:
            engine.dispose()
            raise damaged(address) if broken else refusal(address, kind)
        return cls(engine)

    def __enter__(self) -> "Inbox":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and let the database go."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
        self._engine.dispose()

    def append(self, arrival: Arrival) -> "Future[None]":
        """
        Take an event. The future is done once the event is on the disk, and raises InboxUnavailable otherwise.

        Events that wait at the same time share one commit. Raises InboxUnavailable when too many wait already.
        """
        stored: Future[None] = Future()
        self._writing().append(arrival, stored)
        return stored

    async def arrive(self, arrival: Arrival) -> None:
        """The same for an event loop: returns once the event is on the disk. Raises InboxUnavailable."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writing().append(arrival, stored)
        await stored

    def _writing(self) -> GroupWriter:
        if self._writer is None:
            with self._lock:  # the thread begins with the first event: the drain needs none
                if self._writer is None:
                    self._writer = GroupWriter(self._engine)
        return self._writer

    def pending(self, after_id: int = 0, limit: int = 1_000, account: str | None = None) -> list[InboxEvent]:
        """
        Events not drained yet, in order of arrival, with an id above ``after_id``; of one account where it is named.

        ``after_id`` is for paging within one drain and starts at 0 in the next: with several receivers a lower id
        may become visible after a higher one.
        """
        query = (
            select(*_COLUMNS)
            .where(InboxRow.drained_at_utc.is_(None), InboxRow.id > after_id)
            .where(InboxRow.account == account if account is not None else true())
            .order_by(InboxRow.id)
            .limit(limit)
        )
        with self._engine.connect() as con:
            return [InboxEvent(*row) for row in con.execute(query)]

    def mark_drained(self, ids: Collection[int], run_id: str, now: datetime) -> int:
        """
        Note that a run has these events durably in staging; returns how many were not marked before.

        Mark before what they name is read again from its API: an equal event that arrives later is then an event of
        its own and not merged with one whose reading is over. ``now`` is aware.
        """
        marked = 0
        wanted = sorted(ids)
        with writing(self._engine) as con:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                done = con.execute(
                    update(InboxRow)
                    .where(InboxRow.id.in_(wanted[start : start + _IDS_AT_ONCE]), InboxRow.drained_at_utc.is_(None))
                    .values(drained_at_utc=now, drained_run_id=run_id)
                )
                marked += done.rowcount
        return marked

    def take(self, ids: Collection[int], run_id: str) -> None:
        """
        Note that a run takes these events: they stay undrained until ``settle``, and an equal event that arrives later
        is one of its own.
        """
        wanted = sorted(ids)
        with writing(self._engine) as con:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                chosen = InboxRow.id.in_(wanted[start : start + _IDS_AT_ONCE])
                con.execute(update(InboxRow).where(chosen).values(drained_run_id=run_id))

    def settle(self, account: str, run_id: str, now: datetime) -> int:
        """Note that the events a run took of an account are in books that are safe; how many. ``now`` is aware."""
        query = update(InboxRow).where(
            InboxRow.account == account, InboxRow.drained_run_id == run_id, InboxRow.drained_at_utc.is_(None)
        )
        with writing(self._engine) as con:
            return con.execute(query.values(drained_at_utc=now)).rowcount

    def drained_before(self, instant: datetime) -> tuple[int, int, datetime | None, datetime | None]:
        """Events that were drained before an aware instant: how many, their payloads' length, the first and last."""
        query = select(
            func.count(),
            func.coalesce(func.sum(func.length(InboxRow.payload)), 0),
            func.min(InboxRow.received_at_utc),
            func.max(InboxRow.received_at_utc),
        ).where(InboxRow.drained_at_utc < instant)
        with self._engine.connect() as con:
            count, size, first, last = con.execute(query).one()
            return count, int(size), first, last

    def drop_drained_before(self, instant: datetime) -> int:
        """Delete events that were drained before an aware instant; returns how many."""
        with writing(self._engine) as con:
            return con.execute(delete(InboxRow).where(InboxRow.drained_at_utc < instant)).rowcount

    def rewrite(self, change: Callable[[InboxEvent], InboxEvent | None], before_writing: Callable[[], object]) -> int:
        """
        Write the subject and the payload of events anew, drained or not, where ``change`` gives them; how many.

        ``before_writing`` is called when a batch was looked at. Nothing of what stood there stays in a SQLite file;
        PostgreSQL frees it when it is vacuumed. Raises InboxUnavailable while somebody reads the file, after which it
        is to be done again.
        """
        rewritten, after = 0, 0
        while batch := self._batch(after):
            changed = [new for event in batch if (new := change(event)) is not None]
            before_writing()
            self.replace(changed)
            rewritten += len(changed)
            after = batch[-1].id
        scrub(self._engine)
        return rewritten

    def replace(self, events: Collection[InboxEvent]) -> None:
        """Write the subject and the payload of these events anew."""
        if events:
            with writing(self._engine) as con:
                for event in events:
                    query = update(InboxRow).where(InboxRow.id == event.id)
                    con.execute(query.values(subject_id=event.subject_id, payload=event.payload))

    def _batch(self, after: int) -> list[InboxEvent]:
        query = select(*_COLUMNS).where(InboxRow.id > after).order_by(InboxRow.id).limit(_EVENTS_AT_ONCE)
        with self._engine.connect() as con:
            return [InboxEvent(*row) for row in con.execute(query)]

    @property
    def requests(self) -> Requests:
        """The requests to be forgotten, which lie in the same database."""
        return Requests(self._engine)

    def probe(self) -> None:
        """
        Write a row, take it back and commit: what an event needs, down to the disk.

        Raises InboxUnavailable when that fails, or when too many events wait already.
        """
        if self._writer is not None and self._writer.is_full():
            raise InboxUnavailable("The inbox is full: it cannot hold more events that wait for their commit.")
        row = dict.fromkeys(("source", "account", "event_type", "payload"), "")
        try:
            with writing(self._engine) as con:
                written = con.execute(
                    insert(InboxRow)
                    .values(**row, event_key=f"probe-{uuid4()}", received_at_utc=datetime.fromtimestamp(0, UTC))
                    .returning(InboxRow.id)
                ).scalar_one()
                con.execute(delete(InboxRow).where(InboxRow.id == written))
        except SQLAlchemyError as error:
            raise InboxUnavailable(f"The inbox cannot be written: {why(error)}.") from None

    def counts(self) -> list[InboxCount]:
        """How much lies in the inbox, by source and account."""
        waits = InboxRow.drained_at_utc.is_(None)
        query = (
            select(
                InboxRow.source,
                InboxRow.account,
                func.count(case((waits, 1))),
                func.count(InboxRow.drained_at_utc),
                func.min(case((waits, InboxRow.received_at_utc))),
                func.max(InboxRow.received_at_utc),
            )
            .group_by(InboxRow.source, InboxRow.account)
            .order_by(InboxRow.source, InboxRow.account)
        )
        with self._engine.connect() as con:
            return [InboxCount(*row) for row in con.execute(query)]
