"""
Nights that are killed: run as a program by the tests, each with a point at which it ends itself with SIGKILL.

A line of JSON asks for one: ``point``, ``as_of``, ``name``, and the ``environ`` of the process that runs it; how that
process ended is answered by a line. It is forked, since importing all that a night needs takes as long as a night.
``rename:<part>`` is the moment before a file whose path contains the part is renamed, or linked, into place;
``progress:<start>`` the moment a piece of work whose name starts so begins.
"""

import json
import os
import signal
import sys
import traceback

from stockbook import connections
from stockbook.checks import dialect, expectation
from stockbook.clock import SystemClock
from stockbook.night import steps
from stockbook.progress import Silent
from stockbook.runs.context import parse_parameters
from stockbook.settings import Settings
from stockbook.valuation import versions

IMPORTED_BY_NIGHTS = (dialect, expectation)


def kill_this_process() -> None:
    """No clean-up, no last words: what a power cut or the kernel's memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


class KilledProgress(Silent):
    """Ends the process when the marked work begins."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if self._mark and name.startswith(self._mark):
            kill_this_process()


def run(point: str, as_of: str, name: str, environ: dict[str, str]) -> None:
    """A night that does not outlive its point."""
    os.environ.clear()
    os.environ.update(environ)
    kind, _, mark = point.partition(":")

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        """Python tells of every rename and link before it happens."""
        if kind == "rename" and event in ("os.rename", "os.link") and mark in str(arguments[1]):
            kill_this_process()

    sys.addaudithook(watch)
    steps.run_all(
        steps.Night(Settings.load(), SystemClock(), KilledProgress(mark if kind == "progress" else "")),
        name,
        parse_parameters({"as_of": as_of}),
        connections.conn_ids_in_environment(),
    )


if __name__ == "__main__":
    versions.load()
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            try:
                run(**json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
