"""
A request as far as it may be trusted before it is verified: its method, its headers, its body within limits.

A refusal says no more than its status: an honest sender sees it in the vendor's own log.
"""

import asyncio
import codecs
import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from decimal import Decimal, DecimalException
from typing import Any

from stockbook.errors import StockbookError
from stockbook.projection.body_encoding import mended
from stockbook.projection.personal import HIDDEN

DEEPEST = 32
"""Levels of JSON; the deepest documented body has six."""

PROVEN = "stockbook.proven"
"""What the server's state of a request may hold: a function to be called once its secret was right."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = Iterable[tuple[bytes, bytes]]

_HALF = re.compile("[\ud800-\udfff]")


class Refused(StockbookError):
    """A request that is not accepted; ``status`` is all its sender learns."""

    def __init__(self, status: int) -> None:
        """With the HTTP status."""
        super().__init__(f"refused with {status}")
        self.status = status


class SenderHungUp(StockbookError):
    """The sender hung up before its body arrived: there is no one to answer."""


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header (lower-case name) that was sent exactly once; None when it was not."""
    values = [value for key, value in headers if key == name]
    return values[0].strip() if len(values) == 1 else None


def check_head(
    scope: Scope, kinds: Iterable[bytes], kind_required: bool, body_limit: int, header_limit: int = 1 << 16
) -> None:
    """
    Raise Refused before the body is read.

    431 for a head too long, 405 for another method than POST, 415 for a body we cannot read, 413 for one too long.
    """
    headers = scope["headers"]
    # a server that is not ours may take more
    if sum(len(name) + len(value) + 4 for name, value in headers) > header_limit:
        raise Refused(431)
    if scope["method"] != "POST":
        raise Refused(405)
    encoding = header(headers, b"content-encoding")
    if encoding not in (None, b"identity"):
        raise Refused(415)
    named = any(key == b"content-type" for key, _ in headers)
    kind, _, parameters = (header(headers, b"content-type") or b"").lower().partition(b";")
    if (named or kind_required) and kind.strip() not in kinds:
        raise Refused(415)
    charset = parameters.replace(b'"', b"").replace(b" ", b"").partition(b"charset=")[2]
    if charset not in (b"", b"utf-8", b"utf8"):
        raise Refused(415)
    length = header(headers, b"content-length")
    if length is not None and (len(length) > 18 or not length.isdigit() or int(length) > body_limit):
        raise Refused(413)


async def read_body(receive: Receive, limit: int, seconds: float) -> bytes:
    """
    The raw body, counted while it comes in.

    Raises Refused with 413 as soon as it is longer than ``limit`` bytes, with 408 when it takes too long;
    SenderHungUp when the connection ends before the body.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderHungUp("The sender hung up.")
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise Refused(413)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408) from None


def json_object(body: bytes) -> tuple[dict[str, Any], int]:
    """
    (the body as a JSON object, decimals as they were written, an object in a list of one being that object; how many
    characters of it were no text).

    What a sender would never send better is mended as in the pages of the listings: a byte order mark is skipped, what
    is no text becomes U+FFFD, a tab or line end that nobody escaped is one; a name that comes twice with two values has
    the value ``?``. Raises Refused with 422 for anything else: broken or too deeply nested JSON, numbers of thousands
    of digits.
    """
    body, count = mended(body)
    try:
        content = json.loads(
            text_of(body),
            strict=False,
            object_pairs_hook=_merged_members,
            parse_float=Decimal,
            parse_constant=_no_constant,
        )
    except (RecursionError, DecimalException, ValueError):
        raise Refused(422) from None
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, dict):
        raise Refused(422)
    check_depth(content)
    return content, count


def text_of(body: bytes) -> str:
    """A body's text, which may hold halves of characters. Raises UnicodeDecodeError for other encodings than UTF-8."""
    return body.removeprefix(codecs.BOM_UTF8).decode(errors="surrogatepass")


def whole_characters(value: Any) -> Any:
    """The same value with U+FFFD for each half of a character that stands alone, in names too."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole_characters(member) for member in value]
    if isinstance(value, dict):
        return {whole_characters(name): whole_characters(member) for name, member in value.items()}
    return value


def _merged_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        for name, value in pairs:
            if members[name] != value:
                members[name] = HIDDEN
    return members


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def check_depth(value: Any) -> None:
    """Raise Refused with 422 when containers are nested deeper than DEEPEST."""
    level = [value]
    for _ in range(DEEPEST):
        inside = [member for container in level for member in _inside(container)]
        level = [member for member in inside if isinstance(member, dict | list)]
        if not level:
            return
    raise Refused(422)


def _inside(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
