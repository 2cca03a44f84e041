"""
A night that is killed: run as a program by the tests, with a point at which it ends itself with SIGKILL.

``rename:<part>`` is the moment before a file whose path contains the part is renamed, or linked, into place;
``progress:<start>`` the moment a piece of work whose name starts so begins.
"""

import os
import signal
import sys

from stockbook import connections
from stockbook.clock import SystemClock
from stockbook.night import steps
from stockbook.progress import Silent
from stockbook.runs.context import parse_parameters
from stockbook.settings import Settings

POINT, AS_OF, NAME = sys.argv[1:4]
KIND, _, MARK = POINT.partition(":")


def kill_this_process() -> None:
    """No clean-up, no last words: what a power cut or the kernel's memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


class KilledProgress(Silent):
    """Ends the process when the marked work begins."""

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if KIND == "progress" and name.startswith(MARK):
            kill_this_process()


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Python tells of every rename and link before it happens."""
    if KIND == "rename" and event in ("os.rename", "os.link") and MARK in str(arguments[1]):
        kill_this_process()


sys.addaudithook(watch)
clock = SystemClock()
steps.run_all(
    steps.Night(Settings.load(), clock, KilledProgress()),
    NAME,
    parse_parameters({"as_of": AS_OF}),
    connections.conn_ids_in_environment(),
)
