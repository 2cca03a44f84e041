"""
Fulfillments: those of a window of order dates, and by id the open ones before it.

The source gives one total, of everything. A window is complete when its rows and those that earlier nights loaded from
before it add up to that total. Where they do not, everything is read, and the total alone proves it. An open
fulfillment that is not there any more is a contradiction of the same kind: only absence from everything is absence.
"""

from concurrent.futures import Future, wait
from datetime import timedelta
from functools import partial
from urllib.parse import quote

from stockbook.errors import BadAnswer, ListingIncomplete
from stockbook.ids import id_of
from stockbook.landing.manifest import Manifest, Unit
from stockbook.projection.listing import Listing
from stockbook.sources import day_windows, walks
from stockbook.sources.listing_walk import ListingWalk
from stockbook.sources.orders_by_day import digest_of
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import WHOLE, Reader
from stockbook.sources.session import ReadingPool, Session

_WINDOW = "window"
_NOT_THERE = 404
_IDS_PER_PART = 25


class _Contradiction(Exception):  # no error yet: everything is read instead
    """The window, the open ones and the ones loaded before do not fit together; its text says how."""


class FulfillmentWindow(ListingWalk):
    """The fulfillments of a window of order dates, and by id the open ones before it; see the module."""

    about = "window of order dates, then by id what is open"
    turn = 3

    def __init__(self, session: Session, listing: Listing) -> None:
        """Nothing is read yet."""
        super().__init__(session, listing)
        self.landed: Manifest | None = None
        self.first: Future[Unit] | None = None

    @staticmethod
    def fingerprint(plan: AccountPlan) -> dict[str, str]:
        return {
            "orders_from": plan.orders_from.isoformat() if plan.orders_from else "",
            "orders_to": plan.orders_to.isoformat(),
            "open_fulfillments": digest_of([str(plan.fulfillments_before), *sorted(plan.open_fulfillment_ids)]),
            **({"events_to": str(plan.events_to)} if plan.events_to else {}),
        }

    def begin(self, pool: ReadingPool) -> None:
        """Set the window going."""
        fingerprint = self.fingerprint(self.session.plan)
        self.reader = Reader(self.session, self.listing, fingerprint, remembers_keys=True)
        self.landed = self.reader.landed()
        if self.landed is not None:
            return
        self.folder = self.reader.folder()
        for unit in self.folder.units.values():
            if not unit.asked_ids:
                self.reader.keys |= self.reader.recalled(unit.pages, self.listing.key[0])
        self.session.progress.start(self.title, None)
        if not self.folder.units.keys() & {WHOLE, _WINDOW}:
            is_bounded = self.session.plan.fulfillments_from is not None
            self.first = pool.submit(self._window if is_bounded else self._everything)

    def read(self, pool: ReadingPool) -> Manifest:
        """Wait for the window, read the open ones before it by id, write the manifest."""
        if self.landed is not None:
            return self.landed
        try:
            if self.first is not None:
                pool.wait_for([self.first])
            if WHOLE not in self.folder.units:
                self._read_open(pool)
        except _Contradiction as contradiction:
            self.session.progress.note(f"{self.title}: {contradiction}; all of it is read instead.")
            self.folder.clear()
            self.reader.keys.clear()
            pool.wait_for([pool.submit(self._everything)])
        plan = self.session.plan
        is_whole = WHOLE in self.folder.units
        return self.reader.finish(
            self.folder,
            proof=self.listing.proof,
            window_from=None if is_whole or plan.orders_from is None else plan.orders_from.isoformat(),
            window_to=plan.orders_to.isoformat(),
        )

    def _everything(self) -> Unit:
        self.session.client.go_on()
        walk = partial(walks.whole, name=self.title, proof=self.listing.proof)
        return self.reader.part(self.folder, WHOLE, walk)

    def _window(self) -> Unit:
        self.session.client.go_on()
        plan = self.session.plan
        first = plan.fulfillments_from
        # a day more on either side: the source's times are taken for UTC, the plan's days are local
        last = plan.orders_to + timedelta(days=1)
        walk = partial(walks.whole, name=f"{self.title} of the window", proof=self.listing.proof, passes=1)
        filters = {
            "created_at_min": None if first is None else first.isoformat(),
            "created_at_max": f"{last.isoformat()}T23:59:59",
        }
        try:
            return self.reader.part(
                self.folder, _WINDOW, walk, filters=filters, counted_before=plan.fulfillments_before
            )
        except ListingIncomplete:
            raise _Contradiction("the window and what was loaded from before it do not add up to the count") from None

    def _read_open(self, pool: ReadingPool) -> None:
        read = {id_of(key) for key in self.reader.keys}
        ids = sorted({id_of(order) for order in self.session.plan.open_fulfillment_ids} - read)
        futures = []
        for batch in day_windows.batches(ids, size=_IDS_PER_PART):
            name = f"ids {digest_of(batch)}"
            if name not in self.folder.units:
                futures.append(pool.submit(self._batch, name, batch))
        wait(futures)
        pool.wait_for(futures)

    def _batch(self, name: str, batch: list[str]) -> Unit:
        self.session.client.go_on()
        path = self.listing.one_path or ""
        title = f"{self.title} by id"
        try:
            return self.reader.part(
                self.folder,
                name,
                partial(walks.one_by_one, name=title, ids=batch),
                asked_ids=batch,
                paths=[path.format(id=quote(order, safe="")) for order in batch],
            )
        except BadAnswer as refusal:
            if refusal.status != _NOT_THERE:
                raise
            raise _Contradiction("one that was open is not there any more") from None
