"""
The envelope around a page, and the two ways in which an answer with status 200 is no answer.

fulfillment.cz: ``{"code", "message", "totalCount", "data": [...]}``; a ``code`` other than 200 is a
failure whatever the status was. FlickRocket: rows under the plural or singular name of the resource, as
a list or as one object.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw

from stockbook.projection.body_encoding import mended, unbroken
from stockbook.projection.json_members import NOTHING, Unclosed, elements, list_of, members

T = TypeVar("T")


class Garbled(Exception):  # says what is wrong with a body, the client makes an error of it
    """The body is not what was asked for: not JSON, cut off, or without its rows. The text holds no value."""


class Denied(Exception):  # as above
    """The body's ``code`` says that the request failed."""

    def __init__(self, code: int) -> None:
        """Keep the code; it reads as a status does."""
        super().__init__(f"body code {code}")
        self.code = code


_members: "msgspec.json.Decoder[dict[str, Raw]]" = msgspec.json.Decoder(dict[str, Raw])


def check_code(code: Any) -> None:
    """Raise Denied unless the body's code is 200 or absent."""
    if code is UNSET or code is None:
        return
    number = whole_number(code)
    if number is None:
        raise Garbled("its code is not a whole number")
    if number != 200:
        raise Denied(number)


def whole_number(token: Any) -> int | None:
    """The whole number of a JSON token, quoted or not, with a fraction of zeros too; None when it is none."""
    digits, _, places = bytes(token).strip(b'" ').partition(b".")
    try:
        return None if places.strip(b"0") else int(digits)
    except ValueError:
        return None


def total_of(token: Any) -> int | None:
    """The promised total, None when the answer names none."""
    if token is UNSET or bytes(token) == b"null":
        return None
    number = whole_number(token)
    if number is None or number < 0:
        raise Garbled("its totalCount is not a whole number")
    return number


def mended_and(parse: Callable[[bytes], T], body: bytes) -> tuple[T, int]:
    """(what ``parse`` makes of a body, how many characters of it were no text); raises as ``parse`` does."""
    body, count = mended(body)
    try:
        return parse(body), count
    except Garbled:
        body, more = unbroken(body)
        if not more:
            raise
    return parse(body), count + more


def _decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Garbled("it is JSON of another shape than the API shows") from None
    except (msgspec.DecodeError, RecursionError):
        raise Garbled("it is not complete JSON") from None


def names_are_unique(body: bytes) -> bool:
    """Whether no object of a body has a name twice, and none is nested too deep to tell."""
    unique = True

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal unique
        unique = unique and len(dict(pairs)) == len(pairs)

    try:
        json.loads(body, object_pairs_hook=look, parse_int=len, parse_float=len)
    except (RecursionError, ValueError):
        return False
    return unique


def _envelope_of(body: bytes, unique: bool) -> dict[str, bytes]:
    """The members of an envelope, however deep its rows are nested."""
    if unique:
        page: dict[str, Raw] = _decoded(_members, body)
        return {name: bytes(token) for name, token in page.items()}
    try:
        pairs = members(body)
    except Unclosed:
        raise Garbled("it is not complete JSON") from None
    if len(dict(pairs)) < len(pairs):
        raise Garbled("a name was given twice in its envelope: parsers differ in which they take")
    return dict(pairs)


def _rows(token: bytes) -> list[bytes] | None:
    """The rows of a list, or of an object whose names are numbers (PHP's list with gaps); None where it is neither."""
    if token[:1] == b"[":
        try:
            return [bytes(row) for row in msgspec.json.decode(token, type=list[Raw])]
        except RecursionError:
            return elements(token)
        except msgspec.DecodeError:
            raise Garbled("it is not complete JSON") from None
    if token[:1] == b"{":
        return list_of(members(token))
    return None


def data_rows(body: bytes, unique: bool) -> tuple[list[bytes], int | None]:
    """(rows, promised total) of a fulfillment.cz page; ``unique`` tells that ``names_are_unique`` in it."""
    page = _envelope_of(body, unique)
    check_code(page.get("code", UNSET))
    rows = _rows(page.get("data", b""))
    if rows is None:
        raise Garbled("its data is not a list")
    return rows, total_of(page.get("totalCount", UNSET))


def promised_total(body: bytes) -> int:
    """The total of a fulfillment.cz page, of which nothing else is wanted. Raises Garbled when it names none."""
    page, _ = mended_and(lambda text: _envelope_of(text, names_are_unique(text)), body)
    check_code(page.get("code", UNSET))
    total = total_of(page.get("totalCount", UNSET))
    if total is None:
        raise Garbled("it names no totalCount")
    return total


def named_rows(body: bytes, plural: str, singular: str, unique: bool) -> list[bytes]:
    """The rows of a FlickRocket list under either of its names, a list or one object; ``unique`` as above."""
    page = _envelope_of(body, unique)
    tokens = [page[name] for name in (plural, singular) if name in page]
    if not tokens:
        raise Garbled(f"it has neither {plural} nor {singular}")
    rows: list[bytes] = []
    for token in tokens:
        if token in NOTHING:
            continue
        listed = _rows(token)
        if listed is None and token[:1] != b"{":
            raise Garbled(f"its {plural} are neither a list nor an object")
        rows += [token] if listed is None else listed
    return rows


def count(body: bytes) -> int:
    """The number in a ``count.json``."""
    members_of, _ = mended_and(lambda text: _envelope_of(text, names_are_unique(text)), body)
    number = whole_number(members_of.get("count", b""))
    if number is None or number < 0:
        raise Garbled("its count is not a whole number")
    return number
