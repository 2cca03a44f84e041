"""A user's own reports in the nights of a fleet: published with the account, red for them alone, one folder for all."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import quick_night
from fleet_rig import Site, databases, move_in, programs, variables
from own_folder import model
from shared_home import copy_of

from stockbook.clock import SystemClock
from stockbook.declaration_files import load
from stockbook.fleet.run import run_fleet
from stockbook.models.programs import BuildContext
from stockbook.night import extra, steps
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.runs import context as runs
from stockbook.runs.step_log import StepDone
from stockbook.settings import Settings
from stockbook.warehouse.connect import writer
from stockbook.warehouse.readers import reader

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")

NIGHTS = "select account, count(*) as pieces from marts.fct_night group by account"
AS_OF = {"as_of": "2026-03-01T02:15:00"}


@pytest.fixture
def site(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A fleet of nights that take no time, with a report over what they load; ``own`` is the folder."""
    quick_night.use(monkeypatch.setattr)
    load_night = quick_night.load

    def loaded(night: Night, run_id: str) -> None:
        load_night(night, run_id)
        if night.settings.extra_dir is not None:
            with writer(night.settings) as con:
                con.execute(f"create schema if not exists extra; create or replace table extra.nights as {NIGHTS}")
                con.execute("checkpoint")

    monkeypatch.setattr(steps, "load", loaded)
    model(tmp_path / "own", "nights", NIGHTS)
    (tmp_path / "accounts.yml").write_text("accounts: {a: {}, b: {}}\n")
    environ = programs() | variables(tmp_path, f"file://{tmp_path}/store", *databases(server, "own", "own_lake"))
    return Site(
        environ
        | {
            "STOCKBOOK_ACCOUNTS": f"file:{tmp_path / 'accounts.yml'}",
            "STOCKBOOK_MODELS_DIR": str(quick_night.models(tmp_path / "models")),
            "STOCKBOOK_EXTRA_DIR": str(tmp_path / "own"),
        },
        tmp_path,
    )


def test_one_folder_is_of_all_workers(site: Site, tmp_path: Path) -> None:
    """
    The accounts' rows are side by side; a worker with another folder publishes nothing and says which it has.

    What is changed on every machine holds from the next run on.
    """
    assert not run_fleet(site.fleet(), "first", AS_OF).red
    fleet = site.fleet()
    with reader(fleet.lake.url) as con:
        assert con.execute("select * from extra.nights order by all").fetchall() == [("a", 1), ("b", 1)]

    other = tmp_path / "other"
    shutil.copytree(tmp_path / "own", other)
    model(other, "nights", NIGHTS.replace("count(*)", "2 * count(*)"))
    fleet.run_log.begin("second", ["a", "b"], "of the worker that began it")
    for folder, words in ((str(other), f"has the folder {other} ("), ("", "has no folder as STOCKBOOK_EXTRA_DIR")):
        with pytest.raises(Exception, match="the latest run was begun with one with other contents") as caught:
            move_in(site.fleet(STOCKBOOK_EXTRA_DIR=folder), "a", tmp_path)
        assert words in str(caught.value)

    summary = run_fleet(site.fleet(STOCKBOOK_EXTRA_DIR=str(other)), "third", AS_OF)
    assert not summary.red
    assert not run_fleet(site.fleet(STOCKBOOK_EXTRA_DIR=""), "fourth", AS_OF).red
    with reader(fleet.lake.url) as con:
        assert con.execute("select * from duckdb_tables() where schema_name = 'extra'").fetchall() == []


@pytest.mark.slow
def test_a_sum_over_accounts_is_refused_by_its_check(home_after_a_night: Path, tmp_path: Path) -> None:
    """
    Readers of a lake find rows by their account: a report with a row of none breaks the rule, which one machine has
    not. Its alert names the file, and the other report stays.
    """
    home = copy_of(home_after_a_night, tmp_path / "home")
    rolled = "select account, count(*) as pieces from marts.fct_order group by rollup (account)"
    model(tmp_path / "own", "rolled", rolled)
    model(tmp_path / "own", "orders", "select account, count(*) as pieces from marts.fct_order group by account")
    settings = Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_EXTRA_DIR": str(tmp_path / "own")})
    (run_id,) = (folder.name for folder in settings.runs.iterdir())
    run, ours = runs.read(settings, run_id), load(settings.models_dir)
    alone = Night(settings, SystemClock(), Silent())
    alone.lock.take(run_id, whole_run_here=True)
    context = BuildContext(run.as_of, run_id, run.tz, settings.policy_dir, ours, as_of_utc=run.as_of_utc)
    with alone.at(run, "build") as built:
        extra.build(alone, tmp_path / "own", context, built)
    assert built.extra == []

    checked = [(night, StepDone("check_marts", "running", 0, 0)) for night in (alone, replace(alone, events_of="main"))]
    for night, done in checked:
        extra.check(night, tmp_path / "own", run, done, everything=True)

    of_one_machine, of_fleet = ([str(problem) for problem in done.extra] for _, done in checked)
    assert of_one_machine == []
    (problem,) = of_fleet
    assert problem.startswith("sql/reports/rolled.yml line 1: extra.rolled: 'rows are of account main' does not hold")
    with writer(settings) as con:
        tables = con.execute("select table_name from duckdb_tables() where schema_name = 'extra'").fetchall()
        alerts = con.execute("select subject from reports.alerts where rule = 'own report'").fetchall()
    assert tables == [("orders",)]
    assert alerts == [("sql/reports/rolled.yml",)]
