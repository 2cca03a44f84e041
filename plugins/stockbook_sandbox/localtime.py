"""
Whole arrays between UTC and the wall clock of Europe/Prague, and the warehouse's working hours.

Instants are int64 seconds since 1970 in UTC. A local time is the same number read as if it were
UTC: what a clock on the wall shows, without a zone.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ZONE = ZoneInfo("Europe/Prague")
DAY = 86_400
NEVER = np.int64(2**62)

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks have no zone here
_FIRST_YEAR, _LAST_YEAR = 1997, 2060


def _last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


@cache
def _transitions() -> tuple[Ints, Ints]:
    """Instants at which the offset changes and the offset from then on (the first one holds before it, too)."""
    changes = [(day_number(date(_FIRST_YEAR - 1, 12, 1)) * DAY, 3600)]
    for year in range(_FIRST_YEAR, _LAST_YEAR + 1):
        for month, offset in ((3, 7200), (10, 3600)):
            changes.append((day_number(_last_sunday(year, month)) * DAY + 3600, offset))
    return np.array([at for at, _ in changes], dtype=np.int64), np.array([by for _, by in changes], dtype=np.int64)


def _offset(utc: Ints) -> Ints:
    at, by = _transitions()
    return by[np.maximum(np.searchsorted(at, utc, side="right") - 1, 0)]


def seconds(naive: datetime) -> int:
    """A naive datetime as seconds since 1970, read as if it were UTC."""
    return int((naive - _EPOCH).total_seconds())


def to_local(utc: Ints) -> Ints:
    """Wall clock of instants. NEVER stays larger than any time."""
    utc = np.asarray(utc, dtype=np.int64)
    return utc + _offset(utc)


def to_utc(local: Ints, fold: int | Ints = 0) -> Ints:
    """
    Instants of wall-clock times.

    ``fold`` chooses the pass of the hour that comes twice, as in ``datetime``. A time in the hour
    that is skipped in March is read with the offset before it, as ``zoneinfo`` does.
    """
    local = np.asarray(local, dtype=np.int64)
    summer, winter = local - 7200, local - 3600
    is_summer = _offset(summer) == 7200
    is_winter = _offset(winter) == 3600
    second_pass = np.broadcast_to(np.asarray(fold, dtype=np.int64), local.shape) == 1
    return np.where(is_summer & ~(is_winter & second_pass), summer, winter)


def utc_of(local: datetime) -> int:
    """The instant of a naive local datetime (its ``fold`` counts), or of an aware one."""
    if local.tzinfo is not None:
        return seconds(local.astimezone(UTC).replace(tzinfo=None))
    return int(to_utc(np.array([seconds(local.replace(fold=0))]), local.fold)[0])


def local_of(utc: int) -> datetime:
    """The wall clock at an instant, naive, with ``fold`` set in the second pass of a repeated hour."""
    local = int(to_local(np.array([utc]))[0])
    wall_clock = _EPOCH + timedelta(seconds=local)
    return wall_clock.replace(fold=int(to_utc(np.array([local]))[0] != utc))


def wall_text(utc: Ints) -> list[str]:
    """Instants as ``Y-m-d H:i:s`` of the wall clock, the way the warehouse prints them."""
    texts = np.datetime_as_string(to_local(utc).astype("datetime64[s]"))
    return [text.replace("T", " ") for text in texts.tolist()]


def utc_text(utc: Ints) -> list[str]:
    """Instants as ``Y-m-dTH:i:s`` in UTC, the way FlickRocket prints them."""
    texts: list[str] = np.datetime_as_string(np.asarray(utc).astype("datetime64[s]")).tolist()
    return texts


def day_text(day: int) -> str:
    """``Y-m-d`` of a local day counted from 1970-01-01."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def day_number(day: date) -> int:
    """A local day counted from 1970-01-01."""
    return (day - date(1970, 1, 1)).days


class WorkingHours:
    """Monday to Friday 08:00 to 18:00 local, without Czech public holidays."""

    OPENS, CLOSES = 8 * 3600, 18 * 3600

    def __init__(self, first: date, last: date) -> None:
        """Work out the days ``first`` to ``last``; times outside them are errors of the caller."""
        import holidays

        closed = holidays.country_holidays("CZ", years=range(first.year, last.year + 1))
        self._first = day_number(first)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self._works = np.array([day.weekday() < 5 and day not in closed for day in days])
        self._before = np.concatenate([[0], np.cumsum(self._works * (self.CLOSES - self.OPENS))]).astype(np.int64)

    def add(self, local: Ints, seconds_: Ints) -> Ints:
        """The local time at which ``seconds_`` of working time have passed since ``local``."""
        day = local // DAY - self._first
        today = np.clip(local % DAY - self.OPENS, 0, self.CLOSES - self.OPENS) * self._works[day]
        target = self._before[day] + today + seconds_
        index = np.searchsorted(self._before, target, side="right") - 1
        reached: Ints = (index + self._first) * DAY + self.OPENS + target - self._before[index]
        return reached

    def nearest_day(self, day: Ints) -> Ints:
        """The first working day at or after each local day (counted from 1970-01-01)."""
        return self.add(day * DAY, np.zeros_like(day)) // DAY
