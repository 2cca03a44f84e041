"""
Invented people and texts that must never reach a disk.

Every value carries a mark that occurs nowhere else (or, where only digits fit, a prefix that
does not), so a test can search every written byte for them: with ``PERSONAL_PATTERN`` or
``pieces_in`` at once, or value by value.
"""

import base64
import re
from typing import NamedTuple

MARK = "Zqxvor"

PERSONAL_PATTERN = re.compile(
    rb"(?i)zqxvor|4207079\d{5}|(?<![\da-f.])9079\d{6}(?![\da-f])|(?<![\da-f.])79079\d{5}(?![\da-f])|WnF4dm9y"
)
"""Matches a piece of every value of ``Shop.personal_values`` (the last one is the mark inside an invoice's base64).

Digits behind a point are none: a database file holds fractions of a second right before the year of the next time.
Nor are digits beside a letter from a to f: one run in forty has a digest in its results that holds ten such digits.
"""
_PARTS = (b"zqxvor", b"4207079", b"wnf4dm9y")
_DIGITS = re.compile(rb"9079\d{5}")

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va")
_TOWNS = (
    ("110", "Praha"), ("602", "Brno"), ("702", "Ostrava"), ("301", "Plzeň"), ("460", "Liberec"), ("779", "Olomouc"),
    ("370", "České Budějovice"), ("500", "Hradec Králové"), ("530", "Pardubice"), ("760", "Zlín"), ("586", "Jihlava"),
    ("360", "Karlovy Vary"), ("400", "Ústí nad Labem"), ("811", "Bratislava"), ("040", "Košice"),
)  # fmt: skip


def pieces_in(content: bytes) -> set[bytes]:
    """
    All that ``PERSONAL_PATTERN`` finds in some bytes.

    Looking first for what every match has in it takes a fifteenth of the time, and a night's file has 40 MB.
    """
    folded = content.lower()
    if not any(part in folded for part in _PARTS) and not _DIGITS.search(folded):
        return set()
    return {match.group() for match in PERSONAL_PATTERN.finditer(content)}


class Person(NamedTuple):
    """A recipient. Only ``city`` and the first three characters of ``zipcode`` may be kept by a reader."""

    email: str
    phone: str
    firstname: str
    surname: str
    street: str
    city: str
    zipcode: str
    company: str


def _word(number: int) -> str:
    mixed = (number * 2_654_435_761 + 97) % 2**32
    return "".join(_SYLLABLES[(mixed >> shift) % 16] for shift in (0, 5, 11, 17))


def person(number: int) -> Person:
    """The invented person of a number from 0 to 99,999; one in fifty has no e-mail, most have no company."""
    word = _word(number)
    prefix, town = _TOWNS[number % len(_TOWNS)]
    mail = f"{word}.{number}@{MARK.lower()}.example"
    return Person(
        email="" if number % 50 == 49 else (mail.upper() if number % 50 == 48 else mail),
        phone=f"+4207079{number:05d}",
        firstname=f"{MARK}{word[:4]}",
        surname=f"{MARK}{word}ov{number}",
        street=f"{MARK}{word[2:]}ova {number % 900 + 1}/{number % 37 + 1}",
        city=town,
        zipcode=f"{prefix} {MARK[:1]}{MARK[1:].lower()}{number % 100:02d}",
        company=f"{MARK}{word} s.r.o." if number % 7 == 3 else "",
    )


def variable_symbol(order: int) -> str:
    """Ten digits of an order's payment."""
    return f"9079{order % 1_000_000:06d}"


def customer_number(number: int) -> int:
    """FlickRocket's number of a person."""
    return int(f"79079{number:05d}")


def text(kind: str, number: int) -> str:
    """Free text somebody typed."""
    return f"{MARK} {kind} {_word(number)} {number}"


def tracking_number(order: int) -> str:
    """A parcel's number."""
    return f"{MARK.upper()}{order:08d}CZ"


def picture(kind: str, number: int) -> str:
    """Address of a picture."""
    return f"https://img.{MARK.lower()}.example/{kind}/{number}.jpg"


def invoice(order: int, size: int) -> str:
    """Base64 of something that begins like a PDF and has about ``size`` bytes; the mark stays aligned in base64."""
    head = b"%PDF-1.4\n%%\n" + MARK.encode()
    body = head + f" invoice {order:08d}\n".encode()
    return base64.b64encode(body + b"0" * max(0, size - len(body))).decode()


def label(order: int) -> str:
    """ZPL of a parcel label."""
    return f"^XA^FO40,40^A0N,30^FD{MARK} {_word(order)} {order}^FS^XZ"
