"""
Fetching the pages a walk will ask for next while it is still busy with this one.

The walk decides what is fetched; this only guesses what it will ask for next. A guessed page is an answer like any
other, true of its own moment: the walk compares it with the rows before it as always.
"""

from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from stockbook.sources.walks import Fetch, Page

C = TypeVar("C")


class Prefetcher(Generic[C]):
    """A fetch function that runs ``depth`` pages ahead of the walk; memory holds that many pages."""

    def __init__(self, fetch: Fetch[C], pool: Executor, depth: int) -> None:
        """Fetch through ``pool``, whose threads must not wait for this walk."""
        self._fetch = fetch
        self._pool = pool
        self._depth = depth
        self._coming: dict[int, Future[Page[C]]] = {}

    def __call__(self, offset: int) -> Page[C]:
        future = self._coming.pop(offset, None)
        if future is None:
            self.forget()
            page = self._fetch(offset)
        else:
            page = future.result()
        self._guess(offset, page)
        return page

    def _guess(self, offset: int, page: Page[C]) -> None:
        # the walk asks next from the last row of this page, and pages are mostly of one size
        step = len(page.keys) - 1
        if page.total is None or step < 1:
            return
        for number in range(1, self._depth + 1):
            following = offset + number * step
            if following >= page.total - 1:
                return
            if following not in self._coming:
                self._coming[following] = self._pool.submit(self._fetch, following)

    def forget(self) -> None:
        """Drop the guesses that the walk did not ask for."""
        for future in self._coming.values():
            future.cancel()
        self._coming.clear()
