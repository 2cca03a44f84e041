"""What long work says of itself in a log."""

import logging
from datetime import UTC, datetime

import pytest

from stockbook.clock import ManualClock
from stockbook.progress import Logged


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("rows", "work: 30 of 120 rows, 2 rows/s, 1.5 MB, 20 s"),
        ("days", "work: 30 of 120 days, 2 days/s, 20 s"),
    ],
)
def test_a_line_every_quarter_of_a_minute(unit: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """How much of what is done, how fast and for how long; bytes only of rows."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    logged = Logged(clock)

    with caplog.at_level(logging.INFO, "stockbook"):
        logged.start("work", 120, unit)
        clock.sleep(10)
        logged.advance("work", 20, bytes_=1_000_000)
        clock.sleep(10)
        logged.advance("work", 10, bytes_=500_000)

    assert caplog.messages == [said]
