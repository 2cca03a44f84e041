"""What holds within every step of a night."""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from night_rig import KEY

from stockbook.clock import ManualClock
from stockbook.errors import ConfigError
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.runs.context import RunContext
from stockbook.settings import Settings

NOW = datetime(2026, 2, 24, 2, 15, tzinfo=UTC)


def test_threads_of_a_step_hand_the_interpreter_over_soon(tmp_path: Path) -> None:
    """A step's threads wait for each other's Python less than other programs' do; after a red one all is as it was."""
    variables = {"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY}
    night = Night(Settings.load(variables), ManualClock(NOW), Silent())
    run = RunContext("run", NOW.replace(tzinfo=None), "UTC", NOW, "night", True, False, None, None, ())
    night.lock.take(run.run_id, whole_run_here=True)
    before = within = sys.getswitchinterval()
    with suppress(ConfigError), night.at(run, "load"):
        within = sys.getswitchinterval()
        raise ConfigError("red")
    assert within <= before / 10
    assert sys.getswitchinterval() == before
