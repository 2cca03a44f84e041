"""The one request budget of an account, shared by all its threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stockbook.clock import Clock


class Budget:
    """
    At most ``per_second`` requests a second on average (0 = unlimited) and ``concurrency`` at once.

    ``burst`` requests may go out at once before the rate holds, as a leaky bucket lets them.
    """

    def __init__(self, clock: Clock, per_second: float, concurrency: int, burst: int = 1) -> None:
        """Start with an empty bucket."""
        self._clock = clock
        self._interval = 1.0 / per_second if per_second else 0.0
        self._head_start = self._interval * (burst - 1)
        self._places = threading.Semaphore(concurrency)
        self._lock = threading.Lock()
        self._due = clock.monotonic()
        self._closed_until = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Hold a place for one request; waits until the account may ask again."""
        with self._places:
            while (wait := self._wait()) > 0:
                self._clock.sleep(wait)
            yield

    def _wait(self) -> float:
        """Seconds until this request may go out; 0 takes its turn."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._closed_until:
                return self._closed_until - now
            due = max(self._due, now)
            wait = due - now - self._head_start
            if wait > 1e-9:
                return wait
            self._due = due + self._interval
            return 0.0

    def close_for(self, seconds: float) -> None:
        """Let no thread of the account ask for a while: the source said it is asked too much."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)
