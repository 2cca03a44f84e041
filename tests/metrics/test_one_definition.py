"""One definition for every figure: wherever it is shown it is the same, and without it nothing shows it."""

import csv
import io
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from checkout import PROJECT
from night_rig import Rig
from shared_home import FIRST, small_shop
from typer.testing import CliRunner

import stockbook
from stockbook import declarations
from stockbook.bi import spec
from stockbook.bi.serve import FOLDER
from stockbook.cli.main import app
from stockbook.declarations import Table
from stockbook.dictionary import questions
from stockbook.errors import ConfigError, DeclarationError, QuestionRefused
from stockbook.metrics.files import Metrics, load
from stockbook.metrics.metric import PERIODS
from stockbook.metrics.question import Question
from stockbook.models.order import steps
from stockbook.morning.figures import FIGURES, first_and_last
from stockbook.morning.page import airflow_html, shown
from stockbook.morning.summary import read
from stockbook_sandbox import running

MODELS = PROJECT / "include" / "sql"


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """Those of the project."""
    return load(MODELS, tables)


@pytest.fixture(scope="module")
def rig(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night."""
    with running(small_shop(), FIRST) as server:
        yield Rig(server, Path(shutil.copytree(home_after_a_night, tmp_path_factory.mktemp("metrics") / "home")))


def of_command(rig: Rig, *words: str) -> list[dict[str, str]]:
    """The rows that ``stockbook metric`` writes as CSV."""
    result = CliRunner().invoke(app, ["metric", *words, "--format", "csv"], env=rig.environ, catch_exceptions=False)
    return list(csv.DictReader(io.StringIO(result.output)))


@pytest.mark.slow
def test_figures_of_the_morning_are_those_of_command_and_python(rig: Rig, metrics: Metrics) -> None:
    """Every figure of the report is in the page too, and to the last digit what the name gives anywhere else."""
    summary = read(rig.settings)
    assert summary is not None
    locale = Locale.parse("en_GB")
    page = airflow_html(summary, None, locale, {})
    for figure, value in zip(FIGURES, summary.figures, strict=True):
        from_, to = first_and_last(figure.days, FIRST.date())
        compare = "previous" if figure.form == "change" else None
        column = figure.metric + ("_change" if compare else "")
        days = [*(["--from", str(from_)] if from_ else []), *(["--to", str(to)] if to else [])]
        (row,) = of_command(rig, figure.metric, *days, *(["--compare", compare] if compare else []))
        answer = stockbook.metric(figure.metric, from_=from_, to=to, compare=compare, home=rig.home)
        (of_python,) = answer.to_arrow().column(column).to_pylist()

        assert (Decimal(row[column]) if row[column] else None) == value.value
        assert (None if of_python is None else Decimal(str(of_python))) == value.value
        assert f'data-figure="{figure.key}">{shown(value, summary.currency, locale)}<' in page
    assert sum(value.value is not None for value in summary.figures) > 10


@pytest.mark.slow
def test_charts_show_what_their_metrics_give(rig: Rig, tables: dict[str, Table], metrics: Metrics) -> None:
    """The SQL that Superset asks, by its x axis, gives the rows of the metric; money is drawn of whole amounts."""
    drawn = 0
    for chart in (c for d in spec.read(FOLDER / "dashboards.yml", tables, metrics).dashboards for c in d.charts):
        where = f"where {chart.where}" if chart.where else ""
        for measure in chart.measures:
            metric = metrics.of_figure(measure.metric)
            x = metric.periods[0] if chart.x == metric.time else str(chart.x)
            by = (x, *(name for name in metric.to_name if name != x))
            if metric.is_stored:
                continue
            rows = rig.rows(
                f"select {chart.x}, {measure.sql} from reports.{chart.report} {where} group by 1 order by 1"
            )
            # a range asked for by its name brings its bounds along
            answer = [row[:2] for row in rig.rows(Question((measure.metric,), by).sql(metrics))]
            if metric.form == "money":
                cents = 0 if chart.kind != "number" else 2
                rows, answer = rounded(rows, cents), rounded(answer, cents)
            assert rows == answer, measure.metric
            drawn += 1
    assert drawn > 15


def rounded(rows: list[tuple[Any, ...]], cents: int) -> list[tuple[Any, Any]]:
    """Amounts as a chart draws them."""
    return [(x, None if value is None else round(Decimal(value), cents)) for x, value in rows]


@pytest.mark.slow
def test_reports_have_the_figures_of_their_metrics(rig: Rig) -> None:
    """The rates of each day and method, the median, and the measures that rules compare."""
    daily = "select account, due_date, on_time_rate from reports.sla_daily order by all"
    by_day = of_rows(rig, "on_time_rate", by=["account", "day"])
    assert [(account, day, rate) for account, day, rate, *_ in by_day] == rig.rows(daily) != []

    monthly = "select account, due_month, delivery_name, on_time_rate_sure from reports.sla_by_delivery_method"
    worst = of_rows(rig, "on_time_rate_at_worst", by=["account", "month", "delivery_name"])
    of_methods = {(account, month, name): rate for account, month, name, rate in rig.rows(monthly)}
    assert {(account, month, name): rate for account, name, month, rate in worst if month} == {
        key: rate for key, rate in of_methods.items() if key[1]
    }
    ((overdue,),) = rig.rows("select sum(value)::bigint from reports.alert_measures where measure = 'overdue_orders'")
    assert of_rows(rig, "overdue_orders") == [(overdue,)]


def of_rows(rig: Rig, *names: str, by: list[str] | None = None) -> list[tuple[object, ...]]:
    """The rows of ``stockbook.metric``."""
    return [tuple(row.values()) for row in stockbook.metric(*names, by=by or [], home=rig.home).to_arrow().to_pylist()]


@pytest.mark.slow
def test_parts_add_up_where_a_metric_says_so_and_are_refused_where_not(rig: Rig, metrics: Metrics) -> None:
    """For every metric and dimension: the sum of the values is the whole, or it is no sum, or has to be named."""
    added = 0
    for metric in metrics.values():
        named = {name: str(value) for name in metric.to_name if (value := any_of(rig, metrics, metric.name, name))}
        for dimension in metric.by:
            only = {name: value for name, value in named.items() if name != dimension and name not in PERIODS}
            by = tuple(name for name in metric.to_name if name in PERIODS and name != dimension)
            if dimension in metric.to_name:
                with pytest.raises(QuestionRefused, match="do not add up"):
                    Question((metric.name,), by, only=only).sql(metrics)
                continue
            whole = sum(row[-1] or 0 for row in rig.rows(Question((metric.name,), by, only=only).sql(metrics)))
            parts = rig.rows(Question((metric.name,), (*by, dimension), only=only).sql(metrics))
            if metric.is_additive(dimension):
                assert sum(row[-1] or 0 for row in parts) == whole, (metric.name, dimension)
                added += 1
    assert added > 40


def any_of(rig: Rig, metrics: Metrics, metric: str, dimension: str) -> object:
    """A value of a dimension; None for a period."""
    if dimension in PERIODS:
        return None
    rows = rig.rows(f"select max({dimension}) from {metrics[metric].of}")
    return rows[0][0]


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
            steps(models, declarations.load(models))
    with pytest.raises(ConfigError, match="There is no metric"):
        Question(("on_time_rate" if subject == "promise" else "stock_value",)).sql(metrics)
