"""
Nights of a fleet over a real store, database and lake: killed, refused, cut off, and in the end what one machine makes.

The tests go on from each other, as the nights of a fleet do.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from checkout import PROJECT
from night_rig import KEY, Rig, hashes
from seaweed import SECRET, Seaweed
from shared_home import FIRST, NAME, SECOND, small_shop
from typer.testing import CliRunner

from stockbook.alerts import notify
from stockbook.cli.main import app
from stockbook.clock import SystemClock
from stockbook.errors import RunLocked, StockbookError
from stockbook.fleet import holding
from stockbook.fleet import run as runs
from stockbook.fleet.holding import hold
from stockbook.fleet.run import Done, account_night, run_fleet
from stockbook.fleet.store import Store
from stockbook.fleet.work import Fleet
from stockbook.lake_url import LakeUrl
from stockbook.night import steps
from stockbook.places import of_this_machine
from stockbook.progress import Silent
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow

HUSH = "a-password-nobody-may-see"
HOME, NIGHT = "stockbook.fleet.home", "stockbook.fleet.night"
POINTS = {
    "opened, not saved": f"before:{HOME}:Home.save",
    "a listing landed": f"after:{HOME}:Home.landed@fulfillment_cz.movements",
    "loaded": "before:stockbook.night.steps:build",
    "built, not saved": f"before:{HOME}:Home.save@books",
    "saved, not pointed to": "before:stockbook.fleet.holding:Holding.save@books/main",
    "before the lake's commit": "before:stockbook.fleet.holding:Holding.require",
    "between commit and pointer": "after:stockbook.fleet.lake.lake:Lake.commit",
    "between pointer and events": f"before:{NIGHT}:_after",
}


class Site:
    """Where a fleet runs: its environment, and the sandbox its accounts are read from."""

    def __init__(self, environ: dict[str, str], server: Running, folder: Path) -> None:
        self.environ, self.server, self.folder = environ, server, folder

    def fleet(self, **changes: str) -> Fleet:
        """A worker with some of its variables changed."""
        environ = self.environ | changes
        places = replace(of_this_machine(), environ=environ)
        return Fleet.load(SystemClock(), Silent(), places.look_up, places.conn_ids, environ)

    def published(self, account: str = "main") -> tuple[Any, ...]:
        """Run and generation of an account, as the pointer and as the lake have it."""
        fleet = self.fleet()
        book, there = fleet.control.books()[account], fleet.lake.published(account)
        in_lake = None if there is None else (there.run_id, there.generation, there.book)
        return (book.published_run, book.published_generation, book.published_book), in_lake


@pytest.fixture(scope="module")
def site(server: str, s3: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two accounts, of which one has a token that is refused."""
    folder = tmp_path_factory.mktemp("site")
    with psycopg.connect(server, autocommit=True) as con:
        for name in ("nights", "nights_lake"):
            con.execute(f"create database {name}")
    base = server.removesuffix("postgres").replace("stockbook@", f"stockbook:{HUSH}@")
    with running(small_shop(), FIRST) as sandbox, pytest.MonkeyPatch.context() as patch:
        extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
        good = {"conn_type": "http", "host": sandbox.url, "password": sandbox.token, "extra": extra}
        environ = {
            **s3.variables,
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"],
            "AIRFLOW_CONN_FULFILLMENT_CZ": json.dumps(good),
            "AIRFLOW_CONN_FLICKROCKET": json.dumps(good),
            "AIRFLOW_CONN_FULFILLMENT_CZ__RED": json.dumps(good | {"password": "refused"}),
            "STOCKBOOK_HOME": str(folder / "home"),
            "STOCKBOOK_HASH_KEY": KEY,
            "STOCKBOOK_STORE": "s3://books/nights",
            "STOCKBOOK_CONTROL_URL": f"{base}nights",
            "STOCKBOOK_LAKE": f"{base}nights_lake",
            "STOCKBOOK_SCRATCH": str(folder / "scratch"),
        }
        for name, text in environ.items():
            patch.setenv(name, text)
        yield Site(environ, sandbox, folder)


@pytest.fixture(scope="module")
def killed(site: Site) -> Iterator[Callable[..., int]]:
    """``killed(point, environ)``: how a process ended that ran a night of the account main with that point."""
    program = [sys.executable, str(PROJECT / "tests" / "support" / "killed_fleet.py")]
    environ = site.environ | {name: text for name, text in os.environ.items() if name.startswith("PYTHON")}
    with subprocess.Popen(program, env=environ, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def kill(point: str, **changes: str) -> int:
            task = {"point": point, "as_of": FIRST.isoformat(), "name": NAME, "account": "main"}
            stdin.write(json.dumps(task | {"environ": environ | changes}) + "\n")
            stdin.flush()
            return int(stdout.readline())

        yield kill
        stdin.close()


def test_a_night_killed_everywhere_is_published_in_the_end(
    site: Site, killed: Callable[..., int], home_after_a_night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Killed at each step and around publishing, on two workers by turns, an account's night goes on where it stood.

    What landed is not asked for again, readers see nothing before the commit, and in the end every table is what one
    machine makes of the same night. The other account is red and named, and somebody is told once.
    """
    requests: dict[str, dict[str, int]] = {}
    for number, (what, point) in enumerate(POINTS.items()):
        site.server.reset_requests()
        # every other try is on another worker's disk
        assert killed(point, STOCKBOOK_SCRATCH=str(site.folder / f"worker-{number % 2}")) == -signal.SIGKILL, what
        requests[what] = site.server.requests()
        pointer, in_lake = site.published()
        assert (pointer[0], in_lake and in_lake[0]) == {
            "between commit and pointer": (None, NAME),
            "between pointer and events": (NAME, NAME),
        }.get(what, (None, None)), what
        assert site.fleet().control.held() == {}
    movements = {name for name in requests["a listing landed"] if "movement" in name}
    assert movements
    assert not movements & requests["loaded"].keys()
    assert sum(requests["loaded"].values()) > 10
    assert not any(requests[what] for what in list(POINTS)[3:])

    messages: list[Any] = []
    monkeypatch.setattr(notify, "deliver", lambda _, context: messages.append(context))
    fleet = site.fleet(STOCKBOOK_ALERT_NOTIFIER=json.dumps({"to": "ops@example.com", "from_email": "a@example.com"}))
    site.server.reset_requests()
    summary = run_fleet(fleet, NAME, {"as_of": FIRST.isoformat()})
    again = runs.summarise(fleet, NAME)

    # it goes on: what is asked is what the red account asks
    assert [(line.account, line.is_published) for line in summary.lines] == [("main", True), ("red", False)]
    assert summary.red[0].text.startswith("extract: ")
    assert "1 of 2 accounts published; red: red" in summary.text()
    assert [line.account for line in again.red] == ["red"]
    assert len([each for each in messages if "accounts are red" in each["subject"]]) == 1
    home = site.folder / "scratch" / "main"
    for schema in ("staging", "marts"):
        without = ("_loaded_at",)
        assert hashes(home / "published" / "warehouse.duckdb", schema, without) == hashes(
            home_after_a_night / "published" / "warehouse.duckdb", schema, without
        )
    (pointer, in_lake) = site.published()
    assert pointer == in_lake
    assert pointer[0] == NAME


def test_commands_say_how_it_stands(site: Site) -> None:
    """Status names the red account and what readers have; its report is printed; a listed account is not removed."""
    status = CliRunner().invoke(app, ["fleet", "status"]).output
    assert "main  published as of 2025-11-18 02:15" in status
    assert "red  published as of never; RED at extract:" in status
    assert "RED" in CliRunner().invoke(app, ["fleet", "report", "red"]).output
    refused = CliRunner().invoke(app, ["fleet", "remove", "main"])
    assert "still in STOCKBOOK_ACCOUNTS" in str(refused.exception)
    assert "Nobody holds account main" in CliRunner().invoke(app, ["fleet", "take-over", "main"]).output
    with hold(site.fleet().control, "main", "elsewhere", "books") as lost:
        assert "was taken from run elsewhere" in CliRunner().invoke(app, ["fleet", "take-over", "main"]).output
        with pytest.raises(StockbookError, match="session that held account main has ended"):
            lost.save(0, 1, "home", None, None)


@pytest.mark.airflow
@pytest.mark.filterwarnings("ignore:Using `httpx`")  # of a library that Airflow imports
def test_the_pages_of_a_fleet_are_served_from_what_machines_share(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every account, one account's night, its morning report; a machine without any home shows them."""
    from stockbook.fleet import page

    monkeypatch.setenv("STOCKBOOK_SCRATCH", str(site.folder / "nothing"))
    everybody = bytes(page.accounts().body).decode()
    assert '<a href="main/">main</a>' in everybody
    assert "published as of 2025-11-18 02:15" in everybody
    main_page = page.account("main")
    assert main_page.status_code == 200
    assert b"data-figure" in main_page.body
    assert b"Unauthorized" in page.account("red").body or b"401" in page.account("red").body
    assert b"<html" in page.report("main").body
    assert page.report("red").status_code == page.account("nobody").status_code == 404
    monkeypatch.setenv("STOCKBOOK_CONTROL_URL", f"postgresql://u:{HUSH}@127.0.0.1:9/x")
    assert b"could not be opened" in page.accounts().body
    assert HUSH.encode() not in page.accounts().body


class Cut(Silent):
    """Takes something away when a piece of work begins."""

    def __init__(self, mark: str) -> None:
        self._mark, self.act = mark, lambda: None

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if name.startswith(self._mark):
            self.act()


def test_what_is_away_makes_a_night_red_and_the_next_try_heals_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Store, database or lake away at each step: red within a minute, readers unchanged, and then it goes on.

    No password is in any sentence, log or file.
    """
    monkeypatch.setattr(steps, "check", lambda *_: None)
    site.server.set_clock(SECOND)
    parameters, said = {"as_of": SECOND.isoformat()}, list[str]()
    away = "http://127.0.0.1:9"
    dead = f"postgresql://stockbook:{HUSH}@127.0.0.1:9/nights"

    def night(fleet: Fleet, expected: str, again: bool = True) -> None:
        began = time.monotonic()
        try:
            done = account_night(fleet, "second", "main", parameters, again)
        except StockbookError as error:
            done = Done("main", f"{type(error).__name__}: {error}", is_worth_another_try=True)
        assert time.monotonic() - began < 60
        assert done.reason.startswith(expected), done
        assert done.is_worth_another_try
        said.append(done.reason)
        assert site.published()[0] == before

    before = site.published()[0]
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", away)
        night(site.fleet(STOCKBOOK_SCRATCH=str(site.folder / "empty")), "StoreUnavailable")
    night(replace(site.fleet(), shared=replace(site.fleet().shared, control_url=dead)), "ControlUnavailable")
    night(site.fleet(STOCKBOOK_LAKE=dead), "LakeUnavailable")
    for mark, what, expected in (
        ("fulfillment_cz.movements", "store", "StoreUnavailable"),
        ("marts.fct_order", "store", "StoreUnavailable"),
        ("marts.fct_order", "session", "HoldingLost"),
        ("marts.fct_order", "lake", "LakeUnavailable"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", away)
            dead_store = Store(site.environ["STOCKBOOK_STORE"])
        cut = Cut(mark)
        fleet = replace(site.fleet(), progress=cut)
        cut.act = {
            "store": partial(setattr, fleet.store, "_store", dead_store._store),
            "lake": partial(setattr, fleet.lake, "url", LakeUrl.parse(dead, os.environ)),
            "session": partial(fleet.control.cut, "main"),
        }[what]
        night(fleet, expected)

    assert account_night(site.fleet(), "second", "main", parameters, again=True) == Done("main")
    assert site.published()[0][0] == "second"
    nights = site.fleet().control.nights("second")
    texts = [*said, caplog.text, *(str(night.reason) for night in nights.values())]
    texts += [file.read_text() for file in (site.folder / "scratch").rglob("*.json")]
    for secret in (HUSH, SECRET):
        assert not any(secret in text for text in texts)


def test_two_workers_on_one_account(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one holds the account the other is refused, and nothing of its night is begun."""
    monkeypatch.setattr(holding, "LOOKS", 1)
    with hold(site.fleet().control, "main", "elsewhere", "books"):
        done = account_night(site.fleet(), "third", "main", {"as_of": SECOND.isoformat()})
    assert done.reason.startswith(RunLocked.__name__)
    assert "elsewhere" in done.reason
    assert not done.is_worth_another_try


def test_another_key_on_one_worker(site: Site) -> None:
    """A worker with another key is refused before it writes anything."""
    other = site.fleet(STOCKBOOK_HASH_KEY="another key, as long as it")
    done = account_night(other, "third", "main", {"as_of": SECOND.isoformat()})
    assert "not the key the books of account main were begun with" in done.reason


def test_a_quiet_night_equals_one_machines(site: Site, home_after_a_night: Path) -> None:
    """The second night, cut off many times, has the tables of a home that was never cut off."""
    import shutil

    rig = Rig(site.server, site.folder / "alone")
    shutil.copytree(home_after_a_night, rig.home)
    rig.books(SECOND, name="second")
    home = site.folder / "scratch" / "main"
    for schema in ("staging", "marts"):
        assert hashes(home / "published" / "warehouse.duckdb", schema, ("_loaded_at",)) == hashes(
            rig.settings.warehouse, schema, ("_loaded_at",)
        )
