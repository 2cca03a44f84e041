"""
What happens to personal values before they land.

The classes are those of the contract: ``hash`` is HMAC-SHA256 with the operator's key over the trimmed,
lower-cased text, ``prefix`` the first three characters of the trimmed text. A number counts as its text.
"""

import hmac
from typing import Any


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    # null, absent and true/false say nothing about a person
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def hashed(value: Any, key: bytes) -> str | None:
    """The keyed hash in hexadecimal, None for null and empty text."""
    text = _text(value).lower()
    return hmac.digest(key, text.encode(), "sha256").hex() if text else None


def prefix(value: Any) -> str | None:
    """The first three characters, None for null and empty text."""
    return _text(value)[:3] or None
