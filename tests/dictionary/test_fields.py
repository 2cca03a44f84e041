"""The ledger of fields against the declarations, the SQL and the questions, both ways."""

from typing import Any

import msgspec
import pytest
import yaml
from checkout import PROJECT

from stockbook import declaration_files, declarations
from stockbook.dictionary import questions
from stockbook.dictionary.field_walk import Flow, complaints
from stockbook.models.order import steps
from stockbook.sources import field_ledger, listings
from stockbook.sources.field_ledger import Field

MODELS = PROJECT / "include" / "sql"
SOURCES = PROJECT / "include" / "sources"
BODIES = {
    source: yaml.safe_load((SOURCES / f"{source}_events.yml").read_text())["bodies"]
    for source in ("fulfillment_cz", "flickrocket", "shopline")
}


@pytest.fixture
def parts() -> dict[str, Any]:
    """What the ledger is held to, for a test to take something from."""
    tables = dict(declaration_files.load(MODELS))
    return {"tables": tables, "steps": steps(MODELS, tables), "questions": questions.read()}


def complaints_of(parts: dict[str, Any], ledger: field_ledger.Ledger | None = None) -> list[str]:
    """What does not hold."""
    return complaints(ledger or field_ledger.load(), Flow(**parts), BODIES)


def test_every_field_is_explained_and_what_is_kept_reaches_somebody(parts: dict[str, Any]) -> None:
    """No field without an entry, no entry without its field, nothing kept that no report and no question shows."""
    assert complaints_of(parts) == []


def test_every_topic_and_filter_has_its_entry() -> None:
    """The topics that are declared are those of the ledger, and each filter that a listing sends is used in it."""
    ledger = field_ledger.load()

    for source in BODIES:
        topics = yaml.safe_load((SOURCES / f"{source}_events.yml").read_text())["topics"]
        assert list(ledger.topics[source]) == list(topics)
    sent = [name for listing in listings.of_api("fulfillment_cz") for name, _ in listing.filters]
    assert [ledger.filters["fulfillment_cz.products"][name].way for name in sent] == ["used"]
    assert {field.way for fields in ledger.filters.values() for field in fields.values()} == {"used", "unused"}


def test_a_report_that_is_gone_leaves_fields_that_reach_nothing(parts: dict[str, Any]) -> None:
    """Without the report of carriers the events that date a delivery have nowhere to go."""
    del parts["tables"]["reports.carrier_transit"]

    gone = "it reaches nothing: reports.carrier_transit is no report and no question"
    assert f"fulfillment_cz OrderDelivered: {gone}" in complaints_of(parts)


def test_a_column_that_is_gone_leaves_a_field_without_its_place(parts: dict[str, Any]) -> None:
    """A mart that does not have the column any more, and a report whose SQL does not name it, are each told."""
    orders = parts["tables"]["marts.fct_order"]
    columns = {name: column for name, column in orders.columns.items() if name != "payment_key"}
    parts["tables"]["marts.fct_order"] = msgspec.structs.replace(orders, columns=columns)
    parts["questions"] = [
        question._replace(sql=question.sql.replace("is_business", "true")) for question in parts["questions"]
    ]

    missing = complaints_of(parts)

    assert "fulfillment_cz.orders payment.variable_symbol: there is no column fct_order.payment_key" in missing
    assert (
        "fulfillment_cz.orders recipient.company: fct_order.is_business does not reach What kind of orders is late?"
        in missing
    )


def test_a_declaration_and_the_ledger_are_held_to_each_other(parts: dict[str, Any]) -> None:
    """A new column is without an entry, a dropped column leaves an entry of nothing, another class is another way."""
    staged = parts["tables"]["staging.orders"]
    columns = dict(staged.columns)
    columns["loyalty"] = declarations.Column(type="varchar", description="New.", from_="loyalty")
    columns["has_note"] = declarations.Column(type="varchar", description="Now in clear.", from_="note")
    del columns["number"]
    parts["tables"]["staging.orders"] = msgspec.structs.replace(staged, columns=columns)

    assert complaints_of(parts) == [
        "fulfillment_cz.orders loyalty: the ledger has no entry",
        "fulfillment_cz.orders number: no declaration has such a field",
        "fulfillment_cz.orders note: it is kept, not counted",
    ]


def test_an_entry_says_why_and_where(parts: dict[str, Any]) -> None:
    """What is dropped names its reason, a filter what it is for, and a like names a field that is kept."""
    ledger = field_ledger.load()
    ledger.filters["fulfillment_cz.orders"]["ids"] = Field(way="used")
    ledger.headers["fulfillment_cz"]["Authorization"] = Field(way="dropped")
    ledger.bodies["fulfillment_cz"]["order.data.number"] = Field(
        way="kept", like="fulfillment_cz.orders recipient.surname"
    )

    nowhere = "it says the same as fulfillment_cz.orders recipient.surname, which is nowhere"
    assert complaints_of(parts, ledger) == [
        f"fulfillment_cz order.data.number: {nowhere}",
        "fulfillment_cz Authorization: it is dropped without a reason",
        "filter fulfillment_cz.orders ids: it must be used or unused, and say why",
    ]
