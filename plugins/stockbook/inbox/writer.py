"""
Group commit: one thread writes what many requests wait for.

A commit costs a sync of the disk, and one sync can carry any number of events. While it is under way the
next ones gather; they go together in the next transaction. Nobody waits longer than two syncs.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, timedelta

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError

from stockbook.errors import InboxUnavailable
from stockbook.inbox.engine import writing
from stockbook.inbox.event import Arrival
from stockbook.inbox.model import InboxRow

WAITING_MOST = 10_000
"""Events that may wait for their commit; more are refused, and their senders try again."""

_BATCH_MOST = 1_000
_MERGE_LOCK = 0x4D65726765  # any number that is ours

_Waiting = tuple[Arrival, "Future[None]"]


class GroupWriter:
    """The writing side of an inbox. ``append`` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        """Start the thread."""
        self._engine = engine
        self._dialect = engine.dialect.name
        made = sqlite.insert(InboxRow) if self._dialect == "sqlite" else postgresql.insert(InboxRow)
        self._insert = made.on_conflict_do_nothing(index_elements=["source", "account", "event_key"])
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(WAITING_MOST)
        self._closed = False
        self._entry = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="stockbook-inbox", daemon=True)
        self._thread.start()

    def append(self, arrival: Arrival) -> "Future[None]":
        """
        Take an event; the future is done when it is on the disk, or holds the error that kept it from there.

        Raises InboxUnavailable when the inbox is closed or too many events wait already.
        """
        future: Future[None] = Future()
        with self._entry:
            if self._closed:
                raise InboxUnavailable("The inbox is closed: open it again.")
            try:
                self._queue.put_nowait((arrival, future))
            except queue.Full:
                raise InboxUnavailable(
                    f"{WAITING_MOST} events wait for their commit already: the sender must try again."
                ) from None
        return future

    def close(self) -> None:
        """Write what waits and stop."""
        with self._entry:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < _BATCH_MOST and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                last = more is None
                if more is not None:
                    batch.append(more)
            self._write(batch)
            if last:
                return

    def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            with writing(self._engine) as con:
                self._store(con, [arrival for arrival, _ in batch])
        except Exception as error:
            # the thread must outlive whatever goes wrong, and every future must hear of it
            if len(batch) > 1 and not isinstance(error, OperationalError | InterfaceError):
                # one of them cannot be stored: it must not take the others with it
                for one in batch:
                    self._write([one])
                return
            for _, future in batch:
                future.set_exception(InboxUnavailable(f"The inbox could not be written: {type(error).__name__}."))
        else:
            for _, future in batch:
                future.set_result(None)

    def _store(self, con: Connection, arrivals: Sequence[Arrival]) -> None:
        keyed = [_row(arrival, arrival.event_key) for arrival in arrivals if not arrival.merge_seconds]
        if keyed:
            con.execute(self._insert, keyed)
        merging = [arrival for arrival in arrivals if arrival.merge_seconds]
        if merging and self._dialect == "postgresql":
            # SQLite has one writer; here two receivers could look at the same time and both find nothing
            con.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _MERGE_LOCK})
        for arrival in merging:
            if not _is_waiting(con, arrival):
                stamp = int(arrival.received_at_utc.astimezone(UTC).timestamp() * 1_000_000)
                con.execute(self._insert, [_row(arrival, f"{arrival.event_key}-{stamp}")])


def _is_waiting(con: Connection, arrival: Arrival) -> bool:
    found = con.scalar(
        select(InboxRow.id)
        .where(
            InboxRow.source == arrival.source,
            InboxRow.account == arrival.account,
            InboxRow.event_key > f"{arrival.event_key}-",
            InboxRow.event_key < f"{arrival.event_key}.",  # the character after the hyphen
            InboxRow.drained_at_utc.is_(None),
            InboxRow.received_at_utc >= arrival.received_at_utc - timedelta(seconds=arrival.merge_seconds),
        )
        .limit(1)
    )
    return found is not None


def _row(arrival: Arrival, event_key: str) -> dict[str, object]:
    return {
        "source": arrival.source,
        "account": arrival.account,
        "event_key": event_key,
        "event_type": arrival.event_type,
        "subject_kind": arrival.subject_kind,
        "subject_id": arrival.subject_id,
        "occurred_text": arrival.occurred_text,
        "received_at_utc": arrival.received_at_utc,
        "payload": arrival.payload,
    }
