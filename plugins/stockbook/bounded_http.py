"""
HTTP answers within limits: so many bytes on the wire and unpacked, so many seconds from the first to the last.

A source that never ends, trickles, or packs a whole disk into a page must not take the night's memory or its hours.
Every client of ours asks through here: redirects are not followed, since a token must not travel to another host.
"""

import io
import logging
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.client import HTTPResponse
from typing import Any, NamedTuple
from urllib.request import getproxies

import urllib3
from urllib3.exceptions import DecodeError

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.reaching import authorities
from stockbook.secret_text import is_sendable

_PIECE = 1 << 16
_GZIP = b"\x1f"
_PLAIN, _PACKED = ("", "identity"), ("gzip", "x-gzip", "deflate")
# of a header it cannot read the library logs the text, which may be anything a source was told
logging.getLogger("urllib3.connection").addFilter(lambda record: record.levelno < logging.WARNING)
# time on a socket is the machine's, whatever a night takes for now
_CLOCK = SystemClock()


@dataclass(frozen=True)
class Limits:
    """
    How much of an answer is taken.

    ``megabytes`` bound what comes over the wire (headers and framing included) and, apart from that, what it
    unpacks to; ``seconds`` the time from the request's last byte to the answer's last. An answer that says when it
    was made may be ``apart`` from the clock of who asks; None does not compare them.
    """

    megabytes: float = 256
    seconds: float = 300.0
    apart: timedelta | None = None

    @property
    def bytes(self) -> int:
        """The same limit in bytes."""
        return int(self.megabytes * 1_000_000)


SMALL = Limits(megabytes=1, seconds=60.0)
"""For answers of a few lines: tokens, subscriptions, a sign of life."""


class OverLimit(Exception):  # says which limit, the client makes an error of it
    """An answer beyond its limits. ``is_late``: it ran out of time and not of room. The text holds nothing of it."""

    def __init__(self, said: str, is_late: bool = False) -> None:
        """Keep the words and the kind."""
        super().__init__(said)
        self.is_late = is_late


class Unsendable(Exception):  # the client says whose it is
    """A header nobody can send: it has a control character or a letter outside latin-1. Holds nothing of it."""


class Answered(NamedTuple):
    """The status and the unpacked body of an answer."""

    status: int
    body: bytes


def connections(address: str, limits: Limits, most: int = 1) -> urllib3.PoolManager:
    """
    A pool of ``most`` connections to an address; through a proxy where the environment names one for its host.

    urllib3 itself: a session of requests on top of it takes a millisecond of every request, as long as reading a page.
    """
    pool_settings = authorities()
    # most environments name none, and requests takes longer to import than all else here
    manager = _through_proxy(address, limits, most, pool_settings) if getproxies() else None
    return manager or limited(urllib3.PoolManager(num_pools=1, maxsize=most, **pool_settings), limits)


def _through_proxy(address: str, limits: Limits, most: int, more: dict[str, Any]) -> urllib3.PoolManager | None:
    """The pool through the proxy that the environment names for the address, None where it names none."""
    from requests.adapters import HTTPAdapter
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(address, get_environ_proxies(address))
    if proxy is None:
        return None
    # what cannot be read of a proxy's address may be its password: nothing of it is quoted or chained
    with suppress(ValueError, urllib3.exceptions.HTTPError):
        through: str = prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]  # requests has no types
        return limited(HTTPAdapter(pool_maxsize=most).proxy_manager_for(through, **more), limits)
    raise ConfigError(
        "The environment names a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) whose address cannot be used."
    )


def limited(manager: urllib3.PoolManager, limits: Limits) -> urllib3.PoolManager:
    """The same manager, which connected to nothing yet; its answers keep to the limits."""
    manager.pool_classes_by_scheme = {
        scheme: _limited(pool_class, limits) for scheme, pool_class in manager.pool_classes_by_scheme.items()
    }
    return manager


def open_answer(
    manager: urllib3.PoolManager,
    method: str,
    address: str,
    headers: Mapping[str, str],
    timeout: urllib3.Timeout,
    body: bytes | None = None,
) -> urllib3.BaseHTTPResponse:
    """
    Ask once: the head of the answer has come, its body has not.

    Raises what urllib3 raises, OverLimit, and Unsendable before the library can quote the header that it is.
    """
    if not all(is_sendable(value) for value in headers.values()):
        raise Unsendable
    return manager.urlopen(
        method,
        address,
        body=body,
        headers=headers,
        timeout=timeout,
        redirect=False,
        retries=False,
        preload_content=False,
    )


def whole(response: urllib3.BaseHTTPResponse, limits: Limits) -> bytes:
    """
    The unpacked body. Raises OverLimit as soon as it is too long or too late.

    Unpacked is what was asked for and once: any other encoding, one inside another, and a packed body that is cut off
    raise DecodeError.
    """
    announced = response.headers.get("Content-Length", "").strip()
    # Python reads no number of thousands of digits
    length = int(announced[:30]) if announced.isascii() and announced.isdigit() else 0
    if length > limits.bytes:
        response.close()
        raise OverLimit(_too_long(limits, "announces more"))
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in _PACKED:
        pieces: Iterable[bytes] = _unpacked(response.stream(_PIECE, decode_content=False))
    elif encoding in _PLAIN:
        # in one piece, which costs no copy, where it says how long it is
        pieces = response.stream(max(length, _PIECE), decode_content=False)
    else:
        response.close()
        raise DecodeError("an encoding nobody asked for")
    parts: list[bytes] = []
    size = 0
    for part in pieces:
        size += len(part)
        if size > limits.bytes:
            response.close()
            raise OverLimit(_too_long(limits, "unpacks to more" if encoding in _PACKED else "is longer"))
        parts.append(part)
    return b"".join(parts)


def ask(
    method: str,
    address: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    limits: Limits = SMALL,
    connect: float = 10.0,
    read: float = 60.0,
) -> Answered:
    """One request on a connection of its own. Raises what urllib3 raises, and OverLimit."""
    timeout = urllib3.Timeout(connect=connect, read=read)
    manager = connections(address, limits)
    try:
        with open_answer(
            manager, method, address, {"Accept-Encoding": "gzip, deflate", **headers}, timeout, body
        ) as it:
            return Answered(it.status, whole(it, limits))
    finally:
        manager.clear()


def _too_long(limits: Limits, what: str) -> str:
    return f"an answer of at most {limits.megabytes:g} MB was expected and it {what}"


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Gzip of any number of members, zlib, or the bare deflate some servers send for it, a piece at a time."""
    unpacker: Any = None
    head = b""
    for piece in pieces:
        packed = head + piece
        if unpacker is None:
            if len(packed) < 2:
                head = packed
                continue
            head = b""
            unpacker = zlib.decompressobj(_window(packed))
        try:
            while packed:
                if unpacker.eof:
                    if packed[:1] != _GZIP:
                        break  # padding behind the last member means nothing
                    unpacker = zlib.decompressobj(_window(packed))
                yield unpacker.decompress(packed, _PIECE)
                packed = unpacker.unconsumed_tail or unpacker.unused_data
        except zlib.error:
            raise DecodeError("not packed as its header says") from None
    if head or (unpacker is not None and not unpacker.eof):
        raise DecodeError("cut off")


def _window(packed: bytes) -> int:
    """How zlib reads what begins so: as gzip or zlib by its first bytes, else as bare deflate."""
    is_zlib = len(packed) > 1 and packed[0] & 15 == 8 and (packed[0] << 8 | packed[1]) % 31 == 0
    return 47 if is_zlib or packed[:1] == _GZIP else -15


class _Counted(io.RawIOBase):
    """What comes from a socket for one answer: ends with OverLimit when its bytes or its seconds are used up."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, limits: Limits) -> None:
        self._raw, self._sock, self._limits = raw, sock, limits
        self._patience = sock.gettimeout()
        self._until = _CLOCK.monotonic() + limits.seconds
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - _CLOCK.monotonic()
        is_last = self._patience is None or left < self._patience
        if left <= 0:
            raise self._late()
        self._sock.settimeout(left if is_last else self._patience)
        try:
            size = self._raw.readinto(buffer)
        except TimeoutError:
            if is_last:
                raise self._late() from None
            raise
        self._size += size or 0
        # a body of exactly the limit has a head before it
        if self._size > self._limits.bytes + _PIECE:
            raise OverLimit(_too_long(self._limits, "does not end"))
        return size

    def _late(self) -> OverLimit:
        return OverLimit(f"a whole answer was expected within {self._limits.seconds:g} s and did not end", is_late=True)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Socket:
    """As much of a socket as an answer is read from."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self._sock, self._limits = sock, limits

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Counted(self._sock.makefile(mode, buffering=0), self._sock, self._limits), _PIECE)


def _response(limits: Limits, sock: Any, *words: Any, **named: Any) -> HTTPResponse:
    return HTTPResponse(_Socket(sock, limits), *words, **named)  # type: ignore[arg-type]  # it asks for makefile alone


def _limited(pool_class: type[Any], limits: Limits) -> type[Any]:
    """The same kind of pool, whose connections read answers within limits."""
    parts = {"response_class": staticmethod(partial(_response, limits))}
    connection = type(pool_class.ConnectionCls.__name__, (pool_class.ConnectionCls,), parts)
    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": connection})
