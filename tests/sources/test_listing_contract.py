"""
What every listing keeps, whatever it is: a new one inherits these tests by being declared.

Each reads one listing alone from the sandbox, over real HTTP, with the project's own declarations.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from checkout import PROJECT
from loopback import account_at

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.declarations import APIS, of_listing
from stockbook.errors import ListingIncomplete, SourceError, Unauthorized
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import lines_of
from stockbook.progress import Silent
from stockbook.projection.listing import Listing
from stockbook.projection.undeclared_names import ENOUGH, Names
from stockbook.sources import endpoint_docs, listings
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan
from stockbook_sandbox.people import PERSONAL_PATTERN
from stockbook_sandbox.serving import Running, running
from stockbook_sandbox.shop import Shop

TABLES = declaration_files.load(PROJECT / "include" / "sql")
NOW = datetime(2025, 11, 24, 2, 15)
ALL = [listing for api in APIS for listing in listings.of_api(api)]
BY_NAME = {(listing.api, listing.name): listing for listing in ALL}

# documented maxima below the usual 1,000
CAPS = {"orders": 100, "products": 100}

every_listing = pytest.mark.parametrize("listing", ALL, ids=[listing.folder for listing in ALL])
# where the source neither pages nor tells a total, nothing could tell a part from the whole
with_proof = pytest.mark.parametrize(
    "listing",
    [listing for listing in ALL if listing.proof != "empty page" or listing.page_limit is not None],
    ids=lambda listing: listing.folder,
)
with_total = pytest.mark.parametrize(
    "listing", [listing for listing in ALL if listing.proof != "empty page"], ids=lambda listing: listing.folder
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.small(seed=5)


@pytest.fixture
def sandbox(shop: Shop) -> Iterator[Running]:
    with running(shop, NOW) as served:
        yield served


def read(sandbox: Running, listing: Listing, folder: Path) -> tuple[Manifest, list[dict[str, Any]]]:
    """The manifest and the landed rows of one listing, read with only what it needs beside it."""
    names = {listing.name} | ({listing.each.listing} if listing.each else set())
    tables = {table.name: table for name in names for table in of_listing(TABLES, listing.api, name)}
    plan = AccountPlan(api=listing.api, account="main", as_of=NOW, zone="Europe/Prague", orders_to=NOW.date())
    account = account_at(sandbox.url, listing.api, password=sandbox.token)
    clock = ManualClock(datetime(2025, 11, 24, 1, 15, tzinfo=UTC))
    manifests = extract(account, plan, folder, tables, b"k" * 16, clock, Silent())
    manifest = next(manifest for manifest in manifests if manifest.listing == listing.name)
    lines = lines_of(folder / "main" / listing.folder, manifest.pages)
    return manifest, [json.loads(line) for line in lines]


def shown(sandbox: Running, listing: Listing) -> list[tuple[str, ...]]:
    """The keys the sandbox shows to somebody who simply pages through it, sorted."""
    if listing.each is None:
        return sorted(_paged(sandbox, listing, {}))
    each = listing.each
    above = _rows(sandbox, BY_NAME[listing.api, each.listing], {})
    return sorted(
        (str(row[each.key]), *key)
        for row in above
        if row[each.where]
        for key in _paged(sandbox, listing, {each.parameter: row[each.key]})
    )


def _paged(sandbox: Running, listing: Listing, filters: dict[str, Any]) -> set[tuple[str, ...]]:
    keys_shown: set[tuple[str, ...]] = set()
    for number in range(1000):
        rows = _rows(
            sandbox,
            listing,
            {**dict(listing.filters), **filters, "offset": len(keys_shown), "limit": 25, "Page": number + 1},
        )
        keys = {_key(listing, row) for row in rows}
        if keys <= keys_shown:
            return keys_shown
        keys_shown |= keys
    raise AssertionError("the sandbox never ended")


def _rows(sandbox: Running, listing: Listing, query: dict[str, Any]) -> list[dict[str, Any]]:
    token = sandbox.token if listing.api == "fulfillment_cz" else f"Bearer {sandbox.token}"
    answer = requests.get(sandbox.url + listing.path, query, headers={"Authorization": token}, timeout=10).json()
    if listing.envelope is None:
        return list(answer["data"])
    plural, singular = listing.envelope
    return answer[plural] if plural in answer else [answer[singular]]


def _key(listing: Listing, row: dict[str, Any]) -> tuple[str, ...]:
    key = next(row[name] for name in listing.key if name in row)
    return str(key), *(str(row[name]) for name in listing.key_with)


def landed(listing: Listing, rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    above = (listing.each.parameter,) if listing.each else ()
    return sorted((*(str(row[name]) for name in above), *_key(listing, row)) for row in rows)


@every_listing
def test_every_row_lands_once(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """What lands is what the sandbox shows, each row once, nothing refused, nothing undeclared, and proved."""
    manifest, rows = read(sandbox, listing, tmp_path)

    assert landed(listing, rows) == shown(sandbox, listing) != []
    assert (manifest.complete, manifest.distinct_keys) == (True, len(rows))
    assert (manifest.undeclared, manifest.refused) == ([], [])
    assert manifest.promised_total in (len(rows), None)
    assert (manifest.promised_total is None) == (listing.proof == "empty page")


@with_proof
def test_a_short_page_is_not_the_end(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """Where the server serves fewer rows than asked for, the same rows land; FlickRocket has no offsets: red."""
    sandbox.faults([{"kind": "short_page", "rows": 3, "path": listing.path}])
    if listing.envelope is not None:
        with pytest.raises(ListingIncomplete, match=listing.name):
            read(sandbox, listing, tmp_path)
        return
    _, rows = read(sandbox, listing, tmp_path)

    assert sandbox.fault_hits()[0]["hits"] > 0
    assert landed(listing, rows) == shown_quietly(sandbox, listing)


def shown_quietly(sandbox: Running, listing: Listing) -> list[tuple[str, ...]]:
    sandbox.faults([])
    return shown(sandbox, listing)


@every_listing
def test_no_page_is_asked_for_beyond_its_cap(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """Every request asks for the declared number of rows (or one, to learn a total), within the documented cap."""
    queries = {"any": "limit=", "declared": f"limit={listing.page_limit}&", "one": "limit=1&"}
    sandbox.faults([{"kind": "stall", "seconds": 0, "path": listing.path, "query": part} for part in queries.values()])
    read(sandbox, listing, tmp_path)
    hits = dict(zip(queries, (rule["hits"] for rule in sandbox.fault_hits()), strict=True))

    assert (listing.page_limit or 0) <= CAPS.get(listing.path.rsplit("/", 1)[-1], 1000)
    assert hits["any"] == hits["declared"] + hits["one"]
    assert (hits["declared"] > 0) == (listing.page_limit is not None)


@with_total
def test_a_wrong_total_is_red(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """One row more promised than there is: an error that names the listing, and no manifest."""
    sandbox.faults([{"kind": "wrong_total", "path": listing.count_path or listing.path}])
    with pytest.raises(SourceError, match=listing.name):
        read(sandbox, listing, tmp_path)

    assert not (tmp_path / "main" / listing.folder / "manifest.json").exists()


@every_listing
def test_a_refusal_names_the_connection(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """401 is final and says which connection, and never the token."""
    sandbox.faults([{"kind": "status", "status": 401, "path": listing.path}])
    with pytest.raises(Unauthorized, match=f"connection {listing.api} ") as error:
        read(sandbox, listing, tmp_path)

    assert sandbox.token not in str(error.value)
    assert sandbox.fault_hits()[0]["hits"] <= 4  # a thread each at most, none twice


@every_listing
def test_an_undeclared_field_is_reported_and_stored_nowhere(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """Path and type stand in the manifest, of ten rows on by name; its value is in no file; all rows land."""
    name = listing.key[0]
    text = f'"surprise":"unexpected-value","{name}":'
    sandbox.faults([{"kind": "replace", "path": listing.path, "find": f'"{name}":', "text": text}])
    manifest, rows = read(sandbox, listing, tmp_path)

    reported = {(field.path, field.json_type): field.rows for field in manifest.undeclared}
    path = "surprise" if len(rows) >= ENOUGH else Names(b"k" * 16).hidden("", "surprise")
    assert reported.get((path, "string"), 0) == len(rows)
    assert landed(listing, rows) == shown_quietly(sandbox, listing)
    assert "unexpected-value" not in json.dumps(rows)


@every_listing
def test_nothing_personal_lands(sandbox: Running, tmp_path: Path, listing: Listing) -> None:
    """No value of a person the sandbox invents is in a landed row or a manifest."""
    manifest, rows = read(sandbox, listing, tmp_path)

    texts = [json.dumps(rows, ensure_ascii=False).encode(), repr(manifest).encode()]
    assert not any(PERSONAL_PATTERN.search(text) for text in texts)


@every_listing
def test_it_feeds_a_table_keyed_by_its_key(listing: Listing) -> None:
    """A listing has a staging table, and every field of its key is a column of that table or of its parts."""
    fed = of_listing(TABLES, listing.api, listing.name)
    wire = {path.lstrip("^.") for table in fed for column in table.columns.values() for path in column.paths}

    assert fed
    assert {listing.key[0], *listing.key_with} <= wire


def test_the_sheet_of_sources_is_what_the_declarations_say() -> None:
    """docs/sources.md is generated: ``python -m stockbook.sources.endpoint_docs > docs/sources.md``."""
    assert endpoint_docs.FILE.read_text() == endpoint_docs.render(TABLES)
