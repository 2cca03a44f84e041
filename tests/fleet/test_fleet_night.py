"""
Nights of a fleet over a real store, database and lake: killed, refused, cut off, and in the end what one machine makes.

The tests go on from each other, as the nights of a fleet do.
"""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleet_rig import HUSH, Site, connections, databases, programs, variables
from forked import forks
from night_rig import Rig, hashes, leave_out_checks
from seaweed import Seaweed
from shared_home import FIRST, NAME, SECOND, copy_of, small_shop
from typer.testing import CliRunner

from stockbook.alerts import notify
from stockbook.cli.main import app
from stockbook.errors import HoldingLost, RunLocked, StockbookError
from stockbook.fleet import holding
from stockbook.fleet import run as runs
from stockbook.fleet.holding import hold
from stockbook.fleet.run import Done, account_night, run_fleet
from stockbook.fleet.work import Fleet
from stockbook.progress import Silent
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow

POINTS = {
    "a listing landed": "after:stockbook.fleet.home:Home.landed@fulfillment_cz.movements",
    "loaded": "before:stockbook.night.steps:build",
    "between commit and pointer": "after:stockbook.fleet.lake.lake:Lake.commit",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    """The shop all accounts are of."""
    with running(small_shop(), FIRST) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def site(server: str, s3: Seaweed, sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two accounts, of which one has a token that is refused."""
    folder = tmp_path_factory.mktemp("site")
    environ = s3.variables | programs() | connections(sandbox, "red")
    environ |= variables(folder, "s3://books/nights", *databases(server, "nights", "nights_lake"))
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environ.items():
            patch.setenv(name, text)
        yield Site(environ, folder)


@pytest.fixture(scope="module")
def killed(site: Site) -> Iterator[Callable[..., int]]:
    """``killed(point, worker)``: how a process ended that ran a night of the account main with that point."""
    with forks("killed_fleet.py", site.environ) as ask:
        yield lambda point, worker: ask(
            point=point,
            as_of=FIRST.isoformat(),
            name=NAME,
            account="main",
            environ={**site.environ, "STOCKBOOK_SCRATCH": str(site.folder / f"worker-{worker}")},
        )


def test_a_night_killed_everywhere_is_published_in_the_end(
    site: Site,
    sandbox: Running,
    killed: Callable[..., int],
    home_after_a_night: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Killed while it reads, builds and publishes, on two workers by turns, an account's night goes on where it stood.

    What landed is not asked for again, readers see nothing before the commit, and in the end every table is what one
    machine makes of the same night. The other account is red and named, and somebody is told once.
    """
    requests: dict[str, dict[str, int]] = {}
    for number, (what, point) in enumerate(POINTS.items()):
        sandbox.reset_requests()
        # every other try is on another worker's disk
        assert killed(point, number % 2) == -signal.SIGKILL, what
        requests[what] = sandbox.requests()
        pointer, in_lake = site.published()
        is_committed = what == "between commit and pointer"
        assert (pointer[0], in_lake and in_lake[0]) == (None, NAME if is_committed else None), what
        assert site.let_go()
    movements = {name for name in requests["a listing landed"] if "movement" in name}
    assert movements
    assert not movements & requests["loaded"].keys()
    assert sum(requests["loaded"].values()) > 10
    assert not requests["between commit and pointer"]

    messages: list[Any] = []
    # as in the nights that were killed
    leave_out_checks(monkeypatch.setattr)
    monkeypatch.setattr(notify, "deliver", lambda _, context: messages.append(context))
    fleet = site.fleet(STOCKBOOK_ALERT_NOTIFIER=json.dumps({"to": "ops@example.com", "from_email": "a@example.com"}))
    sandbox.reset_requests()
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
    shown = CliRunner().invoke(app, ["fleet", "status"])
    status = shown.output
    assert shown.exit_code == 1, "a red account needs a person"
    assert "main  published as of 2025-11-18 02:15" in status
    assert "red  published as of never; RED at extract:" in status
    assert "RED" in CliRunner().invoke(app, ["fleet", "report", "red"]).output
    for words in (
        ["run"],
        ["report"],
        ["check"],
        ["publish"],
        ["upgrade"],
        ["repair"],
        ["hooks", "drain"],
        ["hooks", "reread"],
    ):
        elsewhere = CliRunner().invoke(app, words)
        assert "works for a fleet, whose books are not in this home" in str(elsewhere.exception), words
    assert "the nights of the fleet: `stockbook fleet status`" in CliRunner().invoke(app, ["health"]).output
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


class Cut(Silent):
    """Ends the session that holds the account when its orders are built."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if name.startswith("marts.fct_order"):
            self._fleet.control.cut("main")


def test_a_night_that_was_cut_off_equals_one_machines(
    site: Site, sandbox: Running, home_after_a_night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second night loses its session while it is built; tried again its tables are those of an undisturbed home."""
    leave_out_checks(monkeypatch.setattr)
    rig = Rig(sandbox, site.folder / "alone")
    copy_of(home_after_a_night, rig.home)
    rig.books(SECOND, name="second")
    parameters, before = {"as_of": SECOND.isoformat()}, site.published()

    cut = account_night(replace(site.fleet(), progress=Cut(site.fleet())), "second", "main", parameters)
    assert cut.reason.startswith(HoldingLost.__name__)
    assert cut.is_worth_another_try
    assert site.published() == before
    assert account_night(site.fleet(), "second", "main", parameters, again=True) == Done("main")
    assert site.published()[0][0] == "second"
    home = site.folder / "scratch" / "main"
    for schema in ("staging", "marts"):
        assert hashes(home / "published" / "warehouse.duckdb", schema, ("_loaded_at",)) == hashes(
            rig.settings.warehouse, schema, ("_loaded_at",)
        )
