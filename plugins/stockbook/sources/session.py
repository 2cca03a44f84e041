"""What the listings of an account share while they are read: a session, and threads to read in."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.declarations import Table
from stockbook.landing.manifest import Manifest
from stockbook.progress import Progress
from stockbook.projection.erasures import Erasures
from stockbook.sources.http import Client, Stopped
from stockbook.sources.plan import AccountPlan

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Session:
    """
    One reading of an account.

    ``prefetching`` are the threads that only fetch. ``orders_named`` are the orders that listings named, by the
    listing's name. ``before`` is the account's folder of the last night that was loaded. ``landed`` is told of the
    folder of a listing once it is complete, by the thread that read it. ``forgotten`` is the list of whom nothing may
    land, and the account.
    """

    account: Account
    plan: AccountPlan
    folder: Path
    tables: dict[str, Table]
    hash_key: bytes = field(repr=False)
    clock: Clock
    progress: Progress
    client: Client
    prefetching: Executor
    before: Path | None = None
    landed: Callable[[Path], None] | None = None
    orders_named: dict[str, set[str]] = field(default_factory=dict)
    forgotten: tuple[Erasures, str] | None = None


class ReadingPool:
    """The threads that read the listings of an account, and the manifests they will give."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        """Begin with no listing."""
        self._threads = threads
        self._manifests: dict[str, Future[Manifest | None]] = {}
        self._naming: list[Future[Manifest | None]] = []

    def submit(self, read: Callable[..., R], *arguments: Any) -> Future[R]:
        """Read a part of a listing in one of the threads."""
        return self._threads.submit(read, *arguments)

    def begin(self, listing: str, read: Callable[[], Manifest | None], names_orders: bool = False) -> None:
        """Read a whole listing in one of the threads; ``names_orders`` says that others wait for orders it names."""
        self._manifests[listing] = future = self._threads.submit(read)
        if names_orders:
            self._naming.append(future)

    def manifest(self, listing: str) -> Manifest | None:
        """Wait for the manifest of a listing that was begun; raises its error."""
        return self._manifests[listing].result()

    def raise_errors(self) -> None:
        """Raise what a listing already failed with, so that no other goes on beside it."""
        for future in self._manifests.values():
            if future.done() and future.exception() is not None:
                future.result()

    def wait_for_named_orders(self) -> None:
        """Wait for the listings that name orders; raises as ``wait_for`` does."""
        self.wait_for(self._naming)

    def wait_for_all(self) -> None:
        """Wait for every listing that was begun; raises as ``wait_for`` does."""
        self.wait_for(list(self._manifests.values()))

    def wait_for(self, futures: Sequence[Future[Any]]) -> None:
        """Wait for these; raises the first error of any of them, or of any listing, as soon as it is there."""
        wanted = set(futures)
        pending = wanted | set(self._manifests.values())
        while wanted & pending:
            done, pending = wait(pending, return_when="FIRST_COMPLETED")
            for future in done:
                error = future.exception()
                if error is not None and not isinstance(error, Stopped):
                    raise error
