"""A user's own reports in the lake: every account's rows beside ours, and what is wrong with one is theirs alone."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from lake_rig import LakeRig, database, run_of
from own_folder import model, write
from typer.testing import CliRunner

from stockbook.analyst.asking import Questions
from stockbook.cli.main import app
from stockbook.errors import ConfigError, PublishFailed
from stockbook.extra_folder import digest_of
from stockbook.fleet import own_reports
from stockbook.fleet.control import Control
from stockbook.fleet.lake.lake import Lake, Prepared, data_path
from stockbook.fleet.run_log import RunLog
from stockbook.limits import Limits
from stockbook.settings import Settings

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")

PIECES = "account: {type: varchar, description: Whose.}, pieces: {type: hugeint, unit: pieces, description: How many.}"


class Own:
    """A lake, and a folder of own reports on the machine that publishes into it."""

    def __init__(self, rig: LakeRig) -> None:
        self.rig, self.folder = rig, rig.folder / "own"
        self.red = "own"

    @property
    def settings(self) -> Settings:
        """Those of the machine."""
        named = {"HOME": "home", "MODELS_DIR": "models", "EXTRA_DIR": "own"}
        environ = {f"STOCKBOOK_{name}": str(self.rig.folder / folder) for name, folder in named.items()}
        return Settings.load(environ | {"STOCKBOOK_EXTRA_FAILS": self.red, "STOCKBOOK_READER_SECONDS": "0.5"})

    def prepare(self, account: str, *statements: str, generation: int = 1) -> Prepared:
        """A file of three parts with what its night made of the folder, as statements, ready to be published."""
        lake, file = self._lake(), self.rig.file(account, 3, meta__current_run=RUN)
        with duckdb.connect(str(file)) as con:
            con.execute("create schema extra")
            for statement in statements:
                con.execute(f"create {statement}")
        return lake.prepare(file, run_of(account, generation))

    def publish(self, account: str, *statements: str, generation: int = 1) -> list[str]:
        """Publish it; what is wrong with the reports."""
        prepared = self.prepare(account, *statements, generation=generation)
        self._lake().commit(prepared, lambda: None)
        return [str(problem) for problem in prepared.problems]

    def _lake(self) -> Lake:
        rig, own = self.rig, own_reports.in_lake(self.settings)
        scratch, models_dir = rig.folder / "scratch", rig.folder / "models"
        return Lake(rig.url, data_path(rig.store), scratch, models_dir, Limits(threads=1), own)


@pytest.fixture
def own(server: str, tmp_path: Path) -> Own:
    """Not published yet; its folder has a table."""
    own = Own(LakeRig.of(database(server), tmp_path))
    model(own.folder, "by_account", SUM, columns=PIECES)
    return own


RUN = (
    "account varchar, n integer, run_id varchar default 'r', as_of timestamp default '2026-03-01', "
    "zone varchar default 'UTC'"
)
SUM = "select account, count(*) as pieces from marts.fct_part group by account"
BY_ACCOUNT = f"table extra.by_account as {SUM}"


def test_every_account_has_its_rows_for_every_reader(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Table, view and macro as ours, with comments; an account whose night could not make them has none.

    They are found by `stockbook sql`, by a figure of the folder, in the dictionary and over the analyst server. A macro
    that a lake does not take, which counts on a type that it does not have, is not there.
    """
    folder = own.folder
    flags = "account: {type: varchar, description: A.}, b: {type: bit, description: A.}"
    macro = "kind: macro\nparameters: {least: bigint}"
    model(folder, "few", "from extra.by_account", columns=PIECES, more="kind: view")
    model(
        folder,
        "units",
        "select distinct 'kg' as unit from marts.fct_part",
        columns="unit: {type: varchar, description: A.}",
    )
    model(folder, "more_than", "from extra.by_account where pieces > least", columns=PIECES, more=macro)
    model(folder, "flags", "select 'a' as account, '101'::bit as b", columns=flags)
    model(folder, "bits", "select account, b & b as b from extra.flags where 1 > least", columns=flags, more=macro)
    write(
        folder,
        "metrics/own.yml",
        "relations: {extra.by_account: {by: [account], owner: us, metrics: {own_pieces: {says: All., sql: pieces}}}}",
    )
    statements = (
        BY_ACCOUNT,
        "view extra.few as from extra.by_account",
        "table extra.units as select 'kg' as unit",
        "table extra.flags as select '101'::bit as b, account from extra.by_account",
    )

    assert [own.publish("a", *statements), own.publish("b", *statements), own.publish("c")] == [[], [], []]

    for name in ("by_account", "few", "more_than(1)"):
        assert own.rig.rows(f"select * from extra.{name} order by account") == [("a", 3), ("b", 3)], name
    assert own.rig.rows("select * from extra.units order by all") == [("a", "kg"), ("b", "kg")]
    assert own.rig.rows("select b, count(*) from extra.flags group by b") == [("101", 2)]
    assert own.rig.rows("select count(*) from marts.fct_part") == [(9,)]
    comments = "select comment from duckdb_columns() where schema_name = 'extra' and column_name = 'pieces'"
    assert set(own.rig.rows(comments)) == {("How many. Unit: pieces.",)}
    of_extra = "function_type = 'table_macro' and schema_name = 'extra'"
    assert own.rig.rows(f"select function_name from duckdb_functions() where {of_extra}") == [("more_than",)]
    assert own.rig.rows("select count(*) from reports.parts_of('screw')") == [(9,)]

    words = own.rig.url.words
    address = f"postgresql://{words['user']}@{words['host']}:{words['port']}/{words['dbname']}"
    for name, text in {"LAKE": address, "EXTRA_DIR": str(folder), "HOME": str(own.rig.folder / "reader")}.items():
        monkeypatch.setenv(f"STOCKBOOK_{name}", text)
    assert json.loads(said("sql", "--json", "select count(*) as n from extra.by_account")) == {"n": 2}
    assert "a,3\nb,3" in said("metric", "own_pieces", "--by", "account", "--format", "csv")
    said("dictionary", "--to", str(own.rig.folder / "pages"))
    assert "own_pieces" in (own.rig.folder / "pages" / "extra.by_account.html").read_text()
    with Questions(Settings.load()) as questions:
        answer = questions.ask("select account from extra.by_account order by all")
    assert [account for (account,) in answer.rows] == ["a", "b"]


def said(*command: str) -> str:
    """What a command of a reader prints."""
    done = CliRunner().invoke(app, [*command])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_a_report_that_comes_back_has_the_rows_of_everybody(own: Own) -> None:
    """Out of the folder it is gone from the lake; back in it, rows are written of who has the same ones as before."""
    for account in "ab":
        own.publish(account, BY_ACCOUNT)
    elsewhere = own.folder.rename(own.folder.with_name("elsewhere"))
    own.folder.mkdir()
    own.publish("a", generation=2)
    assert own.rig.rows("select count(*) from duckdb_tables() where schema_name = 'extra'") == [(0,)]

    own.folder.rmdir()
    elsewhere.rename(own.folder)
    for account in "ab":
        own.publish(account, BY_ACCOUNT, generation=3)
    assert own.rig.rows("select account from extra.by_account order by all") == [("a",), ("b",)]


FAULTS = {
    "nobody": ("table extra.nobody as select null as account, 1 as pieces", "1 rows are of another account than a, or"),
    "others": ("table extra.others as select 'b' as account, 1 as pieces", "1 rows are of another account than a, or"),
    "large": (f"view extra.large as select 'a' as account, {2**127 - 1}::hugeint as pieces", "Conversion Error"),
    "long": (
        "view extra.long as select 'a' as account, count(*) as pieces from range(999999) as a, range(9999999) as b "
        "where a.range < -b.range",
        "it took longer",
    ),
}


def test_what_is_wrong_with_one_is_said_and_keeps_nothing_else_from_readers(own: Own) -> None:
    """Rows of no account, a figure that does not fit, a view that does not end: it is empty, and all else is there."""
    for name, (statement, _) in FAULTS.items():
        model(own.folder, name, SUM, columns=PIECES, more="kind: view" if statement.startswith("view") else "")
    statements = [BY_ACCOUNT, *(statement for statement, _ in FAULTS.values())]

    problems = own.publish("a", *statements)

    assert len(problems) == len(FAULTS)
    for name, (_, reason) in FAULTS.items():
        place = f"sql/reports/{name}.sql line 1: extra.{name} has no rows of account a in the lake: "
        assert [problem for problem in problems if problem.startswith(place) and reason in problem], (name, problems)
        assert own.rig.rows(f"select count(*) from extra.{name}") == [(0,)]
    assert own.rig.rows("select * from extra.by_account") == [("a", 3)]
    own.red = "night"
    with pytest.raises(PublishFailed, match=r"nobody\.sql line 1"):
        own.prepare("b", *statements)


def test_a_machine_with_another_folder_is_refused(control: Control, tmp_path: Path) -> None:
    """The same contents elsewhere are the same folder, whatever lies beside them; other ones, or none, are not."""
    ours, another, log = tmp_path / "ours", tmp_path / "another", RunLog(control)
    model(ours, "by_account", SUM)
    shutil.copytree(ours, another)
    write(another, ".git/HEAD", "elsewhere")
    write(another, "sql/.by_account.sql.swp", "an editor's")
    own_reports.require_same(ours, log)

    log.begin("first", ["a"], digest_of(ours))
    own_reports.require_same(another, log)
    with pytest.raises(ConfigError, match=r"This worker has no folder as STOCKBOOK_EXTRA_DIR, .* other contents \("):
        own_reports.require_same(None, log)
    model(another, "by_account", SUM.replace("count", "max"))
    with pytest.raises(ConfigError, match="Give every machine the same folder"):
        own_reports.require_same(another, log)
    # the run is begun again, by a worker that has it already
    log.begin("first", ["a"], digest_of(another))
    own_reports.require_same(another, log)
    log.begin("second", ["a"])
    with pytest.raises(ConfigError, match="latest run was begun with none"):
        own_reports.require_same(another, log)
