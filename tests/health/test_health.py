"""What `stockbook health` says of each part, when it asks for a person, and that it never gets in a night's way."""

import json
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from checkout import PROJECT
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from night_rig import KEY
from shared_home import copy_of
from typer.testing import CliRunner

from stockbook import clock as clocks
from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.errors import ConfigError
from stockbook.health import parts as health
from stockbook.health.certificate import certificate_of, check_place
from stockbook.inbox import Arrival, Inbox
from stockbook.runs import report
from stockbook.runs.lock import RunLock
from stockbook.runs.report import Report
from stockbook.settings import Settings

# some hours after the night of the shared home
NOW = datetime(2025, 11, 18, 7, 15, tzinfo=UTC)
SECRET = "a-token-that-must-stay-secret"


@pytest.fixture
def home(home_after_a_night: Path, tmp_path: Path) -> Path:
    """A home after a night, whose report says when it was, and not when the test ran."""
    place = tmp_path / "home"
    copy_of(home_after_a_night, place)
    for folder in (place / "runs").iterdir():
        ended = report.read(folder)
        assert ended is not None
        ended.finished_at = NOW - timedelta(hours=5)
        report.write(folder, ended)
    return place


def settings_of(home: Path, **more: str) -> Settings:
    return Settings.load(
        {"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": KEY, "STOCKBOOK_METRICS_TOKEN": SECRET, **more}
    )


def look(home: Path, later: timedelta = timedelta(), **more: str) -> dict[str, Any]:
    return health.look(settings_of(home, **more), ManualClock(NOW + later))


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs `stockbook health` at a moment: exit code, output, errors."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(home))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)

    def run(*options: str, later: timedelta = timedelta()) -> tuple[int, str, str]:
        monkeypatch.setattr(clocks, "SystemClock", lambda: ManualClock(NOW + later))
        done = CliRunner().invoke(app, ["health", *options])
        return done.exit_code, done.stdout, done.stderr

    return run


def test_a_home_that_is_well_needs_nobody(home: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    """Exit code 0, a line for each part, the same as JSON; nothing of it is a path, a key or an account."""
    code, lines, _ = command()
    json_code, text, _ = command("--json")
    content = json.loads(text)

    assert (code, json_code) == (0, 0)
    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "ok  published", "ok  last night", "ok  inbox", "ok  subscriptions", "ok  disk", "ok  policies",
    ]  # fmt: skip
    assert "ok  published: as of 2025-11-18T02:15 local, 6.0 h old" in lines
    assert (content["status"], content["attention"]) == ("ok", [])
    assert content["published"] == {"status": "ok", "as_of": "2025-11-18T02:15:00", "age_hours": 6.0}
    assert [word for word in (str(home), KEY, SECRET, "main") if word in lines + text] == []


def late(home: Path) -> None: ...


def red(home: Path) -> None:
    folder = home / "runs" / "red"
    folder.mkdir()
    at = NOW - timedelta(hours=1)
    report.write(folder, Report("red", datetime(2025, 11, 18, 7, 15), "failed", at, at, 1, 1, "build", "Zqxvor", []))


def unread(home: Path) -> None:
    folder = home / "runs" / "half"
    folder.mkdir()
    (folder / "report.json").write_text('{"run_id": "ha')


def no_night(home: Path) -> None:
    shutil.rmtree(home)


def damaged(home: Path) -> None:
    file = home / "published" / "warehouse.duckdb"
    file.write_bytes(file.read_bytes()[:5_000])


def events_wait(home: Path) -> None:
    arrival = Arrival(
        source="shopline", account="main", event_key="1", event_type="orders/create", subject_kind="order",
        subject_id="1", occurred_text=None, received_at_utc=NOW - timedelta(hours=1), payload="{}",
    )  # fmt: skip
    with Inbox.open(settings_of(home).inbox_url) as inbox:
        inbox.append(arrival).result(timeout=30)


def switched_off(home: Path) -> None:
    with duckdb.connect(str(home / "published" / "warehouse.duckdb")) as con:
        con.execute(
            "create or replace table reports.alert_measures as "
            "select 'subscriptions_off' as measure, 'shopline' as subject, 2.0 as value"
        )


def of_an_earlier_version(home: Path) -> None:
    with duckdb.connect(str(home / "published" / "warehouse.duckdb")) as con:
        con.execute("drop table meta.subscription; drop table if exists reports.alert_measures")


@pytest.mark.parametrize(
    ("fault", "hours", "needed"),
    [
        (late, 30, {}),
        (late, 31, {"published": "late", "last_night": "ok"}),
        (late, 32, {"published": "late", "last_night": "late"}),
        (red, 0, {"last_night": "red"}),
        (unread, 0, {"last_night": "unavailable"}),
        (no_night, 0, {"published": "none", "last_night": "none"}),
        (damaged, 0, {"published": "unavailable", "subscriptions": "unavailable"}),
        (events_wait, 0, {}),
        (switched_off, 0, {"subscriptions": "off"}),
        (of_an_earlier_version, 0, {}),
    ],
)
def test_what_is_not_well_is_told_by_its_part(
    fault: Callable[[Path], None], hours: float, needed: dict[str, str], home: Path
) -> None:
    """The parts that need a person, and what they say; all others are looked at all the same."""
    fault(home)
    parts = look(home, timedelta(hours=hours))

    wrong = {name: status for name, status in needed.items() if status != "ok"}
    assert {name: parts[name]["status"] for name in health.attention(parts)} == wrong
    assert parts.keys() == {"published", "last_night", "inbox", "subscriptions", "disk"}
    assert "Zqxvor" not in json.dumps(parts)


def test_events_that_wait_too_long_are_told(home: Path) -> None:
    """How many, and since when the oldest; a night takes them, so one that waits for longer has been missed."""
    events_wait(home)

    assert look(home)["inbox"] == {"status": "ok", "waiting": 1, "oldest_hours": 1.0}
    assert look(home, timedelta(hours=36))["inbox"] == {"status": "waiting", "waiting": 1, "oldest_hours": 37.0}


def test_a_disk_without_room_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the room there is, with the same bound as the receiver's."""
    monkeypatch.setattr(health, "LOW", 1 << 62)
    assert look(home)["disk"]["status"] == "low"


def test_the_command_says_what_is_wrong_and_ends_with_1(
    home: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """A red night by its step; a file that cannot be read by our own sentence."""
    red(home)
    damaged(home)
    code, lines, errors = command()

    assert code == 1
    assert "NO  last night: red, as of 2025-11-18T07:15 local, ended 2025-11-18T06:15 UTC, at build" in lines
    assert "NO  published: unavailable" in lines
    assert "Health: published could not be looked at: " in lines
    assert errors == ""
    assert json.loads(command("--json")[1])["attention"] == ["published", "last_night", "subscriptions"]


def test_policies_that_cannot_be_read_are_told_before_the_night_is_red(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How many things are wrong, and the command that names them."""
    shutil.copytree(PROJECT / "include" / "policy", tmp_path / "policy")
    (tmp_path / "policy" / "sla.yml").write_text("versions: [")
    (tmp_path / "policy" / "alerts.yml").write_text("- no mapping")
    monkeypatch.setenv("STOCKBOOK_POLICY_DIR", str(tmp_path / "policy"))
    code, lines, _ = command()

    assert code == 1
    assert "NO  policies: wrong, 2 to be mended: `stockbook policy check` names each" in lines
    assert json.loads(command("--json")[1])["policies"] == {"status": "wrong", "problems": 2}


def test_a_night_under_way_is_not_waited_for(home: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    """With the lock held and the writer's file open the answer is the same, and nothing of the books is touched."""

    def answer() -> tuple[int, list[str]]:
        code, lines, _ = command()
        # others write to this disk too
        return code, [line for line in lines.splitlines() if "disk" not in line]

    before = answer()
    settings = settings_of(home)
    lock = RunLock(settings.lock, ManualClock(NOW), 60)
    lock.take("night")
    books = {file: file.stat().st_mtime_ns for file in home.rglob("*.duckdb*")}
    with lock.step("night", "build"), duckdb.connect(str(settings.warehouse)) as writing:
        writing.execute("begin")
        assert answer() == before
        writing.execute("rollback")

    assert {file: file.stat().st_mtime_ns for file in home.rglob("*.duckdb*")} == books


def test_a_worker_of_a_fleet_tells_of_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights and books of accounts are in the control database, which `stockbook fleet status` asks."""
    parts = look(home, STOCKBOOK_LAKE="postgres:dbname=books host=127.0.0.1")

    assert parts.keys() == {"inbox", "disk"}


# certificates


def pem(folder: Path, days: float, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate that names a host and ends so many days from the real now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = clocks.SystemClock().utc()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}{days}.pem", folder / f"{name}{days}.key"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextmanager
def served(certificate: Path, key: Path) -> Iterator[str]:
    """An address on loopback that shows a certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/stockbook/hooks"
    finally:
        server.shutdown()
        server.server_close()


def certificate(home: Path, place: str) -> Any:
    """The part, at the real now."""
    certificate_of.cache_clear()
    settings = settings_of(home, STOCKBOOK_HOOKS_CERTIFICATE=place)
    return health.look(settings, clocks.SystemClock())["certificate"]


@pytest.mark.parametrize(("days", "status"), [(60.5, "ok"), (13.5, "expiring"), (-0.5, "expired")])
def test_a_certificate_is_told_of_before_it_ends(days: float, status: str, tmp_path: Path) -> None:
    """Two weeks before; where a file is a chain, by what ends first."""
    file, _ = pem(tmp_path, days)
    chain, _ = pem(tmp_path, 400)
    file.write_bytes(file.read_bytes() + chain.read_bytes())
    part = certificate(tmp_path / "home", str(file))

    assert (part["status"], part["days_left"]) == (status, int(days // 1))


def test_a_certificate_is_judged_as_a_sender_judges_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at its address: accepted with its chain, refused without, with another name, or by nobody there."""
    home, (file, key), (other, other_key) = tmp_path / "home", pem(tmp_path, 30.5), pem(tmp_path, 30.5, "elsewhere")
    with served(file, key) as address, served(other, other_key) as strange:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        accepted = certificate(home, address)
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        refused = certificate(home, address), certificate(home, strange)

    assert (accepted["status"], accepted["days_left"]) == ("ok", 30)
    assert [part["status"] for part in refused] == ["refused", "refused"]
    assert "self-signed" in refused[0]["reason"]
    assert "Hostname mismatch" in refused[1]["reason"]
    assert certificate(home, address) == {"status": "refused", "reason": "Connection refused"}


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    """A file that is missing or something else; a place that is neither file nor address is refused as a setting."""
    (tmp_path / "text").write_text("no certificate")

    assert certificate(tmp_path, str(tmp_path / "text")) == {"status": "refused", "reason": "no certificate in PEM"}
    assert certificate(tmp_path, "/nowhere.pem") == {"status": "refused", "reason": "No such file or directory"}
    for place in ("books.example.com", "http://books.example.com", "https://"):
        with pytest.raises(ConfigError, match="STOCKBOOK_HOOKS_CERTIFICATE must be"):
            check_place(place)


def test_airflows_own_certificate_is_the_receivers(tmp_path: Path) -> None:
    """Where the API server speaks TLS itself, what it is set to is looked at."""
    file, _ = pem(tmp_path, 30.5)
    environ = {"STOCKBOOK_HOME": str(tmp_path / "home"), "AIRFLOW__API__SSL_CERT": str(file)}

    assert Settings.load(environ).certificate == str(file)
