"""Runs dated in the past or far from the wall clock: they compute, and observe nothing."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import proof_size
import pytest
from night_rig import Rig
from shared_home import FIRST, copy_of, small_shop

from stockbook import connections
from stockbook.clock import ManualClock
from stockbook.errors import ClockWrong
from stockbook.night import steps
from stockbook.runs.context import RunContext, parse_parameters
from stockbook.warehouse.connect import writer
from stockbook.warehouse.schema import create_all
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # nights

PAST, PUBLISHED = FIRST - timedelta(days=1), FIRST
AT_PUBLISHED = PUBLISHED.replace(hour=1, tzinfo=UTC)  # the wall clock of the published night
BACKFILL = {"backfill_from": "2025-09-01", "backfill_to": "2025-09-30"}


@dataclass
class Real(Rig):
    """A home whose accounts are not marked as sandboxes."""

    @property
    def environ(self) -> dict[str, str]:
        variables = super().environ
        for name in ("AIRFLOW_CONN_FULFILLMENT_CZ", "AIRFLOW_CONN_FLICKROCKET"):
            connection = json.loads(variables[name])
            connection["extra"]["sandbox"] = False
            variables[name] = json.dumps(connection)
        return variables


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), PUBLISHED) as served:
        yield served


@pytest.fixture(scope="module")
def published(server: Running, home_after_a_night: Path) -> Rig:
    """A home with a published night: copied, never written."""
    return Rig(server, home_after_a_night, clock=ManualClock(AT_PUBLISHED))


def read_once(rig: Rig) -> Rig:
    """The same home, which has read a listing before: an empty one has nothing to compute from."""
    tonight = rig.tonight()
    with writer(rig.settings) as con:
        create_all(con, tonight.tables)
        con.execute("insert into meta.cursor by name select 'main' as account, 'orders' as listing")
    return rig


def open_a_run(rig: Rig, as_of: datetime, **parameters: Any) -> RunContext:
    """A run opened as of a time."""
    run_parameters = parse_parameters({"as_of": as_of.isoformat(), **parameters})
    tonight = rig.tonight()
    run = steps.open_run(
        tonight, f"at-{as_of:%m%dT%H%M}", run_parameters, connections.conn_ids_in_environment(rig.environ)
    )
    tonight.lock.release(run.run_id)
    return run


@pytest.mark.parametrize(
    "parameters", [{}, BACKFILL, {"full_refresh": True}], ids=["plain", "backfill", "full refresh"]
)
def test_a_run_before_the_published_one_reads_and_deletes_nothing(
    published: Rig, tmp_path: Path, parameters: dict[str, Any]
) -> None:
    """Whatever it is asked for: no request, no change in staging, figures of its own as_of (they are built one way)."""
    is_built = proof_size.LARGE or not parameters
    rig = Rig(published.server, tmp_path / "home", clock=ManualClock(AT_PUBLISHED))
    shutil.copytree(published.home, rig.home)
    before = rig.staged()
    rig.server.reset_requests()

    run = rig.books(PAST, name="past", build=is_built, **parameters)
    rig.server.set_clock(PUBLISHED)

    assert (run.observes, rig.server.requests()) == (False, {})
    assert rig.staged() == before
    assert not is_built or rig.marts() != published.marts()
    assert not any((rig.settings.landing / run.night).glob("*/*"))


def test_a_past_that_was_published_takes_no_observation_back(
    server: Running, home_after_a_night: Path, tmp_path: Path
) -> None:
    """
    The same run of the past again, and one behind it, still lie before the night that read the sources: what these show
    now would be kept as of then. That night itself may be run again.
    """
    rig = Real(server, copy_of(home_after_a_night, tmp_path / "home"), clock=ManualClock(AT_PUBLISHED))
    with writer(rig.settings) as con:
        con.execute(
            "insert into meta.run by name select * replace ('past' as run_id, as_of - interval 1 day as as_of, "
            "as_of_utc - interval 1 day as as_of_utc, finished_at + interval 1 hour as finished_at, false as observes) "
            "from meta.run where status = 'published'"
        )

    assert open_a_run(rig, PAST).observes is False
    assert open_a_run(rig, PAST + timedelta(hours=3)).observes is False
    again = open_a_run(rig, PUBLISHED)
    assert (again.observes, again.repeats) == (True, False)


@pytest.mark.parametrize(
    ("hours", "observes"), [(-37, False), (-35, True), (0, True), (35, True), (37, False)]
)  # fmt: skip
def test_a_real_account_is_observed_within_36_hours_of_the_wall_clock(
    server: Running, tmp_path: Path, hours: int, observes: bool
) -> None:
    """Further off, what the source shows now says nothing about then."""
    rig = read_once(Real(server, tmp_path / "home", clock=ManualClock(AT_PUBLISHED)))

    run = open_a_run(rig, PUBLISHED + timedelta(hours=hours), **BACKFILL)

    assert run.observes is observes


def test_one_real_account_among_sandboxes_decides(server: Running, tmp_path: Path) -> None:
    """A run is of all its accounts: one that would be asked for a past it cannot show keeps it from observing."""
    rig = read_once(Rig(server, tmp_path / "home", clock=ManualClock(AT_PUBLISHED)))
    real = Real(server, tmp_path / "home", clock=ManualClock(AT_PUBLISHED))
    rig.variables = {"AIRFLOW_CONN_FLICKROCKET": real.environ["AIRFLOW_CONN_FLICKROCKET"]}

    assert open_a_run(rig, PUBLISHED - timedelta(days=9)).observes is False
    assert open_a_run(Rig(server, tmp_path / "other", clock=rig.clock), PUBLISHED - timedelta(days=9)).observes is True


def test_a_real_account_far_off_is_not_read(published: Rig, tmp_path: Path) -> None:
    """A backfill dated nine days after the wall clock leaves staging as it is."""
    rig = Real(published.server, tmp_path / "home", clock=ManualClock(AT_PUBLISHED))
    shutil.copytree(published.home, rig.home)
    before = rig.staged()
    rig.server.reset_requests()

    run = rig.books(PUBLISHED + timedelta(days=9), build=False, **BACKFILL)
    rig.server.set_clock(PUBLISHED)

    assert (run.observes, rig.server.requests()) == (False, {})
    assert rig.staged() == before


@pytest.mark.parametrize(("hours", "is_told"), [(2, True), (0.5, False)])
def test_a_clock_behind_the_published_books_is_told(
    hours: float, is_told: bool, server: Running, home_after_a_night: Path, tmp_path: Path
) -> None:
    """A night that names no as_of and would lie hours before the last one is red; half an hour reads no source."""
    home = tmp_path / "home"
    copy_of(home_after_a_night, home)
    rig = Real(server, home, clock=ManualClock(AT_PUBLISHED - timedelta(hours=hours)))
    tonight = rig.tonight()

    def opened() -> RunContext:
        ids = connections.conn_ids_in_environment(rig.environ)
        return steps.open_run(tonight, "behind", parse_parameters({}), ids)

    if is_told:
        with pytest.raises(ClockWrong, match="clock says 2025-11-18 00:15:00 and the books were published as of"):
            opened()
    else:
        assert not opened().observes
    tonight.lock.release("behind")
