"""Reading documents: days of creation side by side, then by id what the days did not hold."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date
from functools import partial
from itertools import chain
from typing import Any

from stockbook.errors import ListingIncomplete
from stockbook.landing.manifest import Manifest, Unit
from stockbook.projection import envelope
from stockbook.projection.listing import Listing
from stockbook.references import names_something
from stockbook.sources import day_windows, walks
from stockbook.sources.http import Stopped, Tally
from stockbook.sources.ids import id_of
from stockbook.sources.reader import Reader, Session


class Documents:
    """
    The walk of documents: days of creation side by side, then by id what the days did not hold.

    The ids are those the plan names and those the ledger's new rows name.
    """

    def __init__(self, run: Session, listing: Listing, pool: ThreadPoolExecutor, others: Callable[[], None]) -> None:
        self.run, self.listing, self.pool, self.others = run, listing, pool, others
        self.reader = Reader(run, listing)
        self.began = run.clock.monotonic()
        self.done: Manifest | None = None
        self.futures: list[Future[Unit]] = []
        self.tally = Tally()
        self.promised = 0
        self.windows: list[tuple[date, date]] = []
        # most days of an old or empty history hold nothing: their rows would say for minutes that all is read
        self.of_days = f"{self.reader.title}, by day of creation"

    def begin(self) -> None:
        """Find the window and set its days going."""
        self.done = self.reader.landed()
        if self.done is None:
            self.folder = self.reader.folder()
            for unit in self.folder.units.values():
                if not unit.asked_ids:
                    self.reader.keys |= self.reader.recalled(unit.pages, self.listing.key[0])
            self._window()

    def _window(self) -> None:
        plan = self.run.plan
        self.run.progress.start(self.reader.title, None)
        first = plan.orders_from
        if first is None:
            first = day_windows.first_day(lambda day: self._count(created_to=day), plan.orders_to)
        if first is None or first > plan.orders_to:
            return
        self.windows = [(first, plan.orders_to)]
        if plan.backfill is not None and plan.backfill[0] < first and plan.orders_from is not None:
            self.windows = day_windows.joined([plan.backfill, *self.windows])
        self.promised = self._promised()
        self.run.progress.advance(self.reader.title, 0, self.promised)
        self._submit_days()

    def _promised(self) -> int:
        return sum(self._count(created_from=first, created_to=last) for first, last in self.windows)

    def _count(self, **filters: object) -> int:
        self.others()
        return self.run.client.get(
            self.listing.path, self.listing.parameters(limit=1, filters=filters), envelope.promised_total, self.tally
        )

    def _submit_days(self) -> None:
        days = list(self._days())
        unread = [day for day in days if day.isoformat() not in self.folder.units]
        self.run.progress.start(self.of_days, len(days), unit="days")
        self.run.progress.advance(self.of_days, len(days) - len(unread))
        self.futures = [self.pool.submit(self._day, day) for day in unread]

    def _days(self) -> Iterator[date]:
        return chain.from_iterable(day_windows.days(first, last) for first, last in self.windows)

    def _day(self, day: date) -> Unit:
        self.run.client.go_on()
        title = f"{self.reader.title} of {day.isoformat()}"
        unit = self.reader.part(
            self.folder,
            day.isoformat(),
            partial(walks.listing, name=title, full=self.listing.page_limit),
            filters={"created_from": day, "created_to": day},
        )
        self.run.progress.advance(self.of_days, 1)
        return unit

    def finish(
        self, others: dict[str, Future[Manifest | None]], ledgers: Sequence[Future[Manifest | None]]
    ) -> Manifest:
        """Wait for the days, compare them with the whole window, read the rest by id, write the manifest."""
        if self.done is not None:
            return self.done
        finished([*self.futures, *others.values()], until=self.futures)
        if self.windows:
            self._check_windows()
            self.run.progress.finish(self.of_days, f"{sum(1 for _ in self._days()):,} days read")
        finished(list(others.values()), until=ledgers)
        named = set(self.run.plan.open_order_ids).union(*self.run.named.values())
        named = {order for order in named if names_something(order)}
        self._by_ids(named)
        today = self.run.plan.orders_to
        *backfill, (first, last) = self.windows or [(today, today)]
        return self.reader.finish(
            self.folder,
            self.began,
            proof=self.listing.proof,
            window_from=first.isoformat(),
            window_to=last.isoformat(),
            backfill_from=backfill[0][0].isoformat() if backfill else None,
            backfill_to=backfill[0][1].isoformat() if backfill else None,
        )

    def _check_windows(self) -> None:
        """The days together must hold what the windows promised; new orders of today may come on top."""
        for last in (False, True):
            days = [unit for unit in self.folder.units.values() if not unit.asked_ids]
            # a total that counts a row twice does so in both
            read = sum(unit.distinct_keys if unit.promised_total is None else unit.promised_total for unit in days)
            now = self.promised if read == self.promised else self._promised()
            if min(self.promised, now) <= read <= max(self.promised, now):
                return
            text = f"its days hold {read} rows, the whole window promised {now}"
            if last:
                raise ListingIncomplete(
                    f"Listing {self.reader.title} was read twice and not proved complete: {text}. "
                    "Nothing of it is loaded; run again later."
                )
            self.run.progress.note(f"{self.reader.title}: {text}; it is read once more from the start.")
            self.folder.clear()
            self.reader.keys.clear()
            self.promised = now
            self._submit_days()
            finished(self.futures)

    def _by_ids(self, named: set[str]) -> None:
        # a UUID is one whatever its case: staging keeps it in small letters, and the source is asked so
        asked = sorted({id_of(one) for one in named} - {id_of(one) for one in self.reader.keys})
        futures = []
        for batch in day_windows.batches(asked):
            name = "ids " + hashlib.sha256("\n".join(batch).encode()).hexdigest()[:16]
            if name not in self.folder.units:
                futures.append(self.pool.submit(self._batch, name, batch))
        finished(futures)

    def _batch(self, name: str, batch: list[str]) -> Unit:
        self.run.client.go_on()
        title = f"{self.reader.title} by id"
        return self.reader.part(
            self.folder, name, partial(walks.by_ids, name=title, asked=batch), asked_ids=batch, filters={"ids": batch}
        )


def watching(futures: dict[str, Future[Manifest | None]]) -> Callable[[], None]:
    """Raises what a listing already failed with, so that nobody goes on beside a dead one."""

    def check() -> None:
        for future in futures.values():
            if future.done() and future.exception() is not None:
                future.result()

    return check


def finished(futures: Sequence[Future[Any]], until: Sequence[Future[Any]] | None = None) -> None:
    """Wait for ``until`` (or all); raises the first error of any of ``futures`` as soon as it is there."""
    wanted = set(futures if until is None else until)
    pending = set(futures)
    while wanted & pending:
        done, pending = wait(pending, return_when="FIRST_COMPLETED")
        for future in done:
            error = future.exception()
            if error is not None and not isinstance(error, Stopped):
                raise error
