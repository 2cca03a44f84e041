"""HTML of a summary: the morning report that opens from disk, and the body of the page inside Airflow."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment
from markupsafe import Markup

from stockbook.morning.cards import Card, card_of, words_of
from stockbook.morning.drawn import drawn
from stockbook.morning.sentences import sentences
from stockbook.morning.summary import Summary
from stockbook.morning.texts import Texts
from stockbook.morning.written import long_day, shown
from stockbook.runs.lock import Holder
from stockbook.runs.report import Report
from stockbook.templates import templates_in

__all__ = ["airflow_html", "problem_html", "report_html", "shown"]
# what somebody wrote in English stands so in a page of another language, and says it
_ENGLISH = Markup(' lang="en"')


def report_html(summary: Summary, locale: Locale, texts: Texts | None = None) -> str:
    """The morning report: one file, nothing fetched from anywhere."""
    context = _words(locale, texts) | _context(summary, locale, texts or Texts(locale))
    return _templates().get_template("report.html").render(context)


def airflow_html(
    summary: Summary | None,
    last: Report | None,
    locale: Locale,
    links: dict[str, str],
    under_way: Holder | None = None,
    texts: Texts | None = None,
) -> str:
    """
    The page inside Airflow: how the last run ended, and what is published.

    ``last`` is the newest run that ended, green or red; ``links`` are the addresses shown on top by the keys of their
    texts; ``under_way`` is the run that holds the lock.
    """
    context = _words(locale, texts)
    context |= _context(summary, locale, texts or Texts(locale)) if summary else {"summary": None}
    page = _templates().get_template("airflow.html")
    return page.render(context, last=last, links=links, under_way=under_way)


def problem_html(problem: str, locale: Locale | None = None, texts: Texts | None = None) -> str:
    """The page inside Airflow when there is no other: what was expected, and the next step."""
    context = _words(locale or Locale.parse("en_GB"), texts)
    return _templates().get_template("problem.html").render(context, problem=problem)


@cache
def _templates() -> Environment:
    return templates_in(Path(__file__).parent / "templates")


def _words(locale: Locale, catalogue: Texts | None) -> dict[str, object]:
    """What every page is written with."""
    texts = catalogue or Texts(locale)
    return {
        "t": texts.markup,
        "code": texts.code,
        "language": texts.language,
        "english": "" if texts.language == "en" else _ENGLISH,
        "number": lambda count: format_decimal(count, locale=locale),
        "moment": lambda at: format_datetime(at.replace(tzinfo=None), "medium", locale=locale),
    }


def _context(summary: Summary, locale: Locale, texts: Texts) -> dict[str, object]:
    zone = ZoneInfo(summary.zone)

    def at(moment: datetime, local: bool = True) -> str:
        return format_datetime(moment, "medium", locale=locale) + (f" {zone.key}" if local else " UTC")

    words = words_of(summary, texts)
    cards = [card_of(value, summary.currency, texts, locale, words) for value in summary.figures]
    return {
        "summary": summary,
        "today": long_day(summary.as_of.date(), texts.of_words),
        "sentences": sentences(summary.answer, summary.currency, texts, locale) if summary.answer else [],
        "parts": _by_part(cards),
        "charts": [drawn(chart, summary.currency, texts, locale) for chart in summary.charts],
        "most_received": max((row.received for row in summary.listings), default=0) or 1,
        "oldest_hours": max((row.age_hours for row in summary.oldest), default=0) or 1,
        "at": at,
        "month": lambda first: format_date(first, "LLLL y", locale=texts.of_words),
        "published": at(summary.published_at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)),
    }


def _by_part(cards: list[Card]) -> dict[str, list[Card]]:
    # in the order of the figures
    parts = dict.fromkeys(card.part for card in cards)
    return {part: [card for card in cards if card.part == part] for part in parts}
