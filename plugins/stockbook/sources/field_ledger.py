"""
The ledger of fields: what became of every field, filter, event and header of the sources' pages.

It is ``include/sources/fields.yml``. ``dictionary/field_walk`` holds it to the declarations, both ways; docs/sources.md
prints it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.declarations import APIS, Column, Table, of_listing
from stockbook.errors import DeclarationError
from stockbook.project import SHIPPED
from stockbook.sources import listings

FILE = SHIPPED / "include" / "sources" / "fields.yml"

Way = Literal["kept", "hashed", "shortened", "counted", "dropped", "used", "unused"]
WAYS: dict[str, Way] = {
    "none": "kept",
    "hash": "hashed",
    "digits": "hashed",
    "prefix": "shortened",
    "presence": "counted",
    "count": "counted",
}
"""The way of a field by the class of its column."""


class Field(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """
    What became of one field.

    ``way`` is kept, hashed, shortened, counted or dropped; of a filter used or unused. ``mart`` is the column of a mart
    it is in, ``reaches`` a report or a question of docs/queries.md that shows it. ``like`` is another field that says
    the same. ``why`` is the reason of what is dropped or unused, or what a filter is used for. A header's ``column`` is
    that of staging.webhook_events.
    """

    way: Way
    column: str | None = None
    mart: str | None = None
    reaches: str | None = None
    like: str | None = None
    why: str | None = None


class Ledger(msgspec.Struct, forbid_unknown_fields=True):
    """
    ``listings`` by api and listing, then by the field's path on the wire; ``filters`` by the same, then by parameter.

    ``topics`` and ``bodies`` of events by source, then by topic or by body and path; ``headers`` by source and name.
    """

    listings: dict[str, dict[str, Field]]
    filters: dict[str, dict[str, Field]]
    topics: dict[str, dict[str, Field]]
    bodies: dict[str, dict[str, Field]]
    headers: dict[str, dict[str, Field]]


def load(file: Path = FILE) -> Ledger:
    """The ledger. Raises DeclarationError."""
    try:
        return msgspec.convert(yaml_file.read(file), Ledger)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise DeclarationError(f"{file.name} cannot be read: {error}") from error


def wire_path(array: list[str], path: str) -> str:
    """A column's path from the listing's row down, with ``[]`` behind each array: ``products[].code``."""
    climbed = len(path) - len(path.lstrip("^"))
    above = array[: len(array) - climbed]
    return ".".join([*(f"{name}[]" for name in above), path[climbed:].removeprefix(".")])


def declared(tables: dict[str, Table]) -> dict[str, dict[str, list[tuple[Table, str, Column]]]]:
    """The columns of every field of every listing, by the path on the wire."""
    fields: dict[str, dict[str, list[tuple[Table, str, Column]]]] = {}
    for api in APIS:
        for listing in listings.of_api(api):
            of_paths = fields.setdefault(listing.folder, {})
            for table, path, name, column in _columns(of_listing(tables, api, listing.name)):
                of_paths.setdefault(path, []).append((table, name, column))
    return fields


def dropped(tables: dict[str, Table]) -> dict[str, dict[str, str]]:
    """The reason of every field of every listing that is known and left out, by the path on the wire."""
    return {
        listing.folder: {
            wire_path(array, path): why
            for table in of_listing(tables, api, listing.name)
            for array in _arrays(table)
            for path, why in table.drops.items()
        }
        for api in APIS
        for listing in listings.of_api(api)
    }


def _columns(fed: list[Table]) -> Iterator[tuple[Table, str, str, Column]]:
    for table in fed:
        for array in _arrays(table):
            for name, column in table.columns.items():
                yield from ((table, wire_path(array, path), name, column) for path in column.paths if path != "#")


def _arrays(table: Table) -> list[list[str]]:
    return [rows.split(".") if rows else [] for rows in (table.source.rows if table.source else []) or [""]]


def leaves(declared_part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, class) of every leaf of an event's declared body."""
    if isinstance(declared_part, dict):
        for name, inner in declared_part.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(declared_part, list):
        yield from leaves(declared_part[0], f"{path}[]")
    else:
        yield path, str(declared_part)


def rendered(ledger: Ledger) -> list[str]:
    """The ledger as tables of Markdown."""
    lines = [
        "## The ledger of fields",
        "",
        "From `include/sources/fields.yml`. What reaches a report or a question says which.",
        "",
    ]
    for title, section in (
        ("Fields", ledger.listings),
        ("Filters", ledger.filters),
        ("Events", ledger.topics),
        ("Fields of events", ledger.bodies),
        ("Headers", ledger.headers),
    ):
        for where, fields in section.items():
            lines += [f"### {title}: {where}", "", "| field | way | mart | reaches | |", "|---|---|---|---|---|"]
            lines += [
                f"| `{name}` | {field.way} | {_code(field.mart)} | {_reached(field)} | {field.why or ''} |"
                for name, field in fields.items()
            ]
            lines += [""]
    return lines


def _code(name: str | None) -> str:
    return f"`{name}`" if name else ""


def _reached(field: Field) -> str:
    if field.like:
        return f"as `{field.like}`"
    return f"`{field.reaches}`" if field.reaches and field.reaches.startswith("reports.") else field.reaches or ""
