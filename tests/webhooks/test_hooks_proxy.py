"""The proxy of docs/webhooks.md, as it stands there, in front of a receiver. Skipped where nginx is not installed."""

import contextlib
import datetime as dt
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hooks_rig as hooks
import pytest
from checkout import PROJECT
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hooks_rig import Receiving, Sent, receiving
from test_hooks_guard import bytes_of

from stockbook.clock import SystemClock

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

NAME = "books.example.com"
CLOCK = SystemClock()
SECONDS = 2
"""Instead of ten, so that the test need not wait."""


class Proxy(NamedTuple):
    """nginx in front of a receiver."""

    port: int
    trust: ssl.SSLContext
    receiver: Receiving

    def connect(self) -> ssl.SSLSocket:
        """A TLS connection to it."""
        return self.trust.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), timeout=20), server_hostname=NAME
        )

    def status(self, event: Sent) -> int:
        """What an event on a new connection is answered."""
        with self.connect() as connection, connection.makefile("rb") as answer:
            connection.sendall(bytes_of(event))
            return int(answer.readline().split(b" ")[1])


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate of the documented name in the folder, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    begin = CLOCK.utc() - dt.timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ssl.create_default_context(cafile=str(folder / "fullchain.pem"))


def configuration(folder: Path, port: int, receiver: int) -> str:
    """The block of the documentation, with other ports and paths and shorter times."""
    [block] = re.findall(r"```nginx\n(.*?)```", (PROJECT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:8400": f"127.0.0.1:{receiver}",
        "/etc/letsencrypt/live/books.example.com": str(folder),
        "client_header_timeout 10s": f"client_header_timeout {SECONDS}s",
        "client_body_timeout 10s": f"client_body_timeout {SECONDS}s",
    }.items():
        assert old in block
        block = block.replace(old, new)
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n{places}{block}}}\n"
    )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A receiver behind nginx."""
    folder = tmp_path_factory.mktemp("proxy")
    trust = certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    limits = {"STOCKBOOK_HOOKS_TRUSTED_PROXIES": "127.0.0.1"}
    with receiving(hooks.variables(folder / "home", **limits), folder) as receiver:
        file = folder / "nginx.conf"
        file.write_text(configuration(folder, port, int(receiver.url.split(":")[2].split("/")[0])))
        process = subprocess.Popen([NGINX or "", "-p", str(folder), "-c", str(file)], stderr=subprocess.DEVNULL)
        try:
            end = CLOCK.monotonic() + 30
            while True:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert CLOCK.monotonic() < end
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                CLOCK.sleep(0.05)
            yield Proxy(port, trust, receiver)
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_events_of_the_three_systems_pass(proxy: Proxy) -> None:
    """Headers and bodies come as they were sent: token, signature and hash still fit."""
    body = hooks.a_fulfillment_order(3)
    events = [
        hooks.fulfillment_cz(1, "OrderCreated", hooks.an_order(1)),
        hooks.shopline("fulfillment_order/create", body, "m1"),
        hooks.shopline("fulfillment_order/create", body, "m2", as_hex=True),
        hooks.flickrocket("order/create", "order", "7"),
    ]
    assert [proxy.status(event) for event in events] == [200] * 4
    forged = hooks.shopline("fulfillment_order/create", body, "m3", secret="another")
    assert proxy.status(forged) == 401


def test_nothing_but_the_hooks_is_there(proxy: Proxy) -> None:
    """Neither health nor the rest of the server behind it, and no redirect."""
    for path in ("/health", "/../health", "/hooks", ""):
        with proxy.connect() as connection:
            connection.sendall(f"GET /stockbook{path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(100).split(b" ")[1] in (b"404", b"400")


def test_heads_and_bodies_have_limits(proxy: Proxy) -> None:
    """A head of 20 KB and a body of more than 1 MB end at the proxy."""
    long = hooks.fulfillment_cz(1)
    long.headers |= {f"X-{n}": "x" * 1_000 for n in range(20)}
    assert proxy.status(long) == 400
    with proxy.connect() as connection:
        connection.sendall(
            f"POST /stockbook/hooks/shopline/main HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1100000\r\n\r\n".encode()
        )
        assert connection.recv(100).split(b" ")[1] == b"413"


@pytest.mark.parametrize("part", ["head", "body"])
def test_slow_senders_end_with_their_time_and_delay_nobody(part: str, proxy: Proxy) -> None:
    """Sixty that stop in the middle: events pass meanwhile, and the sixty are hung up on."""
    whole = bytes_of(hooks.fulfillment_cz(5))
    half = whole[: whole.index(b"\r\n\r\n")] if part == "head" else whole[:-10]
    began = CLOCK.monotonic()
    with contextlib.ExitStack() as stack:
        # of bodies an address has fifty, and one of them is kept for the honest event
        slow = [stack.enter_context(proxy.connect()) for _ in range(60 if part == "head" else 49)]
        for connection in slow:
            connection.sendall(half)
        assert proxy.status(hooks.fulfillment_cz(6)) == 200
        for connection in slow:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert connection.recv(1_000)[:13] in (b"", b"HTTP/1.1 408 ")
    assert CLOCK.monotonic() - began < SECONDS * 5


def test_an_address_has_so_many_requests_at_a_time(proxy: Proxy) -> None:
    """The one beyond is told to come again later, which a sender does."""
    half = bytes_of(hooks.fulfillment_cz(7))[:-10]
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(proxy.connect()).sendall(half)
        answered = proxy.status(hooks.fulfillment_cz(8))
    assert answered == 503
