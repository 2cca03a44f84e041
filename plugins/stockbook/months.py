"""Months as people write them, and where they begin and end."""

import re
from datetime import date, timedelta

from stockbook.errors import ConfigError


def month_of(text: str) -> date:
    """The first day of a month written ``2026-10``. Raises ConfigError."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text.strip()):
            return date.fromisoformat(f"{text.strip()}-01")
    except ValueError:
        pass
    raise ConfigError(f"A month must be written as 2026-10 (YYYY-MM); got {text!r}.")


def month_after(first: date) -> date:
    """The first day of the month after the one that begins on ``first``."""
    return (first + timedelta(days=31)).replace(day=1)


def last_day(first: date) -> date:
    """The last day of the month that begins on ``first``."""
    return month_after(first) - timedelta(days=1)
