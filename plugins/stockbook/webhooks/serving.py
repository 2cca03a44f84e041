"""The receiver as a server of its own."""

import json
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from stockbook.atomic_files import write_atomically
from stockbook.connections import conn_id_of
from stockbook.limits import HookLimits
from stockbook.listening import listening, url_of
from stockbook.webhooks.app import Desk, create_app
from stockbook.webhooks.guard import guarded

PREFIX = "/stockbook"
_PROVEN = 1_500
_OTHER_FILES = 500


class _Server(uvicorn.Server):
    """Says when it accepts connections, and when the last one is served: after a signal nothing behind it runs."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], done: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._done = ready, done

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._done()


def serve(
    desk: Desk,
    host: str,
    port: int,
    ready_file: Path | None,
    announce: Callable[[str, list[str]], None],
    limits: HookLimits,
) -> None:
    """
    Serve until interrupted. ``announce`` gets the base URL and the connections that can send, once it listens.

    ``ready_file`` then holds JSON with url. Raises ConfigError when the inbox cannot be opened, an account's secrets
    not be looked up, or the port is taken: a receiver that could only answer 503 does not start.
    """
    desk.open_now()
    accounts = desk.accounts.look_up()
    senders = [conn_id_of(*key) for key in sorted(accounts) if accounts[key].secrets]
    bound = listening(host, port)
    url = f"{url_of(host, bound)}{PREFIX}"

    def ready() -> None:
        if ready_file is not None:
            write_atomically(ready_file, json.dumps({"url": url}).encode())
        announce(url, senders)

    app = Starlette(routes=[Mount(PREFIX, create_app(desk))])
    # a redirect counts as a failure with every sender
    app.router.redirect_slashes = False
    # unproven connections must not keep out proven ones
    connections = limits.connections + _PROVEN
    config = uvicorn.Config(
        app,
        http=guarded(limits),
        loop="uvloop",
        # another protocol would leave the guard behind
        ws="none",
        lifespan="off",
        # a warning a request would let strangers fill the disk
        log_level="error",
        # paths and addresses of strangers are not for our logs
        access_log=False,
        server_header=False,
        limit_concurrency=connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        # TLS ends in front of us, and nothing here depends on who the client is
        proxy_headers=False,
    )
    # two threads share the interpreter, the loop and the inbox's writer: five milliseconds a turn would be most of
    # the time an answer takes
    sys.setswitchinterval(0.001)
    _allow_files(connections + _OTHER_FILES)
    _Server(config, ready, desk.close).run([bound])


def _allow_files(wanted: int) -> None:
    """Let the process open so many files and connections, or as many as the system gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
