"""
The limits of the stand-alone receiver on connections that have not proven themselves yet.

A head is limited in bytes and seconds, a body in seconds, and unproven connections in number, per address and in all.
A connection is proven by an event with the right secret. When there is one connection too many, the oldest is closed:
an honest sender sends at once and is proven within milliseconds; a connection that is only held grows old.
"""

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stockbook.limits import HookLimits
from stockbook.webhooks.receiver import BODY_LIMIT
from stockbook.webhooks.request import PROVEN

# a body in small chunks takes more bytes than it has
_WIRE_LIMIT = 4 * BODY_LIMIT
# the application answers 408 by itself; a client that does not even read that is cut off
_GRACE = 2.0
# longer than the inbox waits for its database; a client that does not read its answers is cut off
_ANSWER_SECONDS = 60.0
_ANSWERS = {
    408: b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
}


class Guard:
    """The unproven connections of a receiver."""

    def __init__(self, limits: HookLimits) -> None:
        """Begin without connections."""
        self.limits = limits
        self._trusted = [ip_network(proxy) for proxy in limits.trusted_proxies]
        # in order of arrival
        self._waiting: dict[str, dict[Guarded, None]] = {}
        self._size = 0

    def admit(self, connection: "Guarded") -> None:
        """Count an unproven connection; close the oldest when there are too many."""
        address = _network(connection.client)
        own = self._waiting.setdefault(address, {})
        own[connection] = None
        self._size += 1
        if len(own) > self.limits.connections_per_address and not self._is_trusted(connection.client):
            self._turn_out(own)
        if self._size > self.limits.connections:
            # of the address that has most: an address with few is not pushed out by one with many
            self._turn_out(max(self._waiting.values(), key=len))

    def leave(self, connection: "Guarded") -> None:
        """Stop counting a connection: it is proven, closed, or its request is being answered."""
        address = _network(connection.client)
        own = self._waiting.get(address, {})
        if connection in own:
            del own[connection]
            self._size -= 1
            if not own:
                del self._waiting[address]

    def _turn_out(self, own: "dict[Guarded, None]") -> None:
        oldest = next(iter(own))
        self.leave(oldest)
        oldest.transport.abort()

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        if client is None or not self._trusted:
            return False
        address = ip_address(client[0])
        return any(address in network for network in self._trusted)


def _network(client: tuple[str, int] | None) -> str:
    """Whom an address belongs to: of IPv6 a subscriber has a whole network of 64 bits."""
    if client is None or ":" not in client[0]:
        return client[0] if client else ""
    address = IPv6Address(client[0].partition("%")[0])
    return str(address.ipv4_mapped or int(address) >> 64)


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol with a guard at its door."""

    guard: ClassVar[Guard]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._is_proven = self._is_refused = False
        # between two requests the next head is waited for
        self._in_head, self._size = True, 0
        self._timer: asyncio.TimerHandle | None = None
        self._answering: asyncio.TimerHandle | None = None
        self._arm(self.guard.limits.header_seconds, self._head_is_late)
        self.guard.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._is_answered()
        self.guard.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and not self._is_refused and not self.transport.is_closing():
            # no more of a head is parsed than it may have
            room = self.guard.limits.header_bytes - self._size if self._in_head else len(data)
            if room <= 0:
                self._refuse(431)
                return
            part, data = data[:room], data[room:]
            self._size += len(part)
            super().data_received(part)
            if self._size > self.guard.limits.header_bytes + _WIRE_LIMIT:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][PROVEN] = self._prove
        if self._timer is None:
            self._arm(self.guard.limits.header_seconds, self._head_is_late)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._arm(self.guard.limits.body_seconds + _GRACE, self._cut_off)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_timer()
        # it said all it had to say: who it is will be known at once
        self.guard.leave(self)
        if self._answering is None:
            self._answering = self.loop.call_later(_ANSWER_SECONDS, self._cut_off)
        super().on_message_complete()
        self._in_head, self._size = True, 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._is_answered()
        if self.pipeline and not self.transport.is_closing():
            self._answering = self.loop.call_later(_ANSWER_SECONDS, self._cut_off)
        elif not self._is_proven and not self.transport.is_closing() and self.cycle.response_complete:
            self.guard.leave(self)
            self.guard.admit(self)

    def _prove(self) -> None:
        self._is_proven = True
        self.guard.leave(self)

    def _head_is_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # an earlier request of the same connection is being answered, and nothing is read meanwhile
            self._arm(self.guard.limits.header_seconds, self._head_is_late)
        elif self._size:
            self._refuse(408)
        else:
            self.transport.abort()

    def _cut_off(self) -> None:
        self.transport.abort()

    def _refuse(self, status: int) -> None:
        self._is_refused = True
        self._stop_timer()
        self.transport.write(_ANSWERS[status])
        self.transport.close()

    def _is_answered(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def guarded(limits: HookLimits) -> type[Any]:
    """The protocol of a server with these limits."""
    return type("Guarded", (Guarded,), {"guard": Guard(limits)})
