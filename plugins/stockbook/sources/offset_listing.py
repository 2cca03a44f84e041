"""Listings that are read whole: by offset, by numbered pages, or once for each row of another listing."""

import json
from collections.abc import Mapping
from functools import partial

from stockbook.errors import BadAnswer, Unauthorized
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import REASON, lines_of
from stockbook.projection.listing import Each, Listing, query_of
from stockbook.sources import walks
from stockbook.sources.listing_walk import OneThreadWalk
from stockbook.sources.part_reading import PageWalk
from stockbook.sources.reader import WHOLE, Reader
from stockbook.sources.session import ReadingPool

# an account without the right or the product answers one of these
_NOT_SERVED = (403, 404)
_NO = ("0", "false", "none", "")


class OffsetListing(OneThreadWalk):
    """Pages by offset, or one answer where the endpoint knows no paging."""

    about = "offsets; moves by rows received"

    @classmethod
    def describe(cls, listing: Listing) -> str:
        return "one answer; the endpoint pages nothing" if listing.page_limit is None else super().describe(listing)

    def read_parts(self, reader: Reader, pool: ReadingPool) -> Manifest | None:
        folder = reader.folder()
        try:
            unit = folder.units.get(WHOLE) or reader.part(
                folder, WHOLE, self.pages(reader.title), filters=dict(self.listing.filters) or None
            )
        except (BadAnswer, Unauthorized) as refusal:
            if not self._may_be_absent(refusal):
                raise
            self.session.progress.finish(reader.title, f"not served to this account (status {refusal.status})")
            return None
        return reader.finish(folder, proof=unit.proof)

    def pages(self, title: str) -> PageWalk:
        """The walk over the pages."""
        if self.listing.page_limit is None:
            return partial(walks.whole, name=title, proof=self.listing.proof)
        return partial(walks.listing, name=title, full=self.listing.page_limit, proof=self.listing.proof)

    def _may_be_absent(self, refusal: BadAnswer | Unauthorized) -> bool:
        was_read = self.listing.name in self.session.plan.read_before
        return self.listing.where_served and refusal.status in _NOT_SERVED and not was_read


class NumberedPages(OffsetListing):
    """Pages 1, 2, ... of a size the source chooses."""

    about = "numbered pages; earlier ones are looked at again"

    @classmethod
    def describe(cls, listing: Listing) -> str:
        return cls.about

    def reader(self) -> Reader:
        # numbered pages are few, and the next one is not at an offset that could be guessed
        return Reader(self.session, self.listing, self.fingerprint(self.session.plan), query=numbered, prefetches=False)

    def pages(self, title: str) -> PageWalk:
        return partial(walks.pages, name=title, proof=self.listing.proof)


def numbered(number: int, filters: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """Query parameters of a numbered page."""
    return [*query_of(filters), ("Page", str(number))]


class OncePerRow(OffsetListing):
    """A listing that is read once for each row of another one, a part each."""

    # after the listing it waits for, so that the last free thread is never one that waits
    turn = 2

    @classmethod
    def describe(cls, listing: Listing) -> str:
        each = listing.each
        return super().describe(listing) + (f"; once for each of `{each.listing}` with `{each.where}`" if each else "")

    def _read(self, pool: ReadingPool) -> Manifest | None:
        each = self.listing.each
        if each is None or pool.manifest(each.listing) is None:
            return None
        return super()._read(pool)

    def read_parts(self, reader: Reader, pool: ReadingPool) -> Manifest | None:
        each = self.listing.each
        parent = pool.manifest(each.listing) if each is not None else None
        if each is None or parent is None:
            return None
        folder = reader.folder()
        parts = {number: f"{each.parameter} {number}" for number in self._numbers(each, parent)}
        if not folder.units.keys() <= set(parts.values()):
            folder.clear()  # an earlier attempt of the night read rows that are not wanted any more
        self.session.progress.start(reader.title, None)
        for number, part in parts.items():
            if part not in folder.units:
                row = {each.parameter: number}
                pages = self.pages(f"{reader.title} of {part}")
                reader.part(folder, part, pages, filters=row, constants=row)
        return reader.finish(folder, proof=self.listing.proof)

    def _numbers(self, each: Each, parent: Manifest) -> list[int]:
        lines = lines_of(self.session.folder / f"{parent.api}.{parent.listing}", parent.pages)
        rows = (json.loads(line) for line in lines)
        # of a row that is set aside nothing is known: that its own rows did not come must not mean that they are gone
        keys = (row.get(each.key) for row in rows if str(row.get(each.where)).lower() not in _NO or REASON in row)
        return sorted({int(key) for key in keys if str(key).isdigit()})
