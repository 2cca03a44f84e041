"""A figure as people see it: its value with the unit, what it was before, and its small line."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_percent
from markupsafe import Markup

from stockbook.morning.charts import sparkline
from stockbook.morning.summary import Summary, Value
from stockbook.morning.texts import Texts
from stockbook.morning.written import amount, day_of, points_of

_MORE, _LESS = "▲", "▼"


class Card(NamedTuple):
    """The words of a figure; ``tone`` is good or bad where its change is one of both."""

    key: str
    part: str
    label: str
    text: str
    unit: str
    wants_attention: bool
    arrow: str
    compared: str
    tone: str
    line: Markup


def card_of(value: Value, currency: str, texts: Texts, locale: Locale, words: dict[str, str]) -> Card:
    """``words`` are those of ``words_of``."""
    label, unit = label_of(value, texts), unit_of(value, texts, words)
    code = value.currency or currency
    arrow, compared = _compared(value, code, texts, locale)
    good = {("good", _MORE): "good", ("good", _LESS): "bad", ("bad", _MORE): "bad", ("bad", _LESS): "good"}
    return Card(
        value.key,
        value.part,
        label,
        amount(value.value, value.form, code, locale),
        unit,
        value.wants_attention,
        arrow,
        compared,
        good.get((value.up, arrow), ""),
        sparkline(value.points, _line(value, label, code, texts, locale)),
    )


def words_of(summary: Summary, texts: Texts) -> dict[str, str]:
    """What units speak of: the last whole day, the one before it, and what is said of VAT."""
    day = summary.as_of.date() - timedelta(days=1)
    return {
        "day": day_of(day, texts.of_words),
        "before": day_of(day - timedelta(days=1), texts.of_words),
        "vat": texts.code("vat", summary.vat),
    }


def label_of(value: Value, texts: Texts) -> str:
    """How a figure is called: by its own words, or by those of the catalogue."""
    return value.label or texts(f"figure.{value.key}")


def unit_of(value: Value, texts: Texts, words: dict[str, str]) -> str:
    """The unit behind it, in the form that its count asks for."""
    if value.label or not value.unit:
        return value.unit
    return texts(f"unit.{value.unit}", n=int(value.value or 0), **words)


def _compared(value: Value, currency: str, texts: Texts, locale: Locale) -> tuple[str, str]:
    """An arrow and the words of the change, or the words for what is not known."""
    monthly = "_month" if value.is_monthly else ""
    if not value.points or value.value is None:
        return "", texts("card.nothing")
    if value.before is None or value.before.value is None:
        return "", texts(f"card.unknown{monthly}", day=_when(_wanted(value), value, texts))
    day = _when(value.before.day, value, texts)
    if value.form == "change":
        # no line ends between a sign and its number
        was = amount(value.before.value, "change", currency, locale).replace("-", "-\u2060")
        return "", texts("card.was", day=day, amount=was)
    gained = value.value - value.before.value
    written = _difference(value, gained, value.before.value, currency, texts, locale)
    if not written:
        return "", texts(f"card.same{monthly}", day=day)
    key = "card.more" if gained > 0 else "card.less"
    return _MORE if gained > 0 else _LESS, texts(key + monthly, day=day, amount=written)


def _wanted(value: Value) -> date:
    last = value.points[-1].day
    return (last - timedelta(days=1)).replace(day=1) if value.is_monthly else last - timedelta(days=7)


def _difference(value: Value, gained: Decimal, before: Decimal, currency: str, texts: Texts, locale: Locale) -> str:
    """Of shares in points, of counts in full, of amounts in percent; empty where none would be seen."""
    if value.form == "share":
        return texts("count.points", points=points_of(gained, locale)) if _seen(gained) else ""
    if value.form == "count" or before <= 0:
        return amount(abs(gained), value.form, currency, locale) if gained else ""
    share = abs(gained / before)
    return str(format_percent(share, "#,##0.0\xa0%", locale=locale)) if _seen(share) else ""


def _seen(share: Decimal) -> bool:
    return bool(share.quantize(Decimal("0.001"), ROUND_HALF_UP))


def _when(day: date, value: Value, texts: Texts) -> str:
    return str(format_date(day, "LLLL y", locale=texts.of_words)) if value.is_monthly else day_of(day, texts.of_words)


def _line(value: Value, label: str, currency: str, texts: Texts, locale: Locale) -> str:
    there = [(point.day, point.value) for point in value.points if point.value is not None]
    if not there:
        return ""
    least, most = min(number for _, number in there), max(number for _, number in there)
    return texts(
        "card.line",
        label=label,
        first=_when(there[0][0], value, texts),
        last=_when(there[-1][0], value, texts),
        least=amount(least, value.form, currency, locale),
        most=amount(most, value.form, currency, locale),
    )
