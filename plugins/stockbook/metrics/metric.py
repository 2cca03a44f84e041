"""
One figure: what it is of, how rows of a published relation become it, and what may be asked of it.

An expression is of one row; the type says how rows are put together. So the same definition is written over rows
(``aggregate``) and, by a report that has summed them already, of one row (``of_row``).
"""

import re
from typing import Literal

import msgspec

from stockbook.declarations import REPORTING_CURRENCY, VALUATION_CURRENCY

Type = Literal["sum", "count", "last", "ratio", "range", "percentile"]
Grain = Literal["day", "month"]
Direction = Literal["good", "bad", "neither"]
Form = Literal["money", "share", "number", "whole"]
PERIODS = ("day", "week", "month", "quarter", "year")
SURE, POSSIBLE = "_sure", "_possible"

_MEASURED = ("hours", "days", "grams", "estimated pieces")
_WORDS = frozenset(
    "and or not in is null case when then else end cast as true false like between bigint double distinct".split()  # noqa: SIM905  # read as a list of words
)
_NAME = re.compile(r"'(?:[^']|'')*'|\b([a-z_]\w*)\b(?!\s*\()")


class Share(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part and the whole it is of, each an expression of one row."""

    sql: str
    over: str


class Metric(msgspec.Struct, frozen=True):
    """
    One figure, or of a range three: as far as it is decided, what is *sure*, and what is *possible*.

    ``of`` is the relation it is read from, ``where`` which of its rows. A ``last`` is a balance: rows of the last day
    of a period are added up. A ``count`` of nothing is 0, a sum of nothing is unknown. A percentile without ``at``
    stands in the relation already, one for each row. ``not_over`` names dimensions over which it cannot be added up: a
    question has to cut by them or choose a value. ``currency`` is the column that names the currency of an amount;
    without it an amount is in the valuation currency.
    """

    name: str
    subject: str
    says: str
    of: str
    type: Type
    sql: str
    over: str
    sure: Share | None
    possible: Share | None
    at: float | None
    distinct: tuple[str, ...]
    where: str
    time: str | None
    grain: Grain
    by: tuple[str, ...]
    not_over: tuple[str, ...]
    currency: str | None
    unit: str
    up: Direction
    owner: str

    @property
    def figures(self) -> dict[str, Share]:
        """Its figures by name; ``over`` is empty where one is no share."""
        shares = {self.name: Share(self.sql, self.over)}
        shares |= {self.name + SURE: self.sure} if self.sure else {}
        return shares | ({self.name + POSSIBLE: self.possible} if self.possible else {})

    @property
    def periods(self) -> tuple[str, ...]:
        """The periods that it may be cut by."""
        return PERIODS[PERIODS.index(self.grain) :] if self.time else ()

    @property
    def is_stored(self) -> bool:
        """Whether each row of the relation has it already."""
        return self.type == "percentile" and self.at is None

    @property
    def to_name(self) -> tuple[str, ...]:
        """Dimensions that a question has to name."""
        if self.is_stored:
            return (*self.by, *self.periods[:1])
        return (*self.not_over, *((self.currency,) if self.currency else ()))

    @property
    def form(self) -> Form:
        """How it is written."""
        if self.currency or self.unit in (VALUATION_CURRENCY, REPORTING_CURRENCY):
            return "money"
        if self.type in ("ratio", "range"):
            return "share"
        return "number" if self.type == "percentile" or self.unit in _MEASURED else "whole"

    def is_additive(self, dimension: str) -> bool:
        """Whether the figures of all values of a dimension or period add up to the figure of the whole."""
        if dimension in self.to_name or self.type not in ("sum", "count", "last"):
            return False
        if self.type == "last":
            return dimension not in PERIODS
        return dimension in self.distinct if self.distinct else True

    def aggregate(self, figure: str, where: str = "") -> str:
        """A figure over rows; ``where`` leaves rows out of it and of nothing else."""
        share, only = self.figures[figure], f" filter (where {where})" if where else ""
        if self.type == "percentile":
            whole = f"max({share.sql})" if self.at is None else f"quantile_cont({share.sql}, {self.at:g})"
            return whole + only
        if share.over:
            return f"sum({share.sql}){only} / nullif(sum({share.over}){only}, 0)"
        if self.distinct:
            return f"count(distinct ({', '.join(self.distinct)})){only}"
        if self.type == "count":
            return f"coalesce(sum({share.sql}){only}, 0)" if share.sql else f"count(*){only}"
        return f"sum({share.sql}){only}"

    def of_row(self, figure: str, alias: str = "") -> str:
        """A figure of one row, which has the sums."""
        share = self.figures[figure]
        part, whole = (prefixed(text, alias) for text in (share.sql, share.over))
        if not whole:
            return part
        return f"{f'({part})' if ' ' in part else part} / nullif({whole}, 0)"


def names_in(sql: str) -> list[str]:
    """The columns that an expression names."""
    return [name for name in _NAME.findall(sql) if name and name not in _WORDS]


def prefixed(sql: str, alias: str) -> str:
    """An expression with its columns behind the alias of their table."""
    return _NAME.sub(lambda m: f"{alias}.{m[1]}" if alias and m[1] and m[1] not in _WORDS else m[0], sql)
