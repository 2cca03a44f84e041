"""
Reading documents that change until they are final: those of the window, and by id the open ones before it.

The source tells one total, of everything. A window is complete when its rows and those known from before it
add up to that total; where they do not, everything is read, and the total alone proves it. An open
document that is not there any more is a contradiction of the same kind: only absence from everything is absence.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from urllib.parse import quote

from stockbook.errors import BadAnswer, ListingIncomplete
from stockbook.landing.manifest import Manifest, Unit
from stockbook.projection.listing import Listing
from stockbook.sources import day_windows, walks
from stockbook.sources.orders_by_day import finished
from stockbook.sources.reader import WHOLE, Reader, Session

_WINDOW = "window"
_NOT_THERE = 404
_IDS_PER_PART = 25


class _Contradiction(Exception):  # no error yet: everything is read instead
    """The window, the open ones and what is known do not fit together; its text says how."""


class Followed:
    """The walk of fulfillments; see the module."""

    def __init__(self, run: Session, listing: Listing, pool: ThreadPoolExecutor, others: Callable[[], None]) -> None:
        self.run, self.listing, self.pool, self.others = run, listing, pool, others
        self.reader = Reader(run, listing)
        self.began = run.clock.monotonic()
        self.done: Manifest | None = None

    def begin(self) -> None:
        """Set the window going."""
        self.done = self.reader.landed()
        if self.done is not None:
            return
        self.folder = self.reader.folder()
        for unit in self.folder.units.values():
            if not unit.asked_ids:
                self.reader.keys |= self.reader.recalled(unit.pages, self.listing.key[0])
        self.run.progress.start(self.reader.title, None)
        if not self.folder.units.keys() & {WHOLE, _WINDOW}:
            first = self._everything if self.run.plan.fulfillments_from is None else self._window
            self.first: Future[Unit] | None = self.pool.submit(first)
        else:
            self.first = None

    def finish(
        self, others: dict[str, Future[Manifest | None]], _: Sequence[Future[Manifest | None]] = ()
    ) -> Manifest | None:
        """Wait for the window, read the open ones before it by id, write the manifest."""
        if self.done is not None:
            return self.done
        try:
            if self.first is not None:
                finished([self.first, *others.values()], until=[self.first])
            if WHOLE not in self.folder.units:
                self._open_ones()
        except _Contradiction as doubt:
            self.run.progress.note(f"{self.reader.title}: {doubt}; all of it is read instead.")
            self.folder.clear()
            self.reader.keys.clear()
            finished([self.pool.submit(self._everything)])
        plan = self.run.plan
        everything = WHOLE in self.folder.units
        return self.reader.finish(
            self.folder,
            self.began,
            proof=self.listing.proof,
            window_from=None if everything or plan.orders_from is None else plan.orders_from.isoformat(),
            window_to=plan.orders_to.isoformat(),
        )

    def _everything(self) -> Unit:
        self.run.client.go_on()
        walk = partial(walks.whole, name=self.reader.title, proof=self.listing.proof)
        return self.reader.part(self.folder, WHOLE, walk)

    def _window(self) -> Unit:
        self.run.client.go_on()
        plan = self.run.plan
        first = plan.fulfillments_from
        # a day more on either side: the source's times are taken for UTC, the plan's days are local
        last = plan.orders_to + timedelta(days=1)
        walk = partial(walks.whole, name=f"{self.reader.title} of the window", proof=self.listing.proof, passes=1)
        filters = {
            "created_at_min": None if first is None else first.isoformat(),
            "created_at_max": f"{last.isoformat()}T23:59:59",
        }
        try:
            return self.reader.part(self.folder, _WINDOW, walk, filters=filters, known=plan.fulfillments_before)
        except ListingIncomplete:
            raise _Contradiction("the window and what is known from before it do not add up to the count") from None

    def _open_ones(self) -> None:
        asked = sorted(set(self.run.plan.open_fulfillment_ids) - self.reader.keys)
        futures = []
        for batch in day_windows.batches(asked, size=_IDS_PER_PART):
            name = "ids " + hashlib.sha256("\n".join(batch).encode()).hexdigest()[:16]
            if name not in self.folder.units:
                futures.append(self.pool.submit(self._batch, name, batch))
        wait(futures)
        finished(futures)

    def _batch(self, name: str, batch: list[str]) -> Unit:
        self.run.client.go_on()
        path = self.listing.one_path or ""
        title = f"{self.reader.title} by id"
        try:
            return self.reader.part(
                self.folder,
                name,
                partial(walks.one_by_one, name=title, asked=batch),
                asked_ids=batch,
                paths=[path.format(id=quote(one, safe="")) for one in batch],
            )
        except BadAnswer as gone:
            if gone.status != _NOT_THERE:
                raise
            raise _Contradiction("one that was open is not there any more") from None
