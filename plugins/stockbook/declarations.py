"""
What is true of every table: what the ``.yml`` beside its model can say (``declaration_files`` reads it).

A declaration is the one place for a table's description, grain, columns (type, origin on the
wire, personal-data class), its history and its checks. Staging is generated from it, comments
and the data dictionary are printed from it, and the rules that are checked are built from it.
What a column means in several tables is written once, in ``columns.yml`` beside the layers.

Names and types become part of SQL as they stand here, so they are checked while a file is read.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, get_args

import msgspec

from stockbook.sql_text import Identifier, Number, SqlType, WirePath

# how units of declarations say it; which one it is the policy says
VALUATION_CURRENCY = "valuation currency"
REPORTING_CURRENCY = "reporting currency"
# made of staging by every build
BUILT_LAYERS = ("intermediate", "marts", "reports")
LAYERS = ("staging", *BUILT_LAYERS, "meta")
EXTRA = "extra"
"""The layer, and schema, of what users declare in a folder of their own (``extra_folder.py``)."""

LARGEST_NUMBER = 10**15
"""A whole number of a source beyond it, an id too, is none that can be worked with."""

Kind = Literal[
    "documents",
    "ledger",
    "snapshot",
    "daily",
    "parts",
    "dated",
    "drained",
    "table",
    "view",
    "macro",
    "program",
    "written",
]
# days beyond are slips of a keyboard or a program's way to write "never"; not everything that reads could hold them
DAYS = (date(2000, 1, 1), date(2199, 12, 31))

Api = Literal["fulfillment_cz", "flickrocket"]
APIS: tuple[str, ...] = get_args(Api)
"""The APIs that are read by listings."""

Personal = Literal["none", "hash", "prefix", "digits", "presence", "count"]
Severity = Literal["fail", "warn"]
Erased = Literal["emptied", "renamed"]
"""What erasure does to a personal value: nothing of it stays, or another hash that the same value always gets."""


class Column(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}, omit_defaults=True):
    """
    One column.

    ``from`` is where a staging column comes from on the wire: a path such as ``delivery.id`` inside the row,
    ``^.id`` inside the listing row an array element belongs to, several paths in order of preference, or ``#`` for
    the position in the array (from 1). ``by_array`` gives a constant per array the row came from. ``utc_of``
    derives the instant of a local column; of a ``local`` one it is worked out later, and a time that never was
    breaks the declaration as there. ``zone`` is the zone of a time that comes without one, where it is not that of
    the local times. ``days`` are the first and the last day that a date or time may be of. A ``reference`` is the
    key of something else: 0, an empty text, the nil UUID and the word "null" name nothing and are NULL. ``uuid`` is
    an id that is one however it is written: a UUID is kept in small letters, ``12.0`` as 12. ``max_abs`` bounds a
    whole number: a greater one breaks the declaration, for sums of such would leave 64 bits, as does a number below
    ``least``. ``values`` are all texts that may come. ``unit`` is what a number counts. ``personal`` is what
    happens to the value before it lands: ``hash`` (keyed hash of the trimmed, lower-cased text), ``prefix`` (the
    first three characters), ``digits`` (keyed hash of its digits without leading zeros), ``presence`` (whether
    there is one) or ``count`` (how many there are). ``observed`` in staging is the stamp of the run; of what is
    built it says that a rebuild cannot give the same, for it depends on the ``nights`` there were or on the
    ``rates`` they were told. ``erased: emptied`` says that nothing of it stays when its person is forgotten; of a
    hash besides that it names the person. A column without a ``description`` has the text of ``columns.yml`` under
    its own name, or under the name that ``text`` says.
    """

    type: SqlType
    description: str = ""
    text: Identifier | None = None
    from_: WirePath | list[WirePath] | None = None
    by_array: dict[WirePath, str] | None = None
    utc_of: Identifier | None = None
    local: bool = False
    reference: bool = False
    zone: Literal["UTC"] | None = None
    days: tuple[date, date] = DAYS
    uuid: bool = False
    observed: Literal["snapshot_at", "snapshot_date", "nights", "rates"] | None = None
    required: bool = False
    max_abs: int | None = None
    least: int | Number | None = None
    values: list[str] = []
    unit: str | None = None
    personal: Personal = "none"
    erased: Literal["emptied"] | None = None

    @property
    def when_erased(self) -> Erased | None:
        """What becomes of a value whose person is forgotten; None of what tells nothing of anybody."""
        if self.erased == "emptied" or self.personal == "prefix":
            return "emptied"
        return "renamed" if self.personal in ("hash", "digits") else None

    @property
    def names_person(self) -> bool:
        """Whether it is the hash by which a person is known."""
        return self.personal == "hash" and self.erased == "emptied"

    @property
    def bound(self) -> int | None:
        """The greatest whole number that holds the declaration; None for columns of other types."""
        return (self.max_abs or LARGEST_NUMBER) if self.type == "bigint" else None

    @property
    def paths(self) -> list[str]:
        """The wire paths in order of preference; empty for derived columns."""
        if self.from_ is None:
            return []
        return [self.from_] if isinstance(self.from_, str) else self.from_


class Source(msgspec.Struct, forbid_unknown_fields=True):
    """Which listing feeds a staging table; ``rows`` names the arrays inside a listing row that hold its rows."""

    api: Api
    listing: Identifier
    rows: list[WirePath] = []


class Dated(msgspec.Struct, forbid_unknown_fields=True):
    """
    The time a row of a staging table states itself: the column ``by``.

    ``later`` says, in reports, what is the matter with a row of a later time than the run's now; without it no row
    can have one.
    """

    by: Identifier
    later: str | None = None


class Check(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """
    One rule of a table.

    Either ``expect``, one of those in ``checks/rules.py`` by its name in Great Expectations, with its ``args``, or
    ``rows``, a query for bad rows; any row it returns breaks the check.
    """

    name: str
    severity: Severity
    expect: str | None = None
    args: dict[Identifier, Any] = {}
    rows: str | None = None


class Table(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """
    Everything declared of one table, view or macro.

    A staging table is filled from the listing that ``source`` names or, of kind ``drained``, from webhooks.
    ``quarantine_share`` is the share of a staging table's rows that may break their declaration, where the setting of
    all tables is not right for this one. ``observed`` says, of what is built, why a rebuild cannot give the same rows.
    """

    table: Identifier
    description: str
    columns: dict[Identifier, Column]
    grain: list[Identifier] = []
    kind: Kind = "table"
    owner: str = "data"
    layer: str = ""
    folder: str = ""
    source: Source | None = None
    dated: Dated | None = None
    history: list[Identifier] = []
    drops: dict[str, str] = {}
    quarantine_share: float | None = None
    observed: str | None = None
    parameters: dict[Identifier, SqlType] = {}
    program: Identifier | None = None
    checks: list[Check] = []
    notes: str | None = None

    @property
    def name(self) -> str:
        """The qualified name, ``layer.table``."""
        return f"{self.layer}.{self.table}"

    @property
    def is_snapshot(self) -> bool:
        """Whether it is the whole of what a source has: a row absent from a complete reading is gone."""
        return self.kind in ("snapshot", "daily")

    @property
    def is_staged(self) -> bool:
        """Whether it is a table of staging with the bookkeeping columns of one."""
        return self.layer == "staging" and (self.source is not None or self.kind == "drained")


def without_extra(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Ours alone."""
    return {name: table for name, table in tables.items() if table.layer != EXTRA}


def in_currency(tables: dict[str, Table], currency: str, reporting: str = REPORTING_CURRENCY) -> dict[str, Table]:
    """The declarations with the codes of the currencies where their units name them: ``CZK``."""

    def priced(column: Column) -> Column:
        unit = column.unit and column.unit.replace(VALUATION_CURRENCY, currency).replace(REPORTING_CURRENCY, reporting)
        return msgspec.structs.replace(column, unit=unit)

    return {
        name: msgspec.structs.replace(table, columns={key: priced(column) for key, column in table.columns.items()})
        for name, table in tables.items()
    }


def of_layer(tables: dict[str, Table], layer: str) -> list[Table]:
    """The declarations of one layer, by name."""
    return [table for table in tables.values() if table.layer == layer]


def of_listing(tables: dict[str, Table], api: str, listing: str) -> list[Table]:
    """The staging tables a listing feeds: the listing's own first, then those of its arrays."""
    fed = [t for t in of_layer(tables, "staging") if t.source and (t.source.api, t.source.listing) == (api, listing)]
    return sorted(fed, key=lambda table: (bool(table.source and table.source.rows), table.table))
