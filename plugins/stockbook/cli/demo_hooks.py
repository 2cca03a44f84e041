"""The demo's receiver: events of all three systems, as the shop's clock moves on and at its times."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from stockbook import connections
from stockbook.clock import SystemClock
from stockbook.settings import Settings

STEP = timedelta(hours=6)
"""How far the clock moves at a time: what has no time of its own is dated by its arrival."""


class Shop(Protocol):
    """What of a served sandbox is needed."""

    def set_clock(self, now: datetime) -> None:
        """Move its clock: events go out."""
        ...

    def get(self, path: str, **parameters: str) -> Any:
        """A control route's answer."""
        ...


class ShopClock(SystemClock):
    """The machine's clock, but for the time it is, which is the shop's."""

    now = datetime.fromtimestamp(0, UTC)

    def utc(self) -> datetime:
        return self.now


class Receiving:
    """A receiver in a thread. ``url`` is where a sandbox sends events to."""

    def __init__(self, url: str, clock: ShopClock, zone: ZoneInfo) -> None:
        """Made by ``receiving``."""
        self.url, self._clock, self._zone = url, clock, zone

    def move_clock(self, shop: Shop, first: datetime, last: datetime, step: timedelta = STEP) -> None:
        """Move a shop's clock from one local time to another; every event of that time is received then."""
        waiting = SystemClock()
        shop.set_clock(first)
        now = first
        while now < last:
            now = min(now + step, last)
            # what happened just before a night is known to it
            self._clock.now = (now - timedelta(minutes=1)).replace(tzinfo=self._zone).astimezone(UTC)
            shop.set_clock(now)
            while shop.get("hooks")["is_sending"]:
                waiting.sleep(0.05)


@contextlib.contextmanager
def receiving(environ: Mapping[str, str]) -> Iterator[Receiving]:
    """A receiver over the home and the connections of this environment, until the block ends."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from stockbook.webhooks.app import Desk, create_app
    from stockbook.webhooks.serving import PREFIX

    clock, settings = ShopClock(), Settings.load(environ)
    desk = Desk(
        lambda: settings,
        clock,
        lambda: connections.SOURCES,
        lambda conn_id: connections.from_environment(conn_id, environ),
    )
    desk.open_now()
    config = uvicorn.Config(
        Starlette(routes=[Mount(PREFIX, create_app(desk))]), lifespan="off", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), name="demo-hooks", daemon=True)
        thread.start()
        try:
            yield Receiving(f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}/hooks", clock, settings.zone)
        finally:
            server.should_exit = True
            thread.join(timeout=30)
            desk.close()
