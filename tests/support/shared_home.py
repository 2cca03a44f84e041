"""Homes that take a whole night to get to, made once for all files of tests, whichever process of them comes first."""

import fcntl
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from night_rig import STEPS, Rig, nights_before

from stockbook import connections
from stockbook.night import steps
from stockbook.warehouse.connect import OPENING
from stockbook_sandbox import Shop, running

FIRST, SECOND, THIRD = nights_before(datetime(2025, 11, 20, 2, 15), 3)
NAME = "first"


def small_shop() -> Shop:
    """The shop whose first night the shared home has seen: the same one whenever it is made."""
    return Shop.small(seed=11)


def first_night(home: Path) -> None:
    """A home with one published night over the small shop."""
    with running(small_shop(), FIRST) as server:
        Rig(server, home).night(FIRST, name=NAME)


def copy_of(home: Path, place: Path) -> Path:
    """A home to write in, of one that others may be reading: a reader's folder in it comes and goes meanwhile."""
    return Path(shutil.copytree(home, place, ignore=shutil.ignore_patterns(f"{OPENING}*")))


def second_night(first: Path, folder: Path) -> None:
    """The second night of a copy of the first home: ``home`` after it, and what was before each step by its name."""
    with running(small_shop(), SECOND) as server:
        rig = Rig(server, copy_of(first, folder / "home"))
        tonight, ids = rig.tonight(), connections.conn_ids_in_environment(rig.environ)
        run = steps.open_run(tonight, "second", {"as_of": SECOND.isoformat()}, ids)
        for step, work in STEPS.items():
            shutil.copytree(rig.home, folder / step)
            work(tonight, run.run_id)


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process to ask makes while the others wait; to be copied, never written."""
    base = folders.getbasetemp()
    # each worker of xdist has a folder of its own in that of the whole run
    shared = base.parent if base.name.startswith("popen-") else base
    finished, part = shared / name, shared / f"{name}.part"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(finished)
    return finished
