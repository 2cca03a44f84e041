"""A user's own folder in a night: what is right is everywhere, what is wrong is red for them alone."""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import PROJECT
from night_rig import KEY, Rig, hashes
from own_folder import model, write
from shared_home import FIRST, copy_of, small_shop
from typer.testing import CliRunner

from stockbook import caches
from stockbook.cli.doctor import lines
from stockbook.cli.extra import EXAMPLE
from stockbook.cli.main import app
from stockbook.clock import SystemClock
from stockbook.declaration_files import load
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ConfigError, ModelFailed
from stockbook.models.programs import BuildContext
from stockbook.morning import publish_files
from stockbook.morning.summary import read as read_summary
from stockbook.night import extra, steps
from stockbook.night.extra_trial import examine
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.runs import context
from stockbook.runs.report import Report, text
from stockbook.runs.step_log import StepDone
from stockbook.settings import Settings
from stockbook.warehouse import content_marks
from stockbook.warehouse.connect import held_open, writer
from stockbook_sandbox import running

pytestmark = pytest.mark.slow

RUNNER = CliRunner()
COUNT = "select account, count(*) as pieces from marts.fct_order group by account"


class Home(NamedTuple):
    """A home after nights with a folder of its own: ``reports`` are theirs, ``before`` is the file without a folder."""

    rig: Rig
    folder: Path
    before: Path
    reports: list[Report]

    @property
    def environ(self) -> dict[str, str]:
        """What a command of the operator finds in its environment."""
        return self.rig.environ | {"STOCKBOOK_HASH_KEY": KEY}

    def says(self, *command: str, code: int = 0) -> str:
        """What a command prints."""
        done = RUNNER.invoke(app, [*command], env=self.environ)
        assert done.exit_code == code, (done.output, done.exception)
        return done.output


@pytest.fixture(scope="module")
def home(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The example beside a model that cannot be built, one whose check does not hold, and one that reads it."""
    place = tmp_path_factory.mktemp("own")
    folder = place / "folder"
    shutil.copytree(EXAMPLE, folder)
    model(folder, "broken", "select account,\n  no_column as pieces from marts.fct_order")
    rule = 'checks:\n  - {name: nobody orders, severity: fail, rows: "select account from extra.refused"}\n'
    model(folder, "refused", COUNT, more=rule)
    model(folder, "reader", "from extra.refused")
    write(
        folder,
        "metrics/mine.yml",
        "relations: {extra.turnover_by_weekday: {metrics: {turnover: {says: a, sql: days}}}}",
    )
    before = home_after_a_night / "published" / "warehouse.duckdb"
    with running(small_shop(), FIRST) as server:
        books = copy_of(home_after_a_night, place / "home")
        rig = Rig(server, books, {"STOCKBOOK_EXTRA_DIR": str(folder)})
        yield Home(rig, folder, before, [rig.night(FIRST)])


def told(rig: Rig) -> list[str]:
    """The subjects of the alerts that stand."""
    rows = rig.rows("select subject from reports.alerts where rule = 'own report' and cleared_as_of is null")
    return sorted(subject for (subject,) in rows)


def test_the_example_is_everywhere_after_one_night(home: Home) -> None:
    """Published with comments, in the dictionary, the list of metrics, an answer, the dashboards and the export."""
    query = "select table_name, comment from duckdb_tables() where schema_name = 'extra'"
    ((name, comment),) = home.rig.rows(query)
    assert (name, comment.startswith("What was ordered on each day of the week")) == ("turnover_by_weekday", True)
    orders = home.rig.rows("select sum(orders) from extra.turnover_by_weekday")
    assert orders == home.rig.rows("select sum(orders) from reports.sales_daily")

    pages = home.rig.home / "published" / "dictionary"
    assert sorted(file.stem for file in pages.glob("extra.*")) == ["extra.turnover_by_weekday"]
    assert "weekday_turnover" in (pages / "extra.turnover_by_weekday.html").read_text()
    assert "extra.turnover_by_weekday.html" in (pages / "index.html").read_text()

    assert "weekday_turnover [reporting currency]" in home.says("metric", "list")
    ((monday,),) = home.rig.rows("select turnover from extra.turnover_by_weekday where weekday_no = 1")
    assert f"Monday,{monday}" in home.says("metric", "weekday_turnover", "--by", "weekday", "--format", "csv")
    exported = home.says("export", "table", "extra.turnover_by_weekday", "--to", str(home.folder.parent / "out.csv"))
    assert "7" in exported
    bundle = home.folder.parent / "bundle"
    home.says("bi", "bundle", "--to", str(bundle))
    dataset = (bundle / "datasets" / "stockbook" / "extra.turnover_by_weekday.yaml").read_text()
    assert "schema: extra\n" in dataset
    assert "metric_name: weekday_turnover" in dataset
    assert (bundle / "charts" / "own_turnover_by_weekday.yaml").exists()
    assert (bundle / "dashboards" / "own.yaml").exists()


def test_what_is_wrong_is_red_for_them_alone(home: Home) -> None:
    """The night is green and ours are as without a folder; report, alerts, page and doctor name file and line."""
    (report, *_) = home.reports
    assert report.status == "published"
    published = home.rig.home / "published" / "warehouse.duckdb"
    without = ("_run_id", "run_id", "published_at")
    for schema in ("staging", "marts"):
        assert hashes(published, schema, without) == hashes(home.before, schema, without)

    places = {
        "sql/reports/broken.sql line 2: extra.broken could not be built",
        "sql/reports/refused.yml line 5: extra.refused: 'nobody orders' does not hold, 1 row (for example",
        "sql/reports/reader.sql line 1: extra.reader is left out: extra.refused, which it reads, is.",
        "metrics/mine.yml line 1: relations.extra.turnover_by_weekday.metrics.turnover: the name 'turnover' is taken",
    }
    subjects = sorted(place.split(" line ")[0] for place in places)
    assert told(home.rig) == subjects
    assert {place for place in places if place in text(report)} == places
    summary = read_summary(home.rig.settings)
    assert summary is not None
    assert sorted(alert.subject for alert in summary.alerts if alert.rule == "own report") == subjects
    doctor = [line.text for line in lines(SystemClock(), None, home.environ) if not line.good]
    # what only a night can tell is not asked by doctor
    assert [line for line in doctor if str(home.folder) in line and "mine.yml line 1" in line]


def test_a_dictionary_that_theirs_cannot_be_in_is_written_of_ours(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that nobody foresaw: the morning report stays, the dictionary has ours, and a note says so."""
    folder = home.rig.home / "published"

    def unforeseen(published: Path, models_dir: Path, extra_dir: Path | None) -> dict[str, Table]:
        if extra_dir is not None:
            raise KeyError("something of theirs")
        return load(models_dir)

    with monkeypatch.context() as patch:
        patch.setattr(publish_files, "declared_in", unforeseen)
        notes = publish_files.write_report_files(home.rig.settings)
    assert notes == ["warning: own report, the data dictionary is of ours alone: an unexpected KeyError"]
    assert (folder / "report.html").exists()
    assert list((folder / "dictionary").glob("extra.*")) == []

    assert publish_files.write_report_files(home.rig.settings) == []
    assert [file.name for file in (folder / "dictionary").glob("extra.*")] == ["extra.turnover_by_weekday.html"]


def test_the_command_says_what_a_night_would(home: Home) -> None:
    """Over a copy of the published file: the same sentences and rows, code 1, and nothing is kept."""
    published = home.rig.home / "published" / "warehouse.duckdb"
    before = published.read_bytes()

    said = home.says("extra", "check", code=1)

    assert "ok  extra.turnover_by_weekday: 7 rows" in said
    for place in ("broken.sql line 2", "refused.yml line 5", "reader.sql line 1", "mine.yml line 1"):
        assert place in said
    assert published.read_bytes() == before
    assert not [file for file in published.parent.iterdir() if file.name.startswith(".open")]


def test_no_check_of_theirs_reaches_a_file_and_none_takes_for_ever(home: Home, tmp_path: Path) -> None:
    """What a check reads would stand in meta.check_result for all: refused; one that does not end is interrupted."""
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nxyzzy\n")
    rules = {
        "file": f"from read_csv('{secret}')",
        "long": "from range(9999999) as a, range(9999999) as b where a.range < -b.range",
    }
    for name, rows in rules.items():
        model(tmp_path / "own", name, COUNT, more=f'checks:\n  - {{name: holds, severity: fail, rows: "{rows}"}}\n')
    model(tmp_path / "own", "good", COUNT)
    settings = home.rig.settings
    limits = replace(settings.limits, seconds=2)

    examined = examine(replace(settings, extra_dir=tmp_path / "own", limits=limits))

    file, long = sorted(str(problem) for problem in examined.problems)
    assert file.startswith("sql/reports/file.yml line 5: extra.file: 'holds' could not be asked: Permission Error")
    assert long.startswith("sql/reports/long.yml line 5: extra.long: 'holds' could not be asked: INTERRUPT Error")
    assert "xyzzy" not in file
    assert list(examined.built) == ["extra.good"]


PAGE = (PROJECT / "docs" / "own_reports.md").read_text()


def settle(settings: Settings, run_id: str) -> None:
    """What `stockbook run` does behind the load, to books that were loaded."""
    tonight = Night(settings, SystemClock(), Silent())
    tonight.lock.take(run_id, whole_run_here=True)
    with held_open(settings):
        steps.settle(tonight, run_id)
    tonight.lock.release(run_id)


def test_the_page_can_be_followed_to_the_letter_and_outlives_an_upgrade(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its commands in their order, over the files it says to write; of `stockbook run` what comes behind the load.

    The program is of another version by then and its caches are empty: the example has the rows it had before, what was
    wrong in the folder before is gone with its alerts.
    """
    monkeypatch.chdir(tmp_path)
    environ = home.environ | {"STOCKBOOK_HOME": str(shutil.copytree(home.rig.home, tmp_path / "home"))}
    files = dict(re.findall(r"^`(own/[\w/.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    assert len(files) == 4
    said: dict[str, str] = {}
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                environ[name] = value
            elif line == "stockbook run":
                monkeypatch.setattr(content_marks, "VERSION", "99.0")
                for file in caches.root().glob("extra*.msgpack"):
                    file.unlink()
                settle(Settings.load(environ), home.reports[0].run_id)
            else:
                done = RUNNER.invoke(app, shlex.split(line)[1:], env=environ)
                assert done.exit_code == 0, (line, done.output, done.exception)
                said[line] = done.output
        for path, written in files.items():
            write(tmp_path, path, written)

    assert said["stockbook extra check"].count("ok  extra.") == 2
    assert "city_orders [orders]" in said["stockbook metric list"]
    assert (tmp_path / "superset" / "charts" / "city_orders_chart.yaml").exists()
    assert (tmp_path / "pages" / "extra.orders_by_city.html").exists()
    assert len((tmp_path / "cities.csv").read_text().splitlines()) > 2
    after = replace(home.rig, home=tmp_path / "home")
    example = "from extra.turnover_by_weekday order by all"
    assert after.rows(example) == home.rig.rows(example)
    assert told(after) == []
    marks = "select table_name from meta.content_mark where starts_with(table_name, 'extra.') order by 1"
    assert after.rows(marks) == [("extra.orders_by_city",), ("extra.turnover_by_weekday",)]
    published = tmp_path / "home" / "published" / "dictionary"
    assert sorted(file.name for file in published.glob("extra.*")) == [
        "extra.orders_by_city.html",
        "extra.turnover_by_weekday.html",
    ]


def test_with_the_setting_the_night_is_red(home: Home) -> None:
    """What can be told beforehand is refused when it opens, by file and line; a folder that is none always is."""
    settings = home.rig.settings
    with pytest.raises(ConfigError, match=r"metrics/mine\.yml line 1"):
        extra.require(replace(settings, extra_fails="night"))
    extra.require(settings)
    red = Night(replace(settings, extra_fails="night"), SystemClock(), Silent())
    run = context.read(settings, home.reports[0].run_id)
    built = BuildContext(run.as_of, run.run_id, run.tz, settings.policy_dir, red.tables)
    with pytest.raises(ModelFailed, match=r"sql/reports/broken\.sql line 2: extra\.broken could not be built"):
        extra.build(red, home.folder, built, StepDone("build", "running", 0, 0))
    with pytest.raises(CheckFailed, match=r"sql/reports/refused\.yml line 5: extra\.refused: 'nobody orders' does not"):
        extra.check(red, home.folder, run, StepDone("check_marts", "running", 0, 0), everything=False)
    with pytest.raises(ConfigError, match="STOCKBOOK_EXTRA_DIR must be a folder that exists"):
        extra.require(replace(settings, extra_dir=home.folder / "nowhere"))


def test_a_folder_that_is_named_no_more_leaves_nothing_behind(home: Home) -> None:
    """Without the setting the next build drops the schema and clears the alerts; the metrics are gone at once."""
    settings = replace(home.rig.settings, extra_dir=None)
    run = context.read(settings, home.reports[0].run_id)
    tables = Night(settings, SystemClock(), Silent()).tables
    assert told(home.rig) != []
    with writer(settings) as con:
        extra.forget(con, BuildContext(run.as_of, run.run_id, run.tz, settings.policy_dir, tables))
        alerts = "select 1 from reports.alerts where rule = 'own report' and cleared_as_of is null"
        assert con.execute(alerts).fetchall() == []
        assert con.execute("select 1 from duckdb_schemas() where schema_name = 'extra'").fetchall() == []

    said = RUNNER.invoke(app, ["metric", "list"], env=home.environ | {"STOCKBOOK_EXTRA_DIR": ""}).output
    assert "weekday_turnover" not in said
    assert "turnover [reporting currency]" in said
