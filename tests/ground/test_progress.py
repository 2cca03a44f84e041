"""What long work says of itself in a log."""

import logging
import subprocess
import sys
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


def test_a_night_in_a_pipe_tells_its_own_progress_only() -> None:
    """Of libraries warnings are heard; what they merely tell, even of every index in a query, is not."""
    said = """
import logging
from stockbook.cli.nights import progress_of
from stockbook.clock import SystemClock
from stockbook.models.reads import reads_of
with progress_of(SystemClock()) as progress:
    reads_of("select list_value(1)[1] from marts.t", "a model")
    logging.getLogger("some_library").info("chatter")
    logging.getLogger("some_library").warning("trouble")
    progress.note("ours")
"""
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)

    assert done.stderr.splitlines() == ["trouble", "ours"]
