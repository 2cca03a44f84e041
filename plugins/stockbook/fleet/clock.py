"""One time for all workers: a clock that runs as the machine's, and shows what the control database's shows."""

from datetime import datetime, timedelta

from stockbook.clock import Clock


class SharedClock:
    """``base``, put right by what it was off when the work began."""

    def __init__(self, base: Clock, shared_now: datetime) -> None:
        """``shared_now`` (aware) is what all workers agree on."""
        self._base = base
        self.off: timedelta = shared_now - base.utc()

    def utc(self) -> datetime:
        return self._base.utc() + self.off

    def monotonic(self) -> float:
        return self._base.monotonic()

    def sleep(self, seconds: float) -> None:
        self._base.sleep(seconds)
