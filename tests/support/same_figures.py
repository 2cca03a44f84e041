"""A figure is the same wherever it is shown: each function compares one place with the metric, to the last digit."""

import csv
import io
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
from babel import Locale
from night_rig import Rig
from typer.testing import CliRunner

import stockbook
from stockbook.bi import spec
from stockbook.bi.serve import FOLDER
from stockbook.cli.main import app
from stockbook.declarations import Table
from stockbook.metrics.files import Metrics
from stockbook.metrics.question import Question
from stockbook.morning.figures import FIGURES, first_and_last
from stockbook.morning.page import airflow_html, shown
from stockbook.morning.summary import read


def of_the_morning(rig: Rig, last: date) -> None:
    """Every figure of the report is in the page too, and to the last digit what the name gives anywhere else."""
    summary = read(rig.settings)
    assert summary is not None
    locale = Locale.parse("en_GB")
    page = airflow_html(summary, None, locale, {})
    for figure, value in zip(FIGURES, summary.figures, strict=True):
        from_, to = first_and_last(figure.days, last)
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


def of_charts(rig: Rig, tables: dict[str, Table], metrics: Metrics) -> None:
    """The SQL that Superset asks, by its x axis, gives the rows of the metric; money is drawn of whole amounts."""
    drawn = 0
    # opening the file takes longer than most answers
    with duckdb.connect(str(rig.settings.published), read_only=True) as con:
        for chart in (c for d in spec.read(FOLDER / "dashboards.yml", tables, metrics).dashboards for c in d.charts):
            where = f"where {chart.where}" if chart.where else ""
            for measure in chart.measures:
                metric = metrics.of_figure(measure.metric)
                x = metric.periods[0] if chart.x == metric.time else str(chart.x)
                by = (x, *(name for name in metric.to_name if name != x))
                if metric.is_stored:
                    continue
                rows = con.execute(
                    f"select {chart.x}, {measure.sql} from reports.{chart.report} {where} group by 1 order by 1"
                ).fetchall()
                # a range asked for by its name brings its bounds along
                answer = [row[:2] for row in con.execute(Question((measure.metric,), by).sql(metrics)).fetchall()]
                # a day without the figure: a chart has it without a value, the metric has no row
                rows, answer = ([row for row in side if row[1] is not None] for side in (rows, answer))
                if metric.form == "money":
                    cents = 0 if chart.kind != "number" else 2
                    rows, answer = rounded(rows, cents), rounded(answer, cents)
                assert rows == answer, measure.metric
                drawn += 1
    assert drawn > 15


def of_reports(rig: Rig) -> None:
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


def of_command(rig: Rig, *words: str) -> list[dict[str, str]]:
    """The rows that ``stockbook metric`` writes as CSV."""
    result = CliRunner().invoke(app, ["metric", *words, "--format", "csv"], env=rig.environ, catch_exceptions=False)
    return list(csv.DictReader(io.StringIO(result.output)))


def of_rows(rig: Rig, *names: str, by: list[str] | None = None) -> list[tuple[object, ...]]:
    """The rows of ``stockbook.metric``."""
    return [tuple(row.values()) for row in stockbook.metric(*names, by=by or [], home=rig.home).to_arrow().to_pylist()]


def rounded(rows: list[tuple[Any, ...]], cents: int) -> list[tuple[Any, Any]]:
    """Amounts as a chart draws them: half up, as the database rounds."""
    unit = Decimal(1).scaleb(-cents)
    return [(x, None if value is None else Decimal(value).quantize(unit, ROUND_HALF_UP)) for x, value in rows]
