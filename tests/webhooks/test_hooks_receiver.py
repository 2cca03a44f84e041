"""The receiver over real HTTP: what it takes, what it keeps of it, and what it refuses."""

import gzip
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hooks_rig as hooks
import pytest
import requests
from hooks_rig import Line, Receiving, Sent, a_fulfillment_order, an_order, compact, receiving
from night_rig import KEY
from postgres import postgres

from stockbook.connections import from_environment
from stockbook.inbox import Inbox, InboxEvent
from stockbook.projection import personal
from stockbook.settings import Settings
from stockbook.webhooks.accounts import LOOKED_UP_EVERY, HookAccounts, hook_account
from stockbook.webhooks.receiver import BODY_LIMIT, FlickRocket
from stockbook.webhooks.request import DEEPEST
from stockbook_sandbox.people import PERSONAL_PATTERN

FO = "fulfillment_order"
FULFILLMENT_CZ_TYPES = [
    "OrderCreated",
    "OrderUpdated",
    "OrderCanceled",
    "OrderDeliveryChanged",
    "OrderPushedToExpedition",
    "OrderPacked",
    "OrderReturned",
    "OrderNotSent",
    "OrderSent",
    "OrderDelivered",
    "OrderRestored",
    "OrderStatusChangedToWaitingForStorage",
    "OrderStatusChangedToCreated",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the receiver."""
    return tmp_path_factory.mktemp("hooks") / "home"


@pytest.fixture(scope="module")
def receiver(home: Path) -> Iterator[Receiving]:
    """A stand-alone receiver for the whole file."""
    with receiving(hooks.variables(home), home.parent) as running:
        yield running


@pytest.fixture
def line(receiver: Receiving) -> Iterator[Line]:
    """A connection to it."""
    with receiver.line() as connection:
        yield connection


@pytest.fixture
def arrived(home: Path, receiver: Receiving) -> Iterator[Callable[[], list[InboxEvent]]]:
    """What came into the inbox since the test began."""
    with Inbox.open(Settings.load({"STOCKBOOK_HOME": str(home)}).inbox_url) as inbox:
        before = max([event.id for event in inbox.pending(limit=1_000_000)], default=0)
        yield lambda: inbox.pending(after_id=before, limit=1_000_000)


def written(home: Path) -> bytes:
    """Every byte the receiver wrote: its inbox and its log."""
    files = [*(home / "state").iterdir(), home.parent / "receiver.log"]
    return b"".join(file.read_bytes() for file in files)


def test_the_thirteen_events_of_fulfillment_cz_arrive(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """Each is answered 200 with JSON and lies in the inbox with its order and its time."""
    sent = [hooks.fulfillment_cz(n, kind) for n, kind in enumerate(FULFILLMENT_CZ_TYPES)]
    assert [line.send(request)[:2] for request in sent] == [(200, b'{"status":"ok"}')] * 13

    events = arrived()
    assert [(event.event_type, event.subject_kind, event.subject_id) for event in events] == [
        (kind, "order", f"{n:08x}-aaaa-4000-8000-000000000000") for n, kind in enumerate(FULFILLMENT_CZ_TYPES)
    ]
    assert {event.occurred_text for event in events} == {"2026-03-01 12:59:59"}
    assert [event.event_key for event in events] == [f"{n:08x}-0000-4000-8000-000000000000" for n in range(13)]


def test_of_an_order_only_declared_fields_are_kept(
    line: Line, arrived: Callable[[], list[InboxEvent]], home: Path
) -> None:
    """Nobody's name, phone or street; money's digits as sent; hashes of numbers; of notes and labels how many."""
    data = an_order(7)
    assert line.status(hooks.fulfillment_cz(100, "OrderCreated", data)) == 200

    [event] = arrived()
    payload = json.loads(event.payload)["data"]
    assert payload == {
        "id": event.subject_id,
        "warehouse_id": "11111111-0000-4000-8000-000000000000",
        "number": "FF0000000007",
        "remote_number": "R7",
        "currency_id": "CZK",
        "on_hold": False,
        "delivery": {
            "id": 1,
            "value": 1234.5,
            "name": "Kurýr",
            "tracking_number": personal.hashed(data["delivery"]["tracking_number"], KEY.encode()),
            "status": "inTransit",
        },
        "payment": {
            "cod": True,
            "variable_symbol": personal.digits(data["payment"]["variable_symbol"], KEY.encode()),
            "price": 1001,
        },
        "products": [{"code": "DS1", "ext_code": 123, "quantity": 2}],
        "note": True,
        "tickets": 1,
        "created": "2026-03-01 12:00:00",
    }
    assert PERSONAL_PATTERN.search(written(home)) is None


def test_money_keeps_its_digits(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """A decimal is stored as it was written, never as the float nearest to it."""
    sent = hooks.fulfillment_cz(101, "OrderCreated")
    sent.body = sent.body.replace(b'"data":{', b'"data":{"payment":{"price":0.1000000000000000055511151231257827},')
    assert line.status(sent) == 200

    assert '"price":0.1000000000000000055511151231257827' in arrived()[0].payload


def test_text_in_the_place_of_a_number_is_hidden_and_undeclared_fields_are_only_named(
    line: Line, arrived: Callable[[], list[InboxEvent]], home: Path
) -> None:
    """A name in a price, an object for an id, a field nobody declared: no value of them is kept."""
    data = {"payment": {"price": "Zqxvor Novak"}, "delivery": {"id": {"a": "Zqxvor"}}, "surprise": {"who": "Zqxvor"}}
    assert line.status(hooks.fulfillment_cz(102, "OrderCreated", data)) == 200

    payload = json.loads(arrived()[0].payload)["data"]
    assert (payload["payment"], payload["delivery"]) == ({"price": "?"}, {"id": "?"})
    assert "surprise" not in payload
    log = home.parent / "receiver.log"
    assert b"surprise" not in log.read_bytes()
    assert b"data.#" in log.read_bytes()
    for number in range(9001, 9010):
        assert line.status(hooks.fulfillment_cz(number, "OrderCreated", data | {"Jan_Zqxvor_777": number})) == 200
    assert b"data.surprise (object)" in log.read_bytes()
    assert b"Zqxvor" not in written(home)


def test_a_body_of_names_does_not_fill_the_log(line: Line, home: Path) -> None:
    """Of ten thousand names in one event, each of which may be somebody's, a few hashes are logged."""
    before = (home.parent / "receiver.log").read_bytes().count(b"nobody declared")
    names = {f"Zqxvor_{number}": 1 for number in range(10_000)}
    assert line.status(hooks.fulfillment_cz(9100, "OrderCreated", names)) == 200

    log = (home.parent / "receiver.log").read_bytes()
    assert 0 < log.count(b"nobody declared") - before <= 51
    assert b"Zqxvor" not in log


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        (9201, rb"Brno \ud83d", "Brno \ufffd"),
        (9202, rb"A\u0000B", "A\ufffdB"),
        (9203, b"A\xffB", "A\ufffdB"),
        (9204, b"A\x07B", "A\ufffdB"),
        (9206, b"A\tB", "A\tB"),
        (9205, rb"\ud83d\ude00", "\U0001f600"),
    ],
)
def test_a_character_that_is_no_text_is_replaced(
    line: Line, arrived: Callable[[], list[InboxEvent]], number: int, text: bytes, expected: str
) -> None:
    """In a signed body too: the signature is that of the bytes as they came. A mark before the body is skipped."""
    order = an_order(8) | {"products": [{"code": "@@", "quantity": 1}]}
    sent = hooks.fulfillment_cz(number, "OrderCreated", order)
    sent.body = b"\xef\xbb\xbf" + sent.body.replace(b"@@", text)
    shop = compact(a_fulfillment_order(9)).replace(b'"other"', b'"' + text + b'"')
    assert line.status(sent) == 200
    assert line.status(hooks.shopline("fulfillment_order/update", shop, f"m{number}")) == 200

    first, second = arrived()
    assert json.loads(first.payload)["data"]["products"][0]["code"] == expected
    assert second.subject_id == "4005740193290131085309"


def test_containers_as_php_writes_them_and_names_given_twice(
    line: Line, arrived: Callable[[], list[InboxEvent]]
) -> None:
    """A list with gaps is that list, [] an empty object; of a name given twice neither value is taken."""
    order = an_order(8) | {"products": {"0": {"code": "A"}, "2": {"code": "B"}}, "delivery": [], "payment": False}
    sent = hooks.fulfillment_cz(9300, "OrderCreated", order)
    sent.body = sent.body.replace(b'"code":"A"', b'"code":"A","code":"B"').replace(
        b'"note":', b'"x":{"a":1,"a":2},"note":'
    )
    assert line.status(sent) == 200

    [event] = arrived()
    data = json.loads(event.payload)["data"]
    assert data["products"] == [{"code": "?"}, {"code": "B"}]
    assert (data["delivery"], data["payment"]) == ({}, {})


def test_shopline_arrives_in_both_encodings_and_without_the_recipient(
    line: Line, arrived: Callable[[], list[InboxEvent]], home: Path
) -> None:
    """Base64 or hexadecimal; of the destination country and the postcode's beginning; the own id of a composite."""
    body = a_fulfillment_order(8)
    assert line.status(hooks.shopline("fulfillment_order/create", body, "b54557e48a5fbf7d70bcd043")) == 200
    assert line.status(hooks.shopline("fulfillment_order/update", body, "b54557e48a5fbf7d70bcd044", as_hex=True)) == 200

    created, updated = arrived()
    assert (created.event_type, created.subject_kind) == ("fulfillment_order/create", "fulfillment_order")
    assert created.subject_id == updated.subject_id == "4005740193290131085308"
    assert (created.occurred_text, updated.occurred_text) == ("2026-03-01T10:00:00-04:00", None)
    order = json.loads(created.payload)["fulfillment_order"]
    assert order["id"] == "21057401932826316666967110_4005740193290131085308"
    assert order["destination"] == {"zip": body["fulfillment_order"]["destination"]["zip"][:3], "country_code": "US"}
    assert order["fulfillment_holds"] == [{"reason": "other"}]
    assert order["line_items"] == body["fulfillment_order"]["line_items"]
    assert order["merchant_requests"] == [
        {"kind": "fulfillment_request", "message": True, "send_at": "2026-03-01T10:00:00-04:00"}
    ]
    assert PERSONAL_PATTERN.search(written(home)) is None


@pytest.mark.parametrize(
    ("topic", "body", "subject"),
    [
        ("accepted", {FO: {"id": "83234231_8234234", "status": "open"}}, "8234234"),
        ("on_hold", {FO: {"id": "5", "fulfillment_holds": []}}, "5"),
        ("submitted", {"original_fulfillment_order": {"id": "1"}, "submitted_fulfillment_order": {"id": "2"}}, "2"),
        ("location_changed", {"original_fulfillment_order": {"id": "1"}, "moved_fulfillment_order": {"id": "3"}}, "3"),
        ("cancellation_request_accepted", {FO: {"id": "6"}, "message": "Zqxvor"}, "6"),
        ("fulfillments/update", {"id": "77", "status": "success", "updated_at": "2026-03-01T10:00:00+00:00"}, "77"),
    ],
)  # fmt: skip
def test_shoplines_small_bodies_name_their_subject(
    topic: str, body: dict[str, Any], subject: str, line: Line, arrived: Callable[[], list[InboxEvent]]
) -> None:
    """Whatever key the body has, the inbox knows which order or parcel it is about."""
    topic = topic if "/" in topic else f"{FO}/{topic}"
    assert line.status(hooks.shopline(topic, body, "m")) == 200

    [event] = arrived()
    assert (event.event_type, event.subject_id) == (topic, subject)


def test_flickrocket_arrives_and_equal_hints_merge(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """The body is all there is to know it by: the same twice is one event, another object another."""
    sent = [hooks.flickrocket("order/create", "order", "267227")] * 3
    sent += [hooks.flickrocket("product/update", "product", "5", long_id="0001-26ED-EA4F-AA32")]
    assert [line.status(request) for request in sent] == [200] * 4

    assert [(event.event_type, event.subject_kind, event.subject_id) for event in arrived()] == [
        ("order/create", "order", "267227"),
        ("product/update", "product", "5"),
    ]


def test_a_person_of_flickrocket_is_a_keyed_hash(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """The id of a customer is personal, declared or not."""
    assert line.status(hooks.flickrocket("customer/update", "customer", "90790001")) == 200
    assert line.status(hooks.flickrocket("guest/create", "guest", "90790001")) == 200

    hashed = personal.hashed("90790001", KEY.encode())
    declared, unknown = arrived()
    assert (declared.subject_kind, declared.subject_id) == ("customer", hashed)
    assert (unknown.subject_kind, unknown.subject_id, unknown.payload) == ("guest", hashed, "")
    assert "90790001" not in declared.payload


def test_an_unknown_topic_is_kept_by_topic_and_id(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """Nothing of its body is stored, and its sender is told that it arrived."""
    assert line.status(hooks.fulfillment_cz(103, "OrderTeleported", {"secret": "x"})) == 200
    assert line.status(hooks.shopline("orders/edited", {"id": "12", "email": "a@b.example"}, "m1")) == 200
    assert line.status(hooks.shopline("customers/redact", {"customer": {"id": "13"}, "id": "13"}, "m2")) == 200

    order, edited, redact = arrived()
    assert (order.event_type, order.subject_kind, order.payload) == ("OrderTeleported", "order", "")
    assert (edited.event_type, edited.subject_kind, edited.subject_id, edited.payload) == (
        "orders/edited", "orders", "12", "",
    )  # fmt: skip
    assert (redact.subject_kind, redact.payload) == ("customers", "")
    assert redact.subject_id == personal.hashed("13", KEY.encode())


def test_a_repetition_is_answered_200_and_stored_once(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """By event_id; by message id, topic and body together."""
    body = {"fulfillment_order": {"id": "5", "status": "open"}}
    other = {"fulfillment_order": {"id": "5", "status": "closed"}}
    sent = [hooks.fulfillment_cz(104), hooks.fulfillment_cz(104)]
    sent += [hooks.shopline("fulfillment_order/update", body, "same", as_hex=as_hex) for as_hex in (False, True)]
    sent += [hooks.shopline("fulfillment_order/accepted", body, "same")]
    sent += [hooks.shopline("fulfillment_order/update", other, "same")]
    assert {line.status(request) for request in sent} == {200}

    assert len(arrived()) == 4


def test_without_a_message_id_shopline_events_merge_like_hints(
    line: Line, arrived: Callable[[], list[InboxEvent]]
) -> None:
    """The header is not promised to us by a signature: an event without it is taken all the same."""
    for _ in range(2):
        sent = hooks.shopline("fulfillment_order/update", {"fulfillment_order": {"id": "9"}}, "x")
        del sent.headers["X-Shopline-Webhook-Id"]
        assert line.status(sent) == 200

    assert [event.subject_id for event in arrived()] == ["9"]


# what must not be accepted: each turns a good request into a bad one, and names the status it must get

Forger = Callable[[random.Random, int], Sent]


def _cz(random: random.Random, n: int) -> Sent:
    return hooks.fulfillment_cz(10_000 + n, random.choice(FULFILLMENT_CZ_TYPES), an_order(n % 1000))


def _shop(random: random.Random, n: int) -> Sent:
    return hooks.shopline(
        "fulfillment_order/update", a_fulfillment_order(n % 90), f"f{n}", as_hex=bool(random.getrandbits(1))
    )


def _rocket(random: random.Random, n: int) -> Sent:
    return hooks.flickrocket("order/create", "order", str(10_000 + n))


def _with(sent: Sent, body: bytes | None = None, drop: str = "", **headers: str) -> Sent:
    remaining = {name: value for name, value in sent.headers.items() if name != drop}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sent(sent.path, sent.body if body is None else body, remaining | named, sent.method, sent.chunks)


def _signed(body: bytes, n: int) -> Sent:
    return hooks.shopline("fulfillment_order/update", body, f"s{n}")


def _wrong_token(random: random.Random, n: int) -> Sent:
    token = hooks.TOKEN
    wrong = [token[:-1], token + "x", token.upper(), f"Bearer {token}", "", token[::-1], "the-api-token", "x" * 8000]
    wrong.append("".join(random.choice("abcdef-") for _ in token))
    return _with(_cz(random, n), Authorization=random.choice(wrong))


def _changed_byte(random: random.Random, n: int) -> Sent:
    sent = _shop(random, n)
    at = random.randrange(len(sent.body))
    return _with(sent, sent.body[:at] + bytes([sent.body[at] ^ random.randrange(1, 256)]) + sent.body[at + 1 :])


def _changed_value(random: random.Random, n: int) -> Sent:
    sent = _rocket(random, n)
    body = json.loads(sent.body)
    part = random.choice(["company_id", "producer", "scope", "id", "type", "hash", "no hash", "empty hash", "more"])
    if part in ("id", "type"):
        body["data"][part] += random.choice("0123456789ax")
    elif part == "no hash":
        del body["hash"]
    elif part == "empty hash":
        body["hash"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    elif part == "hash":
        body["hash"] = f"{random.getrandbits(256):064x}"
    elif part == "more":
        body = {"sub": "x", **body}
    else:
        body[part] = 1203 if part == "company_id" else body[part] + "x"
    return _with(sent, compact(body))


def _other_order(random: random.Random, n: int) -> Sent:
    sent = _rocket(random, n)
    body = list(json.loads(sent.body).items())
    return _with(sent, compact(dict(reversed(body))))


def _twice(random: random.Random, n: int) -> Sent:
    sent = _rocket(random, n)
    return _with(sent, sent.body[:-1] + b',"data":{"type":"order","id":"1"}}')


def _wrong_signature(random: random.Random, n: int) -> Sent:
    sent = _shop(random, n)
    header = sent.headers["X-Shopline-Hmac-Sha256"]
    wrong = [header[:-1], header[1:], header + "=", "", "0" * 64, f"{random.getrandbits(256):064x}", header.swapcase()]
    wrong = [signature for signature in wrong if signature.lower() != header.lower()] or ["0" * 64]
    return _with(sent, X_Shopline_Hmac_Sha256=random.choice(wrong))


def _wrong_encoding(random: random.Random, n: int) -> Sent:
    choice = random.choice((0, 1, 3, 4))
    if choice == 0:
        return _signed(compact(a_fulfillment_order(1)).decode().encode("utf-16"), n)
    if choice == 1:
        return _with(_cz(random, n), b'\xfe{"event_id":"1","event_type":"OrderSent","data":{}}')
    if choice == 2:
        return _signed(b"\xef\xbb\xbf", n)
    if choice == 3:
        return _with(_cz(random, n), b'{"event_id":"\\ud800","event_type":"OrderSent","data":{}}')
    return _with(_cz(random, n), b'{"event_id":"a\\u0000","event_type":"OrderSent","data":{}}')


def _nested(random: random.Random, n: int) -> Sent:
    depth = random.choice([DEEPEST + 1, 100, 1000, 5_000, 100_000])
    body = b'{"a":' * depth + b"1" + b"}" * depth
    if depth * 6 > 8_000:
        return _signed(b"[" * depth + b"]" * depth, n)
    return random.choice([_signed(body, n), _with(_cz(random, n), body), _with(_rocket(random, n), body)])


def _truncated(random: random.Random, n: int) -> Sent:
    choice = random.randrange(3)
    sent = (_cz, _rocket)[choice % 2](random, n)
    cut = random.randrange(1, len(sent.body))
    return _signed(sent.body[:cut], n) if choice == 2 else _with(sent, sent.body[:cut])


def _oversized(random: random.Random, n: int) -> Sent:
    sent = random.choice([_cz(random, n), _signed(b"{}", n), _rocket(random, n)])
    most = FlickRocket.body_limit if "flickrocket" in sent.path else BODY_LIMIT
    request = _with(sent, sent.body + b" " * (most + 1 - len(sent.body) + random.randrange(100_000)))
    request.chunks = bool(random.getrandbits(1))
    return request


def _no_event(random: random.Random, n: int) -> Sent:
    event = json.loads(_cz(random, n).body)
    wrong_id = [("event_id", value) for value in (None, 5.5, True, "", "x" * 101, "a b")]
    key, value = random.choice([*wrong_id, ("event_type", "Jan Zqxvor"), ("event_type", {})])
    return _with(_cz(random, n), compact(event | {key: value}))


def _no_object(random: random.Random, n: int) -> Sent:
    bodies = [b"", b"[]", b"null", b'"x"', b"1", b"{}{}", b"{'a':1}", b'{"a":NaN}', b"1" * 9_000]
    return _with(_cz(random, n), random.choice([*bodies, b'{"a":' + b"9" * 9_000 + b"}"]))


def _unknown_account(random: random.Random, n: int) -> Sent:
    sent = random.choice([_cz, _shop, _rocket])(random, n)
    name = random.choice(["/other", "/MAIN", "/..%2f", "/" + "x" * 300])
    return Sent(sent.path.replace("/main", name), sent.body, sent.headers)


def _other_shop(random: random.Random, n: int) -> Sent:
    if random.getrandbits(1):
        return _with(_shop(random, n), X_Shopline_Shop_Id="1610418123457")
    return hooks.shopline("fulfillment_order/update", {FO: {"id": "1", "shop_id": "2"}}, f"o{n}")


def _other_company(random: random.Random, n: int) -> Sent:
    body = {"company_id": 1203, "producer": "shop", "scope": "order/create", "data": {"type": "order", "id": str(n)}}
    return _with(_rocket(random, n), compact(body | {"hash": hooks.flickrocket_hash(body, hooks.APP_SECRET)}))


def _other_secret(random: random.Random, n: int) -> Sent:
    if random.getrandbits(1):
        return hooks.shopline("fulfillment_order/update", a_fulfillment_order(n % 90), f"x{n}", secret="other")
    return hooks.flickrocket("order/create", "order", str(n), secret=random.choice(["other", ""]))


def _other_method(random: random.Random, n: int) -> Sent:
    sent = _cz(random, n)
    sent.method = random.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
    return sent


FORGERS: list[tuple[Forger, set[int]]] = [
    (lambda random, n: _with(_cz(random, n), drop="Authorization"), {401}),
    (_wrong_token, {401}),
    (lambda random, n: _with(_shop(random, n), drop="X-Shopline-Hmac-Sha256"), {401}),
    (_wrong_signature, {401}),
    (_changed_byte, {401}),
    (_changed_value, {401, 422}),
    (_other_order, {401}),
    (_twice, {422}),
    (_other_secret, {401}),
    (_other_shop, {401}),
    (_other_company, {401}),
    (_unknown_account, {401, 404}),
    (_truncated, {422}),
    (_oversized, {413}),
    (_nested, {422, 413}),
    (_wrong_encoding, {422}),
    (_no_event, {422}),
    (_no_object, {422}),
    (lambda random, n: _with(_shop(random, n), drop="X-Shopline-Topic"), {422}),
    (lambda random, n: _with(_cz(random, n), gzip.compress(b"{}"), Content_Encoding="gzip"), {415}),
    (lambda random, n: _with(_cz(random, n), Content_Type=random.choice(["text/html", "x/y", ""])), {415}),
    (lambda random, n: _with(_cz(random, n), drop="Content-Type"), {415}),
    (lambda random, n: _with(_cz(random, n), Content_Type="application/json; charset=utf-16"), {415}),
    (_other_method, {405}),
    (lambda random, n: Sent("/hooks/other/main", b"{}", _cz(random, n).headers), {404}),
]


@pytest.mark.slow
def test_a_thousand_forged_and_broken_requests_are_all_refused(
    receiver: Receiving,
    line: Line,
    arrived: Callable[[], list[InboxEvent]],
    home: Path,
    tell: Callable[[str, str], None],
) -> None:
    """None is accepted, each is answered within 100 ms, the receiver is up, and nothing of them is kept anywhere."""
    random_ = random.Random(6)
    answered: Counter[int] = Counter()
    slowest = 0.0
    for n in range(1_000):
        forge, expected = FORGERS[n % len(FORGERS)]
        sent = forge(random_, n)
        status, body, seconds = line.send(sent)
        assert status in expected, (n, forge, status)
        # the same words whatever was wrong; 404 and 405 are the router's and about the path
        assert body in (b'{"status":"refused"}', b"Not Found"), (n, body)
        for _ in range(3):
            # another program's turn on this machine's cores is not the receiver's slowness: that would come again
            if seconds >= 0.1:
                seconds = line.send(sent)[2]
        assert seconds < 0.1, (n, forge, seconds)
        slowest = max(slowest, seconds)
        answered[status] += 1

    tell("webhooks", f"1,000 refused requests {dict(sorted(answered.items()))}, slowest answer {slowest * 1000:.0f} ms")
    assert requests.get(f"{receiver.url}/health", timeout=10).json()["status"] == "ok"
    assert arrived() == []
    assert line.status(hooks.fulfillment_cz(5_000)) == 200
    assert len(arrived()) == 1
    everything = written(home)
    assert PERSONAL_PATTERN.search(everything) is None
    assert [secret for secret in hooks.SECRETS if secret.encode() in everything] == []
    assert b"Traceback" not in everything


def test_the_deepest_body_that_is_allowed_passes(line: Line, arrived: Callable[[], list[InboxEvent]]) -> None:
    """The limit refuses one level more, not one level less."""
    body = b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST
    assert line.status(_signed(body, 0)) == 200
    assert len(arrived()) == 1


def test_a_sender_that_hangs_up_or_dawdles_leaves_nothing(
    receiver: Receiving, line: Line, arrived: Callable[[], list[InboxEvent]]
) -> None:
    """A body announced and not sent is no event, and others are served meanwhile."""
    import socket
    from urllib.parse import urlsplit

    at = urlsplit(receiver.url)
    good = hooks.fulfillment_cz(5_001)
    with socket.create_connection((at.hostname, at.port)) as half:
        head = f"POST {at.path}{good.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(good.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in good.headers.items())
        half.sendall(head.encode() + b"\r\n" + good.body[:20])
        assert line.status(hooks.fulfillment_cz(5_002)) == 200

    assert line.status(hooks.fulfillment_cz(5_003)) == 200
    assert [event.event_key[:8] for event in arrived()] == ["0000138a", "0000138b"]


def test_a_body_that_never_ends_is_given_up() -> None:
    """A sender that stops in the middle of its body is answered 408 after a while, and one that hangs up not at all."""
    import asyncio

    from stockbook.webhooks.request import Refused, SenderHungUp, read_body

    async def stops() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def hangs_up() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Refused) as refused:
        asyncio.run(read_body(stops, 100, 0.01))
    assert refused.value.status == 408
    with pytest.raises(SenderHungUp):
        asyncio.run(read_body(hangs_up, 100, 10))


def test_what_cannot_be_stored_is_answered_503_until_it_can(tmp_path: Path) -> None:
    """No 200 without the disk: the sender is told to come again, the receiver stays up and says that it is unwell."""
    environ = hooks.variables(tmp_path / "home")
    file = tmp_path / "home" / "state" / "inbox.db"
    with receiving(environ, tmp_path) as receiver, receiver.line() as line, closing(sqlite3.connect(file)) as inbox:
        inbox.isolation_level = None
        assert line.status(hooks.fulfillment_cz(1)) == 200
        inbox.execute("alter table inbox_event rename to elsewhere")
        assert line.send(hooks.fulfillment_cz(2))[:2] == (503, b'{"status":"refused"}')
        assert requests.get(f"{receiver.url}/health", timeout=10).status_code == 503
        inbox.execute("alter table elsewhere rename to inbox_event")
        assert line.status(hooks.fulfillment_cz(2)) == 200
        assert requests.get(f"{receiver.url}/health", timeout=10).status_code == 200
        assert inbox.execute("select count(*) from inbox_event").fetchall() == [(2,)]
    assert "Traceback" not in receiver.log.read_text()
    assert "\nfrom flickrocket, fulfillment_cz, shopline\n" in receiver.log.read_text()


def test_requests_at_the_same_time_all_arrive(receiver: Receiving, arrived: Callable[[], list[InboxEvent]]) -> None:
    """Eight senders at once: every event answered 200 is there, once."""

    def send(first: int, statuses: list[int]) -> None:
        with receiver.line() as line:
            statuses.extend(line.status(hooks.fulfillment_cz(first + n)) for n in range(50))

    statuses: list[int] = []
    threads = [threading.Thread(target=send, args=(20_000 + 50 * place, statuses)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 400
    assert len({event.event_key for event in arrived()}) == 400


def test_the_embedded_page_is_shown_to_flickrocket_only(receiver: Receiving, home: Path) -> None:
    """A signed address shows counts in a frame of FlickRocket's administration; any other gets 401 and no word."""
    from stockbook.webhooks.verify import embedded_app_hmac

    signed = embedded_app_hmac("2543", "1202", hooks.APP_SECRET.encode())
    query = {"CompanyID": "1202", "UserID": "2543", "hmac": signed}
    page = requests.get(f"{receiver.url}/app/main", params=query, timeout=10)
    assert page.status_code == 200
    assert "Waiting for the next run" in page.text
    assert page.headers["Content-Security-Policy"].endswith("frame-ancestors https://admin.flickrocket.com")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "X-Frame-Options" not in page.headers

    other = embedded_app_hmac("2543", "1203", hooks.APP_SECRET.encode())
    for wrong in ({"UserID": "2544"}, {"hmac": ""}, {"hmac": signed.upper()}, {"CompanyID": "1203", "hmac": other}):
        refused = requests.get(f"{receiver.url}/app/main", params=query | wrong, timeout=10)
        assert (refused.status_code, refused.text) == (401, "")
    assert requests.get(f"{receiver.url}/app/other", params=query, timeout=10).status_code == 401
    assert signed.encode() not in written(home)


@pytest.mark.slow
def test_a_killed_receiver_lost_nothing_it_answered(tmp_path: Path) -> None:
    """Kill -9 in the middle of work: every event answered 200 is in the inbox when the next one starts."""
    environ = hooks.variables(tmp_path / "home")
    promised: list[int] = []
    with receiving(environ, tmp_path) as first:
        stop = threading.Event()

        def send() -> None:
            with first.line() as line:
                for n in range(100_000):
                    try:
                        if line.status(hooks.fulfillment_cz(n)) == 200:
                            promised.append(n)
                    except OSError:
                        return
                    if n == 150:
                        stop.set()

        thread = threading.Thread(target=send)
        thread.start()
        assert stop.wait(60)
        first.process.send_signal(signal.SIGKILL)
        thread.join()

    with receiving(environ, tmp_path) as second, second.line() as line:
        assert line.status(hooks.fulfillment_cz(promised[-1])) == 200
    with Inbox.open(Settings.load(environ).inbox_url) as inbox:
        numbers = [int(event.event_key[:8], 16) for event in inbox.pending(limit=1_000_000)]
    assert len(promised) > 150
    assert set(promised) <= set(numbers)
    assert len(numbers) == len(set(numbers))


@pytest.mark.slow
def test_two_receivers_on_postgresql_share_one_inbox(tmp_path: Path) -> None:
    """Two processes, one database: a repetition at the other one is known, hints merge across, nothing is lost."""
    with postgres() as url:
        environ = hooks.variables(tmp_path / "home", STOCKBOOK_INBOX_URL=url)
        first, second = receiving(environ, tmp_path / "a"), receiving(environ, tmp_path / "b")
        with first as a, second as b, a.line() as first_line, b.line() as second_line:
            for n in range(60):
                assert first_line.status(hooks.fulfillment_cz(n)) == 200
                assert second_line.status(hooks.fulfillment_cz(n + 30)) == 200
            hint = hooks.flickrocket("order/create", "order", "1")
            assert [first_line.status(hint), second_line.status(hint)] == [200, 200]
        with Inbox.open(url) as inbox:
            counts = Counter(event.source for event in inbox.pending())
    assert counts == {"fulfillment_cz": 90, "flickrocket": 1}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"STOCKBOOK_HASH_KEY": ""}, "STOCKBOOK_HASH_KEY"),
        ({"STOCKBOOK_INBOX_URL": "mysql://a:b@c/d"}, "STOCKBOOK_INBOX_URL"),
    ],
)
def test_a_receiver_that_could_store_nothing_does_not_start(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    """One sentence on standard error names the setting; exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "stockbook", "hooks", "serve", "--port", "0"],
        env=hooks.variables(tmp_path, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_come_from_the_connections() -> None:
    """Hook token before API token, app secret of the extra, password of SHOPLINE; with the previous one of each."""
    environ = hooks.connections(
        AIRFLOW_CONN_FULFILLMENT_CZ__SHOP2='{"conn_type": "http", "password": "api"}',
        AIRFLOW_CONN_SHOPLINE__B='{"conn_type": "http", "password": "new", "extra": {"previous_secret": "old"}}',
        AIRFLOW_CONN_FLICKROCKET__C='{"conn_type": "http", "password": "x", "extra": {"hash_rule": "values_hmac"}}',
    )

    def secrets(conn_id: str) -> tuple[bytes, ...]:
        raw = from_environment(conn_id, environ)
        assert raw is not None
        account = hook_account(conn_id, raw)
        assert all(secret.decode() not in repr(account) for secret in account.secrets)
        return account.secrets

    assert secrets("fulfillment_cz") == (hooks.TOKEN.encode(),)
    assert secrets("fulfillment_cz__shop2") == (b"api",)
    assert secrets("flickrocket") == (hooks.APP_SECRET.encode(),)
    assert secrets("shopline__b") == (b"new", b"old")
    # an access token is no secret of hooks: without an app secret nobody can speak for the account
    assert secrets("flickrocket__c") == ()


def test_a_rotated_secret_is_known_within_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Connections are looked up again while the old ones serve; a broken one is logged by name and harms no other."""
    import asyncio
    from datetime import UTC, datetime

    from stockbook.clock import ManualClock

    environ = hooks.connections(
        AIRFLOW_CONN_FLICKROCKET__C='{"conn_type": "http", "password": "hidden", "extra": {"hash_rule": "guess"}}'
    )
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    looked_up: list[str] = []

    def look_up(conn_id: str) -> Any:
        looked_up.append(conn_id)
        return from_environment(conn_id, environ)

    async def story() -> None:
        accounts = HookAccounts(lambda: ["shopline", "flickrocket__c", "fulfillment_cz"], look_up, clock)
        first = await accounts.current()
        assert sorted(first) == [("fulfillment_cz", "main"), ("shopline", "main")]
        environ["AIRFLOW_CONN_SHOPLINE"] = '{"conn_type": "http", "password": "rotated"}'
        assert (await accounts.current())["shopline", "main"].secrets == (hooks.SHOP_SECRET.encode(),)
        assert len(looked_up) == 3
        clock.sleep(LOOKED_UP_EVERY + 1)
        while (await accounts.current())["shopline", "main"].secrets != (b"rotated",):
            await asyncio.sleep(0)
        assert len(looked_up) == 6

    asyncio.run(story())
    assert "hash_rule of connection flickrocket__c" in caplog.text
    assert "hidden" not in caplog.text
