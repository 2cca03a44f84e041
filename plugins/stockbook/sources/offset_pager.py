"""
One pass over an offset list that lives while it is paged.

Offsets count rows of such a list. Every page but the first is therefore fetched from the last row already read (the
*anchor*), not from behind it: a page with the anchor in it continues the list without a gap, whatever was inserted or
removed before it; a page without it proves that rows moved. Offsets move by rows received, never by rows asked for.

This assumes two things: one answer is a true slice of the list with the total of that same moment,
and rows keep their order among each other (a list ordered by something that changes is caught by its count
only). A server that gives one row a page, or only rows without a key, leaves no room for an anchor; then, too, only
the count proves, and only while it stays what it was.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C")
Key = Hashable

# a page without a new row may be a shift of the whole list; a second one means that the server ignores the offset
_MOST_BARREN = 2


@dataclass(frozen=True, slots=True)
class Page(Generic[C]):
    """One answer: a key for every row received (None for a row without one), the promised total, the content."""

    keys: Sequence[Key | None]
    total: int | None
    content: C


Fetch = Callable[[int], Page[C]]


class Unproven(Exception):  # no error yet: the walk begins anew
    """A pass that proves nothing; its text says why."""


@dataclass(frozen=True, slots=True)
class Step(Generic[C]):
    """A page, the positions in it not seen before, and whether the list ends with it."""

    page: Page[C]
    fresh: list[int]
    at_end: bool


class AnchoredPager(Generic[C]):
    """
    Where a pass stands: the keys seen, the anchor and its offset.

    Of the rows ``received``, ``repeated`` came before. ``unanchored`` tells that some page was taken without its
    anchor; ``total_moved`` that the promised total changed on the way.
    """

    def __init__(self, fetch: Fetch[C], full: int | None = None) -> None:
        """Begin at offset 0; ``full`` is the number of rows asked for, where the endpoint takes one."""
        self._fetch = fetch
        self._full = full
        self._offset = 0
        self._anchor: Key | None = None
        self._barren = 0
        self.seen: set[Key] = set()
        self.received = 0
        self.repeated = 0
        self.unanchored = False
        self.total_moved = False
        self._total: int | None = None
        self._copies: dict[Key, int] = {}

    def step(self) -> Step[C]:
        """The next page of the list. Raises Unproven when it does not continue the one before."""
        start = self._offset
        page = self._fetch(start)
        if not page.keys:
            if self.received:
                raise Unproven("the list became shorter while it was read")
            return Step(page, [], at_end=True)
        self._check_anchor(page)
        fresh = self._take(page, start)
        claims_end = page.total is not None and start + len(_distinct(page)) >= page.total
        # a full page ends at the server's limit: that the list ends there too is believed after a look behind it
        if claims_end and (self._full is None or len(page.keys) < self._full):
            return Step(page, fresh, at_end=True)
        if fresh and not claims_end:
            return Step(page, fresh, at_end=False)
        behind = self._fetch(self._offset + 1)
        if not behind.keys:
            return Step(page, fresh, at_end=True)
        if not fresh and len(_distinct(page)) == 1:
            # the server gave the anchor and no row more: go on behind it, with the count as the only proof
            self.unanchored = True
            page, fresh = behind, self._take(behind, self._offset + 1)
        self._barren = 0 if fresh else self._barren + 1
        if self._barren >= _MOST_BARREN:
            raise Unproven("the same rows came again and again, as if the offset were ignored")
        return Step(page, fresh, at_end=False)

    def counts_copies(self) -> bool:
        """
        Whether the total counts rows that stand more than once in the list, and all of it came.

        A total that counts rows once could be as large while rows behind are missing: nothing may stand behind it.
        """
        copies = sum(self._copies.values())
        if not copies or self.total_moved or self._total != len(self.seen) + copies:
            return False
        return not self._fetch(self._total).keys

    def _check_anchor(self, page: Page[C]) -> None:
        # all seen: so much was inserted before the anchor that the page ends before it; nothing is lost by that
        if self._anchor is None or self._anchor in page.keys or all(key in self.seen for key in page.keys):
            return
        raise Unproven("rows moved between two pages")

    def _take(self, page: Page[C], offset: int) -> list[int]:
        self.total_moved = self.total_moved or (self.received > 0 and page.total != self._total)
        self._total = page.total
        distinct = _distinct(page)
        # a row without a key counts where it stands
        marks = [("no key", offset + at) if key is None else key for at, key in enumerate(page.keys)]
        if len(distinct) == len(marks):
            fresh = [at for at, mark in enumerate(marks) if mark not in self.seen]
        else:
            first = {mark: at for at, mark in reversed([*enumerate(marks)])}
            fresh = sorted(at for mark, at in first.items() if mark not in self.seen)
        self.seen.update(marks)
        self.received += len(page.keys)
        self.repeated += len(page.keys) - len(fresh)
        if len(distinct) < len(page.keys):
            for key, times in Counter(page.keys).items():
                if key is not None and times > 1:
                    self._copies[key] = max(self._copies.get(key, 0), times - 1)
        for place in range(len(distinct) - 1, -1, -1):
            if distinct[place] is not None:
                # a row that came twice on a page takes one place in the list, so distinct rows are counted
                self._anchor, self._offset = distinct[place], offset + place
                return fresh
        if page.total is None:
            raise Unproven("a page had no row with a key")
        # no anchor: the count is the only proof, and only while it stays what it was
        self._anchor, self._offset, self.unanchored = None, offset + len(page.keys) - 1, True
        return fresh


def _distinct(page: Page[C]) -> list[Key | None]:
    """The keys of a page, each once in its order; rows without a key stay."""
    if None not in page.keys:
        return list(dict.fromkeys(page.keys))
    seen: set[Key] = set()
    distinct: list[Key | None] = []
    for key in page.keys:
        if key is None or key not in seen:
            distinct.append(key)
            seen.add(key)
    return distinct
