"""
A sandbox shop's pages over HTTP at next to no cost: each is rendered once and kept as the bytes to send.

Started by the benchmarks as a process of its own. It prints its base URL, serves both kinds of paging from one
still clock, and remembers what was asked: GET and DELETE ``/_pages/asked``. POST ``/_pages/pace?50`` makes it send no
faster than a line of 50 MB/s, shared by all connections; POST ``/_pages/clock?2026-02-24T02:15:00`` moves its clock.
"""

import argparse
import asyncio
import json
from datetime import datetime, time, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from stockbook_sandbox.query import NotThere
from stockbook_sandbox.server import _envelope
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.state import Sandbox

BASE = "/v2/fulfillment/"
ASKED, PACE, CLOCK = "/_pages/asked", "/_pages/pace?", "/_pages/clock?"


def answer(status: int, body: bytes) -> bytes:
    """The bytes of a whole answer."""
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Pages:
    """What was rendered, by the target that asked for it and by what that target means."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.by_target: dict[str, bytes] = {}
        self.by_meaning: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self.asked: list[str] = []
        self.pace = 0.0
        self.free_at = 0.0

    def wait(self, size: int, now: float) -> float:
        """Seconds until an answer of ``size`` bytes has gone over the line."""
        if not self.pace:
            return 0.0
        self.free_at = max(self.free_at, now) + size / self.pace / 1e6
        return self.free_at - now

    def of(self, method: str, target: str) -> bytes:
        """The answer to a request."""
        if target.startswith(PACE):
            self.pace = float(target.removeprefix(PACE))
            return answer(200, b"{}")
        if target.startswith(CLOCK):
            self.sandbox.set_clock(datetime.fromisoformat(target.removeprefix(CLOCK)))
            self.by_target.clear()
            self.by_meaning.clear()
            return answer(200, b"{}")
        if target == ASKED:
            body = json.dumps(self.asked).encode()
            if method == "DELETE":
                self.asked.clear()
            return answer(200, body)
        self.asked.append(target)
        response = self.by_target.get(target)
        if response is None:
            parts = urlsplit(target)
            # two clients may write the same question in another order
            meaning = (parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True))))
            response = self.by_meaning.get(meaning)
            if response is None:
                response = self.by_meaning[meaning] = self._rendered(parts.path, parts.query)
            self.by_target[target] = response
        return response

    def _rendered(self, path: str, query: str) -> bytes:
        from stockbook_sandbox.query import Query

        try:
            listing = self.sandbox.routes[path.removeprefix(BASE)]
            return answer(200, _envelope(listing(Query(query), self.sandbox.now)))
        except (KeyError, NotThere):
            return answer(404, b'{"code":404,"message":"no such endpoint"}')


class Connection(asyncio.Protocol):
    """One connection that is kept open; requests have no body."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole head that came."""
        self.came += data
        while b"\r\n\r\n" in self.came:
            head, self.came = self.came.split(b"\r\n\r\n", 1)
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            response, loop = self.pages.of(method, target), asyncio.get_running_loop()
            if wait := self.pages.wait(len(response), loop.time()):
                loop.call_later(wait, self.transport.write, response)
            else:
                self.transport.write(response)


async def serve(pages: Pages) -> None:
    """Serve on a free port of loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pages), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]} {pages.sandbox.clock.isoformat()}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Build the shop and serve it at 02:15 of the day after its last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=Path, help="a real order history to replay")
    parser.add_argument("--size", type=int, default=0, help="orders of an invented shop, if no history is given")
    options = parser.parse_args()
    shop = Shop(history=options.orders) if options.orders else Shop(orders=options.size)
    clock = datetime.combine(shop.last + timedelta(days=1), time(2, 15))
    asyncio.run(serve(Pages(Sandbox(shop, clock))))


if __name__ == "__main__":
    main()
