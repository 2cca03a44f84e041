"""HTML of a summary: the morning report that opens from disk, and the body of the page inside Airflow."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment

from stockbook.morning.summary import Summary, Value
from stockbook.runs.lock import Holder
from stockbook.runs.report import Report
from stockbook.templates import templates_in

DASH = "–"
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def report_html(summary: Summary, locale: Locale) -> str:
    """The morning report: one file, nothing fetched from anywhere."""
    return _templates().get_template("report.html").render(_context(summary, locale))


def airflow_html(
    summary: Summary | None,
    last: Report | None,
    locale: Locale,
    links: dict[str, str],
    under_way: Holder | None = None,
) -> str:
    """
    The page inside Airflow: how the last run ended, and what is published.

    ``last`` is the newest run that ended, green or red; ``links`` are texts and addresses shown on top; ``under_way``
    is the run that holds the lock.
    """
    context = _context(summary, locale) if summary else {"summary": None, "locale": locale}
    page = _templates().get_template("airflow.html")
    return page.render(context, last=last, links=links, seconds=_seconds, under_way=under_way)


def problem_html(problem: str) -> str:
    """The page inside Airflow when there is no other: what was expected, and the next step."""
    return _templates().get_template("problem.html").render(problem=problem)


@cache
def _templates() -> Environment:
    return templates_in(Path(__file__).parent / "templates")


def _context(summary: Summary, locale: Locale) -> dict[str, object]:
    zone = ZoneInfo(summary.zone)

    def at(moment: datetime, local: bool = True) -> str:
        return format_datetime(moment, "medium", locale=locale) + (f" {zone.key}" if local else " UTC")

    # in the order of the figures
    parts = dict.fromkeys(figure.part for figure in summary.figures)
    return {
        "summary": summary,
        "locale": locale,
        "show": lambda value: shown(value, summary.currency, locale),
        "number": lambda count: format_decimal(count, locale=locale),
        "at": at,
        "month": lambda first: format_date(first, "LLLL y", locale=locale),
        "parts": {part: [figure for figure in summary.figures if figure.part == part] for part in parts},
        "published": at(summary.published_at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)),
    }


def _seconds(report: Report) -> str:
    return f"{report.seconds:.0f} s"


def shown(value: Value, currency: str, locale: Locale) -> str:
    """A figure as people write it where they are; a dash for one that is not known."""
    if value.value is None:
        return DASH
    if value.form == "share":
        return str(format_percent(value.value, "#,##0.0 %", locale=locale))
    if value.form == "count":
        return str(format_decimal(int(value.value), locale=locale))
    if value.form == "weight":
        # the sources count grams
        return f"{format_decimal(value.value / 1000, '#,##0.0', locale=locale)}\xa0kg"
    cents = value.value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = "+" if value.form == "change" and cents > 0 else ""
    # a currency without a sign of its own is written as its code, which needs a space before the digits
    return sign + _LETTER_BESIDE_DIGIT.sub(
        "\xa0", str(format_currency(cents, value.currency or currency, locale=locale))
    )
