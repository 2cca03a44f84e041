"""``stockbook doctor`` in a fleet: what machines share is asked, and each fault has its next step."""

import os
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fleet_rig import HUSH, databases, variables
from lake_rig import LakeRig
from seaweed import SECRET, Seaweed
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.extra_folder import digest_of
from stockbook.fleet.control import Control
from stockbook.fleet.run_log import FleetRun, RunLog
from stockbook.fleet.standing import Standing, idleness, lateness

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")

CONNECTION = '{"conn_type": "http", "host": "http://127.0.0.1:9", "password": "a-token"}'
NOBODY = f"postgresql://stockbook:{HUSH}@127.0.0.1:9/nothing"


@pytest.fixture(scope="module")
def addresses(server: str) -> list[str]:
    """A control database and a lake's, both empty."""
    return databases(server, "doctor", "doctor_lake")


@pytest.fixture
def worker(addresses: list[str], s3: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A worker of a fleet before its first night."""
    environ = variables(tmp_path, "s3://books/doctor", *addresses) | s3.variables
    for name, text in (environ | {"AIRFLOW_CONN_FULFILLMENT_CZ": CONNECTION}).items():
        monkeypatch.setenv(name, text)
    return monkeypatch


def doctor(*options: str) -> dict[str, str]:
    """The lines of a fleet by what they are of; no secret is in any line."""
    output = CliRunner().invoke(app, ["doctor", *options]).output
    assert HUSH not in output
    assert SECRET not in output
    names = ("scratch", "fleet", "store", "control database", "lake", "accounts", "own reports")
    lines = [line.partition(": ") for line in output.splitlines()]
    return {head[4:]: f"{head[:3].strip()} {text}" for head, _, text in lines if head[4:] in names}


def test_what_is_of_one_home_is_not_said_in_a_fleet(worker: pytest.MonkeyPatch) -> None:
    """No lock, writer's file or published file of this machine: where the books are instead, and what tells of them."""
    output = CliRunner().invoke(app, ["doctor"]).output

    assert "ok  books: `stockbook fleet status` says of each account" in output
    assert "the books of each account are in the store" in output
    assert [
        text for text in ("lock:", "writer's file:", "published:", "`stockbook run`", "backup:") if text in output
    ] == []


def test_before_the_first_night_all_of_it_answers(worker: pytest.MonkeyPatch, s3: Seaweed, tmp_path: Path) -> None:
    """Store, databases and disk, and nothing is left in any of them; without the option nobody is asked."""
    line_by_name = doctor("--try")

    assert [text[:3] for text in line_by_name.values()] == ["ok "] * 6
    assert line_by_name["store"] == "ok an object was put, read and removed"
    assert line_by_name["control database"] == "ok answers; the first night makes its tables"
    assert line_by_name["lake"] == "ok its catalog answers; the first night makes it"
    assert line_by_name["accounts"] == "ok 1: main"
    assert line_by_name["own reports"] == "ok no run yet"
    assert line_by_name == doctor("--try")
    worker.setenv("STOCKBOOK_CONTROL_URL", NOBODY)
    assert doctor().keys() == {"scratch", "fleet"}
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("changes", "what", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "store", "is it running, reachable and not full?"),
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "store", "refused its key"),
        ({"STOCKBOOK_CONTROL_URL": NOBODY}, "control database", "does the server run, and may this user?"),
        ({"STOCKBOOK_LAKE": NOBODY}, "lake", "The lake does not answer"),
        ({"STOCKBOOK_ACCOUNTS": "file:/nowhere.yml"}, "accounts", "nowhere.yml was expected"),
    ],
)
def test_each_fault_is_named(worker: pytest.MonkeyPatch, changes: dict[str, str], what: str, said: str) -> None:
    """By the thing that has it, with what to do; the others are looked at all the same."""
    for name, text in changes.items():
        worker.setenv(name, text)
    line_by_name = doctor("--try")

    assert line_by_name[what].startswith("NO ")
    assert said in line_by_name[what]
    assert [name for name, text in line_by_name.items() if text.startswith("NO ")] == [what]


def test_a_full_disk_is_named(worker: pytest.MonkeyPatch) -> None:
    """With how much is free, and what to do."""
    full = namedtuple("full", "total used free")(10**12, 10**12 - 10**9, 10**9)
    worker.setattr(shutil, "disk_usage", lambda _: full)

    assert doctor()["scratch"].startswith("NO 1.0 GB are free at ")


def test_a_folder_of_reports_that_other_machines_do_not_have_is_named(
    worker: pytest.MonkeyPatch, addresses: list[str], tmp_path: Path
) -> None:
    """What this worker's publishing would be refused for is said before it."""
    control, folder = Control(addresses[0]), tmp_path / "reports"
    control.migrate()
    RunLog(control).begin("first", ["main"])

    assert doctor("--try")["own reports"] == "ok no folder, as the latest run had it"
    (folder / "sql").mkdir(parents=True)
    (folder / "sql" / "one.yml").write_text("table: one")
    worker.setenv("STOCKBOOK_EXTRA_DIR", str(folder))
    assert doctor("--try")["own reports"].startswith(f"NO This worker has the folder {folder} (")
    RunLog(control).begin("first", ["main"], digest_of(folder))
    assert doctor("--try")["own reports"] == f"ok {folder}, as the latest run had it"


def test_a_lake_of_another_store_is_named(
    worker: pytest.MonkeyPatch, addresses: list[str], s3: Seaweed, tmp_path: Path
) -> None:
    """What a night would be refused for is said before it; with its own store the lake says what it holds."""
    rig = LakeRig.of(addresses[1], tmp_path, "s3://books/of-lake", os.environ)
    rig.publish("a", 3)

    assert doctor("--try")["lake"].startswith("NO The files of this lake lie in s3://books/of-lake/lake/")
    worker.setenv("STOCKBOOK_STORE", "s3://books/of-lake")
    assert doctor("--try")["lake"] == "ok 1 accounts, the newest as of 2026-03-01 02:15:00"


def test_a_run_that_nobody_follows_or_works_on_is_told() -> None:
    """A night and a half without a run needs a person; a run without a worker is between two steps, or was killed."""
    run = FleetRun("r1", datetime(2026, 3, 1, 2, tzinfo=UTC), ["main"], "running")
    idle, at_work = Standing("main", "published"), Standing("main", "published", at_work="at work: books on m")

    assert "`stockbook fleet run --name r1` goes on" in idleness(run, [idle])
    assert [idleness(run, [at_work]), idleness(run._replace(status="red"), [idle])] == ["", ""]
    assert lateness(run, run.opened_at + timedelta(hours=36)) == ""
    assert lateness(run, run.opened_at + timedelta(hours=40)).startswith("No run was begun for 40 hours")
