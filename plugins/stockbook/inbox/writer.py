"""
Group commit: one thread writes what many requests wait for.

A commit costs a sync of the disk, and one sync can carry any number of events. While it is under way the
next ones gather; they go together in the next transaction. Nobody waits longer than two syncs.

The events of a commit go to the database as one statement with one parameter, their JSON: a statement each would
hand the interpreter's lock back and forth as often, and the requests that gather meanwhile need it.
"""

import asyncio
import json
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import InterfaceError, OperationalError

from stockbook.errors import InboxUnavailable
from stockbook.inbox.engine import why, writing
from stockbook.inbox.event import BY_ID_ALONE, Arrival, key_of_body
from stockbook.inbox.model import InboxRow

WAITING_MOST = 10_000
"""Events that may wait for their commit; more are refused, and their senders try again."""

_BATCH_MOST = 1_000
_GATHER_SECONDS = 0.002
_ALONE = 2
_MERGE_LOCK = 0x4D65726765  # any number that is ours

_Stored = Future[None] | asyncio.Future[None]
_Waiting = tuple[Arrival, _Stored]


class GroupWriter:
    """The writing side of an inbox. ``append`` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        """Start the thread."""
        self._engine = engine
        self._dialect = engine.dialect.name
        self._insert = _insert(self._dialect, merging=False)
        self._merge = _insert(self._dialect, merging=True)
        self._insert_other = _insert_other_bodies(self._dialect)
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(WAITING_MOST)
        self._closed = False
        self._entry = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="stockbook-inbox", daemon=True)
        self._thread.start()

    def append(self, arrival: Arrival, stored: _Stored) -> None:
        """
        Take an event; ``stored`` is done when it is on the disk, or holds the error that kept it from there.

        Raises InboxUnavailable when the inbox is closed or too many events wait already.
        """
        with self._entry:
            if self._closed:
                raise InboxUnavailable("The inbox is closed: open it again.")
            try:
                self._queue.put_nowait((arrival, stored))
            except queue.Full:
                raise InboxUnavailable(
                    f"{WAITING_MOST} events already wait for their commit; the sender must try again."
                ) from None

    def is_full(self) -> bool:
        """Whether the next event would be refused, or its commit never come."""
        return self._closed or self._queue.full() or not self._thread.is_alive()

    def close(self) -> None:
        """Write what waits and stop."""
        with self._entry:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        size = 0
        while (first := self._queue.get()) is not None:
            if size > _ALONE:
                # where several came together the last time, a moment brings several more; one alone need not wait
                time.sleep(_GATHER_SECONDS)
            batch: list[_Waiting] = [first]
            last = False
            while len(batch) < _BATCH_MOST and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                last = more is None
                if more is not None:
                    batch.append(more)
            size = len(batch)
            self._write(batch)
            if last:
                return

    def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            with writing(self._engine) as con:
                self._store(con, [arrival for arrival, _ in batch])
        except Exception as error:
            # the thread must outlive whatever goes wrong, and every future must get the error
            if len(batch) > 1 and not isinstance(error, OperationalError | InterfaceError):
                # one of them cannot be stored: it must not take the others with it
                for entry in batch:
                    self._write([entry])
                return
            _resolve(batch, InboxUnavailable(f"The inbox could not be written: {why(error)}."))
        else:
            _resolve(batch, None)

    def _store(self, con: Connection, arrivals: Sequence[Arrival]) -> None:
        keyed = [_values(arrival, arrival.event_key) for arrival in arrivals if not arrival.merge_seconds]
        if keyed:
            con.execute(self._insert, {"rows": _json(keyed)})
        by_id = [
            [*_values(arrival, arrival.event_key), key_of_body(arrival)]
            for arrival in arrivals
            if arrival.source == BY_ID_ALONE and not arrival.merge_seconds
        ]
        if by_id:
            con.execute(self._insert_other, {"rows": _json(by_id)})
        merging = _distinct([arrival for arrival in arrivals if arrival.merge_seconds])
        if merging:
            if self._dialect == "postgresql":
                # SQLite has one writer; here two receivers could look at the same time and both find nothing
                con.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _MERGE_LOCK})
            con.execute(self._merge, {"rows": _json([_merging_values(arrival) for arrival in merging])})


def _resolve(batch: Sequence[_Waiting], error: InboxUnavailable | None) -> None:
    """Resolve every future of a commit; an event loop is woken once for all of its own."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, stored in batch:
        if isinstance(stored, asyncio.Future):
            loops.setdefault(stored.get_loop(), []).append(stored)
        elif error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, waiting, error)


def _settle(waiting: Sequence[asyncio.Future[None]], error: InboxUnavailable | None) -> None:
    for stored in waiting:
        if stored.done():
            continue  # cancelled: its sender hung up
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)


_COLUMNS = [name for name in Arrival.__slots__ if name != "merge_seconds"]
# what two events of one id must have in common to be one
_CONTENT = ("event_type", "subject_kind", "subject_id", "occurred_text", "payload")


def _rows(dialect: str) -> str:
    return (
        "json_each(:rows) as events"
        if dialect == "sqlite"
        else "json_array_elements(cast(:rows as json)) as events(value)"
    )


def _value(dialect: str, place: int, name: str) -> str:
    member = f"events.value ->> {place}"
    # SQLite keeps times as text, in SQLAlchemy's form
    return f"cast({member} as timestamp)" if name in ("received_at_utc", "since") and dialect != "sqlite" else member


def _insert_other_bodies(dialect: str) -> TextClause:
    """Store those events from JSON whose id stands there with another body, by a key of their own."""

    def value(name: str) -> str:
        return _value(dialect, len(_COLUMNS) if name == "event_key" else _COLUMNS.index(name), name)

    differs = " or ".join(f"same.{name} is distinct from {value(name)}" for name in _CONTENT)
    return text(f"""
        insert into {InboxRow.__tablename__} ({", ".join(_COLUMNS)})
        select {", ".join(map(value, _COLUMNS))}
        from {_rows(dialect)}
        inner join {InboxRow.__tablename__} as same
            on same.source = {value("source")}
            and same.account = {value("account")}
            and same.event_key = {_value(dialect, _COLUMNS.index("event_key"), "event_key")}
        where {differs}
        on conflict (source, account, event_key) do nothing
    """)


def _insert(dialect: str, merging: bool) -> TextClause:
    """Store events from JSON, an array each; skip stored keys and what merges with a waiting event."""

    def value(place: int, name: str) -> str:
        return _value(dialect, place, name)

    chosen = ", ".join(value(place, name) for place, name in enumerate(_COLUMNS))
    # an aggregate and not "not exists", whose planner may read the whole table for each event: there is one index
    # that finds an event by its key
    unless = f"""
        coalesce((
            select max(
                case
                    when waiting.drained_at_utc is null and waiting.drained_run_id is null
                        and waiting.received_at_utc >= {value(len(_COLUMNS) + 2, "since")} then 1
                    else 0
                end
            )
            from {InboxRow.__tablename__} as waiting
            where waiting.source = {value(0, "source")}
                and waiting.account = {value(1, "account")}
                and waiting.event_key > {value(len(_COLUMNS), "after_key")}
                and waiting.event_key < {value(len(_COLUMNS) + 1, "before_key")}
        ), 0) = 0"""
    return text(f"""
        insert into {InboxRow.__tablename__} ({", ".join(_COLUMNS)})
        select {chosen}
        from {_rows(dialect)}
        where {unless if merging else "true"}
        on conflict (source, account, event_key) do nothing
    """)


def _distinct(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Without those that merge with an earlier one of the same commit: the statement sees only earlier commits."""
    latest: dict[tuple[str, str, str], Arrival] = {}
    distinct = []
    for arrival in arrivals:
        key = (arrival.source, arrival.account, arrival.event_key)
        before = latest.get(key)
        since = arrival.received_at_utc - timedelta(seconds=arrival.merge_seconds)
        if before is None or before.received_at_utc < since:
            latest[key] = arrival
            distinct.append(arrival)
    return distinct


def _values(arrival: Arrival, event_key: str) -> list[str | None]:
    return [
        arrival.source,
        arrival.account,
        event_key,
        arrival.event_type,
        arrival.subject_kind,
        arrival.subject_id,
        arrival.occurred_text,
        _stored(arrival.received_at_utc),
        arrival.payload,
        arrival.api_version,
        arrival.shop_id,
        arrival.merchant_id,
        arrival.reading,
    ]


def _merging_values(arrival: Arrival) -> list[str | None]:
    digest, received = arrival.event_key, arrival.received_at_utc
    return [
        *_values(arrival, f"{digest}-{int(received.timestamp() * 1_000_000)}"),
        f"{digest}-",
        f"{digest}.",  # the character after the hyphen
        _stored(received - timedelta(seconds=arrival.merge_seconds)),
    ]


def _stored(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _json(rows: list[list[str | None]]) -> str:
    return json.dumps(rows, ensure_ascii=False)
