"""
The proof for a fleet: every object of some accounts in the store, the lake's files, and both databases are searched.

Each object is brought to this disk and searched there as a file of a home is: books and pages unpacked, the small files
of an index each for itself.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

import msgspec

from stockbook.erasure.search import Hit, Search
from stockbook.fleet import packed_books, proof_place
from stockbook.fleet.home_index import Index
from stockbook.fleet.lake import catalog
from stockbook.fleet.work import Fleet

_KINDS = ("books", "homes", "landing", "pages", "kept", "reports")
_AT_ONCE, _ROWS = 64, 10_000
_BOOK = ".duckdb.zst"
Item = TypeVar("Item")


def accounts_in_store(fleet: Fleet) -> set[str]:
    """The accounts that the store has a home of, whether the fleet still has them or not."""
    return {key.split("/")[1] for key in fleet.store.list("homes/")}


def hits(fleet: Fleet, search: Search, accounts: Collection[str]) -> list[Hit]:
    """Where something is found in all there is of some accounts. Raises StoreUnavailable, LakeUnavailable."""
    hits = set(_in_databases(fleet, search, accounts))
    with proof_place.opened(fleet.shared.scratch) as place:
        for some in _some(_keys(fleet, accounts), _AT_ONCE):
            small = [key for key in some if not key.endswith(_BOOK)]
            for key, content in zip(small, fleet.store.get_many(small), strict=True):
                for name, part in _parts(key, content):
                    with NamedTemporaryFile(dir=place, suffix=Path(name).suffix) as file:
                        file.write(part)
                        file.flush()
                        hits |= search.hits_of(Path(file.name), name)
            for key in set(some).difference(small):
                name = key.removesuffix(".zst")
                with NamedTemporaryFile(dir=place, suffix=Path(name).suffix) as file:
                    packed_books.fetch(fleet.store, key, Path(file.name))
                    hits |= search.hits_of(Path(file.name), name)
    return sorted(hits)


def _keys(fleet: Fleet, accounts: Collection[str]) -> Iterator[str]:
    for kind in _KINDS:
        for account in sorted(accounts):
            yield from sorted(fleet.store.list(f"{kind}/{account}/"))
    parts = {f"account={account}" for account in accounts}
    yield from sorted(key for key in fleet.store.list("lake/") if not parts.isdisjoint(key.split("/")))


def _some(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, count)):
        yield some


def _parts(key: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """An object, and what is in it where it is an index; each as it is called and stored in a home."""
    yield f"{key}.zst" if key.startswith("pages/") else key, content
    if key.startswith("homes/"):
        index = msgspec.json.decode(content, type=Index)
        marks = {f"{night}/{mark}": text for night, marks in index.nights.items() for mark, text in marks.items()}
        for name, text in (index.files | marks).items():
            yield f"{key.removesuffix('.json')}/{name}", text


def _in_databases(fleet: Fleet, search: Search, accounts: Collection[str]) -> Iterator[Hit]:
    with fleet.control.opened() as con:
        yield from _in_rows("control database", catalog.texts(con, accounts), search)
    with catalog.connected(fleet.lake.url) as con:
        yield from _in_rows("catalog of the lake", catalog.texts(con, accounts), search)


def _in_rows(place: str, texts: Iterable[tuple[str, str]], search: Search) -> Iterator[Hit]:
    for some in _some(texts, _ROWS):
        by_table: dict[str, list[str]] = {}
        for table, text in some:
            by_table.setdefault(table, []).append(text)
        for table, rows in by_table.items():
            for encoding in search.encodings_in("\n".join(rows).encode()):
                yield Hit(f"{place}: {table}", encoding)
