"""How long each class of things is kept, read from ``retention.yml`` of the policy folder."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import msgspec

from stockbook.errors import ConfigError, Problems
from stockbook.policy_file import PolicyFile
from stockbook.settings import Settings

FILE = "retention.yml"
LEAST = {
    "landed_pages_days": 0,
    "inbox_days": 3,
    "runs_days": 35,
    "quarantine_months": 1,
    "stock_levels_daily_months": 2,
    "personal_years": 1,
}
_MOST = 10_000
# where these were said before there was the file; they hold where it is silent
_VARIABLES = {"landed_pages_days": "STOCKBOOK_LANDING_DAYS", "inbox_days": "STOCKBOOK_INBOX_DAYS"}


class Written(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What stands in the file; None of what does not."""

    landed_pages_days: int | None = None
    inbox_days: int | None = None
    runs_days: int | None = None
    quarantine_months: int | None = None
    stock_levels_daily_months: int | None = None
    personal_years: int | None = None


class Retention(msgspec.Struct, frozen=True):
    """What holds. None is for ever."""

    landed_pages_days: int
    inbox_days: int
    runs_days: int | None = None
    quarantine_months: int | None = None
    stock_levels_daily_months: int | None = None
    personal_years: int | None = None

    def personal_before(self, now: datetime) -> date | None:
        """Orders of before this day tell of nobody any more: the first of a month, so that it moves once a month."""
        return None if self.personal_years is None else months_before(now.date(), 12 * self.personal_years)


def read(policy_dir: Path) -> Written:
    """
    What ``retention.yml`` of a folder says; nothing where there is none.

    Raises ConfigError naming file, line, field, what was expected and what came.
    """
    if not (policy_dir / FILE).exists():
        return Written()
    file = PolicyFile(policy_dir / FILE)
    written = file.read(Written)
    problems = Problems()
    for name, least in LEAST.items():
        value = getattr(written, name)
        with problems.gathered():
            if value is not None and not least <= value <= _MOST:
                raise file.refusal((name,), f"expected a whole number from {least} to {_MOST}, got {value}")
    problems.settle()
    return written


def of(settings: Settings) -> Retention:
    """
    What holds in a home: the file, where it is silent the variable of before, else the default.

    Raises ConfigError where the file is wrong, or file and variable disagree.
    """
    written = read(settings.policy_dir)
    _refuse_two_places(written, settings.written)
    days = {"landed_pages_days": settings.landing_days, "inbox_days": settings.inbox_days}
    said = {name: value for name, value in msgspec.structs.asdict(written).items() if value is not None}
    return Retention(**(days | said))


def _refuse_two_places(written: Written, variables: Mapping[str, str]) -> None:
    problems = Problems()
    for name, variable in _VARIABLES.items():
        value, said = getattr(written, name), variables.get(variable)
        with problems.gathered():
            if value is not None and said and float(said) != value:
                raise ConfigError(
                    f"{variable} says {said} and {name} of {FILE} says {value}: {FILE} is the place, unset the "
                    "variable."
                )
    problems.settle()


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before that of a day."""
    number = day.year * 12 + day.month - 1 - months
    return date(max(number // 12, 1), number % 12 + 1, 1)
