"""
Nights of a fleet's account that are killed: run as a program by the tests, each with a point at which it ends itself.

``point`` is one of ``points``. With the word ``quick`` nights are those of ``quick_night``, which import little. Checks
are left out: they change no row. Where ``email`` is named somebody is forgotten in place of a night.
"""

import os
import sys

import quick_night
from forked import each_in_a_fork, kill_this_process
from points import arm

from stockbook.checks import process
from stockbook.clock import SystemClock
from stockbook.erasure.spelling import Kind
from stockbook.fleet import forgetting
from stockbook.fleet import run as runs
from stockbook.fleet.work import Fleet
from stockbook.night import steps
from stockbook.places import of_this_machine
from stockbook.progress import Silent
from stockbook.valuation import versions

QUICK = "quick" in sys.argv


def run(point: str, as_of: str, name: str, account: str, environ: dict[str, str], email: str = "") -> None:
    """A night that does not outlive its point."""
    os.environ.clear()
    os.environ.update(environ)
    steps.check = lambda *_: None  # type: ignore[assignment]  # the one replaced
    process.start = lambda: None
    if QUICK:
        quick_night.use()
    arm(point, kill_this_process)
    places = of_this_machine()
    fleet = Fleet.load(SystemClock(), Silent(), places.look_up, places.conn_ids)
    if email:
        forgetting.forget(fleet, Kind.email, email, account)
        return
    done = runs.account_night(fleet, name, account, {"as_of": as_of})
    print(done, file=sys.stderr)


if __name__ == "__main__":
    if not QUICK:
        versions.load()
    each_in_a_fork(run)
