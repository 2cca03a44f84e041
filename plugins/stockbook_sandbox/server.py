"""
The sandbox over HTTP.

Everything runs in one event loop, so requests see a consistent clock and nothing needs a lock.
"""

import asyncio
import re
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stockbook.errors import ConfigError
from stockbook_sandbox.answers import Answer, Dropped, with_answer_faults, with_page_faults, with_row_faults
from stockbook_sandbox.control import Control
from stockbook_sandbox.events import COMPANY
from stockbook_sandbox.faults import Rule
from stockbook_sandbox.listings import Listing
from stockbook_sandbox.localtime import local_of
from stockbook_sandbox.query import BadQuery, NotThere, Page, Query
from stockbook_sandbox.state import Sandbox

LONGEST_QUERY = 8_000
"""Bytes of a query string beyond which the answer is 414, as common web servers do."""


def _envelope(page: Page) -> bytes:
    total = b"" if page.total is None else b'"totalCount":%d,' % page.total
    return b'{"code":200,"message":"",' + total + b'"data":[' + b",".join(page.rows) + b"]}"


def _refusal(status: int, message: str) -> Answer:
    return Answer(msgspec.json.encode({"code": status, "message": message}), status)


class _Api:
    """The routes of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def _serve(self, request: Request, make: Callable[[list[Rule]], Answer]) -> Response:
        """Count, let the clock move, make the answer and spoil it where a fault says so."""
        sandbox = self.sandbox
        path, query = request.url.path, request.url.query
        sandbox.count(request.method, path)
        rules = sandbox.faults.strike(path, query)
        for rule in rules:
            if rule.kind == "stall":
                await asyncio.sleep(rule.seconds)
        try:
            answer = _refusal(414, "URI too long") if len(query) > LONGEST_QUERY else make(rules)
        except BadQuery as error:
            answer = _refusal(400, str(error))
        except NotThere as error:
            answer = _refusal(404, str(error))
        answer, dropping = with_answer_faults(answer, rules)
        sandbox.bytes_sent += len(answer.body)
        if dropping is not None:
            return Dropped(answer.body, dropping.share, answer.content_type)
        return Response(answer.body, answer.status, answer.headers, answer.content_type)

    async def fulfillment(self, request: Request) -> Response:
        """fulfillment.cz: raw token, envelope."""

        def make(rules: list[Rule]) -> Answer:
            if request.headers.get("authorization") != self.sandbox.token:
                return _refusal(401, "Unauthorized")
            now = self.sandbox.tick()
            listing = self._listing(request.path_params["path"])
            page = with_page_faults(lambda query: listing(query, now), request.url.query, rules)
            return Answer(_envelope(page))

        return await self._serve(request, make)

    def _listing(self, path: str) -> Listing:
        if (nested := re.fullmatch(r"products/(\d+)/variants", path)) is not None:
            product = int(nested[1])
            return lambda query, now: self.sandbox.listings.catalogue.product_variants(query, now, product)
        listing = self.sandbox.routes.get(path)
        if listing is None:
            raise NotThere("no such endpoint")
        return listing

    async def flickrocket(self, request: Request) -> Response:
        """FlickRocket: Bearer token, its own envelopes, the bucket."""

        def make(rules: list[Rule]) -> Answer:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self.sandbox.tokens.accepts(token):
                return Answer(msgspec.json.encode({"error": "unauthorized"}), 401)
            if not self.sandbox.bucket.takes():
                return Answer(msgspec.json.encode({"error": "call limit exceeded"}), 429, headers={"Retry-After": "1"})
            body = self.sandbox.flickrocket.answer(
                request.path_params["path"], Query(request.url.query), self.sandbox.tick()
            )
            return Answer(msgspec.json.encode(with_row_faults(body, rules)))

        return await self._serve(request, make)

    async def webhooks(self, request: Request) -> Response:
        """The subscription APIs: FlickRocket's in both variants, SHOPLINE's; all with a Bearer token."""
        body, path, number = await request.body(), request.url.path, request.path_params.get("number")

        def make(rules: list[Rule]) -> Answer:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not self.sandbox.tokens.accepts(token):
                return Answer(msgspec.json.encode({"error": "unauthorized"}), 401)
            subscriptions, now = self.sandbox.subscriptions, local_of(self.sandbox.tick())
            if path.startswith("/admin/openapi/"):
                content = subscriptions.shopline(request.method, number, body, now)
            else:
                content = subscriptions.flickrocket(request.method, number, body, path.startswith("/admin/"), now)
            return Answer(msgspec.json.encode(content), 201 if request.method == "POST" else 200)

        return await self._serve(request, make)

    async def authorize(self, request: Request) -> Response:
        """FlickRocket's page that asks whether an app is to be allowed; its button leads back to the app."""
        query = request.query_params
        back = urlsplit(query.get("redirect_uri", ""))
        if not query.get("client_id") or not query.get("scope") or query.get("access_type") != "offline":
            return Response("client_id, scope and access_type are needed", 400)
        # whatever an app's list of return URLs has: this one sends nobody off the machine
        if back.hostname not in ("127.0.0.1", "localhost", "::1"):
            return Response("redirect_uri is not registered", 400)
        if request.method == "POST":
            answer = {"code": self.sandbox.tokens.grant(), "companyid": str(COMPANY)}
            if "state" in query:
                answer["state"] = query["state"]
            return Response(status_code=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(answer)}"})
        scope = escape(query["scope"])
        page = f"<!doctype html><title>Sandbox</title><form method=post><p>Allow {scope}? <button>Allow</button></form>"
        return Response(page, media_type="text/html")

    async def token(self, request: Request) -> Response:
        """FlickRocket's token call: a form with grant_type, refresh_token and client_id, and no secret."""
        form = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}

        def make(rules: list[Rule]) -> Answer:
            if any(rule.kind == "status" for rule in rules):
                return Answer(b"")  # an error status comes before the token is spent, a dropped connection after
            if form.get("grant_type") != "refresh_token" or not form.get("client_id"):
                return Answer(msgspec.json.encode({"error": "invalid_request"}), 400)
            pair = self.sandbox.tokens.renew(form.get("refresh_token", ""))
            if pair is None:
                return Answer(msgspec.json.encode({"error": "invalid_grant"}), 400)
            return Answer(msgspec.json.encode(pair))

        return await self._serve(request, make)


def create_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application of a sandbox."""
    api = _Api(sandbox)

    async def refused(_: Request, error: Exception) -> Response:
        return Response(msgspec.json.encode({"error": str(error)}), 400, media_type="application/json")

    return Starlette(
        routes=[
            Route("/v2/fulfillment/{path:path}", api.fulfillment, methods=["GET"]),
            *(
                route
                for base in ("/admin/webhooks", "/api/webhooks", "/admin/openapi/{version}/webhooks")
                for route in (
                    Route(f"{base}.json", api.webhooks, methods=["GET", "POST"]),
                    Route(base + "/{number:int}.json", api.webhooks, methods=["GET", "PUT", "DELETE"]),
                )
            ),
            Route("/api/{path:path}.json", api.flickrocket, methods=["GET"]),
            Route("/oauth2/auth", api.authorize, methods=["GET", "POST"]),
            Route("/token", api.token, methods=["POST"]),
            Route("/oauth2/token", api.token, methods=["POST"]),
            *Control(sandbox).routes(),
        ],
        exception_handlers={ConfigError: refused},
    )
