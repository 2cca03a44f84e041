"""
Nights of a fleet's account that are killed: run as a program by the tests, each with a point at which it ends itself.

A line of JSON asks for one: ``point``, ``as_of``, ``name``, ``account`` and the ``environ`` of the process that runs
it; how that process ended is answered by a line. It is forked, since importing all that a night needs takes long.
``before:<module>:<name>`` is the moment before a function is called, ``after:…`` the one in which it has returned;
``@<text>`` behind it counts only calls whose arguments contain the text. Checks are left out: they change no row.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from stockbook.checks import dialect, expectation
from stockbook.clock import SystemClock
from stockbook.fleet import run as runs
from stockbook.fleet.work import Fleet
from stockbook.night import steps
from stockbook.places import of_this_machine
from stockbook.progress import Silent
from stockbook.valuation import versions

IMPORTED_BY_NIGHTS = (dialect, expectation)


def kill_this_process() -> None:
    """No clean-up, no last words: what a power cut or the kernel's memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(function: Callable[..., Any], when: str, mark: str) -> Callable[..., Any]:
    """The function, and the end of the process before or after it."""

    def called(*arguments: Any, **named: Any) -> Any:
        is_meant = mark in repr(arguments)
        if when == "before" and is_meant:
            kill_this_process()
        value = function(*arguments, **named)
        if is_meant:
            kill_this_process()
        return value

    return called


def arm(point: str) -> None:
    """Make the point deadly."""
    when, module, rest = point.split(":", 2)
    path, _, mark = rest.partition("@")
    place: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for owner in owners:
        place = getattr(place, owner)
    setattr(place, name, deadly(getattr(place, name), when, mark))


def run(point: str, as_of: str, name: str, account: str, environ: dict[str, str]) -> None:
    """A night that does not outlive its point."""
    os.environ.clear()
    os.environ.update(environ)
    steps.check = lambda *_: None  # type: ignore[assignment]  # the one replaced
    arm(point)
    places = of_this_machine()
    fleet = Fleet.load(SystemClock(), Silent(), places.look_up, places.conn_ids)
    done = runs.account_night(fleet, name, account, {"as_of": as_of})
    print(done, file=sys.stderr)


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
