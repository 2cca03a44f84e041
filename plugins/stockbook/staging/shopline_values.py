"""The values in SHOPLINE's bodies: ids of two parts, times with offsets, numbers that may come as text."""

import re
from datetime import UTC, datetime
from typing import Any

from stockbook.declarations import DAYS
from stockbook.projection.personal import HIDDEN
from stockbook.references import names_something

_WHOLE_NUMBER = re.compile(r"(-?[0-9]{1,18})(\.0*)?")
# as declared of pieces in staging (``max_abs``)
_MOST_PIECES = 10**9


def split_id(text: object) -> tuple[str | None, str | None]:
    """
    (order id or None, own id or None) of an id as sent.

    ``<order id>_<own id>`` is a composite: text after the last underscore is the own id
    (docs/apis/shopline.md). Ids have up to 26 digits and stay text.
    """
    if text is None or isinstance(text, bool) or not isinstance(text, str | int):
        return None, None
    order_id, _, own = str(text).strip().rpartition("_")
    return _if_named(order_id), _if_named(own)


def _if_named(own: str) -> str | None:
    """An id; None for what names nothing, and for one that was hidden: two of those need not be the same."""
    return own if names_something(own) and own != HIDDEN else None


def word_of(value: object) -> str | None:
    """A status or another word of a list, in small letters as the source documents them; None as ``text_of``."""
    text = text_of(value)
    return text and text.lower()


def listed(value: object) -> list[Any] | None:
    """The members of a list; an object alone is a list of one. None for anything else."""
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else None


def instant(text: object) -> datetime | None:
    """The instant (naive UTC) of an ISO 8601 text with offset, within the days of any time; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        at = None if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    first, last = DAYS
    return at if at is not None and first <= at.date() <= last else None


def whole(value: object) -> int | None:
    """A whole number that came as a number or as text, with a fraction of zeros too; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    match = _WHOLE_NUMBER.fullmatch(str(value).strip())
    number = int(match[1]) if match else None
    return number if number is not None and abs(number) <= _MOST_PIECES else None


def text_of(value: object) -> str | None:
    """A text that is not empty; a number as text, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def id_of(value: object) -> str | None:
    """The own id in an id as sent."""
    return split_id(value)[1]


def texts_of(value: object) -> list[str] | None:
    """A list of texts; a bare text is a list of one (the vendor's sample prints it so)."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value if (text := text_of(item)) is not None]
    return None


def truth_of(value: object) -> bool | None:
    """A truth value that came as one or as text, None for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())
