"""
Where time comes from.

Facts and observations use the run's ``as_of``; operational times (``finished_at``, token
expiry, ``Retry-After``) use a clock object handed in by whoever starts the work. This module
is the only place in the package that reads the system's clock.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

APART: Final = timedelta(hours=1)
"""How far two clocks may differ that are both said to be right."""


class Clock(Protocol):
    """What operational code may ask of time."""

    def utc(self) -> datetime:
        """Now, as an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to, or when someone sleeps on it: for tests."""

    def __init__(self, start: datetime) -> None:
        """Start at an aware datetime."""
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0

    def utc(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds


def local(clock: Clock, zone: ZoneInfo) -> datetime:
    """The clock's now as naive wall-clock time of ``zone``, whole seconds."""
    return clock.utc().astimezone(zone).replace(tzinfo=None, microsecond=0)
