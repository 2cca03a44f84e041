"""Whatever a source sends of a listing, every row received is loaded, repeated or in quarantine, and counted so."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_ways import FAST, PLAIN

from conftest import a_run
from stockbook.checks.rules import of_table
from stockbook.clock import SystemClock
from stockbook.declarations import Table, of_listing
from stockbook.jsonscan import fast_path
from stockbook.jsonscan.fast_path import Thresholds, Warmth
from stockbook.landing.folder import ListingFolder
from stockbook.landing.manifest import Manifest
from stockbook.progress import Silent
from stockbook.projection.listing import Listing
from stockbook.projection.page import Projection
from stockbook.sources import listings
from stockbook.staging.load import Landed, load
from stockbook.warehouse.schema import create_all

KEY = b"a key of at least sixteen"
LISTINGS = {listing.name: listing for listing in (*listings.of_api("fulfillment_cz"), *listings.of_api("flickrocket"))}
GIVEN = {"delivery_places": {"deliveryId": 3}}


@pytest.fixture
def con(tables: dict[str, Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory, with the time zones that casts need."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_all(connection, tables)
        yield connection


class Source:
    """One listing: bodies in, staging out, the way a night goes but for the wire."""

    def __init__(self, listing: Listing, tables: dict[str, Table], con: duckdb.DuckDBPyConnection) -> None:
        self.listing, self.tables, self.con = listing, tables, con
        self.fed = of_listing(tables, listing.api, listing.name)

    def body(self, rows: Any) -> bytes:
        """A page of rows as the source wraps it."""
        if self.listing.envelope is not None:
            return json.dumps({self.listing.envelope[0]: rows}).encode()
        return json.dumps({"code": 200, "message": "", "totalCount": len(rows), "data": rows}).encode()

    def read(self, folder: Path, *bodies: bytes) -> Landed:
        """The bodies, walked as pages of one listing, landed."""
        subject = Projection(self.listing, self.fed, KEY)
        place = ListingFolder(folder / "night" / "main" / self.listing.folder, {}, "2026-03-01T02:15:00")
        part = place.part("whole")
        pages = [subject.read(body, GIVEN.get(self.listing.name)) for body in bodies]
        received = distinct = 0
        seen: set[Any] = set()
        for number, page in enumerate(pages):
            fresh = []
            for at, key in enumerate(page.keys):
                mark = key if key is not None else (number, at)
                if mark not in seen:
                    seen.add(mark)
                    fresh.append(at)
            received, distinct = received + len(page.keys), distinct + len(fresh)
            aside = {at: page.set_aside.get(at, []) for at in fresh}
            part.write(page.lines_at(fresh), len(fresh))
            part.refused.update((broken.reason, broken.path) for breaks in aside.values() for broken in breaks)
        part.commit(
            rows=received,
            distinct_keys=distinct,
            promised_total=distinct,
            proof="totalCount",
            repeated=received - distinct,
            waiting=0,
            passed=0,
        )
        manifest: Manifest = place.finish(
            api=self.listing.api, listing=self.listing.name, proof="totalCount", floor=0, ceiling=10**15
        )
        return Landed(manifest, place.path)

    def load(self, landed: Landed) -> None:
        """Into staging, whatever share is set aside."""
        load(self.con, a_run(), [landed], self.tables, SystemClock(), Silent(), quarantine_share=1)

    def forget(self) -> None:
        """Empty what an earlier load wrote."""
        written_to = ["meta.cursor", "meta.listing", "meta.loaded_rows", "meta.loaded_page", "staging.quarantine"]
        for table in self.fed:
            written_to += [table.name, *([f"{table.name}_history"] if table.history else [])]
        for name in written_to:
            self.con.execute(f"delete from {name}")

    def landed_by(self, way: Warmth, body: bytes) -> tuple[Any, ...]:
        """What a way of reading makes of a body."""
        fast_path.process = way
        subject = Projection(self.listing, self.fed, KEY, scanner_of=fast_path.Scanner)
        page = subject.read(body, GIVEN.get(self.listing.name))
        lines = [no_nulls(json.loads(line)) for line in page.lines.splitlines()]
        return page.keys, page.set_aside, page.mended, page.undeclared, lines

    def lost(self) -> list[tuple[Any, ...]]:
        """What the check that every table inherits finds."""
        return [
            row
            for table in self.fed
            for expectation in of_table(table)
            if expectation.name == "every row received is somewhere"
            for row in self.con.execute(expectation.bad_rows).fetchall()
        ]

    def received(self) -> int:
        """The rows of the latest load of the listing."""
        rows = self.con.execute("select sum(rows_received) from meta.listing").fetchall()
        return int(rows[0][0])

    def keys(self) -> set[str]:
        """The keys of the listing's rows that are in staging or in quarantine, also as the row of a part."""
        base = self.fed[0]
        keys_staged: set[str] = set()
        if not (base.source and base.source.rows):
            columns = [name for name in base.grain if name not in ("account", "snapshot_date")]
            texts_of_key = ", ".join(f"cast({name} as varchar)" for name in columns)
            keys_staged |= {
                key for (key,) in self.con.execute(f"select concat_ws('/', {texts_of_key}) from {base.name}").fetchall()
            }
        else:
            keys_staged |= {str(key) for (key,) in self.con.execute(f"select price_id from {base.name}").fetchall()}
        aside = self.con.execute("select row_key, parent_key from staging.quarantine").fetchall()
        return keys_staged | {key.removesuffix("/2026-03-01") for row in aside for key in row if key}


# a right row of every listing, as the source sends it
RIGHT: dict[str, Callable[[int], dict[str, Any]]] = {
    "stock_levels": lambda n: {"variant_id": n, "code": f"c{n}", "quantity": 1, "damaged_quantity": 0},
    "movements": lambda n: {
        "id": n, "variant_id": 7, "movement": "in", "price_per_unit": 4.10, "quantity": 2, "damaged_quantity": 0,
        "created": "2026-02-01 09:00:00",
    },
    "orders": lambda n: {
        "id": f"o{n}", "status": "sent", "created": "2026-02-01 09:00:00",
        "recipient": {"email": "a@b.cz", "city": "Brno"}, "delivery": {"id": 2, "value": 10.5},
        "payment": {"cod": True, "price": 1}, "expedition": {"status": "new", "problem": {"source": "packing"}},
        "products": [{"code": "A", "quantity": 1}, {"code": "B", "quantity": 2}],
        "packages": [{"id": f"p{n}", "items": [{"variantId": 1, "quantity": 1}, {"variantId": 2, "quantity": 1}]}],
        "stock_items": [{"variant_id": 1, "quantity": 1}],
    },
    "receivings": lambda n: {
        "id": n, "items": [{"variant_id": 1, "quantity": 1}], "stock_items": [{"variant_id": 1, "received_quantity": 1}]
    },
    "products": lambda n: {
        "id": n, "name": "a", "variants": [{"id": 10 * n, "tracking": {"lot_id": True}}, {"id": 10 * n + 1}]
    },
    "categories": lambda n: {"id": n, "parent": 0, "name": "A"},
    "deliveries": lambda n: {"id": n, "name": "PPL", "has_place": True},
    "delivery_places": lambda n: {"id": n, "place": "a", "city": "b"},
    "stock_requests": lambda n: {"id": n, "variant_id": 1, "quantity": 1, "created": "2026-02-01 09:00:00"},
    "replenishment_rules": lambda n: {"mastercase_code": f"m{n}", "variant_ext_code": "007", "mastercase_quantity": 6},
    "prices": lambda n: {
        "id": n, "title": "a", "currencies": [{"currency": "eur", "price": 100}],
        "countries": [{"country_code": "CH", "price": 1}],
    },
    "fulfillments": lambda n: {
        "id": f"f{n}", "created_at": "2026-02-01 09:00:00", "status": 0, "customer": {"country_code": "CZ"},
        "line_items": [{"id": 1, "Quantity": 1}, {"id": 2, "Quantity": 1}],
    },
    "currency_rates": lambda n: {"currency": f"c{n}", "date": "2026-02-01 00:00:00", "rate_to_eur": 25.1},
    "products of flickrocket": lambda n: {"id": n, "title": "a", "price_license_binding": [{"price_id": 1}]},
}  # fmt: skip
LISTINGS["products"] = next(listing for listing in listings.of_api("fulfillment_cz") if listing.name == "products")
LISTINGS["products of flickrocket"] = next(
    listing for listing in listings.of_api("flickrocket") if listing.name == "products"
)

# what stands where something else was expected
DAMAGE = [
    None, False, True, "", "0", 0, 1.5, [], {}, [[]], [{}], {"0": {}}, {"0": {"id": 1}, "2": {"id": 2}}, {"a": 1},
    [1, "x"], "text", 2**63 - 1, -(2**63), 10**30, "\0", "Brno \ud83d", [None],
]  # fmt: skip
# what JSON can say and Python's writer cannot; each takes the place of a mark
RAW = {"@inf@": b"1e400", "@digits@": b"9" * 5_000, "@deep@": b"[" * 5_000 + b"]" * 5_000, "@bytes@": b'"\xff\xfe"'}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a row."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield from places(inner, (*path, name))


@st.composite
def damaged(draw: st.DrawFn, name: str, rows: int = 4) -> list[Any]:
    """Rows of a listing, some of which are broken at some places, sent twice, or have a name that nobody declared."""
    rows_sent = [RIGHT[name](number) for number in range(1, rows + 1)]
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.sampled_from(rows_sent))
        path = draw(st.sampled_from(list(places(row))))
        holder: Any = row
        try:
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = deepcopy(draw(st.sampled_from([*DAMAGE, *RAW])))
        except (TypeError, IndexError, KeyError):
            continue  # an earlier damage took the place away
        if isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(st.sampled_from(["@twice@", "surprise", "_refused"]))] = 1
    if draw(st.booleans()):
        rows_sent.append(deepcopy(draw(st.sampled_from(rows_sent))))
    if draw(st.integers(0, 9)) == 0:
        rows_sent.append(deepcopy(draw(st.sampled_from(DAMAGE))))
    return rows_sent


def written(body: bytes) -> bytes:
    """The body with what its marks stand for, and a name given twice where one is marked."""
    for mark, token in RAW.items():
        body = body.replace(json.dumps(mark).encode(), token)
    return body.replace(b'"@twice@": 1', b'"id": 1, "id": 2')


def key_of(name: str, number: int) -> str:
    """The key that the right row has in staging, as text."""
    if name == "orders":
        return f"o{number}"
    if name == "fulfillments":
        return f"f{number}"
    if name == "currency_rates":
        return f"c{number}/2026-02-01"
    if name == "replenishment_rules":
        return f"m{number}/007"
    return f"3/{number}" if name == "delivery_places" else str(number)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RIGHT))
def test_no_row_is_lost_whatever_is_broken(
    name: str,
    con: duckdb.DuckDBPyConnection,
    tables: dict[str, Table],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows and parts broken at random: both ways of reading land the same; each row is in staging or quarantine."""
    listing = LISTINGS[name]
    monkeypatch.setattr(fast_path, "process", PLAIN)
    source = Source(listing, tables, con)

    examples = proof_size.of(ci=10 if name == "orders" else 4, proof=200)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        rows = data.draw(damaged(name))
        source.forget()
        body = written(source.body(rows))
        assert source.landed_by(PLAIN, body) == source.landed_by(FAST, body)
        columns_from = data.draw(st.sampled_from([0, 10**12]))
        monkeypatch.setattr(fast_path, "process", Warmth(Thresholds(pages_from=10**12, columns_from=columns_from)))
        source.load(source.read(tmp_path_factory.mktemp("night"), body))
        assert source.lost() == []
        assert source.received() == len(rows)
        assert {key_of(name, number) for number in named(name, rows)} <= source.keys()

    holds()


def named(name: str, rows: list[Any]) -> list[int]:
    """The numbers of the rows whose key is still what it was, and given once."""
    fields = key_fields(LISTINGS[name])
    return [
        number
        for number, row in enumerate(rows[:4], start=1)
        if isinstance(row, dict)
        and "@twice@" not in row
        and all(repr(row.get(field)) == repr(RIGHT[name](number).get(field)) for field in fields)
    ]


def key_fields(listing: Listing) -> tuple[str, ...]:
    """The fields that name a row."""
    return (*listing.key[:1], *listing.key_with)


def no_nulls(value: Any) -> Any:
    """Left out and null are the same to whoever reads a landed row."""
    if isinstance(value, dict):
        return {name: no_nulls(inner) for name, inner in value.items() if inner is not None}
    return [no_nulls(inner) for inner in value] if isinstance(value, list) else value
