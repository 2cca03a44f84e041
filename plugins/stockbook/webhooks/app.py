"""
The receiver as an ASGI application: in Airflow's API server (under ``/stockbook``) and as a server of its own.

Airflow's login does not cover it: each route does its own checking. The route of events is plain ASGI, because a
framework's request would read and parse the body before we have seen who sent it.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stockbook import hash_key
from stockbook.clock import Clock
from stockbook.connections import RawConnection
from stockbook.errors import ConfigError, StockbookError
from stockbook.health import metrics
from stockbook.health.parts import OK, attention
from stockbook.inbox import Inbox
from stockbook.runs.last_run import last_ended
from stockbook.settings import Settings
from stockbook.webhooks import verify
from stockbook.webhooks.accounts import HookAccounts
from stockbook.webhooks.erased_events import Arriving
from stockbook.webhooks.health import PARTS, Health, takes_events
from stockbook.webhooks.receiver import SENDERS, Receiver
from stockbook.webhooks.refusals import Refusals
from stockbook.webhooks.request import Receive, Refused, Scope, SenderHungUp
from stockbook.webhooks.status_page import status_page

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

STORED = 200
NOT_NOW = 503

_log = logging.getLogger(__name__)


class Desk:
    """
    What all requests of a process share: the open inbox, the accounts, the receiver.

    It opens with the first request, since an application that is mounted in another gets no start-up event. Until it
    can be opened every event is answered 503, and its sender tries again.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        clock: Clock,
        conn_ids: Callable[[], Iterable[str]],
        look_up: Callable[[str], RawConnection | None],
    ) -> None:
        """Everything is read when the desk opens."""
        self.clock = clock
        self.accounts = HookAccounts(conn_ids, look_up, clock)
        self.settings = settings
        self.health = Health(self, lambda words, error: _log.error(words, _sentence(error)))
        self._opening: asyncio.Lock | None = None
        self._open: tuple[Inbox, Receiver] | None = None
        self.arriving: Arriving | None = None
        self.refusals = Refusals(clock)

    async def open(self) -> tuple[Inbox, Receiver]:
        """The inbox and the receiver. Raises ConfigError while one of them cannot be had."""
        if self._open is None:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                if self._open is None:
                    self._open = await asyncio.to_thread(self.open_now)
        return self._open

    def open_now(self) -> tuple[Inbox, Receiver]:
        """The same, waiting here: for a server that would rather not start than answer 503."""
        if self._open is None:
            settings = self.settings()
            if settings.hash_key is None:
                raise ConfigError("The receiver of webhooks needs STOCKBOOK_HASH_KEY, which is not set.")
            # with an inbox elsewhere the home may be another machine's, and here nothing that can be written
            (hash_key.require_same if settings.inbox_database else hash_key.remember)(settings)
            self.arriving = Arriving(settings, self.clock)
            self._open = Inbox.open(settings.inbox_url), Receiver(settings.hash_key, settings.hooks)
        return self._open

    def close(self) -> None:
        """Write what waits and let the inbox go."""
        if self._open is not None:
            self._open[0].close()
            self._open = None


class Hooks:
    """``POST /hooks/{source}/{account}``: one event, answered 200 when it is on the disk."""

    def __init__(self, desk: Desk) -> None:
        """Take requests for a desk."""
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(scope, receive)
            self._desk.health.took(True)
            status = STORED
        except SenderHungUp:
            return
        except Refused as refused:
            status = refused.status
        except Exception as error:
            _log.error("An event could not be taken: %s", _sentence(error))
            self._desk.health.took(False)
            status = NOT_NOW
        body = _OK if status == STORED else _NO
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 405:
            headers.append((b"allow", b"POST"))
        if status == 408:
            # the rest of the body will not be read
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Scope, receive: Receive) -> None:
        _, _, source, account, *more = _path(scope).split("/", 4)
        if more:
            raise Refused(404)
        # whatever a stranger puts behind the question mark is not for the logs of the servers around us
        scope["query_string"] = b""
        inbox, receiver = await self._desk.open()
        accounts = await self._desk.accounts.current()
        now = self._desk.clock.utc()
        try:
            arrival = await receiver.take(source, account, accounts, scope, receive, now)
        except Refused as refused:
            if source in SENDERS:
                self._desk.refusals.note(source, account, accounts, refused.status)
            raise
        if self._desk.arriving is not None:
            arrival = self._desk.arriving.without_forgotten(arrival)
        await inbox.arrive(arrival)


def _sentence(error: Exception) -> str:
    """What may be logged of an error: our own sentence; of any other its kind only, its text may quote the body."""
    return str(error) if isinstance(error, StockbookError) else type(error).__name__


_OK, _NO = b'{"status":"ok"}', b'{"status":"refused"}'


class App:
    """The application: events by the shortest way, everything else through a router."""

    def __init__(self, hooks: Hooks, site: Starlette) -> None:
        """Put them together."""
        self._hooks, self._site = hooks, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_event = scope["type"] == "http" and _EVENT.match(_path(scope))
        await (self._hooks if is_event else self._site)(scope, receive, send)


_EVENT = re.compile(r"/hooks/[^/]+/[^/]")


def _path(scope: Scope) -> str:
    """The path below where the application is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def create_app(desk: Desk) -> App:
    """The application: ``/hooks/…``, ``/health…``, ``/metrics`` and ``/app/…`` (mount it under ``/stockbook``)."""

    async def health(_: Request) -> Response:
        parts = await desk.health.parts()
        takes = takes_events(parts)
        content = {"status": OK if takes else "unavailable", "attention": attention(parts), **parts}
        return JSONResponse(content, STORED if takes else NOT_NOW)

    async def health_of(request: Request) -> Response:
        name = request.path_params["part"]
        part = (await desk.health.parts()).get(name) if name in PARTS else None
        if part is None:
            return Response(status_code=404)
        return JSONResponse(part, STORED if part["status"] == OK else NOT_NOW)

    async def metrics_of(request: Request) -> Response:
        request.scope["query_string"] = b""
        # without settings there is no token, and nobody is let in
        token = ""
        with suppress(StockbookError):
            token = desk.settings().metrics_token
        header = request.headers.get("authorization", "").encode("latin-1")
        if not token or not verify.token_fits(header, [f"Bearer {token}".encode("latin-1")]):
            return Response(status_code=401)
        parts = await desk.health.parts()
        night = await asyncio.to_thread(last_night)
        return Response(
            metrics.text([*metrics.of_health(parts), *night]), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    def last_night() -> list[metrics.Sample]:
        # health says so of a report that cannot be read
        with suppress(StockbookError):
            ended = last_ended(desk.settings())
            return [] if ended is None else list(metrics.of_night(ended))
        return []

    async def page(request: Request) -> Response:
        query = dict(request.query_params)
        # it holds a signature that is valid for ever: the servers around us would log it
        request.scope["query_string"] = b""
        try:
            inbox, _ = await desk.open()
            accounts = await desk.accounts.current()
        except Exception as error:
            _log.error("The status page cannot be shown: %s", _sentence(error))
            return Response(status_code=NOT_NOW)
        account = accounts.get(("flickrocket", request.path_params["account"]))
        return await status_page(account, query, inbox, desk.clock)

    site = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/health/{part}", health_of, methods=["GET"]),
            Route("/metrics", metrics_of, methods=["GET"]),
            Route("/app/{account}", page, methods=["GET"]),
        ]
    )
    # a redirect counts as a failure with every sender
    site.router.redirect_slashes = False
    return App(Hooks(desk), site)
