"""What a stranger can take of the receiver before anybody knows who it is: little, and nothing of the others'."""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hooks_rig as hooks
import psutil
import pytest
from hooks_rig import Receiving, Sent, receiving

from stockbook.clock import SystemClock
from stockbook.connections import SOURCES, from_environment
from stockbook.errors import ConfigError
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk, create_app

CLOCK = SystemClock()
SECONDS = 1.5
OLD, MOST, HEAD = 40, 120, 16_384
"""Unproven connections of one address and in all, bytes of a head: as the receiver of these tests is set."""
ELSEWHERE = "127.0.0.2"
SOON = 4.0
"""Seconds. An honest event is answered in milliseconds; a machine whose cores are taken needs longer."""


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """A receiver with small limits."""
    folder = tmp_path_factory.mktemp("guard")
    limits = {
        "STOCKBOOK_HOOKS_HEADER_SECONDS": str(SECONDS),
        "STOCKBOOK_HOOKS_BODY_SECONDS": str(SECONDS),
        "STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS": str(OLD),
        "STOCKBOOK_HOOKS_CONNECTIONS": str(MOST),
    }
    with receiving(hooks.variables(folder / "home", **limits), folder) as running:
        yield running


def bytes_of(sent: Sent, prefix: str = "/stockbook") -> bytes:
    """A request as it goes over the wire."""
    head = f"{sent.method} {prefix}{sent.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent.body)}\r\n"
    return (
        head + "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items()) + "\r\n"
    ).encode() + sent.body


def to(receiver: Receiving, source: str = "127.0.0.1") -> socket.socket:
    """A connection from an address of loopback."""
    at = urlsplit(receiver.url)
    return socket.create_connection((at.hostname or "", at.port or 0), timeout=20, source_address=(source, 0))


def statuses(connection: socket.socket, wanted: int = 1) -> list[int]:
    """The statuses of so many answers, or of all that came before the other side hung up."""
    answers = b""
    with contextlib.suppress(ConnectionError):
        while answers.count(b"HTTP/1.1 ") < wanted or not answers.endswith((b"}", b"length: 0\r\n\r\n")):
            part = connection.recv(65_536)
            if not part:
                break
            answers += part
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def sent(receiver: Receiving, event: Sent, source: str = "127.0.0.1") -> tuple[list[int], float]:
    """What a new connection is answered, and after how many seconds."""
    began = CLOCK.monotonic()
    with to(receiver, source) as connection:
        connection.sendall(bytes_of(event))
        return statuses(connection), CLOCK.monotonic() - began


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side hung up."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


HALVES: dict[str, Callable[[int], bytes]] = {
    "nothing": lambda n: b"",
    "half a head": lambda n: b"POST /stockbook/hooks/fulfillment_cz/main HTTP/1.1\r\nX-A: ",
    "half a body": lambda n: bytes_of(hooks.shopline("fulfillment_order/update", {"a": "b" * 100}, f"{n}"))[:-50],
    "half a small body": lambda n: bytes_of(hooks.flickrocket("order/create", "order", str(n)))[:-5],
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_open_connections_keep_nobody_out(
    half: Callable[[int], bytes], receiver: Receiving, tell: Callable[[str, str], None]
) -> None:
    """Hundreds from one address hold their connections: events of the same and of another address are taken."""
    slowest = {"127.0.0.1": 0.0, ELSEWHERE: 0.0}
    with contextlib.ExitStack() as stack:
        strangers = []
        for n in range(4 * OLD):
            strangers.append(stack.enter_context(to(receiver)))
            strangers[-1].sendall(half(n))
            if n % 8 == 0:
                for source, before in slowest.items():
                    answered, seconds = sent(receiver, hooks.fulfillment_cz(random.getrandbits(31)), source)
                    assert answered == [200]
                    slowest[source] = max(before, seconds)
        # an answer says that every connection before it was looked at
        assert sent(receiver, hooks.fulfillment_cz(random.getrandbits(31)))[0] == [200]
        assert sum(is_closed(stranger) for stranger in strangers) >= 3 * OLD
        assert psutil.Process(receiver.process.pid).num_fds() < OLD + 80

    tell("webhooks", f"{4 * OLD} half-open connections: slowest event {slowest['127.0.0.1'] * 1000:.0f} ms of the same "
         f"address, {slowest[ELSEWHERE] * 1000:.0f} ms of another")  # fmt: skip
    assert max(slowest.values()) < SOON


def test_many_addresses_keep_nobody_out(receiver: Receiving) -> None:
    """Each within its own limit, together beyond the whole one: who has most goes first, who has one is served."""
    with contextlib.ExitStack() as stack:
        strangers = [
            stack.enter_context(to(receiver, f"127.0.1.{address}")) for _ in range(OLD - 1) for address in range(5)
        ]
        lone = stack.enter_context(to(receiver, ELSEWHERE))
        more = [stack.enter_context(to(receiver, f"127.0.2.{address}")) for address in range(20)]
        event = bytes_of(hooks.fulfillment_cz(random.getrandbits(31)))
        lone.sendall(event)
        assert statuses(lone) == [200]
        # an answer says that every connection before it was looked at
        assert sent(receiver, hooks.fulfillment_cz(random.getrandbits(31)), ELSEWHERE)[0] == [200]
        assert sum(not is_closed(stranger) for stranger in [*strangers, *more]) <= MOST


def test_a_proven_connection_is_not_turned_out(receiver: Receiving) -> None:
    """A sender whose secret was right keeps its connection, however many strangers come behind it."""
    with to(receiver) as proven, contextlib.ExitStack() as stack:
        proven.sendall(bytes_of(hooks.fulfillment_cz(random.getrandbits(31))))
        assert statuses(proven) == [200]
        wrong = hooks.fulfillment_cz(1)
        wrong.headers["Authorization"] = "wrong"
        for n in range(2 * OLD):
            stranger = stack.enter_context(to(receiver))
            if n % 2:
                stranger.sendall(bytes_of(wrong))
                assert statuses(stranger) == [401]
        proven.sendall(bytes_of(hooks.fulfillment_cz(random.getrandbits(31))))
        assert statuses(proven) == [200]


def test_a_huge_head_is_refused_at_its_limit_and_delays_nobody(
    receiver: Receiving, tell: Callable[[str, str], None]
) -> None:
    """Forty megabytes without an end: 431 or a closed connection within the first of them, others are served."""
    before = psutil.Process(receiver.process.pid).memory_info().rss
    pushed, slowest, over = 0, 0.0, threading.Event()

    def push() -> None:
        nonlocal pushed
        for _ in range(20):
            with to(receiver) as stranger, contextlib.suppress(OSError):
                stranger.sendall(b"POST /stockbook/hooks/shopline/main HTTP/1.1\r\nX-Long: ")
                for _ in range(400):
                    stranger.sendall(b"x" * 100_000)
                    pushed += 100_000
        over.set()

    thread = threading.Thread(target=push)
    thread.start()
    at_least = 5
    while at_least or not over.is_set():
        at_least = max(at_least - 1, 0)
        answered, seconds = sent(receiver, hooks.fulfillment_cz(random.getrandbits(31)))
        assert answered == [200]
        slowest = max(slowest, seconds)
    thread.join()

    grown = psutil.Process(receiver.process.pid).memory_info().rss - before
    tell("webhooks", f"heads without end: {pushed / 1e6:.0f} MB pushed, slowest event {slowest * 1000:.0f} ms")
    assert pushed < 20 * 10_000_000
    assert slowest < SOON
    assert grown < 20_000_000


def head_of(size: int, way: str) -> bytes:
    """An event with the right token whose head has so many bytes."""
    whole = bytes_of(hooks.fulfillment_cz(random.getrandbits(31)))
    head, body = whole.split(b"\r\n\r\n", 1)
    room = size - len(head) - 4
    if way == "one header":
        more = b"\r\nX-Long: " + b"x" * (room - 10)
    elif way == "a long name":
        more = b"\r\n" + b"x" * (room - 4) + b": "
    else:
        count, rest = divmod(room, 8)
        more = b"\r\nX-A: b" * (count - 1) + b"\r\nX-A: b" + b"c" * rest
    return head + more + b"\r\n\r\n" + body


@pytest.mark.parametrize("way", ["one header", "a long name", "many headers"])
@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431), (8_000_000, 431)])
def test_a_head_has_so_many_bytes(way: str, more: int, status: int, receiver: Receiving) -> None:
    """The last byte that is allowed is taken, one more is not, however it comes: at once, a part at a time."""
    whole = head_of(HEAD + more, way)
    for size in (len(whole), 5_000) if more < 100 else (100_000,):
        with to(receiver) as connection:
            with contextlib.suppress(ConnectionError):
                for at in range(0, len(whole), size):
                    connection.sendall(whole[at : at + size])
            # what was not read resets the connection, the answer with it
            assert statuses(connection) in ([status], [] if status == 431 else [status])


@pytest.mark.parametrize("way", ["a long address", "a trailer"])
def test_what_is_beside_the_head_is_bounded_too(way: str, receiver: Receiving) -> None:
    """An address of megabytes, trailers without end: no answer of success and a closed connection."""
    if way == "a long address":
        pieces = [b"POST /stockbook/hooks/shopline/", b"x" * 100_000]
    else:
        head = bytes_of(hooks.shopline("fulfillment_order/update", {"a": 1}, "t")).split(b"\r\n\r\n")[0]
        chunked = head.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked")
        assert chunked != head
        pieces = [chunked + b'\r\n\r\n7\r\n{"a":1}\r\n0\r\nX-Long: ', b"x" * 100_000]
    pushed = 0
    with to(receiver) as stranger:
        with contextlib.suppress(OSError):
            stranger.sendall(pieces[0])
            while pushed < 40_000_000:
                stranger.sendall(pieces[1])
                pushed += len(pieces[1])
        assert statuses(stranger) in ([], [431], [408])
    assert pushed < 20_000_000


def trickled(receiver: Receiving, whole: bytes) -> tuple[list[int], float]:
    """A byte every twentieth of a second until the other side has enough: its answers, and after how long."""
    began = CLOCK.monotonic()
    with to(receiver) as connection, contextlib.suppress(ConnectionError):
        for at in range(len(whole)):
            connection.sendall(whole[at : at + 1])
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1, socket.MSG_PEEK):
                    break
                connection.settimeout(20)
                return statuses(connection), CLOCK.monotonic() - began
    return [], CLOCK.monotonic() - began


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_request_that_trickles_has_one_time(part: str, receiver: Receiving) -> None:
    """However often a byte comes: after the time of the head, or of the body, it is answered 408 and closed."""
    whole = bytes_of(hooks.flickrocket("order/create", "order", "1", long_id="x" * 8_000))
    head = whole.index(b"\r\n\r\n") + 4
    if part == "head":
        answered, seconds = trickled(receiver, whole)
    else:
        with to(receiver) as connection:
            connection.sendall(whole[: head + 10])
            began = CLOCK.monotonic()
            answered, seconds = statuses(connection), CLOCK.monotonic() - began
            assert connection.recv(100) == b""

    assert answered == [408]
    assert SECONDS * 0.9 < seconds < SECONDS * 3


def test_a_sender_that_goes_on_after_its_refusal_is_cut_off(receiver: Receiving) -> None:
    """A body whose token was wrong may not trickle for ever behind its 401."""
    event = hooks.fulfillment_cz(1)
    event.headers["Authorization"] = "wrong"
    whole = bytes_of(event)
    began = CLOCK.monotonic()
    with to(receiver) as connection:
        connection.sendall(whole[:-40])
        assert statuses(connection) == [401]
        connection.settimeout(SECONDS * 6)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100) == b""
    assert CLOCK.monotonic() - began < SECONDS * 5


def test_pipelined_events_are_answered_in_turn(receiver: Receiving) -> None:
    """Five at once on one connection, the last one in two parts: five answers, and an honest refusal between them."""
    events = [hooks.fulfillment_cz(random.getrandbits(31)) for _ in range(5)]
    events[2].headers["Authorization"] = "wrong"
    whole = b"".join(bytes_of(event) for event in events)
    with to(receiver) as connection:
        connection.sendall(whole[:-30])
        assert statuses(connection, 4) == [200, 200, 401, 200]
        connection.sendall(whole[-30:])
        assert statuses(connection) == [200]


def test_a_trusted_proxy_may_have_more_connections(tmp_path: Path) -> None:
    """Its address is not counted by itself; the number of all still holds."""
    limits = {
        "STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS": "5",
        "STOCKBOOK_HOOKS_CONNECTIONS": "40",
        "STOCKBOOK_HOOKS_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.3",
    }
    with (
        receiving(hooks.variables(tmp_path / "home", **limits), tmp_path) as receiver,
        contextlib.ExitStack() as stack,
    ):
        proxy = [stack.enter_context(to(receiver, "127.0.0.3")) for _ in range(20)]
        stranger = [stack.enter_context(to(receiver, "127.0.0.4")) for _ in range(20)]
        assert sent(receiver, hooks.fulfillment_cz(1), "127.0.0.4")[0] == [200]
        assert [sum(is_closed(connection) for connection in some) for some in (proxy, stranger)] == [0, 16]
        more = [stack.enter_context(to(receiver, "127.0.0.3")) for _ in range(40)]
        assert sent(receiver, hooks.fulfillment_cz(2), "127.0.0.3")[0] == [200]
        assert sum(is_closed(connection) for connection in [*proxy, *more]) >= 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", "example.com"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HEADER_BYTES", "10"),
        ("HEADER_SECONDS", "0"),
        ("BODY_SECONDS", "nan"),
        ("CONNECTIONS", "inf"),
    ],
)
def test_a_wrong_limit_is_named(name: str, value: str) -> None:
    """The setting and what it must be are said when it is read."""
    with pytest.raises(ConfigError, match=f"STOCKBOOK_HOOKS_{name} must be"):
        Settings.load({f"STOCKBOOK_HOOKS_{name}": value})


def test_inside_another_server_the_application_keeps_its_own_limits(tmp_path: Path) -> None:
    """A head that Airflow's server let through is refused before its body is read; a body that stops is given up."""
    environ = hooks.variables(tmp_path / "home", STOCKBOOK_HOOKS_BODY_SECONDS="0.2")
    desk = Desk(
        lambda: Settings.load(environ), CLOCK, lambda: SOURCES, lambda conn_id: from_environment(conn_id, environ)
    )
    app = create_app(desk)
    event = hooks.fulfillment_cz(1)
    headers = [(name.lower().encode(), value.encode()) for name, value in event.headers.items()]

    def answered(more: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []
        read = 0

        async def receive() -> dict[str, Any]:
            nonlocal read
            read += 1
            if read > 1:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": event.body[:10], "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        path = f"/stockbook{event.path}"
        scope = {"type": "http", "method": "POST", "path": path, "root_path": "/stockbook", "headers": headers + more}
        asyncio.run(app(scope, receive, send))
        assert read == (0 if more else 2)
        return int(sent[0]["status"])

    assert answered([(b"x-long", b"x" * HEAD)]) == 431
    assert answered([]) == 408
