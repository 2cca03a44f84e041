"""What several test files build on: declarations, an empty warehouse, listings landed by hand."""

import atexit
import gc
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from checkout import PROJECT
from empty_warehouse import Pool
from shared_home import first_night, made_once, second_night

from stockbook import airflow_config, declaration_files
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.landing.manifest import Manifest, write_manifest
from stockbook.landing.pages import write_page
from stockbook.runs.context import RunContext
from stockbook.staging.load import Landed

if TYPE_CHECKING:
    from seaweed import Seaweed

    from stockbook.fleet.control import Control

# the Airflow home of whoever runs the tests, ./airflow_home for one, must not lend its connections and key to them
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="no-airflow-")
airflow_config.IN_PROJECT = Path(os.environ["AIRFLOW_HOME"])
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

# files of tests that take a minute or more, the longest first, by `--durations` of a whole run
LONGEST = (
    "test_airflow",
    "test_fleet_forget",
    "test_forget",
    "test_fault_matrix",
    "test_close_verify",
    "test_night_real",
    "test_night_killed",
    "test_lake_figures",
    "test_backfill",
    "test_fleet_dag",
    "test_bi",
    "test_close",
    "test_fleet_night",
    "test_night",
    "test_staging",
    "test_duckdb_2",
    "test_carried",
    "test_extra_night",
    "test_requests",
    "test_replay",
    "test_retention",
    "test_runbook",
    "test_home_0_1",
    "test_backup_erased",
    "test_every_rule",
    "test_unchanged",
    "test_idle_night",
    "test_night_disk",
    "test_findings",
    "test_left_alone",
    "test_accounts",
    "test_valuation_nights",
    "test_dictionary",
)

WAREHOUSES = Pool()
SECTIONS = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Print a line in a section of its own below the results: ``tell(section, line)``."""
    sections = pytestconfig.stash.setdefault(SECTIONS, {})

    def add(section: str, line: str) -> None:
        sections.setdefault(section, []).append(line)

    return add


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands its lines to the process that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["sections"] = session.config.stash.get(SECTIONS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    sections = node.config.stash.setdefault(SECTIONS, {})
    for section, lines in getattr(node, "workeroutput", {}).get("sections", {}).items():
        sections.setdefault(section, []).extend(lines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for section, lines in config.stash.get(SECTIONS, {}).items():
        terminalreporter.section(section)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then those with slow tests: begun last, one would keep one worker busy at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("airflow")}
    place = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(place)), item.path not in slow))


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: the garbage collector need not walk through all of them time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@pytest.fixture(scope="session")
def tables() -> dict[str, Table]:
    """The project's declarations."""
    return declaration_files.load(PROJECT / "include" / "sql")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse in memory."""
    connection, _ = WAREHOUSES.take()
    with connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="session")
def home_after_a_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of `shared_home` after its first night: copy it, never write there."""
    return made_once(tmp_path_factory, "home-after-a-night", first_night)


@pytest.fixture(scope="session")
def second_by_step(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `shared_home` with its second night, step by step: copy of it, never write there."""
    return made_once(tmp_path_factory, "second-by-step", partial(second_night, home_after_a_night))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-03-01 01:15 UTC (02:15 in Prague)."""
    return ManualClock(datetime(2026, 3, 1, 1, 15, tzinfo=UTC))


def a_run(as_of: str = "2026-03-01T02:15:00", run_id: str = "r1", **fields: Any) -> RunContext:
    """A run as of a local time."""
    defaults: dict[str, Any] = {
        "run_id": run_id,
        "as_of": datetime.fromisoformat(as_of),
        "zone": "Europe/Prague",
        "started_at": datetime(2026, 3, 1, 1, 15, tzinfo=UTC),
        "night": "night",
        "observes": True,
        "full_refresh": False,
        "backfill_from": None,
        "backfill_to": None,
        "conn_ids": ("fulfillment_cz",),
    }
    return RunContext(**(defaults | fields))


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., Landed]:
    """Lands rows as a complete listing: ``land("movements", [rows], **manifest fields)``."""
    return landing_in(tmp_path)


def landing_in(place: Path, count: int = 0) -> Callable[..., Landed]:
    """What `land` is, in a folder; so many listings landed before, elsewhere."""

    def landing(listing: str, rows: list[dict[str, Any]], api: str = "fulfillment_cz", **fields: Any) -> Landed:
        nonlocal count
        count += 1
        folder = place / f"night{count}" / "main" / f"{api}.{listing}"
        folder.mkdir(parents=True)
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        pages = [write_page(folder, 1, lines, len(rows))] if rows else []
        defaults: dict[str, Any] = {
            "api": api,
            "listing": listing,
            "account": "main",
            "night": f"night{count}",
            "complete": True,
            "pages": pages,
            "rows": len(rows),
            "distinct_keys": len(rows),
            "promised_total": len(rows),
            "proof": "totalCount",
            "read_at": "2026-03-01T02:15:00",
        }
        manifest = Manifest(**(defaults | fields))
        write_manifest(folder, manifest)
        return Landed(manifest, folder)

    return landing


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a database server's first database."""
    from postgres import postgres

    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def control_url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database for a file of tests."""
    import psycopg

    name = "control_" + request.path.stem
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"create database {name}")
    return server.removesuffix("postgres") + name


@pytest.fixture(scope="module")
def control(control_url: str) -> "Control":
    """A control database with its tables."""
    from stockbook.fleet.control import Control

    control = Control(control_url)
    control.migrate()
    return control


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Seaweed]":
    """An S3 store with the bucket ``books``; its keys are in the environment."""
    from seaweed import seaweed

    with seaweed(tmp_path_factory.mktemp("store")) as store, pytest.MonkeyPatch.context() as patch:
        for name, text in store.variables.items():
            patch.setitem(os.environ, name, text)
        yield store


@pytest.fixture
def folder_store(tmp_path: Path) -> str:
    """The address of a store in a folder."""
    return f"file://{tmp_path / 'store'}"
