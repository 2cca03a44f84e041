"""
Nights that are killed: run as a program by the tests, each with a point at which it ends itself with SIGKILL.

``step`` is the one step of an opened night that runs, "" all of the night in one process. ``environ`` is the
environment of the night, and ``point`` one of two kinds: ``rename:<part>`` is the moment before a file whose path
contains the part is renamed, or linked, into place; ``progress:<start>`` the moment a piece of work whose name starts
so begins.
"""

import os
import sys

from forked import each_in_a_fork, kill_this_process
from night_rig import STEPS

from stockbook import connections
from stockbook.clock import SystemClock
from stockbook.night import extracting, loading, steps
from stockbook.progress import Silent
from stockbook.runs.context import parse_parameters
from stockbook.settings import Settings
from stockbook.valuation import versions


class KilledProgress(Silent):
    """Ends the process when the marked work begins."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if self._mark and name.startswith(self._mark):
            kill_this_process()


def run(step: str, point: str, as_of: str, name: str, environ: dict[str, str]) -> None:
    """A night, or a step of it, that does not outlive its point."""
    os.environ.clear()
    os.environ.update(environ)
    kind, _, mark = point.partition(":")

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        """Python tells of every rename and link before it happens."""
        if kind == "rename" and event in ("os.rename", "os.link") and mark in str(arguments[1]):
            kill_this_process()

    sys.addaudithook(watch)
    # most end before their checks
    extracting.prepare = loading.prepare = lambda _: None  # type: ignore[attr-defined]  # the one it imports
    night = steps.Night(Settings.load(), SystemClock(), KilledProgress(mark if kind == "progress" else ""))
    if step:
        # whose process dies with it, as that of a night in one process does
        night.lock.take(name, whole_run_here=True)
        STEPS[step](night, name)
    else:
        steps.run_all(night, name, parse_parameters({"as_of": as_of}), connections.conn_ids_in_environment())


if __name__ == "__main__":
    versions.load()
    each_in_a_fork(run)
