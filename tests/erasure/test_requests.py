"""People who asked to be forgotten wait on a table that tells nobody who they are, until they are worked off."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from checkout import PROJECT
from night_rig import KEY, ONE_THREAD
from postgres import postgres
from sqlalchemy import text
from typer.testing import CliRunner

from stockbook import declaration_files
from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.erasure import requests
from stockbook.erasure.search import Search
from stockbook.erasure.spelling import Kind
from stockbook.errors import ConfigError, ErasureUnproven
from stockbook.inbox import Arrival, Inbox
from stockbook.inbox.engine import connect, read_url
from stockbook.progress import Silent
from stockbook.projection.erasures import FILE
from stockbook.projection.personal import hashed
from stockbook.runs.lock import RunLock
from stockbook.settings import Settings
from stockbook.warehouse.connect import writer
from stockbook.warehouse.schema import create_all

NOW = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
EMAIL, CUSTOMER = "anna@example.com", "7907900001"
ANNA, BEN, BUYER = (hashed(each, KEY.encode()) or "" for each in (EMAIL, "ben@example.com", CUSTOMER))
ORDER = "20250001"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL."""
    with postgres() as url:
        yield url


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A home with two orders of Anna and one of Ben in its books, and an event about a customer in its inbox."""
    variables = {"STOCKBOOK_HOME": str(tmp_path / "home"), "STOCKBOOK_HASH_KEY": KEY} | ONE_THREAD
    if getattr(request, "param", "sqlite") == "postgresql":
        variables["STOCKBOOK_INBOX_URL"] = request.getfixturevalue("server")
    settings = Settings.load(variables)
    settings.home.mkdir()
    with writer(settings) as con:
        create_all(con, declaration_files.load(PROJECT / "include" / "sql"))
        for number, who in enumerate((ANNA, ANNA, BEN)):
            con.execute(
                "insert into staging.orders (account, order_id, number, recipient_key, city, _row_hash) "
                "values ('main', ?, ?, ?, 'Zlín', 1)",
                [f"o-{number}", ORDER if number == 2 else str(number), who],
            )
    at = NOW - timedelta(hours=1)
    body = f'{{"data":{{"id":"{BUYER}"}}}}'
    with Inbox.open(settings.inbox_url) as inbox:
        inbox.append(Arrival("flickrocket", "main", "k1", "customer/update", "customer", BUYER, None, at, body)).result(
            timeout=30
        )
    return settings


def in_the_inbox(settings: Settings) -> str:
    """Every text of every row of its database."""
    engine = connect(read_url(settings.inbox_url))
    try:
        with engine.connect() as con:
            rows = [
                con.execute(text(f"select * from {name}")).fetchall() for name in ("inbox_event", "erasure_request")
            ]
    finally:
        engine.dispose()
    return repr(rows)


def asked(settings: Settings, kind: Kind, named: str) -> None:
    """Somebody asks."""
    requests.ask(settings, ManualClock(NOW), kind, named)


def worked_off(settings: Settings, minutes: int = 10) -> list[str]:
    """The task, later."""
    return requests.work_off(settings, ManualClock(NOW + timedelta(minutes=minutes)), Silent())


def keys(settings: Settings) -> list[tuple[Any, ...]]:
    """Whose orders there are."""
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        return con.execute("select recipient_key, city from staging.orders order by order_id").fetchall()


@pytest.mark.parametrize("settings", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_a_request_holds_no_value_and_is_gone_when_it_is_done(settings: Settings) -> None:
    """Not the address, nor a hash that the search would find; afterwards when, and how many rows."""
    asked(settings, Kind.email, f" {EMAIL.upper()}\n")
    asked(settings, Kind.flickrocket_customer, CUSTOMER)
    waiting = in_the_inbox(settings)
    assert Search([EMAIL, ANNA]).encodings_in(waiting.encode()) == set()
    assert keys(settings)[0] == (ANNA, "Zlín")

    said = worked_off(settings)

    assert [sentence.split(",")[0] for sentence in said] == ["Request 1: done", "Request 2: done"]
    assert keys(settings) == [(None, None), (None, None), (BEN, "Zlín")]
    # the events of the inbox too, whichever database it is
    left = in_the_inbox(settings)
    assert Search([EMAIL, ANNA, BUYER, CUSTOMER]).encodings_in(left.encode()) == set()
    assert "sought" not in left
    assert "hashes" not in left
    assert worked_off(settings) == ["No request waits."]
    lines = requests.told(settings)
    assert lines[0] == "1: email, requested 2026-03-01 04:30 UTC, done 2026-03-01 04:40 UTC, 2 rows"
    assert lines[1].startswith(
        "2: flickrocket_customer, requested 2026-03-01 04:30 UTC, done 2026-03-01 04:40 UTC, 1 r"
    )


def test_the_unknown_and_the_doubled_are_done_with_no_rows(settings: Settings) -> None:
    """Somebody nobody knows, an order that is none, and the same person twice."""
    for kind, named in ((Kind.email, "zoe@example.com"), (Kind.order, "99"), (Kind.email, EMAIL), (Kind.email, EMAIL)):
        asked(settings, kind, named)

    worked_off(settings)

    ends = [line.rpartition("UTC, ")[2] for line in requests.told(settings)]
    assert ends == [
        "0 rows (known to no order and no customer)", "0 rows (no order is known by it)", "2 rows", "0 rows",
    ]  # fmt: skip


def test_an_order_is_found_when_its_turn_comes(settings: Settings) -> None:
    """By its number, whoever ordered it."""
    asked(settings, Kind.order, ORDER)
    worked_off(settings)
    assert keys(settings) == [(ANNA, "Zlín"), (ANNA, "Zlín"), (None, None)]


class PowerCut(BaseException):
    """The process is gone."""


def no_power(*_: object, **__: object) -> None:
    """In place of a step."""
    raise PowerCut


@pytest.mark.parametrize(
    "step",
    [
        "stockbook.erasure.applying._complete",
        "stockbook.warehouse.rewriting._copy_content",
        "stockbook.erasure.forgetting.Search",
        "stockbook.inbox.requests.scrub",
    ],
)
def test_what_was_killed_is_done_by_the_next(settings: Settings, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step; the request waits until its last one."""
    asked(settings, Kind.email, EMAIL)
    with monkeypatch.context() as patched:
        patched.setattr(step, no_power)
        with pytest.raises(PowerCut):
            worked_off(settings)
    assert requests.told(settings)[0].endswith("waits")

    worked_off(settings, minutes=20)

    assert keys(settings)[:2] == [(None, None), (None, None)]
    assert "done 2026-03-01 04:50 UTC" in requests.told(settings)[0]
    assert Search([ANNA, EMAIL]).hits(settings.home) == []


def test_what_is_still_found_keeps_the_request(settings: Settings, tmp_path: Path) -> None:
    """A file somebody put there: the request waits, and is done once the file is gone."""
    asked(settings, Kind.email, EMAIL)
    (settings.home / "copy.csv").write_text(ANNA)
    with pytest.raises(ErasureUnproven, match=r"copy\.csv"):
        worked_off(settings)
    assert requests.told(settings)[0].endswith("waits")
    (settings.home / "copy.csv").unlink()
    worked_off(settings)
    assert "done" in requests.told(settings)[0]


def test_requests_come_while_the_home_is_in_use(settings: Settings) -> None:
    """During a night too; the work waits for it, an hour at most."""
    lock = RunLock(settings.lock, ManualClock(NOW), 300)
    lock.take("night", whole_run_here=True)
    asked(settings, Kind.email, EMAIL)
    assert requests.told(settings) == ["1: email, requested 2026-03-01 04:30 UTC, waits"]
    lock.release("night")


def test_a_fleet_without_a_shared_inbox_refuses_a_request(tmp_path: Path) -> None:
    """It would wait on one machine; nothing is kept."""
    environ = {
        "STOCKBOOK_HOME": str(tmp_path),
        "STOCKBOOK_HASH_KEY": KEY,
        "STOCKBOOK_CONTROL_URL": "postgresql://u@127.0.0.1:9/x",
    }
    with pytest.raises(ConfigError, match="set STOCKBOOK_INBOX_URL on each"):
        asked(Settings.load(environ), Kind.email, EMAIL)
    assert not (tmp_path / FILE).exists()


def test_the_command_asks_lists_and_works_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--later`, `--requests` and `--due`; what cannot be meant together is refused."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)

    def said(*words: str, typed: str = "") -> str:
        result = CliRunner().invoke(app, ["forget", *words], input=typed, catch_exceptions=False)
        return result.output

    assert said("--requests") == "There is no request.\n"
    assert "1 requests wait" in said("--email", "--later", typed=EMAIL)
    assert said("--requests").endswith("waits\n")
    assert "Request 1: done, 0 rows; known to no order" in said("--due")
    assert "0 rows (known to no order and no customer)" in said("--requests")
    with pytest.raises(ConfigError, match="stand alone"):
        said("--due", "--email")


def test_every_command_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of docs/erasure.md is typed as it stands there, in its order, over a home without books (no fleet)."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    named = {"requests.txt": EMAIL, "phones.txt": "+420707912345", "customers.txt": CUSTOMER}
    for name, value in named.items():
        (tmp_path / name).write_text(value)
    (tmp_path / "home").mkdir()
    of_a_home = (PROJECT / "docs" / "erasure.md").read_text().partition("## In a fleet")[0]
    blocks = re.findall(r"```sh\n(.*?)```", of_a_home, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    said = []
    for line in lines:
        words, _, redirected = line.partition(" < ")
        typed = named[redirected] if redirected else ""
        program, *arguments = words.split()
        assert program == "stockbook"
        if arguments == ["forget", "--order"]:
            continue  # of books that have orders
        said.append(CliRunner().invoke(app, arguments, input=typed, catch_exceptions=False).output)

    assert len(said) == 6
    assert "1 requests wait" in said[3]
    assert said[4].endswith("waits\n")
    assert "Request 1: done, 0 rows" in said[5]
