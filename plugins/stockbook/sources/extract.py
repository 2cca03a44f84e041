"""
Reading one account: every listing walked, projected and landed.

Stock is read first, because it is compared with the ledger as of that moment; everything else is
read side by side over one session and one budget. Memory does not grow with the number of pages:
each thread holds one.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.declarations import Table, of_listing
from stockbook.errors import ConfigError
from stockbook.landing.manifest import Manifest
from stockbook.progress import Progress
from stockbook.sources import flickrocket, fulfillment_cz, walks
from stockbook.sources.credentials import credentials_of
from stockbook.sources.documents import Documents, finished, watching
from stockbook.sources.http import Client, RetryPolicy
from stockbook.sources.listing import Listing
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import BACKFILL, WHOLE, Reader, Session

LISTINGS: dict[str, tuple[Listing, ...]] = {
    fulfillment_cz.API: fulfillment_cz.LISTINGS,
    flickrocket.API: flickrocket.LISTINGS,
}


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
) -> list[Manifest]:
    """
    Land what ``plan`` asks of ``account`` under ``night_dir/<account>/<api>.<listing>/``.

    ``tables`` are all declarations by qualified name; a listing that feeds no table is not read. What
    an earlier attempt of the same night landed completely, for the same plan and declarations, is
    not read again. Gives one manifest per listing, in the order they are declared. Raises
    ConfigError without a hash key, and the first SourceError of any listing after the others
    stopped; what they landed stays.
    """
    if not hash_key:
        raise ConfigError(
            "Extraction needs a key for hashing personal data and got none: "
            "set STOCKBOOK_HASH_KEY (16 characters or more)."
        )
    with (
        Client(account, credentials_of(account), clock, policy=policy) as client,
        ThreadPoolExecutor(account.max_connections, thread_name_prefix=f"{account.conn_id} ahead") as ahead,
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
            ahead=ahead,
        )
        return _read(session, _wanted(account, plan, tables))


def _wanted(account: Account, plan: AccountPlan, tables: dict[str, Table]) -> list[Listing]:
    return [
        listing
        for listing in LISTINGS[account.source]
        if of_listing(tables, listing.api, listing.name) and (plan.takes_snapshot or not listing.is_snapshot)
    ]


def _read(session: Session, listings: list[Listing]) -> list[Manifest]:
    done = {listing.name: _land(session, listing) for listing in listings if listing.read_first}
    rest = [listing for listing in listings if listing.name not in done]
    documents = [listing for listing in rest if listing.walk == "documents"]
    pool = ThreadPoolExecutor(session.account.max_connections, thread_name_prefix=session.account.conn_id)
    try:
        # the ledger is one long chain of pages: it starts first and the others fill the free threads
        ordered = sorted(rest, key=lambda listing: listing.walk != "ledger")
        others = {
            listing.name: pool.submit(_land, session, listing) for listing in ordered if listing.walk != "documents"
        }
        readers = [Documents(session, listing, pool, watching(others)) for listing in documents]
        for reader in readers:
            reader.begin()
        ledgers = [others[listing.name] for listing in rest if listing.names_orders]
        for reader in readers:
            done[reader.listing.name] = reader.finish(others, ledgers)
        finished(list(others.values()))
        done |= {name: future.result() for name, future in others.items()}
    finally:
        session.client.stop()
        pool.shutdown(wait=True, cancel_futures=True)
    return [done[listing.name] for listing in listings]


def _land(session: Session, listing: Listing) -> Manifest:
    """Read a listing that is a single part."""
    session.client.go_on()
    began = session.clock.monotonic()
    reader = Reader(session, listing)
    before = reader.landed()
    if before is not None:
        if listing.names_orders is not None:
            session.named[listing.name] = reader.recalled(before.pages, listing.names_orders)
        return before
    folder = reader.folder()
    if listing.walk == "ledger":
        floor = session.plan.movements_floor
        walk = partial(walks.ledger, name=reader.title, floor=floor, full=listing.page_limit)
        unit = reader.part(folder, WHOLE, walk, filters={"idFrom": floor or None})
        asked = session.plan.backfill if floor else None
        if asked is not None:
            days = {"dateFrom": asked[0], "dateTo": asked[1]}
            older = partial(walks.older, name=f"{reader.title} backfill", floor=floor, full=listing.page_limit)
            reader.part(folder, BACKFILL, older, filters=days)
        session.named[listing.name] = reader.named
        return reader.finish(
            folder,
            began,
            proof=unit.proof,
            floor=floor,
            ceiling=unit.ceiling,
            backfill_from=asked[0].isoformat() if asked else None,
            backfill_to=asked[1].isoformat() if asked else None,
        )
    if listing.page_limit is None:
        unit = reader.part(folder, WHOLE, partial(walks.whole, name=reader.title, proof=listing.proof))
    else:
        paged = partial(walks.listing, name=reader.title, full=listing.page_limit, proof=listing.proof)
        unit = reader.part(folder, WHOLE, paged)
    return reader.finish(folder, began, proof=unit.proof)
