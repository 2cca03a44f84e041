"""
The envelope around a page, and the two ways in which an answer with status 200 is no answer.

fulfillment.cz: ``{"code", "message", "totalCount", "data": [...]}``; a ``code`` other than 200 is a
failure whatever the status was. FlickRocket: rows under the plural or singular name of the resource, as
a list or as one object.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct


class Garbled(Exception):  # says what is wrong with a body, the client makes an error of it
    """The body is not what was asked for: not JSON, cut off, or without its rows. The text holds no value."""


class Denied(Exception):  # as above
    """The body's ``code`` says that the request failed."""

    def __init__(self, code: int) -> None:
        """Keep the code; it reads as a status does."""
        super().__init__(f"body code {code}")
        self.code = code


class _Envelope(Struct):
    code: Raw = UNSET  # type: ignore[assignment]  # a Raw field may be left out; msgspec takes no union with Raw
    totalCount: Raw = UNSET  # type: ignore[assignment]  # noqa: N815  # the name on the wire
    data: Raw = UNSET  # type: ignore[assignment]


_envelope = msgspec.json.Decoder(_Envelope)
_count = msgspec.json.Decoder(dict[str, Any])


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
    """The whole number of a JSON token, quoted or not; None when it is none."""
    text = bytes(token).strip(b'" ')
    try:
        return int(text)
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


def _decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Garbled("it is JSON of another shape than the dossier shows") from None
    except msgspec.DecodeError:
        raise Garbled("it is not complete JSON") from None


def data_rows(body: bytes) -> tuple[list[Raw], int | None]:
    """(rows, promised total) of a fulfillment.cz page."""
    page = _decoded(_envelope, body)
    check_code(page.code)
    if page.data is UNSET or bytes(page.data)[:1] != b"[":
        raise Garbled("its data is not a list")
    return msgspec.json.decode(page.data, type=list[Raw]), total_of(page.totalCount)


def promised_total(body: bytes) -> int:
    """The total of a fulfillment.cz page, of which nothing else is wanted. Raises Garbled when it names none."""
    page = _decoded(_envelope, body)
    check_code(page.code)
    total = total_of(page.totalCount)
    if total is None:
        raise Garbled("it names no totalCount")
    return total


def named_rows(body: bytes, plural: str, singular: str) -> list[Raw]:
    """The rows of a FlickRocket list under either of its names, a list or one object."""
    page: dict[str, Raw] = _decoded(msgspec.json.Decoder(dict[str, Raw]), body)
    rows = page.get(plural, page.get(singular))
    if rows is None:
        raise Garbled(f"it has neither {plural} nor {singular}")
    first = bytes(rows)[:1]
    if first == b"[":
        return msgspec.json.decode(rows, type=list[Raw])
    if first == b"{":
        return [rows]
    if first == b"n":
        return []
    raise Garbled(f"its {plural} are neither a list nor an object")


def count(body: bytes) -> int:
    """The number in a ``count.json``."""
    found = _decoded(_count, body).get("count")
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise Garbled("its count is not a whole number")
    return found


def check_text(body: bytes) -> None:
    """Raise Garbled unless the body is UTF-8: values are passed on unread, so nothing else would notice."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Garbled("it is not UTF-8") from None
