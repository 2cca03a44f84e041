"""A new listing is an entry and a table's declaration: it is read, proved and loaded without a line of Python."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
import test_listing_contract as contract
from checkout import PROJECT

from conftest import a_run
from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.progress import Silent
from stockbook.projection.listing import Listing
from stockbook.sources import listings
from stockbook.staging.load import Landed, load
from stockbook.warehouse.schema import create_all
from stockbook_sandbox import state
from stockbook_sandbox.listings import routes
from stockbook_sandbox.query import Page, Query
from stockbook_sandbox.serving import Running, running
from stockbook_sandbox.shop import Shop

# what somebody adds to include/sources/fulfillment_cz_listings.yml
ENTRY = """\
invoices:
  about: Invoices for warehousing, one a month.
  path: /v2/fulfillment/invoices
  page_limit: 100
"""
# and include/sql/staging/invoices.yml
TABLE = """\
table: invoices
description: Invoices for warehousing.
grain: [account, invoice_id]
kind: snapshot
owner: finance
source: {api: fulfillment_cz, listing: invoices}
columns:
  invoice_id: {type: bigint, from: id, required: true, description: "Number of the invoice."}
  amount: {type: "decimal(24, 12)", from: amount, unit: valuation currency, description: "Amount without VAT."}
  created_at: {type: timestamp, from: created, description: "Local wall clock of the invoice."}
"""
INHERITED = (
    contract.test_every_row_lands_once,
    contract.test_a_short_page_is_not_the_end,
    contract.test_no_page_is_asked_for_beyond_its_cap,
    contract.test_a_wrong_total_is_red,
    contract.test_a_refusal_names_the_connection,
    contract.test_an_undeclared_field_is_reported_and_stored_nowhere,
    contract.test_nothing_personal_lands,
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.small(seed=5)


def invoices(query: Query, clock: int) -> Page:
    """The sandbox's answer: twelve invoices."""
    offset, limit = query.window(30, 100)
    rows = [{"id": n, "amount": 100 * n, "created": f"2025-{n:02}-01 09:00:00"} for n in range(1, 13)]
    return Page([msgspec.json.encode(row) for row in rows[offset : offset + limit]], len(rows))


@pytest.fixture
def sandbox(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A sandbox with one more line in its routes."""
    monkeypatch.setattr(state, "routes", lambda fulfillment: {**routes(fulfillment), "invoices": invoices})
    with running(shop, contract.NOW) as served:
        yield served


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder of sources, copied."""
    folder = tmp_path / "include" / "sources"
    shutil.copytree(PROJECT / "include" / "sources", folder)
    monkeypatch.setattr(listings, "FOLDER", folder)
    return folder


@pytest.fixture
def declared(sources: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Listing, dict[str, Table]]:
    """The listing and all tables, once the two texts are added."""
    with (sources / "fulfillment_cz_listings.yml").open("a") as file:
        file.write(ENTRY)
    models = sources.parent / "sql"
    for layer in ("staging", "meta"):
        shutil.copytree(PROJECT / "include" / "sql" / layer, models / layer)
    shutil.copy(PROJECT / "include" / "sql" / "columns.yml", models)
    (models / "staging" / "invoices.yml").write_text(TABLE)
    tables = declaration_files.load(models)
    monkeypatch.setattr(contract, "TABLES", tables)
    return listings.of_api("fulfillment_cz")[-1], tables


@pytest.mark.parametrize("inherited", INHERITED, ids=lambda inherited: inherited.__name__)
def test_it_inherits_the_contract_of_listings(
    inherited: Callable[[Running, Path, Listing], None],
    declared: tuple[Listing, dict[str, Table]],
    sandbox: Running,
    tmp_path: Path,
) -> None:
    """It is proved complete, a wrong total is red, nothing undeclared is stored: as of every other listing."""
    inherited(sandbox, tmp_path, declared[0])


def test_its_rows_are_loaded(
    declared: tuple[Listing, dict[str, Table]], sandbox: Running, tmp_path: Path, clock: ManualClock
) -> None:
    """The table is made, filled and typed from its declaration."""
    listing, tables = declared
    manifest, _ = contract.read(sandbox, listing, tmp_path)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        create_all(con, tables)
        load(con, a_run(), [Landed(manifest, tmp_path / "main" / listing.folder)], tables, clock, Silent(), 0.01)
        rows = con.execute("select invoice_id, amount, created_at from staging.invoices order by all").fetchall()

    assert rows == [(n, 100 * n, datetime(2025, n, 1, 9)) for n in range(1, 13)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pth": "/x"}, "unknown field `pth`"),
        ({"page_limit": "many"}, r"Expected `int \| null`, got `str` - at `\$.page_limit`"),
        ({"walk": "sideways"}, r"Invalid enum value 'sideways' - at `\$.walk`"),
        ({"path": "invoices"}, "path must begin with a slash; got 'invoices'"),
        ({"key": []}, "key must name at least one field"),
        ({"walk": "once_per_row"}, "each must be declared, for walk once_per_row needs it"),
        ({"one_path": "/invoices/1"}, "one_path must have {id} in it"),
        ({"each": {"listing": "deliveries", "where": "a", "key": "id", "parameter": "b"}}, "walk must be once_per_row"),
        (
            {"walk": "once_per_row", "each": {"listing": "parcels", "where": "a", "key": "id", "parameter": "b"}},
            "each.listing must be declared above it; got 'parcels'",
        ),
    ],
)
def test_a_wrong_declaration_names_file_listing_and_field(
    changes: dict[str, Any], message: str, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says where to look, and what was expected."""
    entry = {"about": "Invoices.", "path": "/v2/fulfillment/invoices", **changes}
    with (sources / "fulfillment_cz_listings.yml").open("a") as file:
        file.write(f"invoices: {msgspec.json.encode(entry).decode()}\n")

    with pytest.raises(DeclarationError, match=f"^fulfillment_cz_listings.yml: listing invoices: .*{message}"):
        listings.of_api("fulfillment_cz")


def test_a_file_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its listings an API cannot be read."""
    monkeypatch.setattr(listings, "FOLDER", tmp_path)

    with pytest.raises(DeclarationError, match=r"fulfillment_cz_listings\.yml cannot be read"):
        listings.of_api("flickrocket")


def test_every_table_names_a_listing_that_is_declared(tables: dict[str, Table]) -> None:
    """A slip in ``source`` would leave a table empty for ever."""
    named = {(table.source.api, table.source.listing) for table in tables.values() if table.source is not None}

    assert named == {(listing.api, listing.name) for listing in contract.ALL}
