"""
What happens to personal values before they land.

The classes are those of docs/contract.md: ``hash`` is HMAC-SHA256 with the operator's key over the trimmed,
lower-cased text, ``prefix`` the first three characters of the trimmed text, ``digits`` the hash of a text's digits
without leading zeros. A number counts as its text. ``presence`` and ``count`` tell only whether there is something,
and how much. An accent is part of its letter (NFC), and of ``Name <a@x>`` and ``mailto:a@x`` only the address counts:
whoever is written in two ways is one person.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from stockbook.projection.json_members import NOTHING, Unclosed, elements, members
from stockbook.references import BLANKS, names_something

# what lands in place of a text where a number, time or truth value is declared: it breaks the declaration as well
HIDDEN = "?"
_DIGIT = re.compile("[0-9]")
_ALNUM = re.compile(r"[^\W_]")
_PLAIN = re.compile(
    r"[-+.,:/ 0-9]{0,36}|[-+.0-9]{1,24}[eE][-+0-9]{1,4}|[-:. 0-9]{8,24}[TZ][-+:.0-9Z]{0,20}|(?i:true|false|null)"
)
# an address as mail programs and links write it
_WRITTEN_ADDRESS = re.compile(
    r"(?i:mailto:)?\s*(?P<link>[^\s<>@,;:?]+@[^\s<>@,;:?]+)(\?\S*)?"
    r"|[^<>]*<\s*(?i:mailto:)?(?P<named>[^\s<>@,;:?]+@[^\s<>@,;:?]+)(\?[^\s>]*)?\s*>"
)


def is_plain(text: str) -> bool:
    """Whether a text can be a number, a time or a truth value; anything else could be anybody's data."""
    return _PLAIN.fullmatch(text) is not None


def _text(value: Any) -> str:
    if isinstance(value, str):
        # marks that nobody sees come along where an address is copied
        text = value.strip().strip(BLANKS)
        return text if text.isascii() else unicodedata.normalize("NFC", text)
    # null, absent and true/false say nothing about a person
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def hashed(value: Any, key: bytes) -> str | None:
    """The keyed hash in hexadecimal, None for null and what names nothing (empty text, 0): nobody shares those."""
    text = address(_text(value)).lower()
    return digest(text, key) if names_something(text) else None


def address(text: str) -> str:
    """The e-mail address of a text that is one, without a name, brackets and ``mailto:``; any other text as it is."""
    if "@" in text and ("<" in text or ":" in text) and (written := _WRITTEN_ADDRESS.fullmatch(text)):
        return written["link"] or written["named"]
    return text


def digest(text: str, key: bytes) -> str:
    """The keyed hash of a text letter by letter."""
    begun = _begun(key)
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(text.encode())
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(8)
def _begun(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """The two hashes of an HMAC (RFC 2104), begun with the key: to go on from them takes a third of ``hmac.digest``."""
    block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def prefix(value: Any) -> str | None:
    """The first three characters, None for null and empty text."""
    return _text(value)[:3] or None


def digits(value: Any, key: bytes) -> str | None:
    """The keyed hash of the digits of a payment's symbol, however it is filled up and grouped; None without any."""
    return hashed("".join(_DIGIT.findall(_text(value))).lstrip("0"), key)


def number_in(token: bytes) -> int:
    """
    How much a JSON token holds: of a list or an object the members that are something, of anything else 1 or 0.

    A text of blanks is nothing, as are null and false.
    """
    try:
        if token[:1] == b"[":
            return sum(element not in NOTHING for element in elements(token))
        if token[:1] == b"{":
            return sum(value not in NOTHING for _, value in members(token))
        if token[:1] == b'"':
            return int(msgspec.json.decode(token, type=str).strip() != "")
    except (msgspec.DecodeError, Unclosed):
        return 1  # half a character is no text, and still something
    return int(token not in NOTHING)


def stand_in(token: bytes) -> bytes:
    """A token that counts as much as another, however deep that one is nested, and holds nothing of it."""
    return b"[" + b",".join([b"1"] * number_in(token)) + b"]"


def tally(token: bytes, *, is_count: bool) -> Raw:
    """What lands of a value that is only counted: its number, or whether there is one."""
    number = number_in(token)
    return Raw(str(number).encode() if is_count else b"true" if number else b"false")


def parts(value: Any) -> list[str]:
    """The numbers in one text, parted by commas, semicolons, bars, blanks or line ends, each once; ``&`` is none."""
    numbers = [part for part in re.split(r"[,;|\s]+", _text(value)) if names_something(part) and _ALNUM.search(part)]
    # capitals are the same number, as its hash is
    return list({part.lower(): part for part in reversed(numbers)}.values())[::-1]
