"""Keeping the store small: what no night of an account needs any more is removed, one account after the other."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from stockbook import retention_policy
from stockbook.errors import RunLocked
from stockbook.fleet.control import Book
from stockbook.fleet.holding import hold
from stockbook.fleet.home_index import needed, opened, read_index
from stockbook.fleet.store import Store
from stockbook.fleet.work import Fleet
from stockbook.landing.manifest import MANIFEST, Manifest
from stockbook.settings import Settings


def prune_accounts(fleet: Fleet) -> Iterator[str]:
    """Prune every account that nobody works on; a sentence for each that had something, or was left for later."""
    for account in fleet.control.books():
        try:
            with hold(fleet.control, account, "maintain", "maintain") as holding:
                settings = fleet.settings_of(fleet.listed_or_former(account))
                count = prune(fleet.store, holding.book(), first_night(settings, fleet.control.now()))
        except RunLocked as busy:
            yield f"{account}: left to the next time. {busy}"
            continue
        if count:
            yield f"{account}: {count} objects of the store removed."


def first_night(settings: Settings, now: datetime) -> datetime:
    """When the oldest landed night was opened that an account keeps, by its own policies."""
    return now - timedelta(days=retention_policy.of(settings).landed_pages_days)


def prune(store: Store, book: Book, oldest: datetime, books: int = 14, *, is_dry: bool = False) -> int:
    """
    Remove from the store what no night of an account needs any more, or only look; how many objects.

    Those are nights opened before ``oldest``, listings that were never brought whole, pages of none, and all but the
    newest ``books`` of books, at least those that are pointed to. To be called while the account is held.
    """
    if book.home is None:
        return 0
    account, index = book.account, read_index(store, book.home)
    staying = set(needed(index)) | {night for night, marks in index.nights.items() if opened(marks) >= oldest}
    landed = store.list(f"landing/{account}/")
    whole = {key.removesuffix(f"/{MANIFEST}") for key in landed if key.endswith(f"/{MANIFEST}")}
    gone = [key for key in landed if key.split("/")[2] not in staying or key.rpartition("/")[0] not in whole]
    manifests = [key for key in landed if key.endswith(f"/{MANIFEST}") and key not in set(gone)]
    pages = {
        page.sha256
        for content in store.get_many(manifests)
        for page in msgspec.json.decode(content, type=Manifest).pages
    }
    gone += [key for key in store.list(f"pages/{account}/") if key.rpartition("/")[2] not in pages]
    for kind, current in (("homes", {book.home}), ("books", {book.latest_book, book.published_book, index.book})):
        keys = sorted(store.list(f"{kind}/{account}/"))
        older = keys[: max(0, len(keys) - books * (3 if kind == "homes" else 1))]
        gone += [key for key in older if key not in current]
    if not is_dry:
        store.delete(gone)
    return len(gone)
