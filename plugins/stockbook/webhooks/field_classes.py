"""What becomes of a value of an event, by its field's class: in clear, hidden, hashed, cut or only counted."""

import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

from stockbook.ids import id_of
from stockbook.projection import personal
from stockbook.projection.personal import HIDDEN
from stockbook.webhooks.loose_json import as_list, unwrapped

NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")
"""What a topic, an id or a key may look like: anything else could be anybody's data."""

_TEXT_LENGTH = 500


def _id(value: Any, _: bytes) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        value = str(value)
    if isinstance(value, str):
        value = id_of(value)  # as in every column that has one
    if value == "":
        return None
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


def _digits(value: Any, key: bytes) -> str | None:
    return personal.digits(str(value) if isinstance(value, Decimal) else value, key)


def _hashes(value: Any, key: bytes) -> list[str]:
    """The keyed hash of each of several numbers, in their order: a list, or one text with commas or blanks between."""
    texts = [text for part in (as_list(value) or [value]) for text in personal.parts(unwrapped(part))]
    return [digest for text in texts if (digest := personal.hashed(text, key)) is not None]


def _number_in(value: Any) -> int:
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return sum(member not in (None, "") and member is not False for member in members)
    return int(value.strip() != "") if isinstance(value, str) else int(value is not None and value is not False)


LEAVES: dict[str, Callable[[Any, bytes], Any]] = {
    "id": _id,
    "text": _text,
    "plain": _plain,
    "hash": _hash,
    "prefix": _prefix,
    "digits": _digits,
    "hashes": _hashes,
    "presence": lambda value, _: _number_in(value) > 0,
    "count": lambda value, _: _number_in(value),
}
"""``plain`` is a number, time or truth value; ``hash`` and ``prefix`` are personal classes (docs/contract.md)."""
AS_THEY_CAME = frozenset(("hashes", "presence", "count"))
"""Leaves that take a list or an object too; what is counted, takes null as well."""
DROP = "drop"
