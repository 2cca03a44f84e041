"""The control routes: clock, request counts, faults, truth, limits, the ledger. No authentication: loopback only."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stockbook.errors import ConfigError
from stockbook_sandbox.flickrocket import Bucket
from stockbook_sandbox.localtime import local_of, utc_of
from stockbook_sandbox.sending import Sending
from stockbook_sandbox.state import Sandbox


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    order_topics: tuple[Literal["order/create", "orders/create"], ...] | None = None
    off: Literal["flickrocket", "shopline"] | None = None
    gone: tuple[str, ...] = ()
    app: Literal["app/uninstalled", "app/update"] | None = None


class Control:
    """What tests and people turn at while a sandbox runs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def routes(self) -> list[Route]:
        """All below ``/_sandbox/``."""
        return [
            Route("/_sandbox/clock", self.clock, methods=["GET", "POST"]),
            Route("/_sandbox/requests", self.requests, methods=["GET", "DELETE"]),
            Route("/_sandbox/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/hooks", self.hooks, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/subscriptions", self.subscriptions, methods=["GET", "POST"]),
            Route("/_sandbox/truth", self.truth, methods=["GET"]),
            Route("/_sandbox/bucket", self.bucket, methods=["GET", "POST"]),
            Route("/_sandbox/movements", self.movements, methods=["GET", "POST", "DELETE"]),
        ]

    async def clock(self, request: Request) -> Response:
        """GET: the clock. POST ``{"now": "2025-06-01T02:15:00", "fold": 0, "seconds_per_request": 0}``: move it."""
        sandbox = self.sandbox
        if request.method == "POST":
            fields = await _read_object(request)
            if "now" in fields:
                sandbox.set_clock(_local(str(fields["now"]), int(fields.get("fold", 0))))
            sandbox.seconds_per_request = float(fields.get("seconds_per_request", sandbox.seconds_per_request))
        now = local_of(sandbox.now)
        return _json({"now": now.isoformat(), "fold": now.fold, "seconds_per_request": sandbox.seconds_per_request})

    async def requests(self, request: Request) -> Response:
        """GET: requests per method and path since the start or the latest DELETE, and bytes sent."""
        if request.method == "DELETE":
            self.sandbox.counts.clear()
            self.sandbox.bytes_sent = 0
        return _json({"requests": dict(sorted(self.sandbox.counts.items())), "bytes_sent": self.sandbox.bytes_sent})

    async def faults(self, request: Request) -> Response:
        """GET: the rules and their hits. POST a list of rules: these and no others. DELETE: none."""
        if request.method == "POST":
            try:
                rules = msgspec.json.decode(await request.body(), type=list[dict[str, Any]])
            except msgspec.MsgspecError as error:
                raise ConfigError(f"A list of fault rules was expected; {error}.") from None
            self.sandbox.faults.replace(rules)
        elif request.method == "DELETE":
            self.sandbox.faults.replace([])
        return _json(self.sandbox.faults.hits())

    async def hooks(self, request: Request) -> Response:
        """
        GET: what became of the events sent, and the subscriptions. DELETE: send nothing more.

        POST ``{"from": ..., "until": ...}`` (local): send what happened between; other members are those of
        ``Sending``, which stay in force for what the moving clock sends.
        """
        hooks = self.sandbox.hooks
        if hooks is None:
            raise ConfigError("No address to send events to was given: start the sandbox with --hooks-to.")
        if request.method == "DELETE":
            hooks.stop()
        elif request.method == "POST":
            fields = await _read_object(request)
            first, last = fields.pop("from", None), fields.pop("until", None)
            try:
                hooks.how = msgspec.convert(fields, Sending)
            except msgspec.ValidationError as error:
                raise ConfigError(f"How events are sent cannot be read: {error}.") from None
            if first is not None:
                until = self.sandbox.now if last is None else utc_of(_local(str(last)))
                hooks.send(utc_of(_local(str(first))), until)
        return _json(hooks.numbers())

    async def subscriptions(self, request: Request) -> Response:
        """
        GET: the subscriptions.

        POST, each member if it is there: ``order_topics``, the spellings of FlickRocket's order topic that are taken
        from now on; ``off``, a source whose subscriptions are switched off; ``gone``, topics of SHOPLINE's that are
        deleted; ``app``, an event of the app that FlickRocket sends now.
        """
        sandbox = self.sandbox
        if request.method == "POST":
            fields = await _read_object(request)
            try:
                wanted = msgspec.convert(fields, _Wanted)
            except msgspec.ValidationError as error:
                raise ConfigError(f"What is to become of subscriptions cannot be read: {error}.") from None
            if wanted.order_topics is not None:
                sandbox.subscriptions.order_topics = wanted.order_topics
            if wanted.off is not None:
                sandbox.subscriptions.deactivate(wanted.off)
            for topic in wanted.gone:
                sandbox.subscriptions.remove("shopline", topic)
            if wanted.app is not None:
                if sandbox.hooks is None:
                    raise ConfigError("No address to send events to was given: start the sandbox with --hooks-to.")
                sandbox.hooks.send_of_app(wanted.app, sandbox.now)
        return _json([msgspec.to_builtins(each) for each in sandbox.subscriptions.all.values()])

    async def truth(self, request: Request) -> Response:
        """What is true at ``at`` (local; default: the clock)."""
        at = request.query_params.get("at")
        fold = int(request.query_params.get("fold", "0"))
        return _json(self.sandbox.shop.truth(self.sandbox.now if at is None else _local(at, fold)))

    async def bucket(self, request: Request) -> Response:
        """GET: FlickRocket's leaky bucket. POST ``{"size": 40, "leak": 2}``: another one, empty; size 0 is no limit."""
        sandbox = self.sandbox
        if request.method == "POST":
            fields = await _read_object(request)
            try:
                size, leak = int(fields.get("size", 0)), float(fields.get("leak", 2.0))
            except (TypeError, ValueError):
                size = -1
            if size < 0 or not leak >= 0:
                raise ConfigError("A bucket was expected as size (calls, 0 = no limit) and leak (calls a second).")
            sandbox.bucket = Bucket(size, leak, sandbox.bucket.clock)
        return _json({"size": sandbox.bucket.size, "leak": sandbox.bucket.leak})

    async def movements(self, request: Request) -> Response:
        """
        GET: the movements that are not served as they were booked. DELETE: none.

        POST ``{"1000413": {"price_per_unit": 77.25}, "1000420": null}``: these and no others, with other fields or not
        served at all.
        """
        if request.method == "POST":
            self.sandbox.listings.movements.rewrite(await _read_object(request))
        elif request.method == "DELETE":
            self.sandbox.listings.movements.rewrite({})
        return _json(self.sandbox.listings.movements.rewritten)


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


async def _read_object(request: Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ConfigError(f"A JSON object was expected; {error}.") from None


def _local(text: str, fold: int = 0) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"A local time like 2025-06-01T02:15:00 was expected; got {text!r}.") from None
    return moment if moment.tzinfo else moment.replace(fold=fold)
