"""Reaching a source through TLS and proxies: what is wrong is one sentence that says what to do, and quotes nothing."""

import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import TOKEN, Answer, Request, account_at, as_json, serving

from conftest import ManualClock
from stockbook.errors import ConfigError, Unreachable
from stockbook.reaching import TRUSTED
from stockbook.sources.credentials import StaticToken
from stockbook.sources.probe import try_account

PAGE = {"code": 200, "data": [], "totalCount": 0}
PASSWORD = "password-of-the-proxy"
DAY = timedelta(days=1)
Signed = Callable[..., ssl.SSLContext]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies and authorities are not the test's."""
    for name in (*TRUSTED, "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signed]:
    """The file of an authority nobody else believes, and servers' certificates signed by it, or by themselves."""
    folder = tmp_path_factory.mktemp("authority")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    own_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def certificate(
        key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, until: datetime, ip: str
    ) -> x509.Certificate:
        subject = name if key is own_key else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name if signer is own_key else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=key is own_key, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))]), critical=False)
            .sign(signer, hashes.SHA256())
        )

    def signed(until: timedelta = DAY, ip: str = "127.0.0.1", by_itself: bool = False) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        shown = certificate(key, key if by_itself else own_key, now + until, ip)
        file = folder / f"{shown.serial_number}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(shown.public_bytes(serialization.Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    file = folder / "authority.pem"
    file.write_bytes(certificate(own_key, own_key, now + DAY, "127.0.0.1").public_bytes(serialization.Encoding.PEM))
    return file, signed


def asked(url: str) -> str:
    """What ``doctor --try`` is told."""
    return try_account(account_at(url), StaticToken(TOKEN), ManualClock(datetime.now(UTC)))


def page(_: Request) -> Answer:
    return as_json(PAGE)


@pytest.mark.parametrize("name", TRUSTED[:3])
def test_an_authority_of_the_network_is_believed(
    authority: tuple[Path, Signed], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable that other programs know names its file."""
    file, signed = authority
    monkeypatch.setenv(name, str(file))

    with serving(page, signed()) as url:
        assert asked(url).endswith(": 0")


@pytest.mark.parametrize(
    ("shown", "is_believed", "said"),
    [
        ({}, False, "name the file with its certificate in SSL_CERT_FILE"),
        ({"by_itself": True}, True, "name the file with its certificate in REQUESTS_CA_BUNDLE"),
        ({"until": -DAY}, True, "is not valid today"),
        ({"ip": "192.0.2.1"}, True, "is of another host; correct the host"),
    ],
)
def test_each_wrong_certificate_has_its_own_way_out(
    authority: tuple[Path, Signed],
    shown: dict[str, object],
    is_believed: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody believes the authority, it did not sign, the time is over, the host is another: the token is not sent."""
    file, signed = authority
    if is_believed:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    heard: list[Request] = []

    def hears(request: Request) -> Answer:
        heard.append(request)
        return page(request)

    with serving(hears, signed(**shown)) as url, pytest.raises(Unreachable) as raised:
        asked(url)

    assert said in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert heard == []


def test_a_server_without_tls_is_told_as_that() -> None:
    """The scheme is wrong, not the certificate."""
    with serving(page) as url, pytest.raises(Unreachable, match="does not speak TLS there"):
        asked(url.replace("http:", "https:"))


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_without_authorities_is_a_wrong_setting(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told before anybody is asked, by the name of its variable."""
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    with pytest.raises(ConfigError, match="SSL_CERT_FILE must name a file of certificates"):
        asked("https://127.0.0.1:9")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (407, "write user and password into its address"),
        (502, r"refused to connect to it \(502\)"),
        (None, "cannot be"),
    ],
)
def test_a_proxy_that_does_not_connect_is_named_by_its_variable(
    status: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wants a login, does not reach the host, or is not there; its own address and password are not told."""
    with serving(lambda _: Answer(status=status or 0)) as proxy:
        port = "9" if status is None else proxy.rpartition(":")[2]
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:{PASSWORD}@127.0.0.1:{port}")
        with pytest.raises(Unreachable, match=rf"the proxy that the environment names .*{said}") as raised:
            asked("https://api.example")

    assert [word for word in (PASSWORD, "somebody", TOKEN) if word in str(raised.value)] == []


def test_no_proxy_leaves_a_host_out(authority: tuple[Path, Signed], monkeypatch: pytest.MonkeyPatch) -> None:
    """What NO_PROXY names is asked without the proxy."""
    file, signed = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    with serving(page, signed()) as url:
        assert asked(url).endswith(": 0")
