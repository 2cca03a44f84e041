"""
The answers of a walk: recalled where an earlier attempt landed them, noted for the journal where they are new.

A walk that gets the same answers asks the same questions, so over recalled answers it comes to where it was cut off.
The next answer is compared with them as with any other page before it.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from stockbook.landing.answer_journal import Answer
from stockbook.sources.walks import Fetch, Page

C = TypeVar("C")


class ResumedFetch(Generic[C]):
    """
    A fetch function before another one.

    An answer to another question than the walk asks ends the recalling: everything from there on is fetched.
    """

    def __init__(self, fetch: Fetch[C], earlier: Sequence[Answer] = ()) -> None:
        """Recall ``earlier`` first."""
        self._fetch = fetch
        self._earlier = list(reversed(earlier))
        self._new: list[tuple[int, Page[C]]] = []

    def __call__(self, offset: int) -> Page[C | Answer]:
        if self._earlier and self._earlier[-1].offset == offset:
            answer = self._earlier.pop()
            return Page(answer.keys, answer.total, answer)
        self._earlier.clear()
        page = self._fetch(offset)
        self._new.append((offset, page))
        return Page(page.keys, page.total, page.content)

    def new_pages(self) -> list[tuple[int, Page[C]]]:
        """The answers (offset, page) that are new since the last call."""
        new, self._new = self._new, []
        return new

    def forget(self) -> None:
        """Begin anew: nothing is recalled, nothing waits to be recorded."""
        self._earlier.clear()
        self._new.clear()
