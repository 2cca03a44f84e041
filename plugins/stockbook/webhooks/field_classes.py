"""What becomes of a value of an event, by the class its field is declared with: in clear, hidden, hashed or cut."""

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

from stockbook.projection import personal
from stockbook.projection.personal import HIDDEN

NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")
"""What a topic, an id or a key may look like: anything else could be anybody's data."""

_TEXT_LENGTH = 500


def _id(value: Any, _: bytes) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return value if isinstance(value, str | int) and NAME.fullmatch(str(value)) else HIDDEN


def _is_beyond(value: Any) -> bool:
    """Whether a number is one that no reader of the inbox could hold."""
    return isinstance(value, Decimal) and not isfinite(float(value))


def _text(value: Any, _: bytes) -> Any:
    if isinstance(value, str):
        return HIDDEN if "\0" in value else value[:_TEXT_LENGTH]
    return HIDDEN if isinstance(value, dict | list) or _is_beyond(value) else value


def _plain(value: Any, _: bytes) -> Any:
    if isinstance(value, dict | list) or _is_beyond(value) or (isinstance(value, str) and not personal.is_plain(value)):
        return HIDDEN
    return value


def _hash(value: Any, key: bytes) -> str | None:
    if value == HIDDEN:
        return None
    return personal.hashed(str(value) if isinstance(value, Decimal) else value, key)


def _prefix(value: Any, _: bytes) -> str | None:
    return personal.prefix(str(value) if isinstance(value, Decimal) else value)


def _presence(value: Any, _: bytes) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, False, [], {})


LEAVES: dict[str, Callable[[Any, bytes], Any]] = {
    "id": _id,
    "text": _text,
    "plain": _plain,
    "hash": _hash,
    "prefix": _prefix,
    "presence": _presence,
}
"""
``plain`` is a number, time or truth value; ``hash`` and ``prefix`` are personal classes (docs/contract.md); of
``presence`` only whether there is something is kept.
"""
DROP = "drop"
