"""A night killed with SIGKILL at any step, and run again."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from forked import forks
from night_rig import Kept, Rig
from shared_home import FIRST, SECOND, small_shop

from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # each point costs a killed night and a whole one

# step of the night -> where it is killed
POINTS = {
    "open, while its plans are written": "rename:plan-fulfillment_cz.json",
    "extract, in the middle of a listing": "rename:fulfillment_cz.orders/page-00003",
    "extract, before a listing says complete": "rename:fulfillment_cz.movements/manifest.json",
    "load, in the middle of its transaction": "progress:load main orders",
    "load, after its transaction": "rename:/loaded",
    "check_staging, while it is asked": "progress:check_staging",
    "build, in the middle of its transaction": "progress:marts.fct_order",
    "check_marts, while it is asked": "progress:check_marts",
    "publish, before the rename": "rename:published/warehouse.duckdb",
    "finish, before the report": "rename:report.json",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def first(server: Running, home_after_a_night: Path) -> Rig:
    """A home after the first night: copied, never written."""
    return Rig(server, home_after_a_night)


@pytest.fixture(scope="module")
def undisturbed(first: Rig, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The same home after an undisturbed second night."""
    rig = Rig(first.server, tmp_path_factory.mktemp("undisturbed") / "home")
    shutil.copytree(first.home, rig.home)
    rig.night(SECOND, name="second")
    return Kept(rig)


@pytest.fixture(scope="module")
def killed() -> Iterator[Callable[[Rig, str], int]]:
    """Runs the second night of a home up to a point at which it is killed; tells how its process ended."""
    with forks("killed_night.py") as ask:
        yield lambda rig, point: ask(
            point=point, as_of=SECOND.isoformat(), name="second", environ=os.environ | rig.environ
        )


@dataclass
class Killed:
    """A killed second night that ran again: what readers had in between, and the requests of both tries."""

    rig: Rig
    published_before: list[tuple[object, ...]]
    requests: tuple[int, int]


@pytest.fixture(scope="module")
def run_again(
    first: Rig, killed: Callable[[Rig, str], int], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Killed]:
    """The second night of a copy of the first home, killed at a point and run again; once for each point."""

    @cache
    def of(point: str) -> Killed:
        rig = Rig(first.server, tmp_path_factory.mktemp("killed") / "home")
        shutil.copytree(first.home, rig.home)
        rig.server.set_clock(SECOND)
        rig.server.reset_requests()
        assert killed(rig, point) == -signal.SIGKILL
        published_before = rig.rows("select run_id from meta.current_run")
        until_killed = sum(rig.server.requests().values())
        rig.server.reset_requests()
        rig.night(SECOND, name="again")
        return Killed(rig, published_before, (until_killed, sum(rig.server.requests().values())))

    return of


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_a_killed_night_run_again_gives_the_same_marts(
    undisturbed: Kept, run_again: Callable[[str], Killed], point: str
) -> None:
    """Readers have the night before until the second try is published; then everything equals the undisturbed night."""
    again = run_again(point)
    rig = again.rig

    assert again.published_before == [("second" if point == POINTS["finish, before the report"] else "first",)]
    assert rig.hashes() == undisturbed.hashes()
    assert rig.hashes("staging").keys() == undisturbed.hashes("staging").keys()
    left = sorted(file.name for file in rig.settings.published.parent.iterdir())
    assert left == ["dictionary", "report.html", "summary.json", "warehouse.duckdb"]


def test_what_had_landed_is_not_read_again(run_again: Callable[[str], Killed]) -> None:
    """After a kill when everything had landed the second try asks for nothing."""
    until_killed, after = run_again(POINTS["load, in the middle of its transaction"]).requests

    assert until_killed > 20
    assert after == 0
