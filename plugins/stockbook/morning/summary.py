"""
The summary of a published night: figures, charts, listings and checks in one small file beside it.

Pages are drawn from it, so that showing a page never opens DuckDB.
"""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from stockbook.morning.answer import Answer
from stockbook.morning.history import Point
from stockbook.settings import Settings

NAME = "summary.json"


class Value(msgspec.Struct):
    """
    A figure: ``value`` has the digits of the file, and is None where the file has NULL.

    ``label`` and ``unit`` are words; without a label ``texts/`` has both, by the key and by ``unit``. ``part`` is the
    dashboard that has more of it, ``currency`` that of an amount which is not in the stock's, ``up`` whether more of it
    is good. ``points`` are what it was, ``before`` the one it is compared with.
    """

    key: str
    label: str
    form: str
    unit: str
    value: Decimal | None
    bad_above: float | None = None
    part: str = ""
    currency: str = ""
    up: str = "neither"
    points: list[Point] = []
    before: Point | None = None
    is_monthly: bool = False

    @property
    def wants_attention(self) -> bool:
        """It is above what is fine."""
        return self.bad_above is not None and self.value is not None and self.value > Decimal(str(self.bad_above))


class ChartPoints(msgspec.Struct):
    """What a chart shows: rows of x (a day as ISO 8601, or a name), series and value."""

    key: str
    kind: str
    form: str
    points: list[tuple[str, str, float | None]]


class Listing(msgspec.Struct):
    """What one listing brought."""

    account: str
    api: str
    listing: str
    received: int
    new: int
    changed: int
    gone: int
    quarantined: int
    proof: str | None


class BrokenCheck(msgspec.Struct):
    """A check that did not hold."""

    suite: str
    expectation: str
    severity: str
    observed: str | None
    failing_rows: int | None = None


class StaleTable(msgspec.Struct):
    """How old a source's rows are, in hours at ``as_of``."""

    account: str
    table: str
    age_hours: float


class Alert(msgspec.Struct):
    """An alert that stands."""

    account: str
    rule: str
    subject: str
    severity: str
    message: str
    raised_as_of: datetime
    is_new: bool


class SignedMonth(msgspec.Struct):
    """A closed month, who signed it, and its packs: addresses below the folder of the published file by their texts."""

    close_id: str
    month: date
    account: str
    closed_by: str
    closed_at: datetime
    digest: str
    packs: dict[str, str] = {}


class OpenMonth(msgspec.Struct):
    """The last whole month of an account, while nobody has signed it."""

    month: date
    account: str


class Summary(msgspec.Struct):
    """A published night for people. ``as_of`` is local of ``zone``, ``published_at`` UTC; ``vat`` is of money.yml."""

    run_id: str
    as_of: datetime
    published_at: datetime
    zone: str
    version: str
    currency: str
    method: str
    basis: str
    figures: list[Value]
    charts: list[ChartPoints]
    listings: list[Listing]
    checks_asked: int
    checks_empty: int
    checks_broken: list[BrokenCheck]
    oldest: list[StaleTable]
    alerts: list[Alert]
    signed: list[SignedMonth] = []
    to_sign: list[OpenMonth] = []
    is_working_day: bool = False
    vat: str = ""
    answer: Answer | None = None


def read(settings: Settings) -> Summary | None:
    """The summary of the last published night, or None when there is none."""
    return read_beside(settings.published)


def read_beside(published: Path) -> Summary | None:
    """The same of a published file."""
    try:
        return msgspec.json.decode((published.parent / NAME).read_bytes(), type=Summary)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None  # drawn anew by the next publication
