"""
A request as far as it may be trusted before it is verified: its method, its headers, its body within limits.

Nothing that is refused says why in more than a status: who sends honestly sees it in the vendor's own log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from decimal import Decimal, DecimalException
from typing import Any

import msgspec

from stockbook.errors import StockbookError

DEEPEST = 32
"""Levels of JSON; the deepest documented body has six."""

PROVEN = "stockbook.proven"
"""What the server's state of a request may hold: a function to be called once its secret was right."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = Iterable[tuple[bytes, bytes]]

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class Refused(StockbookError):
    """A request that is not accepted; ``status`` is all its sender learns."""

    def __init__(self, status: int) -> None:
        """With the HTTP status."""
        super().__init__(f"refused with {status}")
        self.status = status


class Gone(StockbookError):
    """The sender hung up before its body was there: there is nobody to answer."""


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of a header (lower-case name) that was sent exactly once; None when it was not."""
    found = [value for key, value in headers if key == name]
    return found[0].strip() if len(found) == 1 else None


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

    Raises Refused with 413 as soon as it is longer than ``limit`` bytes, with 408 when it takes too long; Gone when
    the sender hung up.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone("The sender hung up.")
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise Refused(413)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408) from None


def json_object(body: bytes) -> dict[str, Any]:
    """
    The body as a JSON object, decimals as they were written.

    Raises Refused with 422 for anything else: other encodings than UTF-8, broken or too deeply nested JSON.
    """
    try:
        body.decode()  # the parser looks only at the strings
        found = _DECODER.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError, DecimalException, ValueError):
        raise Refused(422) from None
    if not isinstance(found, dict):
        raise Refused(422)
    check_depth(found)
    return found


def check_depth(value: Any) -> None:
    """Raise Refused with 422 when containers are nested deeper than DEEPEST."""
    level = [value]
    for _ in range(DEEPEST):
        inside = [one for container in level for one in _inside(container)]
        level = [one for one in inside if isinstance(one, dict | list)]
        if not level:
            return
    raise Refused(422)


def _inside(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
