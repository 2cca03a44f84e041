"""One run at a time in a home."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockbook.clock import ManualClock
from stockbook.errors import ConfigError, RunLocked
from stockbook.runs.lock import DRAIN, RunLock

START = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)


@pytest.fixture
def lock(tmp_path: Path) -> RunLock:
    """A lock with a lease of 300 seconds."""
    return RunLock(tmp_path / "home" / "run.lock", ManualClock(START), 300)


def test_a_second_run_is_refused_while_a_step_is_at_work(lock: RunLock, tmp_path: Path) -> None:
    """The refusal names the run under way, its step and what to do; the first run is not disturbed."""
    lock.take("first")
    other = RunLock(tmp_path / "home" / "run.lock", ManualClock(START), 300)

    with (
        lock.step("first", "load"),
        pytest.raises(RunLocked, match=r"Run first is under way \(at step load.*Wait for it"),
    ):
        other.take("second")

    holder = lock.holder()
    assert holder is not None
    assert holder.run_id == "first"


def test_a_run_between_two_steps_keeps_its_lease(lock: RunLock) -> None:
    """Without waiting, a run that ended a step a moment ago is not taken over."""
    lock.take("first")

    with pytest.raises(RunLocked, match="between two steps"):
        lock.take("second", wait=False)


def test_a_run_that_never_goes_on_is_taken_over_after_its_lease(tmp_path: Path) -> None:
    """Waiting ends when the lease has run out, and the old run cannot go on then."""
    clock = ManualClock(START)
    lock = RunLock(tmp_path / "run.lock", clock, 300)
    lock.take("first")

    lock.take("second")

    assert (clock.utc() - START).total_seconds() == 300
    with (
        pytest.raises(RunLocked, match=r"first no longer holds the lock.*second took over"),
        lock.step("first", "load"),
    ):
        pytest.fail("a step ran without the lock")


def test_a_clock_that_was_set_back_keeps_no_lock_for_longer_than_a_lease(tmp_path: Path) -> None:
    """A run that lay between two steps when the clock went back two days is taken over at once, and stops there."""
    lock = RunLock(tmp_path / "run.lock", ManualClock(START), 300)
    lock.take("first")
    later = RunLock(tmp_path / "run.lock", ManualClock(START - timedelta(days=2)), 300)

    later.take("second", wait=False)

    with pytest.raises(RunLocked, match="second took over"), lock.step("first", "load"):
        pytest.fail("a step ran without the lock")


def test_who_holds_the_lock_is_said_in_words(tmp_path: Path) -> None:
    """Free, at work, between two steps, and left behind by a run that was killed: four different sentences."""
    clock = ManualClock(START)
    lock = RunLock(tmp_path / "run.lock", clock, 300)
    states = [lock.state()]
    lock.take("first")
    states.append(lock.state())
    with lock.step("first", "load"):
        states.append(lock.state())
    clock.sleep(301)
    states.append(lock.state())

    assert states == [
        "free",
        "held by run first, between two steps: if it does not go on, the next run may take it over in 300 s",
        "held by run first, at work at load",
        "left behind by run first, which is not at work any more: the next run takes it over",
    ]


def test_the_same_run_may_take_the_lock_again(lock: RunLock) -> None:
    """Opening a run again, as a retried task does, goes on with it."""
    lock.take("first")
    lock.take("first", wait=False)

    with lock.step("first", "load"):
        pass


def test_steps_of_one_run_work_side_by_side(lock: RunLock, tmp_path: Path) -> None:
    """Two accounts are read at the same time."""
    lock.take("first")
    twin = RunLock(tmp_path / "home" / "run.lock", ManualClock(START), 300)

    with lock.step("first", "extract"), twin.step("first", "extract"):
        holder = lock.holder()

    assert holder is not None
    assert holder.step == "extract"


def test_a_killed_run_is_taken_over_at_once(tmp_path: Path) -> None:
    """The kernel drops a dead process's part of the lock, so nobody waits for a lease."""
    program = f"""
import sys
from pathlib import Path
from stockbook.clock import SystemClock
from stockbook.runs.lock import RunLock
lock = RunLock(Path({str(tmp_path / "run.lock")!r}), SystemClock(), 300)
lock.take("first")
with lock.step("first", "load"):
    print("at work", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        process.send_signal(signal.SIGKILL)
        process.wait()

    lock = RunLock(tmp_path / "run.lock", ManualClock(datetime.now(UTC)), 300)
    lock.take("second", wait=False)

    holder = lock.holder()
    assert holder is not None
    assert holder.run_id == "second"


def test_a_run_whose_only_process_died_between_two_steps_is_taken_over_at_once(tmp_path: Path) -> None:
    """A run that lives in one process ends with it; no lease is waited for."""
    program = f"""
from pathlib import Path
from stockbook.clock import SystemClock
from stockbook.runs.lock import RunLock
RunLock(Path({str(tmp_path / "run.lock")!r}), SystemClock(), 300).take("first", whole_run_here=True)
"""
    subprocess.run([sys.executable, "-c", program], check=True)

    RunLock(tmp_path / "run.lock", ManualClock(datetime.now(UTC)), 300).take("second", wait=False)


def test_a_released_lock_is_free(lock: RunLock) -> None:
    """After the run let go, another takes it at once; releasing what one does not hold does nothing."""
    lock.take("first")
    lock.release("second")
    lock.release("first")

    lock.take("third", wait=False)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error says which folder and that it must be writable."""
    (tmp_path / "file").write_text("")
    lock = RunLock(tmp_path / "file" / "run.lock", ManualClock(START), 300)

    with pytest.raises(ConfigError, match="STOCKBOOK_HOME must be a folder that can be written"):
        lock.take("first")


def test_a_night_waits_for_a_drain_at_work_and_a_drain_for_nobody(tmp_path: Path) -> None:
    """A drain is short: the night takes the lock once it is over. The drain refuses at once beside anything."""
    ending = ExitStack()

    class Ending(ManualClock):
        def sleep(self, seconds: float) -> None:
            ending.close()
            super().sleep(seconds)

    clock = Ending(START)
    draining, lock = (RunLock(tmp_path / "run.lock", clock, 300) for _ in range(2))
    draining.take("drain", wait=False)
    ending.callback(draining.release, "drain")
    ending.enter_context(draining.step("drain", DRAIN))
    with pytest.raises(RunLocked):
        lock.take("another-drain", wait=False)

    lock.take("night")

    holder = lock.holder()
    assert holder is not None
    assert holder.run_id == "night"


def test_a_drain_takes_over_nothing_that_may_go_on(tmp_path: Path) -> None:
    """A night of several processes keeps the lock past its lease; one that died with its process does not."""
    clock = ManualClock(START)
    lock = RunLock(tmp_path / "run.lock", clock, 300)
    lock.take("night")
    clock.sleep(86_400)
    with pytest.raises(RunLocked, match="night"):
        lock.take("drain", wait=False, take_over=False)
    lock.release("night")

    program = f"""
import os
from pathlib import Path
from stockbook.clock import SystemClock
from stockbook.runs.lock import RunLock
RunLock(Path({str(tmp_path / "run.lock")!r}), SystemClock(), 300).take("dead", whole_run_here=True)
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    lock.take("drain", wait=False, take_over=False)
    assert (holder := lock.holder()) is not None
    assert holder.run_id == "drain"
