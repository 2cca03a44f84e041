"""Random nights of a whole shop: models have the rows that building gives, checks the answers that asking gives."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
import proof_size
import pytest
from checkout import PROJECT
from night_rig import TWO_THREADS, Rig
from shared_home import FIRST, copy_of, small_shop

from stockbook.checks.rules import of_table
from stockbook.checks.run import ask
from stockbook.models.build import run_step
from stockbook.models.order import Step, steps
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.progress import Silent
from stockbook.runs import context as runs
from stockbook.warehouse.connect import writer
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # nights

SEQUENCES = proof_size.of(ci=1, proof=60)
NIGHTS = proof_size.of(ci=3, proof=4)
STOPS = ("load main orders", "check_staging", "marts.fct_order", "reports.sla_daily", "check_marts")
EDITS = {
    "sql/reports/promise/sla_by_delivery_method.sql.jinja": "\n-- edited\n",
    "sql/intermediate/promise/sla_state.sql": "\n-- edited\n",
    "sql/macros/hours_between.sql": "\n-- edited\n",
    "policy/sla.yml": "\n# edited\n",
}


class Killed(BaseException):
    """The night ended here, and nothing that looks after errors heard of it."""


@dataclass
class Stops(Silent):
    """Ends the night where a piece of work begins; ``begun`` has the work of the night until then."""

    at: str = ""
    begun: set[str] = field(default_factory=set)

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if self.at and name == self.at:
            raise Killed
        self.begun.add(name)


@dataclass
class Books(Rig):
    """A home with models and policies of its own; so many models were ``left_alone`` by its nights."""

    progress: Stops = field(default_factory=Stops)
    left_alone: int = 0

    @property
    def environ(self) -> dict[str, str]:
        folders = {"STOCKBOOK_MODELS_DIR": "sql", "STOCKBOOK_POLICY_DIR": "policy"}
        of_folders = {name: str(self.home.parent / folder) for name, folder in folders.items()}
        return super().environ | TWO_THREADS | of_folders

    def compare(self) -> None:
        """
        Build each model without memory again over what is there, one by one, and take it back.

        What was built tonight comes out the same however often: that is asked where there is time.
        """
        tonight = self.tonight()
        with writer(self.settings) as con:
            run_id = con.execute("select run_id from meta.current_run").fetchall()[0][0]
            run = runs.read(self.settings, run_id)
            context = BuildContext(
                run.as_of, run_id, run.tz, self.settings.policy_dir, tonight.tables, as_of_utc=run.as_of_utc
            )
            for step in steps(self.settings.models_dir, tonight.tables):
                is_left_alone = step.name not in self.progress.begun
                self.left_alone += is_left_alone
                if is_table(step) and (is_left_alone or proof_size.LARGE):
                    before = contents(con, step)
                    con.execute("begin transaction")
                    run_step(con, step, context)
                    again = contents(con, step)
                    con.execute("rollback")
                    assert again == before, (run_id, step.name)

    def ask(self) -> None:
        """Every answer of the latest night is what asking says."""
        with writer(self.settings) as con:
            rows = con.execute(
                "select suite, expectation, success, observed, failing_rows from meta.check_result "
                "where run_id = (select run_id from meta.current_run)"
            ).fetchall()
        answers = {(suite, rule): tuple(answer) for suite, rule, *answer in rows}
        tables = self.tonight().tables.values()
        rules = [rule for table in tables for rule in of_table(table) if (rule.table.name, rule.name) in answers]
        outcomes = {
            (outcome.suite, outcome.expectation): (outcome.success, outcome.observed, outcome.failing_rows)
            for outcome in ask(self.settings.warehouse, rules)
        }
        assert outcomes == answers != {}


def is_table(step: Step) -> bool:
    """Whether a step makes tables or views, and the same of the same."""
    return PROGRAMS[step.program].without_memory if step.program else step.tables[0].kind != "macro"


def contents(con: duckdb.DuckDBPyConnection, step: Step) -> list[tuple[object, ...]]:
    """Rows and content hash of what a step makes."""
    return [
        con.execute(f"select count(*), sum(hash(t)::hugeint) from {table.name} as t").fetchall()[0]
        for table in step.tables
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), FIRST + timedelta(days=12)) as served:
        yield served


@pytest.fixture(scope="module")
def first(server: Running, home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Books after two equal nights."""
    folder = tmp_path_factory.mktemp("first")
    for name in ("sql", "policy"):
        shutil.copytree(PROJECT / "include" / name, folder / name)
    books = Books(server, copy_of(home_after_a_night, folder / "home"))
    books.night(FIRST, name="second")
    return books


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_random_nights_leave_alone_only_what_would_come_out_the_same(first: Books, tmp_path: Path, seed: int) -> None:
    """Nights at once, later, on another day or in the past, edits, full refreshes, and nights that end early."""
    chance = random.Random(seed)
    shutil.copytree(first.home.parent, tmp_path / "project")
    books = Books(first.server, tmp_path / "project" / "home")
    as_of, newest = FIRST, FIRST
    for number in range(NIGHTS):
        as_of = newest + chance.choice((0, 0, 0, 1, 60, 24 * 60, -24 * 60)) * timedelta(minutes=1)
        newest = max(as_of, newest)
        if chance.random() < 0.3:
            name, text = chance.choice(list(EDITS.items()))
            with (books.home.parent / name).open("a") as edited:
                edited.write(text)
        books.progress.at = chance.choice(STOPS) if chance.random() < 0.3 and number + 1 < NIGHTS else ""
        books.progress.begun.clear()
        try:
            books.night(as_of, f"n{number}", as_of >= newest, full_refresh=chance.random() < 0.1)
        except Killed:
            continue
        books.compare()
    books.ask()
    assert books.left_alone
