"""
The table of endpoints, printed from what is declared: ``python -m stockbook.sources.endpoint_docs > docs/sources.md``.

Nothing in it is written by hand, so it cannot be out of date; a test compares it with the committed file.
"""

from pathlib import Path

from stockbook.declaration_files import load
from stockbook.declarations import APIS, DAYS, Column, Table, of_listing
from stockbook.project import SHIPPED
from stockbook.projection.listing import Listing
from stockbook.sources import field_ledger, listings, odd_answer_docs
from stockbook.sources.walk_classes import WALKS

FILE = SHIPPED / "docs" / "sources.md"

_HEAD = """\
# What is read from the sources

Generated from the declarations (`include/sources/*_listings.yml`, `include/sources/fields.yml`,
`include/sql/staging/*.yml`) by
`python -m stockbook.sources.endpoint_docs`; do not edit.

## How texts are read

Every value lands as it was sent and is read by its column's type, in the same way in every listing. What does not hold
is set aside: the row waits in `staging.quarantine`, is warned of, and comes in when a good delivery comes.

- bigint: digits with a sign; a fraction of zeros too (`2.0`, as some programs write 2). Set aside: other fractions,
  exponents in a text, `1,000`, `1_000`, hexadecimal, units, true and false.
- decimal(24, 12): a number. 12 places are kept, half up, as everywhere in the valuation. Set aside: `NaN`, infinity, a
  comma, and a number that loses more than a billionth of itself.
- boolean: `true`, `false`, `1`, `0`. Set aside: other words and numbers.
- timestamp: `2026-03-04 10:00:00`, with `T` too, without seconds or with up to 9 places of them (6 are kept), local or
  with an offset (`Z`, `+01:00`, `+0100`, `+01`). An offset gives the instant, in the repeated hour too, and from it
  the source's local wall clock. Set aside: a day alone, 24:00, second 60, two-digit years, day first, names of zones,
  the hour skipped in spring.
- date: `2026-03-04`, or a time as above, which is of its local day. `0000-00-00`, a database's way to write none, is
  none. Set aside: the rest.
- reference: the key of something else, marked so below. 0, an empty text, the nil UUID
  (`00000000-0000-0000-0000-000000000000`) and what programs and people write of nothing
  (`null`, `None`, `nil`, `undefined`, `NaN`, `(null)`, `N/A`, a dash)
  name nothing, so there is none; where one is required the row is set aside.
- ids of orders, parcels, receivings and warehouses are one however they are written: a UUID is kept in small letters, a
  whole number with a point (`12.0`) without it. Blanks around an id, and marks that nobody sees, go;
  a letter and its accent are one character (NFC).
- other varchar: as it came. Codes of currencies are compared without blanks and in capital letters.

Blanks around a number or a time are no part of it. Days and times are within {first} and {last} (an expiry
date may be 9999-12-31, which means never): what is beyond is a slip, or cannot be held by all that reads it.

"""

_PROOFS = {
    "totalCount": "distinct keys = `totalCount`",
    "count.json": "distinct keys (and what is known from before the window) = `count.json`",
    "empty page": "an empty last page behind an unbroken chain; where nothing is paged, the same answer again",
    "floor passed": "a row at or below the floor, or the ledger's end against `totalCount`",
    "by id": "each id answered",
}
_ABSENT = {
    "ledger": "absent between the floor and the ceiling of a complete reading",
    "documents": "absent from days read completely, or asked for by id and not there",
    "snapshot": "absent from a complete listing",
    "daily": "absent from a complete listing",
}

_NOT_PERSONAL = ("not used", "picture of goods")


def render(tables: dict[str, Table]) -> str:
    """The whole file, for all declarations by qualified name."""
    lines = [_HEAD.format(first=DAYS[0], last=DAYS[1]).rstrip(), "", *odd_answer_docs.render(), ""]
    for api in APIS:
        declared = listings.of_api(api)
        lines += [f"## {api}", "", "| endpoint | walk | key | complete when | deleted when | personal data |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_row(listing, of_listing(tables, api, listing.name)) for listing in declared]
        lines += [""]
        for listing in declared:
            lines += _section(listing, of_listing(tables, api, listing.name))
    lines += field_ledger.rendered(field_ledger.load())
    return "\n".join(lines).rstrip() + "\n"


def _row(listing: Listing, fed: list[Table]) -> str:
    cells = [
        f"`{listing.path}`",
        WALKS[listing.walk].describe(listing),
        _key(listing),
        _PROOFS[WALKS[listing.walk].proof(listing)],
        _deletes(fed),
        _personal(fed),
    ]
    return "| " + " | ".join(cells) + " |"


def _key(listing: Listing) -> str:
    key = " or ".join(f"`{name}`" for name in listing.key)
    parts = [key, *(f"`{name}`" for name in listing.key_with)]
    if listing.each is not None:
        parts = [f"`{listing.each.parameter}`", *parts]
    return ", ".join(parts)


def _deletes(fed: list[Table]) -> str:
    return next((_ABSENT[table.kind] for table in fed if table.kind in _ABSENT), "absence says nothing")


def _personal(fed: list[Table]) -> str:
    ways: dict[str, set[str]] = {"hashed": set(), "shortened": set(), "counted": set()}
    dropped = set()
    for table in fed:
        for column in table.columns.values():
            paths = [_at(table, path) for path in column.paths]
            way = field_ledger.WAYS[column.personal]
            if way in ways:
                ways[way] |= set(paths)
        dropped |= {_at(table, path) for path, why in table.drops.items() if why not in _NOT_PERSONAL}
    classes = [
        f"{what}: {', '.join(f'`{path}`' for path in sorted(paths))}"
        for what, paths in ((*ways.items(), ("left out", dropped)))
        if paths
    ]
    return "; ".join(classes) or "none"


def _at(table: Table, path: str) -> str:
    arrays = table.source.rows if table.source else []
    return f"{arrays[0].replace('.', '[].')}[].{path}" if arrays and not path.startswith("^") else path.lstrip("^.")


def _section(listing: Listing, fed: list[Table]) -> list[str]:
    lines = [f"### {listing.api}.{listing.name}", "", listing.about, ""]
    if listing.where_served:
        lines += [
            "Where the account is not served it (403 or 404) the night goes on without, until it was read once.",
            "",
        ]
    for table in fed:
        grain = ", ".join(f"`{name}`" for name in table.grain)
        lines += [f"`{table.name}` ({grain})", "", "| column | type | from | |", "|---|---|---|---|"]
        lines += [
            f"| `{name}`{_marks(column)} | {_type(column)} | {_from(column)} | {_about(column)} |"
            for name, column in table.columns.items()
        ]
        lines += [""]
    return lines


def _type(column: Column) -> str:
    least = "" if column.least is None else f" from {column.least}"
    most = "" if column.max_abs is None else f" up to {column.max_abs:,}"
    return f"{column.type}{least}{most}"


def _marks(column: Column) -> str:
    return ", required" * column.required + ", reference" * column.reference


def _from(column: Column) -> str:
    if column.paths == ["#"]:
        return "position"
    if column.by_array:
        return "which array"
    if column.utc_of:
        return f"`{column.utc_of}`"
    return " or ".join(f"`{path}`" for path in column.paths) or "the observation"


def _about(column: Column) -> str:
    return column.description.replace("|", "\\|")


def main(models_dir: Path = SHIPPED / "include" / "sql") -> None:
    """Print the file."""
    print(render(load(models_dir)), end="")


if __name__ == "__main__":
    main()
