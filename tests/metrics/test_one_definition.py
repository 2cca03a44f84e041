"""One definition for every figure: wherever it is shown it is the same, and without it nothing shows it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import same_figures
from checkout import PROJECT
from night_rig import Rig
from same_figures import of_command
from shared_home import FIRST, copy_of, small_shop

from stockbook import declaration_files
from stockbook.bi import spec
from stockbook.bi.serve import FOLDER
from stockbook.declarations import Table
from stockbook.dictionary import questions
from stockbook.errors import ConfigError, DeclarationError, QuestionRefused
from stockbook.metrics.files import Metrics, load
from stockbook.metrics.metric import PERIODS
from stockbook.metrics.question import Question
from stockbook.models.order import steps
from stockbook.morning.figures import FIGURES
from stockbook.warehouse.readers import reader
from stockbook_sandbox import running

MODELS = PROJECT / "include" / "sql"


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """Those of the project."""
    return load(MODELS, tables)


@pytest.fixture(scope="module")
def rig(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night; its file stays open, as opening it takes longer than most questions."""
    home = copy_of(home_after_a_night, tmp_path_factory.mktemp("metrics") / "home")
    with running(small_shop(), FIRST) as server:
        rig = Rig(server, home)
        with duckdb.connect(str(rig.settings.published), read_only=True):
            yield rig


@pytest.mark.slow
def test_a_figure_is_the_same_in_morning_report_page_command_and_python(rig: Rig) -> None:
    """Every figure of the report is in the page too, and to the last digit what the name gives anywhere else."""
    same_figures.of_the_morning(rig, FIRST.date())


@pytest.mark.slow
def test_charts_show_what_their_metrics_give(rig: Rig, tables: dict[str, Table], metrics: Metrics) -> None:
    """The SQL that Superset asks gives the rows of the metric; test_bi.py reads them in the browser."""
    same_figures.of_charts(rig, tables, metrics)


@pytest.mark.slow
def test_reports_have_the_figures_of_their_metrics(rig: Rig) -> None:
    """The rates of each day and method, the median, and the measures that rules compare."""
    same_figures.of_reports(rig)


@pytest.mark.slow
def test_parts_add_up_where_a_metric_says_so_and_are_refused_where_not(rig: Rig, metrics: Metrics) -> None:
    """For every metric and dimension: the sum of the values is the whole, or it is no sum, or has to be named."""
    added = 0
    with reader(rig.settings.published) as con:
        for metric in metrics.values():
            named = {name: str(value) for name in metric.to_name if (value := any_of(con, metrics, metric.name, name))}
            if any(name not in PERIODS and name not in named for name in metric.to_name):
                continue  # of a relation without rows there is nothing to choose: no month is closed here
            for dimension in metric.by:
                only = {name: value for name, value in named.items() if name != dimension and name not in PERIODS}
                by = tuple(name for name in metric.to_name if name in PERIODS and name != dimension)
                if dimension in metric.to_name:
                    with pytest.raises(QuestionRefused, match="do not add up"):
                        Question((metric.name,), by, only=only).sql(metrics)
                    continue
                whole = values(con, Question((metric.name,), by, only=only).sql(metrics))
                parts = values(con, Question((metric.name,), (*by, dimension), only=only).sql(metrics))
                if metric.is_additive(dimension):
                    assert sum(parts) == sum(whole), (metric.name, dimension)
                    added += 1
    assert added > 40


def values(con: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """The last column of an answer, 0 where it is NULL."""
    return [row[-1] or 0 for row in con.execute(query).fetchall()]


def any_of(con: duckdb.DuckDBPyConnection, metrics: Metrics, metric: str, dimension: str) -> object:
    """A value of a dimension; None for a period."""
    if dimension in PERIODS:
        return None
    return con.execute(f"select max({dimension}) from {metrics[metric].of}").fetchall()[0][0]


@pytest.mark.slow
def test_a_question_answered_by_name_gives_what_the_command_gives(rig: Rig) -> None:
    """docs/queries.md names metrics; the dictionary's query has the rows of the command."""
    weekly = next(question for question in questions.read() if question.text.startswith("Do parcels leave on time"))
    words = ["orders_due", "on_time", "late", "overdue", "unknown", "on_time_rate", "--by", "week"]

    rows = of_command(rig, *words)

    assert [tuple(row.values()) for row in rows] == [
        tuple("" if value is None else str(value) for value in row) for row in rig.rows(weekly.sql)
    ]


@pytest.mark.parametrize("subject", ["promise", "stock"])
def test_a_definition_that_is_deleted_is_missed_everywhere(
    subject: str, tmp_path: Path, tables: dict[str, Table]
) -> None:
    """Report models, dashboards and the morning report name what is missing; none has a definition of its own."""
    shutil.copytree(MODELS, tmp_path / "sql")
    shutil.copytree(PROJECT / "include" / "metrics", tmp_path / "metrics")
    (tmp_path / "metrics" / f"{subject}.yml").unlink()
    metrics, models = load(tmp_path / "sql", tables), tmp_path / "sql"

    with pytest.raises(DeclarationError, match="There is no metric"):
        spec.read(FOLDER / "dashboards.yml", tables, metrics)
    with pytest.raises(DeclarationError, match="There is no metric"):
        [figure.sql(metrics, FIRST.date()) for figure in FIGURES]
    if subject == "promise":
        with pytest.raises(DeclarationError, match="There is no metric"):
            steps(models, declaration_files.load(models))
    with pytest.raises(ConfigError, match="There is no metric"):
        Question(("on_time_rate" if subject == "promise" else "stock_value",)).sql(metrics)
