"""What goes wrong before or during a night: one clear sentence, a red run, and nothing lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from night_rig import KEY, Rig
from shared_home import FIRST, SECOND, copy_of, small_shop

from stockbook import connections
from stockbook.clock import ManualClock, SystemClock
from stockbook.errors import (
    ConfigError,
    LandingDamaged,
    ListingIncomplete,
    RunLocked,
    StockbookError,
    Unauthorized,
    Unreachable,
)
from stockbook.night import steps
from stockbook.runs.context import parse_parameters
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # nights


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A home after one published night."""
    return Rig(server, copy_of(home_after_a_night, tmp_path_factory.mktemp("bad") / "home"))


@pytest.fixture(autouse=True)
def untouched(rig: Rig, server: Running) -> Iterator[None]:
    """Whatever a test does, the published file and every landed page of the first night are the same afterwards."""

    def contents() -> dict[str, bytes]:
        files = [rig.settings.published, *sorted((rig.home / "landing" / landed).rglob("*.zst"))]
        return {str(file): file.read_bytes() for file in files}

    landed = next(folder.name for folder in sorted((rig.home / "landing").iterdir()) if (folder / "loaded").exists())
    before = contents()
    rig.variables.clear()
    yield
    server.faults([])
    rig.variables.clear()
    assert contents() == before


def red(rig: Rig, error: type[StockbookError], message: str, name: str, **parameters: Any) -> str:
    """Run a night of its own, which must be red with this error; the text of its report, if it has one."""
    # each a minute later than the other: what one landed before it failed would be taken over by the next
    as_of = SECOND + timedelta(minutes=len(list((rig.home / "runs").iterdir())))
    with pytest.raises(error, match=message) as caught:
        rig.night(as_of, name=name, **parameters)
    assert "\n" not in str(caught.value)
    assert rig.server.token not in str(caught.value)
    report = rig.home / "runs" / name / "report.txt"
    return report.read_text() if report.exists() else ""


def test_a_wrong_token(rig: Rig) -> None:
    """Every connection that is refused is named, the token is not shown, and the run report says red."""
    for name in ("AIRFLOW_CONN_FULFILLMENT_CZ", "AIRFLOW_CONN_FLICKROCKET"):
        rig.variables[name] = rig.environ[name].replace(rig.server.token, "not-the-token")

    report = red(
        rig, Unauthorized, "connection flickrocket is wrong.*connection fulfillment_cz is wrong", "wrong-token"
    )

    assert "RED (failed)" in report
    assert report.splitlines()[1].count("was refused") == 2
    assert "not-the-token" not in report


def test_an_unreachable_host(rig: Rig) -> None:
    """Nobody listens there: the connection is named after the tries are used up."""
    rig.clock = ManualClock(datetime(2025, 11, 20, 1, 15, tzinfo=UTC))  # waits between tries cost nothing
    rig.variables["AIRFLOW_CONN_FLICKROCKET"] = rig.environ["AIRFLOW_CONN_FLICKROCKET"].replace(
        rig.server.url, "http://127.0.0.1:9"
    )

    try:
        assert "RED (failed)" in red(rig, Unreachable, "flickrocket", "unreachable")
    finally:
        rig.clock = SystemClock()


def test_a_missing_connection(rig: Rig) -> None:
    """What to add is said, in the run's report too, and no run was opened."""
    with pytest.raises(ConfigError, match=r"needs a fulfillment\.cz account and found none: add a connection"):
        steps.open_run(rig.tonight(), "none", parse_parameters({}), [])

    assert "needs a fulfillment.cz account and found none" in (rig.home / "runs" / "none" / "report.txt").read_text()
    assert not (rig.home / "runs" / "none" / "run.json").exists()


@pytest.mark.parametrize("as_of", ["tomorrow", "20.11.2025 02:15", "9999-12-31"])
def test_a_bad_as_of(rig: Rig, as_of: str) -> None:
    """The form that is expected is shown."""
    with pytest.raises(ConfigError, match="as_of must be a local date-time such as"):
        steps.open_run(rig.tonight(), "bad", parse_parameters({"as_of": as_of}), ["fulfillment_cz"])


def test_a_missing_hash_key(rig: Rig) -> None:
    """A night that could not hide people does not start."""
    rig.variables["STOCKBOOK_HASH_KEY"] = ""

    red(rig, ConfigError, "begun with a key that is not here. Set STOCKBOOK_HASH_KEY to it", "no-key")


def test_another_hash_key(rig: Rig) -> None:
    """The books stay with the key they were begun with; its place and what to do are said, neither key is."""
    rig.variables["STOCKBOOK_HASH_KEY"] = other = "another key for tests, as long"

    with pytest.raises(
        ConfigError, match=r"not the key the books in .* were begun with.*Put the old key back"
    ) as refused:
        rig.night(SECOND, name="other-key")
    assert other not in str(refused.value)
    assert KEY not in str(refused.value)
    assert rig.tonight().lock.holder() is None


def test_an_unwritable_home(rig: Rig, tmp_path: Path) -> None:
    """The folder is named."""
    (tmp_path / "file").write_text("")
    rig.variables["STOCKBOOK_HOME"] = str(tmp_path / "file" / "home")

    with pytest.raises(ConfigError, match="STOCKBOOK_HOME must be a folder that can be written"):
        steps.open_run(rig.tonight(), "x", parse_parameters({}), ["fulfillment_cz", "flickrocket"])


def open_a_run(rig: Rig, name: str, as_of: datetime) -> str:
    """A run opened and extracted; the folder it landed in."""
    rig.server.set_clock(as_of)
    tonight = rig.tonight()
    run = steps.open_run(
        tonight, name, parse_parameters({"as_of": as_of.isoformat()}), connections.conn_ids_in_environment(rig.environ)
    )
    for conn_id in run.conn_ids:
        steps.extract(tonight, run.run_id, conn_id)
    return run.night


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-9]),
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
    ],
    ids=["truncated", "missing", "empty"],
)
def test_a_damaged_landing_file(rig: Rig, damage: Callable[[Path], None]) -> None:
    """The page is named before anything is loaded; the next night reads it again and is green."""
    as_of = SECOND + timedelta(hours=1, minutes=len(list((rig.home / "runs").iterdir())))
    landed = open_a_run(rig, f"damaged-{as_of:%H%M}", as_of)
    tonight = rig.tonight()
    page = next((rig.home / "landing" / landed / "main" / "fulfillment_cz.movements").glob("page-*"))
    damage(page)

    with pytest.raises(LandingDamaged, match=page.name):
        steps.load(tonight, f"damaged-{as_of:%H%M}")
    assert steps.finish(tonight, f"damaged-{as_of:%H%M}").status == "failed"

    landed_again = open_a_run(rig, f"healed-{as_of:%H%M}", as_of)
    steps.load(tonight, f"healed-{as_of:%H%M}")
    tonight.lock.release(f"healed-{as_of:%H%M}")
    assert landed_again == landed


def test_a_listing_that_ends_short(rig: Rig) -> None:
    """The server keeps fewer rows than it promises: the listing, both numbers and nothing else."""
    rig.server.faults([{"path": "/v2/fulfillment/warehouse-variants", "kind": "wrong_total", "delta": 7}])

    assert "RED (failed)" in red(rig, ListingIncomplete, "stock_levels", "short")


def test_a_second_run_while_one_is_under_way(rig: Rig) -> None:
    """The run under way is named; the command line says it in one sentence with exit code 1."""
    tonight = rig.tonight()
    tonight.lock.take("long-one")
    try:
        with tonight.lock.step("long-one", "load"):
            with pytest.raises(RunLocked, match="Run long-one is under way"):
                rig.night(SECOND, name="second-one")
            done = subprocess.run(
                [sys.executable, "-m", "stockbook", "run", "--as-of", SECOND.isoformat()],
                env=os.environ | rig.environ,
                capture_output=True,
                text=True,
                check=False,
            )
    finally:
        tonight.lock.release("long-one")

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("stockbook: Run long-one is under way (at step load")
    assert "Traceback" not in done.stderr


def test_a_wrong_policy_file_is_red_before_anything_is_read(rig: Rig, tmp_path: Path) -> None:
    """Every file, line and field is named, and the APIs were not asked: one file is read by `build` only."""
    for file in (PROJECT / "include" / "policy").glob("*.yml"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "sla.yml").write_text((tmp_path / "sla.yml").read_text().replace("cutoff:", "cut_of:"))
    (tmp_path / "valuation.yml").write_text("nrv_factor: 2")
    rig.variables["STOCKBOOK_POLICY_DIR"] = str(tmp_path)
    rig.server.reset_requests()

    red(rig, ConfigError, r"sla\.yml.*cut_of.*valuation\.yml line 1, nrv_factor", "bad-policy")

    assert rig.server.requests() == {}


def test_the_night_after_all_that_is_green(rig: Rig, server: Running, tmp_path: Path) -> None:
    """Nothing that went wrong stands in the way of the next night."""
    copy = Rig(server, tmp_path / "home")
    shutil.copytree(rig.home, copy.home)

    assert copy.night(SECOND + timedelta(hours=3), name="good").status == "published"
