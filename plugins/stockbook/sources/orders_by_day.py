"""Orders: days of creation side by side, then by id the orders that the days did not hold."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import date
from functools import partial
from itertools import chain

from stockbook.errors import ListingIncomplete
from stockbook.ids import id_of
from stockbook.landing.manifest import Manifest, Unit
from stockbook.projection import envelope
from stockbook.projection.listing import Listing
from stockbook.references import names_something
from stockbook.sources import day_windows, walks
from stockbook.sources.http import Tally
from stockbook.sources.ledger import backfill_of
from stockbook.sources.listing_walk import ListingWalk
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import Reader
from stockbook.sources.session import ReadingPool, Session


class OrdersByDay(ListingWalk):
    """The days of the window, and by id the orders that the plan or the ledger's new rows name."""

    about = "days of creation side by side, then by id what is open or was named"
    turn = 3

    def __init__(self, session: Session, listing: Listing) -> None:
        """Nothing is read yet."""
        super().__init__(session, listing)
        self.landed: Manifest | None = None
        self.futures: list[Future[Unit]] = []
        self.tally = Tally()
        self.promised = 0
        self.windows: list[tuple[date, date]] = []
        # most days of an old or empty history hold nothing: their rows would say for minutes that all is read
        self.of_days = f"{self.title}, by day of creation"

    @staticmethod
    def fingerprint(plan: AccountPlan) -> dict[str, str]:
        return {
            **backfill_of(plan),
            "orders_from": plan.orders_from.isoformat() if plan.orders_from else "",
            "orders_to": plan.orders_to.isoformat(),
            "open_order_ids": digest_of(sorted(plan.open_order_ids)),
            "floor": str(plan.movements_floor),
            **({"events_to": str(plan.events_to)} if plan.events_to else {}),
        }

    def begin(self, pool: ReadingPool) -> None:
        """Find the window and set its days going."""
        fingerprint = self.fingerprint(self.session.plan)
        self.reader = Reader(self.session, self.listing, fingerprint, remembers_keys=True)
        self.landed = self.reader.landed()
        if self.landed is None:
            self.folder = self.reader.folder()
            for unit in self.folder.units.values():
                if not unit.asked_ids:
                    self.reader.keys |= self.reader.recalled(unit.pages, self.listing.key[0])
            self._window(pool)

    def _window(self, pool: ReadingPool) -> None:
        plan = self.session.plan
        self.session.progress.start(self.title, None)
        first = plan.orders_from
        if first is None:
            first = day_windows.first_day(lambda day: self._count(pool, created_to=day), plan.orders_to)
        if first is None or first > plan.orders_to:
            return
        self.windows = [(first, plan.orders_to)]
        if plan.backfill is not None and plan.backfill[0] < first and plan.orders_from is not None:
            self.windows = day_windows.joined([plan.backfill, *self.windows])
        self.promised = self._promised(pool)
        self.session.progress.advance(self.title, 0, self.promised)
        self._submit_days(pool)

    def _promised(self, pool: ReadingPool) -> int:
        return sum(self._count(pool, created_from=first, created_to=last) for first, last in self.windows)

    def _count(self, pool: ReadingPool, **filters: object) -> int:
        pool.raise_errors()
        return self.session.client.get(
            self.listing.path, self.listing.parameters(limit=1, filters=filters), envelope.promised_total, self.tally
        )

    def _submit_days(self, pool: ReadingPool) -> None:
        days = list(self._days())
        unread = [day for day in days if day.isoformat() not in self.folder.units]
        self.session.progress.start(self.of_days, len(days), unit="days")
        self.session.progress.advance(self.of_days, len(days) - len(unread))
        self.futures = [pool.submit(self._day, day) for day in unread]

    def _days(self) -> Iterator[date]:
        return chain.from_iterable(day_windows.days(first, last) for first, last in self.windows)

    def _day(self, day: date) -> Unit:
        self.session.client.go_on()
        title = f"{self.title} of {day.isoformat()}"
        unit = self.reader.part(
            self.folder,
            day.isoformat(),
            partial(walks.listing, name=title, full=self.listing.page_limit),
            filters={"created_from": day, "created_to": day},
        )
        self.session.progress.advance(self.of_days, 1)
        return unit

    def read(self, pool: ReadingPool) -> Manifest:
        """Wait for the days, compare them with the whole window, read the rest by id, write the manifest."""
        if self.landed is not None:
            return self.landed
        pool.wait_for(self.futures)
        if self.windows:
            self._check_windows(pool)
            self.session.progress.finish(self.of_days, f"{sum(1 for _ in self._days()):,} days read")
        pool.wait_for_named_orders()
        named = set(self.session.plan.open_order_ids).union(*self.session.orders_named.values())
        self._read_by_id(pool, {order for order in named if names_something(order)})
        today = self.session.plan.orders_to
        *backfill, (first, last) = self.windows or [(today, today)]
        return self.reader.finish(
            self.folder,
            proof=self.listing.proof,
            window_from=first.isoformat(),
            window_to=last.isoformat(),
            backfill_from=backfill[0][0].isoformat() if backfill else None,
            backfill_to=backfill[0][1].isoformat() if backfill else None,
        )

    def _check_windows(self, pool: ReadingPool) -> None:
        """The days together must hold what the windows promised; new orders of today may come on top."""
        for last in (False, True):
            days = [unit for unit in self.folder.units.values() if not unit.asked_ids]
            # a total that counts a row twice does so in both
            read = sum(unit.distinct_keys if unit.promised_total is None else unit.promised_total for unit in days)
            now = self.promised if read == self.promised else self._promised(pool)
            if min(self.promised, now) <= read <= max(self.promised, now):
                return
            text = f"its days hold {read} rows, the whole window promised {now}"
            if last:
                raise ListingIncomplete(
                    f"Listing {self.title} was read twice and not proved complete: {text}. "
                    "Nothing of it is loaded; run again later."
                )
            self.session.progress.note(f"{self.title}: {text}; it is read once more from the start.")
            self.folder.clear()
            self.reader.keys.clear()
            self.promised = now
            self._submit_days(pool)
            pool.wait_for(self.futures)

    def _read_by_id(self, pool: ReadingPool, named: set[str]) -> None:
        # a UUID is the same whatever its case: staging keeps it in small letters, and the source is asked so
        ids = sorted({id_of(order) for order in named} - {id_of(key) for key in self.reader.keys})
        futures = []
        for batch in day_windows.batches(ids):
            name = f"ids {digest_of(batch)}"
            if name not in self.folder.units:
                futures.append(pool.submit(self._batch, name, batch))
        pool.wait_for(futures)

    def _batch(self, name: str, batch: list[str]) -> Unit:
        self.session.client.go_on()
        title = f"{self.title} by id"
        return self.reader.part(
            self.folder, name, partial(walks.by_ids, name=title, ids=batch), asked_ids=batch, filters={"ids": batch}
        )


def digest_of(texts: Sequence[str]) -> str:
    """A short digest of texts in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
