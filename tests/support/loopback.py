"""A small HTTP server on loopback, and the two APIs over a few given rows: the other side of the tests of sources."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stockbook.connections import Account

TOKEN = "token-that-must-stay-secret"


@dataclass
class Request:
    """A request as it came."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""

    def number(self, name: str, default: int) -> int:
        return int(self.query.get(name, [str(default)])[0])

    def text(self, name: str) -> str | None:
        return self.query.get(name, [None])[0]


@dataclass
class Answer:
    """What to send; ``cut`` promises that many bytes more than are sent."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    cut: int = 0


def as_json(content: Any, **more: Any) -> Answer:
    return Answer(json.dumps(content, ensure_ascii=False).encode(), **more)


@contextmanager
def serving(answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on a free port of loopback, within ``tls`` if there is one; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: two wait 40 ms for each other

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent = answer(Request(parts.path, parse_qs(parts.query), dict(self.headers), self.command, body))
            self.send_response(sent.status)
            self.send_header("Content-Type", sent.kind)
            self.send_header("Content-Length", str(len(sent.body) + sent.cut))
            for name, value in sent.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent.body)
            if sent.cut:
                self.close_connection = True

        def do_CONNECT(self) -> None:  # asked of a proxy
            self.send_response(answer(Request(self.path, {}, dict(self.headers), self.command)).status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def account_at(base_url: str, source: str = "fulfillment_cz", **changes: Any) -> Account:
    usual = {
        "source": source,
        "account": "main",
        "conn_id": source,
        "base_url": base_url,
        "password": TOKEN,
        "requests_per_second": 0.0,
        "max_connections": 3,
        "sandbox": True,
    }
    return Account(**{**usual, **changes})


BASE = "/v2/fulfillment/"


@dataclass
class Shop:
    """Both APIs over given rows: caps, filters and totals as docs/apis tells; counts what was asked."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    prices: list[dict[str, Any]] = field(default_factory=list)
    cap: int = 1000
    ids_from_inclusive: bool = True
    numbered_pages: bool = True
    hears_dates: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    log: list[Request] = field(default_factory=list)
    before: Callable[[Request], Answer | None] = lambda request: None

    def __call__(self, request: Request) -> Answer:
        self.asked[request.path] += 1
        self.log.append(request)
        early = self.before(request)
        if early is not None:
            return early
        if request.path.startswith("/api/"):
            return self._flickrocket(request)
        name = request.path.removeprefix(BASE)
        rows = list(self.rows.get(name, []))
        if name == "deliveries":
            return as_json({"code": 200, "message": "", "data": rows})
        if name == "orders":
            rows = [row for row in rows if self._wanted(row, request)]
        if name == "warehouse-movements" and (start := request.number("idFrom", 0)):
            rows = [row for row in rows if row["id"] >= start + (not self.ids_from_inclusive)]
        if name == "warehouse-movements" and (day := request.text("dateFrom")):
            rows = [row for row in rows if day <= row["created"][:10] <= str(request.text("dateTo"))]
        start, limit = request.number("offset", 0), min(request.number("limit", 30), self.cap)
        page = rows[start : start + limit]
        return as_json({"code": 200, "message": "", "totalCount": len(rows), "data": page})

    def _flickrocket(self, request: Request) -> Answer:
        name, _, rest = request.path.removeprefix("/api/").removesuffix(".json").partition("/")
        rows = self.prices if name == "prices" else self.rows.get(name, [])
        if name == "products" and name not in self.rows:
            return Answer(status=404)
        if rest == "count":
            return as_json({"count": len(rows)})
        if rest:
            matching = [row for row in rows if str(row["id"]) == rest]
            return as_json({name[:-1]: matching[0]}) if matching else Answer(status=404)
        if name == "products" and self.numbered_pages:
            start = (request.number("Page", 1) - 1) * 50
            rows = rows[start : start + 50]
        if request.text("created_at_min") is not None and self.hears_dates:
            first, last = request.text("created_at_min") or "", request.text("created_at_max") or "9"
            rows = [row for row in rows if first <= row["created_at"] <= last]
        return as_json({name: rows} if len(rows) != 1 else {name[:-1]: rows[0]})

    def _wanted(self, row: Any, request: Request) -> bool:
        day = row["created"][:10]
        ids = request.query.get("ids[]")
        return (request.text("created_from") or "") <= day <= (request.text("created_to") or "9999") and (
            ids is None or row["id"] in ids
        )


def order(number: int, created: str, **changes: Any) -> dict[str, Any]:
    """An order with a person in every field that may hold one."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "number": f"FF{number}",
        "remote_number": str(number),
        "currency_id": "CZK",
        "on_hold": False,
        "status": "sent",
        "status_note": "Secret-note",
        "expedition": {
            "status": "problem",
            "problem": {
                "source": "packing",
                "description": "Secret-description",
                "solution": None,
                "postponed": False,
                "photos": ["https://secret-photo/1.jpg"],
            },
        },
        "recipient": {
            "email": " Secret.Person@example.com ",
            "phone": "+420 111 222 333",
            "firstname": "Secretjan",
            "surname": "Secretnovák",
            "street": "Secretstreet 1",
            "city": "Brno",
            "zipcode": "602 00",
            "company": "Secretcompany",
        },
        "delivery": {
            "id": 2,
            "value": 1234.50,
            "name": "PPL",
            "tracking_number": "SECRETTRACK1",
            "status": "inTransit",
        },
        "payment": {"cod": True, "variable_symbol": "SECRET991", "price": 1001},
        "products": [{"name": "Mug", "image": "https://secret-image", "code": "DS1", "ext_code": 7, "quantity": 2}],
        "stock_items": [],
        "packages": [{"id": "p1", "items": [{"variant_id": 5, "code": "DS1", "ext_code": None, "quantity": 2}]}],
        "invoice": "U2VjcmV0SW52b2ljZQ==",
        "damaged": False,
        "note": "Secret-free-text",
        "tickets": [{"barcode": "SECRETBAR", "data": "^XA secret"}],
        "dispatch_date": None,
        "created": created,
        **changes,
    }


def movement(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "variant_id": 5,
        "movement": "out",
        "fulfillment_order_id": None,
        "preload_id": None,
        "reload_id": None,
        "price_per_unit": 4.10,
        "extra_cost_per_unit": None,
        "quantity": 2,
        "damaged_quantity": 0,
        "created": "2025-03-02 10:00:00",
        **changes,
    }


def stock_level(variant: int, **changes: Any) -> dict[str, Any]:
    return {
        "variant_id": variant,
        "code": f"DS{variant}",
        "ext_code": f"{variant:04d}",
        "quantity": 10,
        "available_quantity": 9,
        "damaged_quantity": 0,
        "reserved_quantity": 1,
        "requested_quantity": 0,
        "mastercase_quantity": 10,
        "mastercase_available_quantity": 9,
        "price_per_unit": 99,
        **changes,
    }


def fulfillment(number: int, created: str, status: int = 0, **changes: Any) -> dict[str, Any]:
    """A fulfillment with a person in every field that may hold one."""
    return {
        "id": str(number),
        "created_at": created,
        "shipping_company_id": 3,
        "status": status,
        "shipping_model": "Parcel",
        "tracking_number": "SECRETTRACK1, SECRETTRACK2",
        "tracking_url": "https://secret-track",
        "customer": {
            "id": "SECRETCUSTOMER",
            "first_name": "Secretjan",
            "last_name": "Secretnovák",
            "name": "Secretjan Secretnovák",
            "company": "Secretcompany",
            "address1": "Secretstreet 1",
            "address2": "Secretfloor",
            "zip": "SECRETZIP",
            "city": "Secrettown",
            "province": "Jihomoravský kraj",
            "province_code": "JM",
            "country_name": "Czechia",
            "country_code": "CZ",
            "default": True,
            "token": "SECRETTOKEN",
        },
        "line_items": [{"id": 75501, "product_id": "0001-26ED", "title": "Book", "Quantity": 2}],
        **changes,
    }
