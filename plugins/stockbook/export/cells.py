"""What a cell holds: a number of 15 to 17 digits, a truth, a day as a number of days, or a text."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

Kind = Literal["text", "id", "pieces", "money", "number", "share", "day", "time", "flag"]
LETTERS: Mapping[Kind, int] = {"day": 10, "time": 19, "flag": 6, "share": 8}
"""How wide a value of a kind is, where all are."""
# a greater whole number is not the same number in a cell
_EXACT = 10**15
_FIRST_DAY = date(1900, 3, 1)
# day 0 of a cell; so it is right from the first of March on
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  # a cell has no zone


def held(value: object, kind: Kind) -> tuple[Kind, float | str]:
    """As what a cell holds a value, and what stands there: a number, a truth, days since day 0, or a text."""
    # as near as a cell can
    if (isinstance(value, float) and value - value == 0) or (isinstance(value, Decimal) and value.is_finite()):
        return kind, float(value)
    if isinstance(value, bool):
        return "flag", value
    if isinstance(value, int) and abs(value) < _EXACT:
        return kind, value
    if isinstance(value, datetime) and value.tzinfo is None and value.date() >= _FIRST_DAY:
        return "time", (value - _DAY_ZERO) / timedelta(days=1)
    if isinstance(value, date) and not isinstance(value, datetime) and value >= _FIRST_DAY:
        return "day", (value - _DAY_ZERO.date()).days
    return "text", str(value)


def length(value: object, kind: Kind) -> int:
    if value is None:
        return 0
    if kind in LETTERS:
        return LETTERS[kind]
    if kind in ("money", "number"):
        return len(f"{value:,.2f}") + (3 if kind == "number" else 0)
    if kind == "pieces":
        return len(f"{value:,}")
    return len(str(value))


def exact_text(value: object) -> str:
    """A decimal to its last digit, without zeros that say nothing."""
    if not isinstance(value, Decimal):
        return "" if value is None else str(value)
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
