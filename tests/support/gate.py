"""A port of loopback that leads to another one, and can be shut: what a server is for its clients when it is away."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Gate:
    """Made by ``gate``. Shut, it cuts off who talks through it, and answers nobody."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self._loop, self._target, self._is_shut = loop, target, False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = self._now(asyncio.start_server(self._lead, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """From now on nothing goes through."""
        self._is_shut = True
        self._now(self._cut())

    def open(self) -> None:
        """All is well again."""
        self._is_shut = False

    def close(self) -> None:
        """Nothing listens any more."""
        self.shut()
        self._now(self._end())

    def _now(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        # those who were cut off take their leave
        while self._writers:
            await asyncio.sleep(0)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        pair = {writer, back}
        self._writers |= pair
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._writers -= pair
            for each in pair:
                each.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await source.read(1 << 16):
            sink.write(content)
            await sink.drain()
    # the other direction ends with this one
    sink.close()


@contextmanager
def gate(target: int) -> Iterator[Gate]:
    """A gate before a port of this machine."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    leading = Gate(loop, target)
    try:
        yield leading
    finally:
        leading.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
