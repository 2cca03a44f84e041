"""A night over a finished home in which nothing changed, and steps of it that are done again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from night_rig import Rig
from shared_home import FIRST, copy_of, small_shop

from stockbook.night import steps
from stockbook_sandbox import running

pytestmark = pytest.mark.slow

HEAVY = ("great_expectations", "numba", "pandas", "scipy", "sqlglot")


@pytest.fixture(scope="module")
def finished(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home after two nights: from the second on nothing is new."""
    with running(small_shop(), FIRST) as server:
        rig = Rig(server, copy_of(home_after_a_night, tmp_path_factory.mktemp("finished") / "home"))
        rig.night(FIRST)
        yield rig


def test_an_idle_night_imports_nothing_that_it_does_not_use(finished: Rig) -> None:
    """Its process has at its end none of the packages that only changed rows need, and started none for the checks."""
    program = f"""
import json, sys
from stockbook.checks import process
from stockbook.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules] + [*process._started]))
"""
    variables = os.environ | finished.environ
    command = [sys.executable, "-c", program, "run", "--as-of", FIRST.isoformat()]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_every_table_that_is_built_has_a_mark(finished: Rig) -> None:
    """One that reads what has none, like the table of loads, is built in every night, and so is all that reads it."""
    marked = finished.rows(
        """
        select
            schema_name || '.' || table_name as name,
            name in (select table_name from meta.content_mark)
        from duckdb_tables()
        where schema_name in ('intermediate', 'marts', 'reports')
        order by name
        """
    )

    assert len(marked) > 100
    assert [name for name, has_mark in marked if not has_mark] == []


def test_steps_that_are_done_again_come_out_the_same(finished: Rig) -> None:
    """Load and check, build and check, each pair twice as a cleared task does: the same rows, one outcome a check."""
    run = finished.books(FIRST, name="cleared")
    tonight = finished.tonight()
    before = finished.staged(), finished.marts()
    tonight.lock.take(run.run_id, whole_run_here=True)
    try:
        for step, check in ((steps.load, "check_staging"), (steps.build, "check_marts")) * 2:
            step(tonight, run.run_id)
            steps.check(tonight, run.run_id, check)
        steps.publish(tonight, run.run_id)
    finally:
        steps.finish(tonight, run.run_id)

    assert (finished.staged(), finished.marts()) == before
    checks_of = "select count(*), count(distinct (suite, expectation)) from meta.check_result where run_id = 'cleared'"
    ((rows, checks),) = finished.rows(checks_of)
    assert rows == checks > 100
