"""What a close leaves to the next night, and the way back where somebody edited what readers see of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from closing_rig import SEPTEMBER, Closing, copied
from night_rig import environment

from stockbook import connections
from stockbook.clock import ManualClock
from stockbook.closing.program import CLOSES, LINES
from stockbook.closing.showing import readers
from stockbook.errors import LandingDamaged
from stockbook.models.build import build
from stockbook.models.programs import BuildContext
from stockbook.night import closing as night_closing
from stockbook.night.opening import open_run
from stockbook.progress import Silent
from stockbook.runs.context import RunContext
from stockbook.warehouse.connect import writer

STATEMENT = "reports.stock_movements_monthly"


def built(closing: Closing) -> set[str]:
    """What a build makes as of the night that is published."""
    settings, tables = closing.settings, closing.night.tables
    with writer(settings) as con:
        ((run_id, as_of, instant),) = con.execute(
            "select run_id, as_of, as_of_utc from meta.current_run inner join meta.run using (run_id, as_of)"
        ).fetchall()
        run = (as_of, run_id, settings.zone, settings.policy_dir, tables)
        context = BuildContext(*run, published=settings.published, as_of_utc=instant, closes=settings.closes)
        return set(build(con, settings.models_dir, context, ManualClock(datetime(2025, 11, 18, tzinfo=UTC)), Silent()))


class Home(NamedTuple):
    """A home with its writer's file, and what a build of it makes where nothing has changed."""

    closing: Closing
    idle: set[str]


@pytest.fixture(scope="module")
def home(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """September closed; not to be written."""
    closing = Closing(copied(home_after_a_night, tmp_path_factory.mktemp("closed") / "home", whole=True))
    built(closing)  # marks of before the publication stand for nothing any more
    idle = built(closing)
    closing.close(SEPTEMBER)
    return Home(closing, idle)


@pytest.fixture
def closing(home: Home, tmp_path: Path) -> Closing:
    """A copy of it."""
    return Closing(copied(home.closing.home, tmp_path / "home", whole=True))


def test_the_next_night_builds_what_reads_the_closes(home: Home, closing: Closing) -> None:
    """And what an idle night builds, nothing else; the statement comes out as the close wrote it, row by row."""
    query = f"select * from {STATEMENT} order by all"
    after = built(closing)

    assert STATEMENT in after - home.idle
    assert after - home.idle <= {step.name for step in readers(closing.settings, closing.night.tables)}
    with duckdb.connect(str(closing.settings.warehouse), read_only=True) as con:
        assert con.execute(query).fetchall() == home.closing.rows(query)


def tampered(file: Path) -> None:
    """Somebody edits a line, a close and what is made of them."""
    with duckdb.connect(str(file)) as con:
        con.execute(f"update {LINES} set closing_value = closing_value + 1 where pool = 'sellable'")
        con.execute(f"update {CLOSES} set closed_by = 'Eva'")
        con.execute(f"update {STATEMENT} set closing_value = 0")


def test_what_somebody_edited_is_made_of_the_landing_again(home: Home, closing: Closing) -> None:
    """In both files, with all that is made of it; what was landed stays as it is."""
    query = f"select * from {STATEMENT} order by all"
    landed = {name: content for name, content in closing.files().items() if name.startswith("landing")}
    for file in (closing.settings.published, closing.settings.warehouse):
        tampered(file)
    assert len(closing.verify().problems) == 4

    assert night_closing.repair(closing.night) == []

    assert closing.verify().problems == []
    assert closing.rows(query) == home.closing.rows(query)
    with duckdb.connect(str(closing.settings.warehouse), read_only=True) as con:
        assert con.execute(query).fetchall() == home.closing.rows(query)
    assert {name: content for name, content in closing.files().items() if name.startswith("landing")} == landed


def test_nothing_is_repaired_by_a_landing_that_is_not_whole(closing: Closing) -> None:
    """A landed file that was edited, or a close that only the published file has: both files stay as they are."""
    tampered(closing.settings.published)
    before = closing.settings.published.read_bytes()
    file = closing.settings.closes / "main" / "2025-09.1.json"
    whole = file.read_text()

    file.write_text(whole.replace("Jana", "Eva"))
    with pytest.raises(LandingDamaged, match=r"Nothing was repaired.*2025-09.1.json is not as it was signed"):
        night_closing.repair(closing.night)
    file.unlink()
    (closing.settings.state / "closes.json").unlink()
    with pytest.raises(LandingDamaged, match=r"the published file has main/2025-09/1, which was never landed"):
        night_closing.repair(closing.night)

    assert closing.settings.published.read_bytes() == before


def opened(closing: Closing, as_of: datetime) -> RunContext:
    """A run, opened and given up."""
    environ = environment("http://127.0.0.1:9", "token", closing.home)
    night = replace(closing.night, look_up=lambda conn_id: connections.from_environment(conn_id, environ))
    run = open_run(night, "again", {"as_of": as_of.isoformat()}, ["fulfillment_cz"])
    night.lock.release(run.run_id)
    return run


def test_a_night_at_the_as_of_of_a_signed_one_is_a_second_later(
    home_after_a_night: Path, closing: Closing, tmp_path: Path
) -> None:
    """So that nobody takes what it sees for signed. Where nothing was signed, it is as of the same."""
    ((as_of,),) = closing.rows("select as_of from meta.current_run")
    untouched = Closing(copied(home_after_a_night, tmp_path / "untouched", whole=True))

    run, same = opened(closing, as_of), opened(untouched, as_of)

    second = timedelta(seconds=1)
    assert (run.as_of, run.observes, run.repeats) == (as_of + second, True, False)
    assert (same.as_of, same.observes, same.repeats) == (as_of, True, True)
    assert run.as_of_utc is not None
    assert run.as_of_utc - second == same.as_of_utc
