"""How a person is named, and the hashes the books may know them by: every spelling that a source may have sent."""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from stockbook.errors import ConfigError
from stockbook.projection import personal
from stockbook.projection.undeclared_names import hashed_name


class Kind(StrEnum):
    """By what a person is named."""

    email = "email"
    phone = "phone"
    order = "order"
    flickrocket_customer = "flickrocket_customer"


class Sought(NamedTuple):
    """
    What is looked for of somebody: hashes of the books, of fields' names, an order's id or number.

    ``plain`` are values in clear, which only the final search needs; of a request that waited there are none.
    """

    hashes: list[str]
    names: list[str]
    order: str | None = None
    plain: Sequence[str] = ()


_NATIONAL = re.compile(r"\d{9}")
# of countries whose numbers have nine digits; a number without a country is of the first
_COUNTRIES = ("420", "421")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_LEAST_DIGITS = 6


def values_in(text: str, kind: Kind) -> list[str]:
    """The values of a text, one a line. Raises ConfigError for a line that cannot be one, or where there is none."""
    values = []
    for number, line in enumerate(text.splitlines(), start=1):
        value = line.strip().lstrip("\ufeff").strip()
        if not value:
            continue
        if kind is Kind.email:
            value = personal.address(value)
        if kind is Kind.email and not _ADDRESS.fullmatch(value):
            raise ConfigError(f"Line {number} is no e-mail address: nothing was done.")
        if kind is Kind.phone and len(re.sub(r"\D", "", value)) < _LEAST_DIGITS:
            raise ConfigError(f"Line {number} is no phone number: nothing was done.")
        values.append(value)
    if not values:
        raise ConfigError("Expected a value a line on standard input, or in the file that --file names; there is none.")
    return list(dict.fromkeys(values))


def spellings(value: str, kind: Kind) -> list[str]:
    """The texts that mean the same; of a phone with and without its country, in groups of three and in one."""
    if kind is not Kind.phone:
        return [value]
    digits = re.sub(r"\D", "", value)
    whole = digits.removeprefix("00") if digits.startswith("00") else digits
    if not value.startswith("+") and _NATIONAL.fullmatch(whole):
        whole = _COUNTRIES[0] + whole
    forms = [value, "".join(value.split()), f"+{whole}", f"00{whole}", whole]
    country, national = whole[:3], whole[3:]
    if country in _COUNTRIES and _NATIONAL.fullmatch(national):
        grouped = " ".join(re.findall("...", national))
        forms += [f"{sign}{country} {text}" for sign in ("+", "00", "") for text in (grouped, national)]
        forms += [national, grouped]
    return list(dict.fromkeys(forms))


def hashes(value: str, kind: Kind, hash_key: bytes) -> list[str]:
    """The hashes by which the books may know a person."""
    hashed = [personal.hashed(text, hash_key) for text in spellings(value, kind)]
    if kind is Kind.email:
        # rows of books begun before an address was read out of its spelling
        written = value.lower()
        parted = unicodedata.normalize("NFD", written)
        hashed += [
            personal.digest(text, hash_key)
            for text in (f"<{written}>", f"mailto:{written}", f"<mailto:{written}>", parted)
        ]
    return list(dict.fromkeys(text for text in hashed if text is not None))


def name_hashes(value: str, kind: Kind, hash_key: bytes) -> list[str]:
    """The hashes under which a field would be reported that is called like a person."""
    texts = {text for spelled in spellings(value, kind) for text in (spelled, spelled.lower())}
    return sorted(hashed_name(text, hash_key) for text in texts)


def sought(value: str, kind: Kind, hash_key: bytes) -> Sought:
    """What is looked for of somebody who is named like that."""
    if kind is Kind.order:
        return Sought([], [], order=value)
    return Sought(hashes(value, kind, hash_key), name_hashes(value, kind, hash_key), plain=spellings(value, kind))
