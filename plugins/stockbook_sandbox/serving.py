"""Starting and stopping the sandbox: in a thread of a test, or as a process of its own."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn

from stockbook.errors import ConfigError, Unreachable
from stockbook.listening import listening, url_of
from stockbook_sandbox.hooks import Hooks
from stockbook_sandbox.server import create_app
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.state import Sandbox

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Server(uvicorn.Server):
    """Says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _bound(host: str, port: int) -> socket.socket:
    if host not in LOOPBACK:
        raise ConfigError(
            f"The sandbox has no lock on its control routes and serves loopback only; got host {host!r}: use 127.0.0.1."
        )
    return listening(host, port)


def _config(sandbox: Sandbox) -> uvicorn.Config:
    # dropped connections are faults on order here, not errors to log
    return uvicorn.Config(
        create_app(sandbox), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )


class Running:
    """A sandbox in a thread of this process."""

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        """Made by ``running``."""
        self.sandbox, self.url, self.token = sandbox, url, sandbox.token

    @property
    def shop(self) -> Shop:
        """What is being served."""
        return self.sandbox.shop

    def set_clock(self, clock: datetime) -> None:
        """Move the clock to a naive local wall time."""
        self.sandbox.set_clock(clock)

    def requests(self) -> dict[str, int]:
        """Requests per ``METHOD /path`` (numbers in paths are ``<id>``) since the start or the latest reset."""
        return dict(self.sandbox.counts)

    def reset_requests(self) -> None:
        """Count from 0 again."""
        self.sandbox.counts.clear()
        self.sandbox.bytes_sent = 0

    def faults(self, rules: list[dict[str, Any]]) -> None:
        """Put these fault rules in force, and no others."""
        self.sandbox.faults.replace(rules)

    def fault_hits(self) -> list[dict[str, Any]]:
        """The rules in force with ``seen`` and ``hits``."""
        return self.sandbox.faults.hits()

    def rewrite_movements(self, changes: dict[str, Any]) -> None:
        """Serve movements, by id, with other fields than were booked, or (None) not at all: these and no others."""
        self.sandbox.listings.movements.rewrite(changes)

    @property
    def hooks(self) -> Hooks:
        """The sender of events; there is one when ``hooks_to`` was given."""
        if self.sandbox.hooks is None:
            raise ConfigError("This sandbox sends no events: give it hooks_to.")
        return self.sandbox.hooks

    def truth(self, clock: datetime | None = None) -> dict[str, Any]:
        """What is true at a clock; by default at the sandbox's."""
        return self.shop.truth(self.sandbox.now if clock is None else clock)


@contextmanager
def running(shop: Shop, clock: datetime, *, port: int = 0, **options: Any) -> Iterator[Running]:
    """
    Serve a shop in a thread on a free port of 127.0.0.1 until the block ends.

    ``clock`` is naive local time; ``options`` are fields of ``Sandbox`` (token, readings,
    singular_key, bucket, seconds_per_request, token_lifetime).
    """
    sandbox = Sandbox(shop, clock, **options)
    bound = _bound("127.0.0.1", port)
    ready = threading.Event()
    server = _Server(_config(sandbox), ready.set)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[bound])), name="stockbook-sandbox", daemon=True
    )
    thread.start()
    try:
        if not ready.wait(timeout=30):
            raise Unreachable("The sandbox was expected to start within 30 seconds and did not.")
        yield Running(sandbox, url_of("127.0.0.1", bound))
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        bound.close()


def serve(sandbox: Sandbox, host: str, port: int, ready_file: Path | None, announce: Callable[[str], None]) -> None:
    """
    Serve until interrupted. ``announce`` gets the base URL once connections are accepted.

    ``ready_file`` then holds JSON with url, token and clock, written atomically. Raises ConfigError
    for a host that is not loopback or a port that is taken.
    """
    bound = _bound(host, port)
    url = url_of(host, bound)

    def ready() -> None:
        if ready_file is not None:
            partial = ready_file.with_name(f".{ready_file.name}.part")
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps({"url": url, "token": sandbox.token, "clock": sandbox.clock.isoformat()}))
            os.replace(partial, ready_file)
        announce(url)

    _Server(_config(sandbox), ready).run(sockets=[bound])
