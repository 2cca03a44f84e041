"""The other side of the receiver's tests: events as the three systems send them, and a receiver to send them to."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from night_rig import KEY

from stockbook.clock import SystemClock
from stockbook_sandbox.people import person

TOKEN = "hook-token-that-must-stay-secret"
APP_SECRET = "app-secret-that-must-stay-secret"
SHOP_SECRET = "shop-secret-that-must-stay-secret"
SECRETS = (TOKEN, APP_SECRET, SHOP_SECRET)
CLOCK = SystemClock()


def connections(**more: str) -> dict[str, str]:
    """One account of each system, as Airflow reads connections from the environment."""
    extras = {
        "FULFILLMENT_CZ": {"password": "the-api-token", "extra": {"hook_token": TOKEN}},
        "FLICKROCKET": {"password": "an-access-token", "extra": {"app_secret": APP_SECRET, "company_id": 1202}},
        "SHOPLINE": {"password": SHOP_SECRET, "extra": {"shop_id": "1610418123456"}},
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "http", **parts}) for name, parts in extras.items()} | more


def variables(home: Path, **more: str) -> dict[str, str]:
    """The environment of a receiver."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("STOCKBOOK_", "AIRFLOW_"))},
        **connections(),
        # the tests set one without connections; the benchmark sets none
        "AIRFLOW_HOME": os.environ.get("AIRFLOW_HOME") or str(home / "no-airflow"),
        "STOCKBOOK_HOME": str(home),
        "STOCKBOOK_HASH_KEY": KEY,
        **more,
    }


@dataclass
class Sent:
    """A request to be sent; ``chunks`` sends the body in pieces, without saying how long it is."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    chunks: bool = False


def compact(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


# fulfillment.cz


def fulfillment_cz(number: int, kind: str = "OrderSent", data: dict[str, Any] | None = None) -> Sent:
    """An event with the token in its header."""
    order = f"{number:08x}-aaaa-4000-8000-000000000000"
    body = {
        "event_id": f"{number:08x}-0000-4000-8000-000000000000",
        "event_type": kind,
        "data": {"id": order} | (data or {}),
        "created": "2026-03-01 12:59:59",
    }
    return Sent(
        "/hooks/fulfillment_cz/main", compact(body), {"Authorization": TOKEN, "Content-Type": "application/json"}
    )


def an_order(number: int) -> dict[str, Any]:
    """The data of an OrderCreated, with a person in every field that may hold one."""
    who = person(number)._asdict()
    return {
        "warehouse_id": "11111111-0000-4000-8000-000000000000",
        "number": f"FF{number:010d}",
        "remote_number": f"R{number}",
        "currency_id": "CZK",
        "on_hold": False,
        "recipient": who,
        "delivery": {
            "id": 1,
            "value": 1234.50,
            "name": "Kurýr",
            "tracking_number": who["phone"],
            "status": "inTransit",
        },
        "payment": {"cod": True, "variable_symbol": who["phone"], "price": 1001},
        "products": [{"name": who["surname"], "image": who["street"], "code": "DS1", "ext_code": 123, "quantity": 2}],
        "note": f"call {who['firstname']}",
        "tickets": [{"barcode": who["phone"]}],
        "created": "2026-03-01 12:00:00",
    }


# FlickRocket


def flickrocket(scope: str, kind: str, number: str, secret: str = APP_SECRET, **data: str) -> Sent:
    """An event with the hash of the literal reading, its keys in the vendor's order."""
    inner = {"type": kind, "id": number, **data}
    body = {"company_id": 1202, "producer": "shop", "scope": scope, "data": inner}
    return Sent("/hooks/flickrocket/main", compact(body | {"hash": flickrocket_hash(body, secret)}))


def flickrocket_hash(body: Mapping[str, Any], secret: str) -> str:
    """SHA-256 of names and values one after the other, then the secret."""
    flat = [
        (n, v)
        for name, value in body.items()
        for n, v in (value.items() if isinstance(value, dict) else [(name, value)])
    ]
    return hashlib.sha256(("".join(f"{name}{value}" for name, value in flat) + secret).encode()).hexdigest()


# SHOPLINE


def shopline(topic: str, content: Any, message: str, secret: str = SHOP_SECRET, as_hex: bool = False) -> Sent:
    """An event with the signature of its raw body in a header."""
    body = content if isinstance(content, bytes) else compact(content)
    digest = hmac.digest(secret.encode(), body, "sha256")
    return Sent(
        "/hooks/shopline/main",
        body,
        {
            "Content-Type": "application/json; charset=utf-8",
            "X-Shopline-Topic": topic,
            "X-Shopline-Hmac-Sha256": digest.hex() if as_hex else base64.b64encode(digest).decode(),
            "X-Shopline-Shop-Domain": "shop.myshopline.example",
            "X-Shopline-Shop-Id": "1610418123456",
            "X-Shopline-Merchant-Id": "2000001234",
            "X-Shopline-API-Version": "v20251201",
            "X-Shopline-Webhook-Id": message,
        },
    )


def a_fulfillment_order(number: int) -> dict[str, Any]:
    """The body of a fulfillment_order/create, with a person in every field that may hold one."""
    who = person(number)
    named = {"name": who.surname, "first_name": who.firstname, "last_name": who.surname, "company": who.company}
    reached = {"email": who.email, "phone": who.phone, "address1": who.street, "address2": who.street}
    return {
        "fulfillment_order": {
            "id": f"21057401932826316666967110_40057401932901310853{number:02d}",
            "order_id": "21057401932826316666967110",
            "shop_id": "1610418123456",
            "status": "open",
            "request_status": "unsubmitted",
            "supported_actions": "release_hold",
            "assigned_location_id": "5327026538935748524",
            "destination": {
                **named,
                **reached,
                "city": who.city,
                "zip": who.zipcode,
                "country_code": "US",
            },
            "fulfillment_holds": [{"reason": "other", "reason_note": who.surname}],
            "line_items": [{"id": "1", "line_item_id": "2", "variant_id": "18057039439794751459380270", "quantity": 2}],
            "merchant_requests": [
                {"kind": "fulfillment_request", "message": who.firstname, "send_at": "2026-03-01T10:00:00-04:00"}
            ],
            "created_at": "2026-03-01T10:00:00-04:00",
        }
    }


class Line:
    """A kept connection to a receiver."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet."""
        parts = urlsplit(url)
        self._prefix = parts.path
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def send(self, sent: Sent) -> tuple[int, bytes, float]:
        """Status, body and seconds of the answer."""
        start = CLOCK.monotonic()
        try:
            answer = self._response(sent)
        except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
            self._connection.close()  # an idle connection was dropped: once more on a new one
            start = CLOCK.monotonic()
            answer = self._response(sent)
        body = answer.read()
        return answer.status, body, CLOCK.monotonic() - start

    def _response(self, sent: Sent) -> http.client.HTTPResponse:
        body: Any = sent.body
        if sent.chunks:
            body = iter([sent.body[at : at + 60_000] for at in range(0, len(sent.body), 60_000)])
        self._connection.request(sent.method, self._prefix + sent.path, body, sent.headers, encode_chunked=sent.chunks)
        return self._connection.getresponse()

    def status(self, sent: Sent) -> int:
        """Only the status."""
        return self.send(sent)[0]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass
class Receiving:
    """A receiver in a process of its own."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A connection to it."""
        line = Line(self.url)
        try:
            yield line
        finally:
            line.close()


@contextmanager
def receiving(environ: dict[str, str], folder: Path) -> Iterator[Receiving]:
    """`stockbook hooks serve` on a free port; what it prints goes to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    words = ["-m", "stockbook", "hooks", "serve", "--port", "0", "--ready-file", str(ready)]
    with (folder / "receiver.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, *words], env=environ, stdout=log, stderr=log)
        try:
            end = CLOCK.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None, (folder / "receiver.log").read_text()
                assert CLOCK.monotonic() < end, "the receiver did not start"
                CLOCK.sleep(0.02)
            yield Receiving(json.loads(ready.read_text())["url"], process, folder / "receiver.log")
        finally:
            process.terminate()
            process.wait(timeout=30)
