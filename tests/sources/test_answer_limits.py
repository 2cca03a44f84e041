"""Answers without end, too slow or packed too well: bounded in bytes, seconds and memory, for every client of ours."""

import ast
import gzip
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path

import pytest
from checkout import PROJECT
from cryptography.fernet import Fernet
from loopback import TOKEN, account_at
from urllib3.exceptions import DecodeError

from stockbook.bounded_http import Limits, OverLimit, ask
from stockbook.clock import ManualClock, SystemClock
from stockbook.connections import RawConnection
from stockbook.errors import BadAnswer, SourceError, Unreachable
from stockbook.settings import Settings
from stockbook.sources.credentials import credentials_of
from stockbook.sources.http import Client, RetryPolicy
from stockbook.sources.probe import try_account
from stockbook.webhooks.subscriptions import Subscriptions

START = datetime(2026, 3, 3, 8, tzinfo=UTC)
LIMITS = Limits(megabytes=2, seconds=0.2)
SECRETS = (TOKEN, "secret-body", "secret-header")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-More: secret-header\r\n"
SECRET = b'{"a":"secret-body"}'
ROOM = 30_000_000
"""Bytes a client may use at most: its limit twice while parts are joined, its modules, and the server of the test."""


class Talker:
    """A server that says the same to everybody, to the end or until nobody listens."""

    def __init__(self, says: Callable[[], Iterable[bytes]], pause: float) -> None:
        self._says, self._pause = says, pause
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked: list[bytes] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            try:
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                self.asked.append(request)
                for piece in self._says():
                    if self._over.wait(self._pause) if self._pause else self._over.is_set():
                        return
                    connection.sendall(piece)
            except OSError:
                return

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)


@contextmanager
def talking(says: Callable[[], Iterable[bytes]], pause: float = 0) -> Iterator[Talker]:
    talker = Talker(says, pause)
    try:
        yield talker
    finally:
        talker.close()


def get(url: str, limits: Limits = LIMITS) -> bytes:
    """What the client of a night makes of an answer, in two tries."""
    account = account_at(url)
    policy = RetryPolicy(tries=2, connect=5, read=5)
    with Client(account, credentials_of(account), ManualClock(START), policy=policy, limits=limits) as client:
        return client.get("/v2/fulfillment/orders", [], bytes)


def packed_without_end(window: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    yield packer.compress(SECRET) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(4_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    # full flushes leave no memory of what came before: the same bytes unpack again and again
    yield from repeat(zeros)


TOO_MUCH: dict[str, Callable[[], Iterable[bytes]]] = {
    "no end": lambda: chain([HEAD + b"\r\n" + SECRET], repeat(b" " * 50_000)),
    "chunks without end": lambda: chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"2710\r\n" + SECRET.ljust(10_000) + b"\r\n")
    ),
    "chunks of one byte": lambda: chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"1;name=secret-body\r\n \r\n" * 2_000)
    ),
    "trailers without end": lambda: chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], repeat(b"X: secret-header\r\n" * 2_000)
    ),
    "a length beyond the limit": lambda: [HEAD + b"Content-Length: 1000001\r\n\r\n" + SECRET],
    "a length beyond all": lambda: [HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + SECRET],
    "a length that is true": lambda: chain([HEAD + b"Content-Length: 900000000\r\n\r\n"], repeat(b" " * 50_000)),
    "gzip": lambda: chain([HEAD + b"Content-Encoding: gzip\r\n\r\n"], packed_without_end(31)),
    "gzip in chunks": lambda: chain(
        [HEAD + b"Content-Encoding: X-GZIP\r\nTransfer-Encoding: chunked\r\n\r\n"],
        (b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in packed_without_end(31)),
    ),
    "deflate": lambda: chain([HEAD + b"Content-Encoding: deflate\r\n\r\n"], packed_without_end(15)),
    "bare deflate": lambda: chain([HEAD + b"Content-Encoding: deflate\r\n\r\n"], packed_without_end(-15)),
    "gzip of many members": lambda: chain(
        [HEAD + b"Content-Encoding: gzip\r\n\r\n"], repeat(gzip.compress(SECRET + bytes(100_000)))
    ),
    "gzip of empty members": lambda: chain(
        [HEAD + b"Content-Encoding: gzip\r\n\r\n"], repeat(gzip.compress(b"") * 500)
    ),
    "interim answers without end": lambda: repeat(b"HTTP/1.1 100 Continue\r\nX-More: secret-header\r\n\r\n" * 500),
}  # fmt: skip


@pytest.mark.parametrize("says", TOO_MUCH.values(), ids=TOO_MUCH)
def test_an_answer_without_end_is_left_at_its_limit(says: Callable[[], Iterable[bytes]]) -> None:
    """One request, one sentence that names connection and limit, and no more memory than the limit asks for."""
    with talking(says) as talker:
        tracemalloc.start()
        try:
            with pytest.raises(BadAnswer, match=r"fulfillment_cz: .* at most 1 MB .*STOCKBOOK_ANSWER_MEG") as raised:
                get(talker.url, Limits(megabytes=1, seconds=60))
            used = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(talker.asked) == 1

    assert used < ROOM
    assert not any(secret in str(raised.value) for secret in SECRETS)


TOO_SLOW: dict[str, Callable[[], Iterable[bytes]]] = {
    "body": lambda: chain([HEAD + b"\r\n"], repeat(b" ")),
    "body of a length": lambda: chain([HEAD + b"Content-Length: 1000\r\n\r\n"], repeat(b" ")),
    "gzip": lambda: chain([HEAD + b"Content-Encoding: gzip\r\n\r\n"], map(bytes, zip(gzip.compress(bytes(10**6))))),
    "a chunk's head": lambda: chain([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"0")),
    "trailers": lambda: chain([HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], repeat(b"a:b\r\n")),
    "status line": lambda: chain([b"HTTP/1.1 200 "], repeat(b"O")),
    "headers": lambda: chain([HEAD + b"X-Slow: "], repeat(b"secret-header")),
    "interim answers": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence": lambda: chain([HEAD + b"Content-Length: 9\r\n\r\n"], repeat(b"")),
}  # fmt: skip


@pytest.mark.parametrize("says", TOO_SLOW.values(), ids=TOO_SLOW)
def test_an_answer_that_trickles_is_given_up_and_tried_again(says: Callable[[], Iterable[bytes]]) -> None:
    """However often a byte comes, the whole answer has one time: body, chunks, trailers and headers alike."""
    clock = SystemClock()
    began = clock.monotonic()
    with talking(says, pause=0.02) as talker:
        with pytest.raises(Unreachable, match=r"fulfillment_cz: .* within 0.2 s .*STOCKBOOK_ANSWER_SEC") as raised:
            get(talker.url)
        assert len(talker.asked) == 2

    assert clock.monotonic() - began < 2 * LIMITS.seconds + 2
    assert not any(secret in str(raised.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "gzip, gzip", "deflate, gzip", "gzip,br", "compress", "secret-header"]
)
def test_an_encoding_nobody_asked_for_is_not_unpacked(encoding: str) -> None:
    """Neither a method we do not read nor one inside another, which may be a bomb in a bomb."""
    body = gzip.compress(gzip.compress(bytes(3_000_000)))
    head = HEAD + f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with talking(lambda: [head + body]) as talker, pytest.raises(Unreachable) as raised:
        get(talker.url)

    assert "secret-header" not in str(raised.value)


def deflated(body: bytes, window: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, window)
    return packer.compress(body) + packer.flush()


PACKED = {
    "gzip": gzip.compress(SECRET * 5_000),
    "gzip, padded": gzip.compress(SECRET * 5_000) + bytes(512),
    "x-gzip": gzip.compress(SECRET * 2_000) + gzip.compress(b"") + gzip.compress(SECRET * 3_000),
    "deflate": deflated(SECRET * 5_000, 15),
    "deflate, bare": deflated(SECRET * 5_000, -15),
    "identity": SECRET * 5_000,
}


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(("named", "body"), PACKED.items(), ids=PACKED)
def test_what_was_asked_for_is_unpacked_whole(named: str, body: bytes, size: int) -> None:
    """Gzip of one member or several, with padding, zlib and bare deflate, however the line cuts them."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)] if size > 1 else [body[:1], body[1:2], body[2:]]
    head = HEAD + f"Content-Encoding: {named.split(',', maxsplit=1)[0]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = [b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in pieces]
    with talking(lambda: [head, *chunks, b"0\r\n\r\n"]) as talker:
        assert get(talker.url, Limits(seconds=30)) == SECRET * 5_000


def test_a_packed_body_that_is_cut_off_is_no_answer() -> None:
    """Half a gzip stream is told from a whole one, though its connection ended in good order."""
    half = gzip.compress(SECRET * 5_000)[:-20]
    with talking(lambda: [HEAD + b"Content-Encoding: gzip\r\n\r\n" + half]) as talker, pytest.raises(DecodeError):
        ask("GET", talker.url, {})


def test_an_answer_of_exactly_the_limit_is_taken() -> None:
    """The limit refuses one byte more, not the last one that is allowed."""
    body = b" " * LIMITS.bytes
    with talking(lambda: [HEAD + b"\r\n" + body]) as talker:
        assert get(talker.url, Limits(megabytes=2, seconds=30)) == body
    with talking(lambda: [HEAD + b"\r\n" + body + b" "]) as talker, pytest.raises(BadAnswer):
        get(talker.url, Limits(megabytes=2, seconds=30))


def tried(url: str, folder: Path) -> object:
    account = account_at(url)
    return try_account(account, credentials_of(account), SystemClock(), limits=LIMITS)


def renewed(url: str, folder: Path) -> object:
    extra = {"client_id": "an app", "refresh_token": TOKEN, "token_url": url}
    account = account_at(url, "flickrocket", password="", extra=extra)
    return credentials_of(account, ManualClock(START), folder, (Fernet.generate_key(),)).authorization()


def subscribed(url: str, folder: Path) -> object:
    raw = RawConnection(url, None, None, TOKEN, {"access_token": TOKEN, "shop_handle": "shop"})
    return Subscriptions("shopline", raw, Settings.load({"STOCKBOOK_HOME": str(folder)}), ManualClock(START)).listed()


CLIENTS = [tried, renewed, subscribed]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", ["no end", "gzip", "headers"])
def test_every_client_has_limits(client: Callable[[str, Path], object], name: str, tmp_path: Path) -> None:
    """A connection that is tried, a token that is renewed and subscriptions that are listed end like a page does."""
    without_end = TOO_MUCH | {"headers": lambda: chain([HEAD], (b"X-%d: secret-header\r\n" % n for n in range(10**9)))}
    with talking(without_end[name]) as talker:
        tracemalloc.start()
        try:
            with pytest.raises(SourceError) as raised:
                client(talker.url, tmp_path)
            used = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert used < ROOM
    assert not any(secret in str(raised.value) for secret in SECRETS)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_client_carries_a_token_to_another_host(
    client: Callable[[str, Path], object], status: int, tmp_path: Path
) -> None:
    """A redirect is an error and nothing is asked of where it points to."""
    with talking(lambda: [HEAD + b"Content-Length: 2\r\n\r\n[]"]) as elsewhere:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        with talking(lambda: [moved]) as talker, pytest.raises(SourceError):
            client(talker.url, tmp_path)
        assert talker.asked
        assert elsewhere.asked == []


def test_a_proxy_is_asked_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names one, it gets the whole address, with its own password and the account's token."""
    monkeypatch.setenv("no_proxy", "")
    with talking(lambda: [HEAD + b"Content-Length: 2\r\n\r\n[]"]) as talker:
        monkeypatch.setenv("http_proxy", talker.url.replace("//", "//user:password@"))
        assert get("http://192.0.2.1") == b"[]"
    request = talker.asked[0].decode()
    assert request.startswith("GET http://192.0.2.1/v2/fulfillment/orders HTTP/1.1\r\n")
    assert "\r\nproxy-authorization: basic dxnlcjpwyxnzd29yza==\r\n" in request.lower()
    with talking(TOO_MUCH["no end"]) as talker:
        monkeypatch.setenv("http_proxy", talker.url)
        with pytest.raises(BadAnswer, match="at most 2 MB"):
            get("http://192.0.2.1", Limits(megabytes=2, seconds=60))


def test_ask_says_which_limit_it_was() -> None:
    """Room and time are told apart: the second may be better the next time."""
    with talking(TOO_MUCH["no end"]) as talker, pytest.raises(OverLimit) as big:
        ask("GET", talker.url, {}, limits=Limits(megabytes=1, seconds=30))
    with talking(TOO_SLOW["body"], pause=0.02) as talker, pytest.raises(OverLimit) as slow:
        ask("GET", talker.url, {}, limits=LIMITS)

    assert (big.value.is_late, slow.value.is_late) == (False, True)


def test_nobody_asks_past_the_limits() -> None:
    """No module of ours but the bounded one imports another HTTP client, and each pool of connections is limited."""
    clients = {"requests", "urllib.request", "http.client", "httpx", "aiohttp", "httpcore"}
    past = []
    for file in sorted((PROJECT / "plugins").rglob("*.py")):
        if file.name == "bounded_http.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {node.module or "", (node.module or "").split(".")[0]}
            else:
                continue
            if names & clients:
                past.append((file.name, node.lineno))
        text = file.read_text()
        if text.count("PoolManager(") != text.count("limited(urllib3.PoolManager("):
            past.append((file.name, 0))

    assert past == []
