"""How figures and days are written: by the locale, with the currency and the unit people know."""

import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency, format_decimal, format_percent

from stockbook.morning.summary import Value

DASH = "–"
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def shown(value: Value, currency: str, locale: Locale) -> str:
    """A figure as people write it where they are; a dash for one that is not known."""
    return amount(value.value, value.form, value.currency or currency, locale)


def amount(value: Decimal | None, form: str, currency: str, locale: Locale) -> str:
    """A number of a form; ``change`` is money with its sign."""
    if value is None:
        return DASH
    if form == "share":
        return str(format_percent(value, "#,##0.0\xa0%", locale=locale))
    if form == "count":
        return str(format_decimal(int(value), locale=locale))
    if form == "weight":
        # the sources count grams
        return f"{format_decimal(value / 1000, '#,##0.0', locale=locale)}\xa0kg"
    cents = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = "+" if form == "change" and cents > 0 else ""
    return sign + _apart(format_currency(cents, currency, locale=locale))


def whole_money(value: Decimal | int, currency: str, locale: Locale) -> str:
    """An amount without its small change."""
    pattern = locale.currency_formats["standard"].pattern.replace(".00", "")
    rounded = Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)
    return _apart(format_currency(rounded, currency, pattern, locale=locale, currency_digits=False))


def signed(value: Decimal | int, locale: Locale) -> str:
    """A whole number with its sign."""
    return str(format_decimal(value, "+#,##0;-#,##0", locale=locale))


def points_of(share: Decimal, locale: Locale) -> str:
    """A difference of shares in percentage points, without its sign."""
    return str(format_decimal(abs(share) * 100, "#,##0.0", locale=locale))


def day_of(day: date, locale: Locale, skeleton: str = "MMMEd") -> str:
    """A day with its weekday, in few letters, on one line."""
    return str(format_skeleton(skeleton, day, locale=locale)).replace(" ", "\xa0")


def long_day(day: date, locale: Locale) -> str:
    """A day in full, as a heading has it."""
    return str(format_date(day, "full", locale=locale))


def _apart(text: str) -> str:
    # a currency without a sign of its own is written as its code, which needs a space before the digits
    return _LETTER_BESIDE_DIGIT.sub("\xa0", str(text))
