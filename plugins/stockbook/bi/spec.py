"""
What the dashboards show, read from ``bi/superset/dashboards.yml``.

A chart names a table of ``reports``, the metrics that are shown and how they are drawn; everything Superset
needs beside that (SQL, ids, layout, column types, descriptions) is derived.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.declarations import REPORTING_CURRENCY, VALUATION_CURRENCY, Table
from stockbook.errors import DeclarationError
from stockbook.metrics.files import Metrics

TIME_TYPES = ("date", "timestamp")
Kind = Literal["number", "line", "bar", "stacked", "ranked", "table"]


def relation_of(report: str) -> str:
    """The qualified name of a report: one of ours is known by its name, one of a user's own as ``extra.<name>``."""
    return report if "." in report else f"reports.{report}"


class Currencies(NamedTuple):
    """The codes of the currencies that stock is valued in and that sales are added up in."""

    valuation: str
    reporting: str

    def named(self, text: str) -> str:
        """The text with the codes where it speaks of the currencies."""
        return text.replace(VALUATION_CURRENCY, self.valuation).replace(REPORTING_CURRENCY, self.reporting)


class Measure(msgspec.Struct, forbid_unknown_fields=True):
    """A figure: its name on the chart, the metric it is, and the aggregate that follows from it."""

    label: str
    metric: str
    sql: str = ""


class Chart(msgspec.Struct, forbid_unknown_fields=True):
    """
    One chart.

    ``number``, ``line`` and ``stacked`` run over the time column ``x`` (``grain`` is an ISO 8601
    duration); ``bar`` compares the values of ``x`` in the order of ``sort`` (a column of theirs);
    ``ranked`` the same, the largest first; ``table`` lists ``columns`` ordered by ``sort`` (a column,
    with a leading ``-`` for descending). ``where`` is an SQL condition on the report: of a table its own, else that
    of its metrics. ``format`` is a d3 number format that never writes two ticks of an axis alike. ``time`` is the
    column that the period filter reaches where ``x`` is none; without one the chart is of the last night, whatever the
    period. ``fixed`` names columns that ``where`` has decided: a filter of theirs would leave nothing.
    """

    key: str
    title: str
    says: str
    kind: Kind
    report: str
    x: str | None = None
    measures: list[Measure] = []
    columns: list[str] = []
    where: str | None = None
    sort: str | None = None
    grain: str = "P1D"
    format: str = ",.2~f"
    unit: str = ""
    time: str | None = None
    fixed: list[str] = []
    width: int = 6
    height: int = 50
    rows: int = 1000

    @property
    def relation(self) -> str:
        """The qualified name of its report."""
        return relation_of(self.report)

    @property
    def is_over_time(self) -> bool:
        """Whether ``x`` is a time."""
        return self.kind in ("number", "line", "stacked")

    @property
    def period(self) -> str | None:
        """The column that the period filter reaches."""
        return self.x if self.is_over_time else self.time

    @property
    def is_money(self) -> bool:
        """Whether it shows amounts of the valuation currency."""
        return self.unit == VALUATION_CURRENCY


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    """A filter of a dashboard: the period, or the values of ``column`` as ``report`` has them."""

    name: str
    column: str | None = None
    report: str | None = None

    def reaches(self, chart: Chart, tables: dict[str, Table]) -> bool:
        """Whether the chart can be filtered so: its report has the column, or a time of its own for the period."""
        if self.column is None:
            return chart.period is not None
        return self.column in tables[chart.relation].columns and self.column not in chart.fixed


class Dashboard(msgspec.Struct, forbid_unknown_fields=True):
    """One dashboard: rows of charts whose widths add up to at most twelve."""

    key: str
    title: str
    intro: str
    filters: list[Filter]
    rows: list[list[Chart]]

    @property
    def charts(self) -> list[Chart]:
        """All charts, top left to bottom right."""
        return [chart for row in self.rows for chart in row]

    def beyond(self, wanted: Filter, tables: dict[str, Table]) -> list[Chart]:
        """The charts that a filter does not reach: they are taken out of its scope, and the page names them."""
        return [chart for chart in self.charts if not wanted.reaches(chart, tables)]


class Spec(msgspec.Struct, forbid_unknown_fields=True):
    """
    All dashboards. ``headings`` are the headings of columns whose names do not read as one, by the name; ``codes`` name
    the columns whose values are words tied by underscores, which are shown as words.
    """

    dashboards: list[Dashboard]
    headings: dict[str, str] = {}
    codes: list[str] = []


def read(file: Path, tables: dict[str, Table], metrics: Metrics, taken: Iterable[str] = ()) -> Spec:
    """
    Read and hold against declarations and metrics. Raises DeclarationError naming dashboard, chart and field.

    ``taken`` are keys of dashboards and charts that there are already.
    """
    try:
        spec = msgspec.convert(yaml_file.read(file), Spec)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise DeclarationError(f"{file.name} cannot be read: {error}") from error
    there = {name for table in tables.values() for name in table.columns}
    for name in (*spec.headings, *spec.codes):
        if name not in there:
            raise DeclarationError(f"{file.name}: there is no column {name} to be shown otherwise.")
    seen = set[str](taken)
    for dashboard in spec.dashboards:
        for chart in dashboard.charts:
            if chart.key in seen:
                raise DeclarationError(f"{file.name}: the key {chart.key!r} is given twice; ids are made of it.")
            seen.add(chart.key)
            _hold(file, chart, tables)
            if chart.kind != "table":
                _measure(file, chart, metrics)
        if dashboard.key in seen:
            raise DeclarationError(f"{file.name}: the key {dashboard.key!r} of a dashboard is given twice.")
        seen.add(dashboard.key)
        for row in dashboard.rows:
            if sum(chart.width for chart in row) > 12:
                raise DeclarationError(f"{file.name}: a row of {dashboard.key} is wider than twelve columns.")
        for wanted in dashboard.filters:
            if wanted.column is not None:
                _column(file, f"filter {wanted.name}", wanted.report or "", wanted.column, tables)
    return spec


def _hold(file: Path, chart: Chart, tables: dict[str, Table]) -> None:
    named = list(chart.columns)
    columns = tables[chart.relation].columns if chart.relation in tables else {}
    if chart.kind == "table":
        named += [chart.sort.lstrip("-")] if chart.sort else []
    elif chart.x is None or not chart.measures:
        raise DeclarationError(f"{file.name}: chart {chart.key} needs x and measures to be drawn as {chart.kind}.")
    else:
        named += [chart.x, *([chart.sort] if chart.sort else [])]
    if chart.kind in ("bar", "ranked"):
        if chart.x in columns and columns[chart.x].type in TIME_TYPES:
            raise DeclarationError(f"{file.name}: chart {chart.key} draws the times of {chart.x} as names.")
        if chart.sort in columns and columns[chart.sort].type not in ("bigint", "integer"):
            raise DeclarationError(f"{file.name}: chart {chart.key} is ordered by {chart.sort}, which is no number.")
    for column in [*named, *chart.fixed, *([chart.period] if chart.period else [])]:
        _column(file, f"chart {chart.key}", chart.report, column, tables)
    if chart.period and tables[chart.relation].columns[chart.period].type not in TIME_TYPES:
        raise DeclarationError(f"{file.name}: chart {chart.key} takes {chart.period} for a time, which it is not.")


def _measure(file: Path, chart: Chart, metrics: Metrics) -> None:
    """Give the measures of a chart their SQL, and the chart the condition that all of them have."""
    if chart.where or any(measure.sql for measure in chart.measures):
        raise DeclarationError(f"{file.name}: chart {chart.key} carries SQL of its own: a measure names a metric.")
    try:
        shown = [metrics.of_figure(measure.metric) for measure in chart.measures]
    except DeclarationError as error:
        raise DeclarationError(f"{file.name}: chart {chart.key}: {error}") from error
    for metric in shown:
        if metric.of != chart.relation:
            raise DeclarationError(
                f"{file.name}: chart {chart.key} reads {chart.report}, and the metric {metric.name} is of {metric.of}."
            )
        if chart.x not in (*metric.by, metric.time):
            raise DeclarationError(f"{file.name}: chart {chart.key}: {metric.name} cannot be cut by {chart.x}.")
        if metric.type == "last" and chart.grain != "P1D":
            raise DeclarationError(f"{file.name}: chart {chart.key}: days of the balance {metric.name} do not add up.")
    if len({metric.unit for metric in shown}) > 1:
        units = ", ".join(f"{metric.name} in {metric.unit}" for metric in shown)
        raise DeclarationError(f"{file.name}: chart {chart.key} draws several units on one axis: {units}.")
    is_shared = len({metric.where for metric in shown}) == 1
    chart.where = (shown[0].where or None) if is_shared else None
    for measure, metric in zip(chart.measures, shown, strict=True):
        whole = metric.aggregate(measure.metric, "" if is_shared else metric.where)
        if metric.form == "money":
            # a number is written without cents, lines and bars are drawn of whole amounts
            whole = f"{whole}::double" if chart.kind == "number" else f"round({whole})::double"
        measure.sql = whole


def _column(file: Path, where: str, report: str, column: str, tables: dict[str, Table]) -> None:
    relation = relation_of(report)
    table = tables.get(relation)
    if table is None:
        raise DeclarationError(f"{file.name}: {where} reads {relation}, which is not declared.")
    if column not in table.columns:
        raise DeclarationError(f"{file.name}: {where} names the column {column}, which {relation} does not have.")
