"""Secrets with odd letters, in every place one can be set: no error, log, text or report has a part of one."""

import json
import logging
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from loopback import Answer, Request, account_at, as_json, serving
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.alerts import notify
from stockbook.cli.main import app
from stockbook.clock import ManualClock, SystemClock
from stockbook.connections import account_from, from_environment
from stockbook.errors import ConfigError, StockbookError, Unreachable
from stockbook.inbox import Inbox
from stockbook.settings import Settings
from stockbook.sources.credentials import credentials_of
from stockbook.sources.http import Client, RetryPolicy
from stockbook.webhooks.accounts import HookAccounts, hook_account
from stockbook.webhooks.subscriptions import Subscriptions

START = datetime(2026, 3, 3, 8, tzinfo=UTC)
PIECE = 6
PLACES = 3

ODD: dict[str, Callable[[str, str], str]] = {
    "plain": lambda a, b: a + b,
    "line break behind": lambda a, b: f"{a}{b}\n",
    "Windows line break": lambda a, b: f"{a}{b}\r\n",
    "blank before": lambda a, b: f" {a}{b}",
    "line break inside": lambda a, b: f"{a}\n{b}",
    "a header inside": lambda a, b: f"{a}\r\nX-More: {b}",
    "NUL": lambda a, b: f"{a}\0{b}",
    "escape": lambda a, b: f"{a}\x1b[31m{b}",
    "outside latin-1": lambda a, b: f"{a}řžč{b}",
    "latin-1": lambda a, b: f"{a}éß{b}",
    "byte order mark": lambda a, b: f"\ufeff{a}{b}",
    "half a character": lambda a, b: f"{a}\ud83d{b}",
    "undecoded byte": lambda a, b: f"{a}\udcfc{b}",
    "no-break space": lambda a, b: f"{a}\xa0{b}",
    "of an address": lambda a, b: f"{a}@:/{b}?#%zz[]",
    "slashes": lambda a, b: f"{a}@{b}/{a}",
    "of a port": lambda a, b: f"{a}:{b}",
    "bracket": lambda a, b: f"{a}[{b}",
    "quotes": lambda a, b: f"{a}\"'{b}\\",
    "braces": lambda a, b: f"{a}{{{b}}}%s%(x)d",
    "long": lambda a, b: f"{a}{b}" * 500,
}


def parts(seed: str) -> tuple[str, str]:
    """Two random words, each long enough to be known again."""
    draw = random.Random(seed)
    first, second = (
        "".join(draw.choice("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMN23456789") for _ in range(12)) for _ in "ab"
    )
    return first, second


def pieces(words: tuple[str, str]) -> set[str]:
    return {word[at : at + PIECE] for word in words for at in range(len(word) - PIECE + 1)}


class Heard:
    """Everything that was said while a secret was used."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._caplog, self._capfd = caplog, capfd
        self.texts: list[str] = []
        self.errors: list[Exception] = []

    def say(self, *values: object) -> None:
        self.texts += [f"{value!r} {value}" for value in values]

    def during(self, use: Callable[[], object]) -> None:
        """Do something; of an error everything is noted that hangs on it, shown or not."""
        try:
            self.say(use())
        except Exception as error:
            self.errors.append(error)
            left: list[BaseException | None] = [error]
            while left:
                error = left.pop()
                if error is not None:
                    self.texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
                    left += [error.__cause__, error.__context__]

    def everything(self) -> str:
        shown = self._capfd.readouterr()
        logged = [f"{record.getMessage()} {record.exc_text}" for record in self._caplog.records]
        return "\n".join([*self.texts, self._caplog.text, *logged, shown.out, shown.err])


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Heard:
    caplog.set_level(logging.DEBUG)
    # of a host that cannot be resolved its name is said at this level, which nobody switches on
    caplog.set_level(logging.INFO, logger="sqlalchemy")
    return Heard(caplog, capfd)


def check(heard: Heard, seed: str) -> None:
    """Only our own sentences were raised, and nothing has six characters of the secret."""
    assert [type(error) for error in heard.errors if not isinstance(error, StockbookError)] == []
    lines = heard.everything().splitlines()
    assert [line for line in lines if any(piece in line for piece in pieces(parts(seed)))] == []


def refusing(request: Request) -> Answer:
    """A source that repeats in its answer what it was sent: refused, garbled, redirected or in a broken header."""
    token = request.headers.get("Authorization", "") + request.body.decode(errors="replace")
    shown = quote(token)[:2_000]
    if "orders" in request.path:
        return as_json({"error": token}, status=500, headers={"X-Token": shown})
    if "prices" in request.path:
        return Answer(f"<html>{token}".encode(), kind=shown)
    if "levels" in request.path:
        return Answer(status=302, headers={"Location": f"/{shown}"})
    return as_json({"error": token, "error_description": token}, status=401, headers={"Broken header": shown})


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    with serving(refusing) as url:
        yield url


NAMES = ("fulfillment_cz", "flickrocket", "shopline")
EXTRAS = (
    *(
        "client_id",
        "client_secret",
        "refresh_token",
        "token_url",
        "access_token",
        "shop_handle",
        "company_id",
        "shop_id",
    ),
    *("hook_token", "previous_hook_token", "app_secret", "previous_app_secret", "previous_secret", "hash_rule"),
    *("admin_origin", "webhooks_api", "requests_per_second", "sandbox"),
)


def used(environ: Mapping[str, str], conn_id: str, heard: Heard, home: Path) -> None:
    """Everything a connection is used for."""
    raw = None

    def look_up(name: str) -> Any:
        return from_environment(name, environ)

    try:
        raw = look_up(conn_id)
    except ConfigError:
        heard.during(lambda: look_up(conn_id))
    heard.during(HookAccounts(lambda: [conn_id], look_up, SystemClock()).look_up)
    if raw is None:
        return
    heard.say(raw)
    heard.during(lambda: hook_account(conn_id, raw))
    clock = ManualClock(START)
    settings = Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_FERNET_KEY": Fernet.generate_key().decode()})
    heard.during(lambda: Subscriptions(conn_id, raw, settings, clock).listed())

    def read(path: str) -> object:
        account = account_from(conn_id, raw)
        credentials = credentials_of(account, clock, settings.state, settings.fernet_keys)
        heard.say(account, credentials)
        policy = RetryPolicy(tries=1, connect=0.5, read=5)
        with Client(account, credentials, clock, policy=policy) as client:
            return client.get(path, [], len)

    for path in ("/refused", "/orders", "/prices", "/levels"):
        heard.during(lambda path=path: read(path))  # type: ignore[misc]


@pytest.mark.parametrize("odd", ODD)
def test_a_secret_of_a_connection_is_not_told(odd: str, source: str, heard: Heard, tmp_path: Path) -> None:
    """As password, in each extra, in the host, as a URI and as JSON that cannot be read: only sentences of ours."""
    secret = ODD[odd](*parts(odd))
    for conn_id in NAMES:
        plain = {"host": source, "password": "a-password", "extra": {"access_token": "x", "shop_handle": "shop"}}
        rotating = {"client_id": "c", "refresh_token": "r", "token_url": f"{source}/token"}
        variants: list[str] = [
            json.dumps(plain | {"password": secret}),
            json.dumps(plain | {"login": secret, "port": secret}),
            json.dumps(plain | {"host": f"http://user:{secret}@127.0.0.1:9"}),
            json.dumps(plain | {"host": f"http://127.0.0.1:9/?key={secret}"}),
            json.dumps(plain | {"host": f"http://127.0.0.1:{secret}"}),
            json.dumps(plain | {"password": [secret]}),
            json.dumps(plain | {"extra": secret}),
            json.dumps(plain | {"extra": [secret]}),
            json.dumps(plain)[:-1] + f',"more": "{secret}',
            f"http://:{quote(secret, safe='', errors='replace')}@127.0.0.1:9/",
            f"http://:{secret}@127.0.0.1:9/",
            f"http://127.0.0.1:9/?refresh_token={secret}&client_id=c&token_url={source}/token",
            secret,
        ]
        variants += [json.dumps(plain | {"extra": plain["extra"] | {name: secret}}) for name in EXTRAS]  # type: ignore[operator]
        if conn_id == "flickrocket":
            variants += [
                json.dumps(plain | {"extra": rotating | {name: value}})
                for name in rotating
                for value in (secret, f"http://{secret}@127.0.0.1:9/")
            ]
        # with every odd secret another choice of places: each place gets several of them
        for number, text in enumerate(random.Random(f"{odd} {conn_id}").sample(variants, PLACES)):
            used({f"AIRFLOW_CONN_{conn_id.upper()}": text}, conn_id, heard, tmp_path / f"{conn_id}{number}")

    check(heard, odd)


@pytest.mark.parametrize("odd", ODD)
def test_a_secret_of_a_setting_is_not_told(odd: str, heard: Heard, tmp_path: Path) -> None:
    """Hash key, Fernet key, airflow.cfg, PostgreSQL's password and the notifier's arguments."""
    secret = ODD[odd](*parts(odd))
    config = tmp_path / "airflow.cfg"
    config.write_text(f"fernet_key = {secret}\n[core]\nfernet_key {secret}\n", errors="replace")
    encoded = quote(secret, safe="", errors="replace")
    variants: list[dict[str, str]] = [
        {"STOCKBOOK_HASH_KEY": secret},
        {"STOCKBOOK_HASH_KEY": secret[:8]},
        {"STOCKBOOK_METRICS_TOKEN": secret},
        {"STOCKBOOK_METRICS_TOKEN": secret[:8]},
        {"STOCKBOOK_FERNET_KEY": secret},
        {"AIRFLOW__CORE__FERNET_KEY": f"{Fernet.generate_key().decode()},{secret}"},
        {"AIRFLOW_CONFIG": str(config)},
        *[
            {"STOCKBOOK_INBOX_URL": url}
            for url in (
                f"postgresql://user:{secret}@127.0.0.1:9/books?connect_timeout=2",
                f"postgresql://user:{encoded}@127.0.0.1:9/books",
                f"postgresql://user:{secret}@127.0.0.1:9",
                f"postgresql://127.0.0.1:9/books?password={encoded}",
                f"postgresql://user@127.0.0.1:{secret}/books",
                f"postgresql:{secret}",
                f"mysql://user:{secret}@127.0.0.1/books",
                secret,
            )
        ],
        *[
            {variable: text}
            for variable in (notify.VARIABLE, notify.OF_REPORT, notify.OF_PACKS)
            for text in (
                secret,
                json.dumps({"notifier": "a.b.C", "password": secret}),
                json.dumps({"notifier": secret.replace(".", "")}),
                json.dumps({"notifier": [secret]}),
                json.dumps([secret]),
                f'{{"password": "{secret}"',
            )
        ],
    ]
    for number, more in enumerate(variants):

        def open_all(environ: Mapping[str, str] = {"STOCKBOOK_HOME": str(tmp_path / str(number))} | more) -> object:
            settings = Settings.load(environ)
            heard.say(settings)
            notify.parse(settings.alert_notifier)
            notify.parse(settings.report_notifier, notify.OF_REPORT)
            notify.parse(settings.packs_notifier, notify.OF_PACKS)
            if settings.fernet_keys:
                extra = {"client_id": "c", "refresh_token": "r"}
                account = account_at("http://127.0.0.1:9", "flickrocket", password="", extra=extra)
                credentials_of(account, SystemClock(), settings.state, settings.fernet_keys)
            if settings.inbox_database:
                with Inbox.open(settings.inbox_url):
                    return None
            return None

        heard.during(open_all)

    check(heard, odd)


@pytest.mark.parametrize(
    "odd", ["plain", "of an address", "bracket", "line break inside", "of a port", "outside latin-1"]
)
def test_the_password_of_a_proxy_is_not_told(
    odd: str, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy cannot be read or reached: its address is not part of the error."""
    secret = ODD[odd](*parts(odd))
    monkeypatch.setenv("no_proxy", "")
    for scheme in ("http", "https", "socks5", "ftp"):
        monkeypatch.setenv("http_proxy", f"{scheme}://user:{secret}@127.0.0.1:9")
        environ = {"AIRFLOW_CONN_FULFILLMENT_CZ": '{"host": "http://192.0.2.1", "password": "a-password"}'}
        used(environ, "fulfillment_cz", heard, tmp_path)

    check(heard, odd)


@pytest.mark.parametrize("odd", ODD)
def test_a_token_that_a_source_sends_is_not_told(odd: str, heard: Heard, tmp_path: Path) -> None:
    """A renewed token with odd letters is used where a header can carry it, and is no token otherwise."""
    secret = ODD[odd](*parts(odd))

    def answer(request: Request) -> Answer:
        if request.path == "/token":
            return Answer(json.dumps({"access_token": secret, "refresh_token": secret}).encode())
        return Answer(status=401)

    with serving(answer) as url:
        extra = {"client_id": "c", "refresh_token": "r", "token_url": f"{url}/token"}
        used({"AIRFLOW_CONN_FLICKROCKET": json.dumps({"host": url, "extra": extra})}, "flickrocket", heard, tmp_path)

    check(heard, odd)
    can_be_sent = secret.isprintable() and all(ord(letter) < 256 for letter in secret)
    assert can_be_sent != any(isinstance(error, Unreachable) for error in heard.errors)


@pytest.mark.parametrize(
    "text", ["tok\n", "\ttok", "tok\r\n", "tok ken\u2028", "t\0ok", "tokén ž", "tok\udcff", "\ufefftok"]
)
@pytest.mark.parametrize("conn_id", ["fulfillment_cz", "flickrocket"])
def test_a_token_no_header_can_carry_is_refused_by_name(text: str, conn_id: str) -> None:
    """One sentence that names the connection and what to do, before anything is asked."""
    raw = from_environment(conn_id, {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps({"password": text})})
    assert raw is not None
    with pytest.raises(
        ConfigError, match=rf"^The password of connection {conn_id} must be .* Copy it again"
    ) as refused:
        account_from(conn_id, raw)

    assert text.strip() not in str(refused.value)


def test_doctor_names_the_connection_and_not_its_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a person sees of a token that was copied with its line break: one line, no traceback."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_FULFILLMENT_CZ", json.dumps({"password": "token-with-a-break\n"}))
    result = CliRunner().invoke(app, ["doctor", "--try"])

    assert "NO  The password of connection fulfillment_cz must be printable text" in result.output
    assert isinstance(result.exception, SystemExit)
    assert "token-with" not in result.output


def test_a_wrong_connection_leaves_the_others_their_events(caplog: pytest.LogCaptureFixture) -> None:
    """One that cannot be read, or whose secret was copied with its line break, is named and left out."""
    environ = {
        "AIRFLOW_CONN_FULFILLMENT_CZ": '{"password": ',
        "AIRFLOW_CONN_FLICKROCKET": json.dumps({"password": "x", "extra": {"app_secret": "secret\n"}}),
        "AIRFLOW_CONN_SHOPLINE": json.dumps({"password": "a-secret"}),
    }
    accounts = HookAccounts(lambda: NAMES, lambda conn_id: from_environment(conn_id, environ), SystemClock()).look_up()

    assert list(accounts) == [("shopline", "main")]
    assert "AIRFLOW_CONN_FULFILLMENT_CZ must be a connection" in caplog.text
    assert "The app_secret of connection flickrocket must be" in caplog.text


def test_the_hash_key_is_taken_as_it_is() -> None:
    """It is sent to nobody, and another key would make other customers: white space and odd bytes are part of it."""
    assert Settings.load({"STOCKBOOK_HASH_KEY": f" {KEY}\n"}).hash_key == f" {KEY}\n".encode()
    assert Settings.load({"STOCKBOOK_HASH_KEY": f"{KEY}\udcfc"}).hash_key == KEY.encode() + b"\xfc"
