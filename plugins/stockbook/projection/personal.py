"""
What happens to personal values before they land.

The classes are those of docs/contract.md: ``hash`` is HMAC-SHA256 with the operator's key over the trimmed,
lower-cased text, ``prefix`` the first three characters of the trimmed text. A number counts as its text.
"""

import hmac
import re
from typing import Any

from stockbook.references import names_something

# what lands in place of a text where a number, time or truth value is declared: it breaks the declaration as well
HIDDEN = "?"
_PLAIN = re.compile(
    r"[-+.,:/ 0-9]{0,36}|[-+.0-9]{1,24}[eE][-+0-9]{1,4}|[-:. 0-9]{8,24}[TZ][-+:.0-9Z]{0,20}|(?i:true|false|null)"
)


def is_plain(text: str) -> bool:
    """Whether a text can be a number, a time or a truth value; anything else could be anybody's data."""
    return _PLAIN.fullmatch(text) is not None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    # null, absent and true/false say nothing about a person
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def hashed(value: Any, key: bytes) -> str | None:
    """The keyed hash in hexadecimal, None for null and what names nothing (empty text, 0): nobody shares those."""
    text = _text(value).lower()
    return hmac.digest(key, text.encode(), "sha256").hex() if names_something(text) else None


def prefix(value: Any) -> str | None:
    """The first three characters, None for null and empty text."""
    return _text(value)[:3] or None
