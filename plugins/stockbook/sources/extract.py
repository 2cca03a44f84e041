"""
Reading one account: every listing walked, projected and landed.

Stock is read first, because it is compared with the ledger as of that moment; everything else is
read side by side over one session and one budget. Memory does not grow with the number of pages:
each thread holds one.
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from stockbook.bounded_http import Limits
from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.declarations import Table, of_listing
from stockbook.errors import BadAnswer, ConfigError, Unauthorized
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import REASON, lines_of
from stockbook.progress import Progress
from stockbook.projection.listing import Each, Listing
from stockbook.sources import flickrocket, fulfillment_cz, walks
from stockbook.sources.credentials import Credentials, credentials_of
from stockbook.sources.fulfillment_window import Followed
from stockbook.sources.http import Client, RetryPolicy
from stockbook.sources.orders_by_day import Documents, finished, watching
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import BACKFILL, WHOLE, PageWalk, Reader, Session

LISTINGS: dict[str, tuple[Listing, ...]] = {
    fulfillment_cz.API: fulfillment_cz.LISTINGS,
    flickrocket.API: flickrocket.LISTINGS,
}

# an account without the right or the product answers one of these
_NOT_SERVED = (403, 404)
_NO = ("0", "false", "none", "")
# walks of many parts, led from the thread that waits for them
_COORDINATED: dict[str, type[Documents] | type[Followed]] = {"documents": Documents, "followed": Followed}


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
) -> list[Manifest]:
    """
    Land what ``plan`` asks of ``account`` under ``night_dir/<account>/<api>.<listing>/``.

    ``tables`` are all declarations by qualified name; a listing that feeds no table is not read. What
    an earlier attempt of the same night landed completely, for the same plan and declarations, is
    not read again. ``before`` is the folder of an earlier night: an answer that came then too is not projected
    again; an answer beyond ``limits`` is none. Gives one manifest per listing, in the order they are declared. Raises
    ConfigError without a hash key, and the first SourceError of any listing after the others
    stopped; what they landed stays.
    """
    if not hash_key:
        raise ConfigError(
            "Extraction needs a key for hashing personal data and got none: "
            "set STOCKBOOK_HASH_KEY (16 characters or more)."
        )
    with (
        Client(account, credentials or credentials_of(account, clock), clock, policy=policy, limits=limits) as client,
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
            before=before / account.account if before is not None else None,
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
    documents = [listing for listing in rest if listing.walk in _COORDINATED]
    pool = ThreadPoolExecutor(session.account.max_connections, thread_name_prefix=session.account.conn_id)
    try:
        # the ledger is one long chain of pages: it starts first and the others fill the free threads
        ordered = sorted((one for one in rest if one.walk not in _COORDINATED), key=lambda one: one.walk != "ledger")
        others: dict[str, Future[Manifest | None]] = {
            listing.name: pool.submit(_land, session, listing) for listing in ordered if listing.each is None
        }
        # begun after what it waits for, so that the last free thread is never one that waits
        for listing in ordered:
            if listing.each is not None:
                others[listing.name] = pool.submit(_land_each, session, listing, others[listing.each.listing])
        readers = [_COORDINATED[listing.walk](session, listing, pool, watching(others)) for listing in documents]
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
    return [manifest for listing in listings if (manifest := done[listing.name]) is not None]


def _land(session: Session, listing: Listing) -> Manifest | None:
    """Read a listing that is a single part; None for one that the source does not serve and need not."""
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
        for part in folder.units.values():
            reader.named |= reader.recalled(part.pages, listing.names_orders or "")
        unit = folder.units.get(WHOLE) or reader.part(folder, WHOLE, walk, filters={"idFrom": floor or None})
        asked = session.plan.backfill if floor else None
        if asked is not None and BACKFILL not in folder.units:
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
    try:
        unit = folder.units.get(WHOLE) or reader.part(folder, WHOLE, _walk_of(listing, reader.title))
    except (BadAnswer, Unauthorized) as refused:
        if not listing.where_served or refused.status not in _NOT_SERVED or listing.name in session.plan.read_before:
            raise
        session.progress.finish(reader.title, f"not served to this account (status {refused.status})")
        return None
    return reader.finish(folder, began, proof=unit.proof)


def _walk_of(listing: Listing, title: str) -> PageWalk:
    if listing.walk == "pages":
        return partial(walks.pages, name=title, proof=listing.proof)
    if listing.page_limit is None:
        return partial(walks.whole, name=title, proof=listing.proof)
    return partial(walks.listing, name=title, full=listing.page_limit, proof=listing.proof)


def _land_each(session: Session, listing: Listing, above: Future[Manifest | None]) -> Manifest | None:
    """Read a listing once for each row of another one that asks for it; one part each."""
    each = listing.each
    parent = above.result()
    if each is None or parent is None:
        return None
    session.client.go_on()
    began = session.clock.monotonic()
    reader = Reader(session, listing)
    before = reader.landed()
    if before is not None:
        return before
    folder = reader.folder()
    asked = _asked_of(session, each, parent)
    parts = {number: f"{each.parameter} {number}" for number in asked}
    if not folder.units.keys() <= set(parts.values()):
        folder.clear()  # an earlier attempt of the night read what is not asked for any more
    session.progress.start(reader.title, None)
    for number, part in parts.items():
        if part not in folder.units:
            title = f"{reader.title} of {each.parameter} {number}"
            reader.part(
                folder, part, _walk_of(listing, title), filters={each.parameter: number}, given={each.parameter: number}
            )
    return reader.finish(folder, began, proof=listing.proof)


def _asked_of(session: Session, each: Each, parent: Manifest) -> list[int]:
    rows = (json.loads(line) for line in lines_of(session.folder / f"{parent.api}.{parent.listing}", parent.pages))
    # of a row that is set aside nobody knows: that its own rows did not come must not mean that they are gone
    asked = [row for row in rows if str(row.get(each.where)).lower() not in _NO or REASON in row]
    return sorted({int(key) for row in asked if str(key := row.get(each.key)).isdigit()})
