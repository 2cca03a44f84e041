"""What stays of rows and events of erased people: every personal column of every declaration is walked."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import PROJECT

from stockbook import declaration_files, declarations
from stockbook.connections import SOURCES
from stockbook.declarations import APIS, Table, of_layer, of_listing
from stockbook.erasure.personal_tables import personal_tables
from stockbook.projection.erased import HASHED, Plan, RowEraser, names_people
from stockbook.projection.erasures import NOBODY, Erasures, order_name
from stockbook.projection.fields import Shape, build
from stockbook.projection.page import Projection
from stockbook.projection.personal import hashed
from stockbook.sources import listings
from stockbook.webhooks.erased_events import EventErasers, plan_of_body
from stockbook.webhooks.event_fields import EVENTS

KEY = b"a key for tests, long enough"
AT = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
TABLES = declaration_files.load(PROJECT / "include" / "sql")
LISTED = [listing for api in APIS for listing in listings.of_api(api) if of_listing(TABLES, listing.api, listing.name)]
PERSONAL = ("hash", "prefix", "digits")


@pytest.fixture
def erasures(tmp_path: Path) -> Erasures:
    """An empty list."""
    return Erasures(tmp_path / "erasures.jsonl", KEY, AT)


def filled(shape: Shape, path: str = "") -> dict[str, Any]:
    """A landed row with a value in every field: a hash where one lands, each another one."""
    row: dict[str, Any] = {}
    for name, action in shape.leaves.items():
        where = f"{path}.{name}"
        row[name] = (
            hashed(where, KEY) if action in ("hash", "digits") else f"{where}!"[: 3 if action == "prefix" else 99]
        )
    row |= {name: filled(inner, f"{path}.{name}") for name, inner in shape.objects.items()}
    return row | {name: [filled(inner, f"{path}.{name}")] for name, inner in shape.arrays.items()}


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every leaf of a row by its path."""
    if isinstance(value, list):
        value = {str(at): part for at, part in enumerate(value)}
    if not isinstance(value, dict):
        return {path: value}
    return {where: leaf for name, inner in value.items() for where, leaf in leaves(inner, (*path, name)).items()}


def actions(shape: Shape, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """What a declaration says of each leaf of a filled row; "kept" of what is nobody's."""
    said = {}
    for name, action in shape.leaves.items():
        kind = "emptied" if name in shape.emptied else "renamed" if action in ("hash", "digits") else "kept"
        said[(*path, name)] = kind
    for name, inner in shape.objects.items():
        said |= actions(inner, (*path, name))
    for name, inner in shape.arrays.items():
        said |= actions(inner, (*path, name, "0"))
    return said


@pytest.mark.parametrize("listing", LISTED, ids=lambda listing: listing.folder)
def test_nothing_personal_stays_of_an_erased_row(listing: Any, erasures: Erasures) -> None:
    """Of each listing's row what is declared as emptied is null, each hash is another one, and nothing else changes."""
    shape = build(of_listing(TABLES, listing.api, listing.name), (*listing.key, *listing.key_with))
    row = filled(shape)
    before, said = leaves(row), actions(shape)
    assert before.keys() == said.keys()
    for kind, texts in (
        ("order", [order_name(listing.api, "main", row[listing.key[0]])]),
        ("value", [value for where, value in before.items() if said[where] == "renamed"]),
    ):
        for text in texts:
            erasures.add(kind, text)  # type: ignore[arg-type]  # a kind

    line = json.dumps(row).encode()
    erased = RowEraser(erasures, shape, listing.api, "main", listing.key).erase(line)

    after = leaves(json.loads(erased or line))
    for where, value in before.items():
        if said[where] == "kept":
            assert after[where] == value, where
        elif said[where] == "renamed":
            assert after[where].startswith(f"{NOBODY}-"), where
        else:
            assert after[where] is None, where


def test_every_personal_column_is_emptied_or_renamed() -> None:
    """A column that is declared personal tomorrow is covered: what its class says becomes of it, and staging has it."""
    covered = {(each.table.name, column) for each in personal_tables(TABLES) for column in each.emptied + each.renamed}
    of_people = {each.table.source.listing for each in personal_tables(TABLES) if each.table.source}

    assert {"orders", "fulfillments"} <= of_people
    for table in of_layer(TABLES, "staging"):
        for name, column in table.columns.items():
            assert (column.when_erased is not None) == (column.personal in PERSONAL or column.erased is not None)
            if column.when_erased == "emptied":
                assert (table.name, name) in covered


def test_a_personal_column_that_is_new_needs_no_other_word() -> None:
    """A prefix and a hash that nobody declared yet are in the plan of the row and in the table's columns."""
    orders = TABLES["staging.orders"]
    fresh = declarations.Column(type="varchar", description="x", from_="recipient.county", personal="prefix")
    other = declarations.Column(type="varchar", description="x", from_="recipient.token", personal="hash")
    table = Table("orders", "x", orders.columns | {"county": fresh, "token": other}, ["order_id"], "documents")
    table.layer, table.source = "staging", orders.source

    (each,) = personal_tables({"staging.orders": table})

    assert "county" in each.emptied
    assert "token" in each.renamed


def event_of(plan: Plan) -> dict[str, Any]:
    """An event with a hash, and a prefix, in every personal field of its body."""
    body: dict[str, Any] = {}
    for number, (name, inner) in enumerate(plan.items()):
        if not isinstance(inner, str):
            body[name] = [event_of(inner)]
        else:
            body[name] = hashed(f"{name} {number}", KEY) if inner == "renamed" else "110"
    return body


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_personal_stays_of_an_event_of_an_erased_order(source: str, erasures: Erasures) -> None:
    """Of every topic with personal fields no hash and no prefix stays, and a second pass finds nothing to do."""
    declared = yaml.safe_load((EVENTS / f"{source}_events.yml").read_text())
    erasures.add("order", order_name(source, "main", "o-1"))
    erasers, personal = EventErasers(erasures), 0
    for name, topic in declared["topics"].items():
        body = event_of(plan_of_body(declared["bodies"][topic["body"]]))
        if not body:
            continue
        personal += 1
        text = json.dumps(body)

        subject, payload = erasers.parts(source, "main", name, "o-1", text)

        assert subject == "o-1"
        assert payload is not None
        assert not HASHED.search(payload)
        assert '"110"' not in payload
        assert erasers.parts(source, "main", name, "o-1", payload) == (subject, payload)
    assert personal


def test_the_customer_of_an_event_is_nobody(erasures: Erasures) -> None:
    """FlickRocket tells of people by their hash: it goes from subject and body, also of a topic nobody declared."""
    person = hashed("7907900001", KEY) or ""
    erasures.add("person", person)
    erasers = EventErasers(erasures)
    body = json.dumps({"company_id": 1202, "data": {"type": "customer", "id": person}})

    assert erasers.parts("flickrocket", "main", "customer/update", person, body) == (
        NOBODY,
        '{"company_id":1202,"data":{"type":"customer","id":"erased"}}',
    )
    assert erasers.parts("flickrocket", "main", "customer/vanish", person, None) == (NOBODY, None)


def test_a_page_lands_without_who_was_forgotten(erasures: Erasures) -> None:
    """By the e-mail, whatever its case; another order of the page lands as it came, byte by byte."""
    listing = next(each for each in listings.of_api("fulfillment_cz") if each.name == "orders")
    fed = of_listing(TABLES, "fulfillment_cz", "orders")
    rows = [
        {
            "id": f"{number}0000000-0000-4000-8000-000000000000",
            "delivery": {"tracking_number": f"T{number}", "value": 1.50},
            "recipient": {"email": mail, "city": "Zlín", "zipcode": "760 01"},
        }
        for number, mail in enumerate(("anna@example.com", "ben@example.com"))
    ]
    body = json.dumps({"code": 200, "totalCount": 2, "data": rows}).encode()
    as_it_came = Projection(listing, fed, KEY).read(body)
    erasures.add("person", hashed(" ANNA@example.com", KEY) or "")

    page = Projection(listing, fed, KEY, forgotten=(erasures, "main")).read(body)

    first, second = page.lines.splitlines()
    assert second == as_it_came.lines.splitlines()[1]
    erased = json.loads(first)
    assert erased["recipient"] == {"email": None, "city": None, "zipcode": None}
    assert erased["delivery"]["tracking_number"] == erasures.renamed(hashed("T0", KEY) or "")
    assert erased["delivery"]["value"] == "1.5"
    assert page.lines_at([1]) == as_it_came.lines_at([1])
    # what the row showed is on the list from now on: other systems tell of the same parcel
    assert Erasures(erasures._file, KEY, AT).has("value", hashed("T0", KEY) or "")


def test_only_listings_about_people_ask_for_orders() -> None:
    """A product that has the number of an erased order of FlickRocket stays."""
    shape = build(of_listing(TABLES, "fulfillment_cz", "receivings"), ("id",))
    assert not names_people(plan_of_body({}))
    assert shape.emptied == set()
