"""The charts of a page in words and figures of its locale: two with lines, and tables with a bar in each row."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from babel import Locale
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

from stockbook.morning.charts import Series, axis_of, lines
from stockbook.morning.summary import ChartPoints
from stockbook.morning.texts import Texts
from stockbook.morning.written import amount, day_of, whole_money

# the edges of a band, the upper one first
_BAND = ("possible", "sure")
_LEAST_STEP = {"share": 0.01}
_NAMED = {"backlog": "chart.bucket", "ageing": "chart.age"}


class Bar(NamedTuple):
    """A row of a table with bars; ``width`` is in percent of the longest."""

    label: str
    text: str
    share: str
    width: str


class Drawn(NamedTuple):
    """A chart with its words: ``svg`` or ``bars``; ``legend`` are the classes and names of its lines."""

    key: str
    title: str
    unit: str
    note: str
    svg: Markup
    legend: list[tuple[str, str]]
    bars: list[Bar]
    name_of_rows: str
    name_of_values: str


def drawn(chart: ChartPoints, currency: str, texts: Texts, locale: Locale) -> Drawn:
    """Draw a chart, or make a table of it."""
    title = texts(f"chart.{chart.key}")
    unit = currency if chart.form == "money" else texts(f"chart.unit.{chart.form}")
    if chart.kind == "bars":
        (series,) = {series for _, series, _ in chart.points} or {"value"}
        rows, values = texts(_NAMED[chart.key]), texts(f"series.{series}")
        return Drawn(chart.key, title, unit, "", Markup(), [], _bars(chart, currency, texts, locale), rows, values)
    drawn_lines = _series(chart)
    known_values = [value for points in drawn_lines.values() for _, value in points if value is not None]
    if not known_values:
        return Drawn(chart.key, title, unit, "", Markup(), [], [], "", "")

    def written(value: float) -> str:
        if chart.form == "share":
            return str(format_percent(value, "#,##0\xa0%", locale=locale))
        return str(format_decimal(round(value), locale=locale))

    axis = axis_of(known_values, _LEAST_STEP.get(chart.form, 1), 1.0 if chart.form == "share" else None)
    words = " ".join(_in_words(chart, name, points, currency, texts, locale) for name, points in drawn_lines.items())
    band = _BAND if chart.kind == "band" else None
    svg = lines(drawn_lines, axis, words, written, lambda day: day_of(day, texts.of_words, "MMMd"), band)
    note = "" if axis.begins_at_zero else texts("chart.axis_from", value=written(axis.ticks[0]))
    legend = [
        (f"line{number}", texts(f"series.{name}"))
        for number, name in enumerate(drawn_lines)
        if not band or name not in band
    ]
    return Drawn(
        chart.key, title, unit, note, svg, legend + ([("band", texts("series.band"))] if band else []), [], "", ""
    )


def _series(chart: ChartPoints) -> Series:
    series: Series = {}
    for x, name, value in chart.points:
        series.setdefault(name, []).append((x, value))
    return series


def _in_words(
    chart: ChartPoints,
    name: str,
    points: list[tuple[str, float | None]],
    currency: str,
    texts: Texts,
    locale: Locale,
) -> str:
    there = [(x, value) for x, value in points if value is not None]
    if not there:
        return ""
    number = _number(chart.form, currency, locale)
    (first_day, first), (last_day, last) = there[0], there[-1]
    return texts(
        "chart.line",
        name=texts(f"series.{name}"),
        first=number(first),
        first_day=day_of(date.fromisoformat(first_day), texts.of_words),
        last=number(last),
        last_day=day_of(date.fromisoformat(last_day), texts.of_words),
        least=number(min(value for _, value in there)),
        most=number(max(value for _, value in there)),
    )


def _bars(chart: ChartPoints, currency: str, texts: Texts, locale: Locale) -> list[Bar]:
    values = [value or 0 for _, _, value in chart.points]
    longest, total = max((abs(value) for value in values), default=0) or 1, sum(values)
    number = _number(chart.form, currency, locale)
    return [
        Bar(
            texts.code(chart.key, x),
            number(value) if value is not None else "–",
            str(format_percent((value or 0) / total, "#,##0.0\xa0%", locale=locale)) if total > 0 else "",
            f"{max(0, (value or 0) / longest * 100):.1f}",
        )
        for x, _, value in chart.points
    ]


def _number(form: str, currency: str, locale: Locale) -> Callable[[float], str]:
    if form == "money":
        return lambda value: whole_money(Decimal(str(value)), currency, locale)
    return lambda value: amount(Decimal(str(value)), form, currency, locale)
