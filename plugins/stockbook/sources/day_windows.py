"""Cutting documents into parts that are complete in themselves: days of creation, batches of ids."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta


def days(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def joined(windows: Sequence[tuple[date, date]]) -> list[tuple[date, date]]:
    """Windows of days (both ends included) in order, those that touch or overlap made one."""
    windows_joined: list[tuple[date, date]] = []
    for first, last in sorted(windows):
        if windows_joined and first <= windows_joined[-1][1] + timedelta(days=1):
            windows_joined[-1] = (windows_joined[-1][0], max(windows_joined[-1][1], last))
        else:
            windows_joined.append((first, last))
    return windows_joined


def first_day(count_until: Callable[[date], int], last: date, earliest: date = date(2000, 1, 1)) -> date | None:
    """
    The first day with documents, None when there are none up to ``last``.

    ``count_until(day)`` is the number of documents up to and including a day; asked about twenty times.
    """
    if not count_until(last):
        return None
    step, low, high = 32, earliest - timedelta(days=1), last
    while high - timedelta(days=step) > low:
        probe = high - timedelta(days=step)
        if not count_until(probe):
            low = probe
            break
        high, step = probe, step * 4
    while (high - low).days > 1:
        probe = low + (high - low) // 2
        if count_until(probe):
            high = probe
        else:
            low = probe
    return high


def batches(ids: Sequence[str], size: int = 40) -> Iterator[list[str]]:
    """The ids in batches small enough for a URL (40 UUIDs make about 1.7 KB)."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
