"""
Reading one account: every listing walked, projected and landed.

Stock is read first, because it is compared with the ledger as of that moment; everything else is
read side by side over one session and one budget. Memory does not grow with the number of pages:
each thread holds one.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stockbook.bounded_http import Limits
from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.declarations import Table, of_listing
from stockbook.errors import ConfigError
from stockbook.landing.manifest import Manifest
from stockbook.progress import Progress
from stockbook.projection.erasures import Erasures
from stockbook.projection.listing import Listing
from stockbook.sources import listings
from stockbook.sources.credentials import Credentials, credentials_of
from stockbook.sources.http import Client, RetryPolicy
from stockbook.sources.plan import AccountPlan
from stockbook.sources.session import ReadingPool, Session
from stockbook.sources.walk_classes import WALKS


def extract(  # the seam the night calls, its order agreed with it
    account: Account,
    plan: AccountPlan,
    night_dir: Path,
    tables: dict[str, Table],
    hash_key: bytes,
    clock: Clock,
    progress: Progress,
    *,
    policy: RetryPolicy | None = None,
    credentials: Credentials | None = None,
    before: Path | None = None,
    limits: Limits | None = None,
    landed: Callable[[Path], None] | None = None,
    erasures: Erasures | None = None,
) -> list[Manifest]:
    """
    Land what ``plan`` asks of ``account`` under ``night_dir/<account>/<api>.<listing>/``.

    ``tables`` are all declarations by qualified name; a listing that feeds no table is not read. What
    an earlier attempt of the same night landed completely, for the same plan and declarations, is
    not read again. ``before`` is the folder of an earlier night: an answer that came then too is not projected
    again; an answer beyond ``limits`` is none. ``landed`` is told of each listing's folder once it is complete. Of
    people in ``erasures`` nothing lands. Gives
    one manifest per listing, in the order they are declared. Raises ConfigError without a hash key, and the first
    SourceError of any listing after the others stopped; what they landed stays.
    """
    if not hash_key:
        raise ConfigError(
            "Extraction needs a key for hashing personal data and got none: "
            "set STOCKBOOK_HASH_KEY (16 characters or more)."
        )
    with (
        Client(
            account,
            credentials or credentials_of(account, clock),
            clock,
            policy=policy,
            limits=limits,
            note=progress.note,
        ) as client,
        ThreadPoolExecutor(account.max_connections, thread_name_prefix=f"{account.conn_id} prefetch") as prefetching,
    ):
        session = Session(
            account=account,
            plan=plan,
            folder=night_dir / account.account,
            tables=tables,
            hash_key=hash_key,
            clock=clock,
            progress=progress,
            client=client,
            prefetching=prefetching,
            before=before / account.account if before is not None else None,
            landed=landed,
            forgotten=(erasures, account.account) if erasures else None,
        )
        return _read(session, _wanted(account, plan, tables))


def _wanted(account: Account, plan: AccountPlan, tables: dict[str, Table]) -> list[Listing]:
    """The listings that feed a table; a snapshot only where the run's now is the source's."""
    fed = {listing: of_listing(tables, listing.api, listing.name) for listing in listings.of_api(account.source)}
    return [
        listing
        for listing, fed_by in fed.items()
        if fed_by and (plan.takes_snapshot or not any(table.is_snapshot for table in fed_by))
    ]


def _read(session: Session, wanted: list[Listing]) -> list[Manifest]:
    walks = [WALKS[listing.walk](session, listing) for listing in wanted]
    first = [walk for walk in walks if walk.listing.read_first]
    rest = sorted((walk for walk in walks if not walk.listing.read_first), key=lambda walk: walk.turn)
    threads = ThreadPoolExecutor(session.account.max_connections, thread_name_prefix=session.account.conn_id)
    pool = ReadingPool(threads)
    manifests: dict[str, Manifest | None] = {}
    try:
        for walk in first:
            walk.begin(pool)
            manifests[walk.listing.name] = walk.read(pool)
        for walk in rest:
            walk.begin(pool)
        # those of many parts come last in turn: their parts are led from here while the others are read
        for walk in reversed(rest):
            manifests[walk.listing.name] = walk.read(pool)
    finally:
        session.client.stop()
        threads.shutdown(wait=True, cancel_futures=True)
    return [manifest for listing in wanted if (manifest := manifests[listing.name]) is not None]
