"""What every step of a night is given: the settings, the clock, the progress, the connections and the lock."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook import connections, declaration_files
from stockbook.atomic_files import keep_private
from stockbook.clock import Clock
from stockbook.connections import RawConnection
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.progress import Progress
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.lock import RunLock
from stockbook.runs.step_log import StepDone, recorded
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.sources.http import RetryPolicy

_HAND_OVER_SECONDS = 0.0005


@dataclass(frozen=True)
class Night:
    """
    One night's surroundings. ``look_up`` finds a connection by its id.

    ``retries`` replaces the retry policy of the sources; tests shorten it. ``landed`` is told of each listing's folder
    once it is complete. ``events_of`` is the one account whose events are taken, and which stay in the inbox as taken
    until ``settle_events``; None: all accounts' events, which are marked as drained when staging has them.
    """

    settings: Settings
    clock: Clock
    progress: Progress
    look_up: Callable[[str], RawConnection | None] = connections.from_environment
    retries: "RetryPolicy | None" = None
    landed: Callable[[Path], None] | None = None
    events_of: str | None = None
    lock: RunLock = field(init=False)

    def __post_init__(self) -> None:
        keep_private(self.settings.group_readable)
        if self.settings.restoring.exists():
            raise ConfigError(
                f"A restore into {self.settings.home} was begun and not finished: run `stockbook restore` again. Until "
                "then nothing is read into these books and nothing is published."
            )
        lock = RunLock(self.settings.lock, self.clock, self.settings.lock_lease_seconds)
        object.__setattr__(self, "lock", lock)

    @property
    def tables(self) -> dict[str, Table]:
        """The declarations."""
        return declaration_files.load(self.settings.models_dir)

    @contextmanager
    def at(self, run: RunContext, step: str, of: str | None = None) -> Iterator[StepDone]:
        """Hold the run's lock and record the step."""
        folder = runs.folder(self.settings, run.run_id)
        with self.lock.step(run.run_id, step), recorded(folder, step, self.clock, of) as done, _handing_over_soon():
            yield done


@contextmanager
def _handing_over_soon() -> Iterator[None]:
    """
    Let a thread wait for another one's Python no longer than half a millisecond.

    A request takes the interpreter's lock a dozen times, a statement of the database once it is answered. With Python's
    own 5 ms for each, who asks waits longer for a thread that reads, imports or draws than for the answer.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, _HAND_OVER_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
