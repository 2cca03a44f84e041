"""A night killed with SIGKILL at any step, and run again."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import proof_size
import pytest
from forked import forks
from night_rig import Kept, Rig
from shared_home import FIRST, SECOND, small_shop

from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # each point costs a killed step and a whole night


class Point(NamedTuple):
    """
    Where a night is killed; ``step`` is the one that runs in the process that is killed, "" all of the night.

    The second try goes on ``until`` nothing is left of the kill. Before a load it leaves pages: once these are staging
    as ever, the night has no more of it. In a load it leaves rows of staging, until marts are built of them as ever.
    """

    at: str
    step: str = ""
    until: Literal["load", "build", "finish"] = "finish"


# some whole, as `stockbook run` goes; of the others the step alone, as Airflow has it
POINTS = {
    "open, while its plans are written": Point("rename:plan-fulfillment_cz.json", until="load"),
    "extract, in the middle of a listing": Point("rename:fulfillment_cz.orders/page-00003", "extract", "load"),
    "extract, before a listing says complete": Point(
        "rename:fulfillment_cz.movements/manifest.json", "extract", "load"
    ),
    "load, in the middle of its transaction": Point("progress:load main orders", until="build"),
    "load, after its transaction": Point("rename:/loaded", "load", "build"),
    "check_staging, while it is asked": Point("progress:check_staging", "check_staging"),
    "build, in the middle of a model": Point("progress:marts.fct_order"),
    "check_marts, while it is asked": Point("progress:check_marts", "check_marts"),
    "publish, before the rename": Point("rename:published/warehouse.duckdb", "publish"),
    "finish, before the report": Point("rename:report.json", "finish"),
}
# in every run of the tests: those that leave most behind
TRIED = {
    name: point
    for name, point in POINTS.items()
    if proof_size.LARGE or ("listing says" not in name and "asked" not in name)
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def undisturbed(server: Running, second_by_step: Path) -> Kept:
    """A second night without a kill."""
    return Kept(Rig(server, second_by_step / "home"))


@pytest.fixture(scope="module")
def killed() -> Iterator[Callable[[Rig, Point], int]]:
    """Runs the second night of a home up to a point at which it is killed; tells how its process ended."""
    with forks("killed_night.py") as ask:
        yield lambda rig, point: ask(
            step=point.step, point=point.at, as_of=SECOND.isoformat(), name="second", environ=os.environ | rig.environ
        )


@dataclass
class Killed:
    """A killed second night that ran again: what readers had in between, and the requests of both tries."""

    rig: Rig
    published_before: list[tuple[object, ...]]
    requests: tuple[int, int]


@pytest.fixture(scope="module")
def run_again(
    home_after_a_night: Path,
    second_by_step: Path,
    server: Running,
    killed: Callable[[Rig, Point], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Point], Killed]:
    """The second night of a copy of the first home, killed at a point and run again; once for each point."""

    @cache
    def of(point: Point) -> Killed:
        home = tmp_path_factory.mktemp("killed") / "home"
        before = second_by_step / point.step if point.step else home_after_a_night
        rig = Rig(server, Path(shutil.copytree(before, home)))
        rig.server.set_clock(SECOND)
        rig.server.reset_requests()
        assert killed(rig, point) == -signal.SIGKILL
        published_before = rig.rows("select run_id from meta.current_run")
        until_killed = sum(rig.server.requests().values())
        rig.server.reset_requests()
        if until(point) == "finish":
            rig.night(SECOND, name="again")
        else:
            rig.books(SECOND, name="again", build=until(point) == "build")
        return Killed(rig, published_before, (until_killed, sum(rig.server.requests().values())))

    return of


def until(point: Point) -> str:
    """The last step of the second try: the end, or as far as the kill could reach."""
    return "finish" if proof_size.LARGE else point.until


@pytest.mark.parametrize("point", TRIED.values(), ids=TRIED.keys())
def test_a_killed_night_run_again_gives_the_same_marts(
    undisturbed: Kept, run_again: Callable[[Point], Killed], point: Point
) -> None:
    """Readers have the night before until the second try is published; then everything equals the undisturbed night."""
    again = run_again(point)
    rig = again.rig

    assert again.published_before == [("second" if point.step == "finish" else "first",)]
    assert rig.staged() == undisturbed.staged()
    if until(point) != "load":
        assert rig.marts() == undisturbed.marts()
    if until(point) == "finish":
        assert rig.hashes() == undisturbed.hashes()
        assert rig.hashes("staging").keys() == undisturbed.hashes("staging").keys()
        left = sorted(file.name for file in rig.settings.published.parent.iterdir())
        assert left == ["dictionary", "report.html", "summary.json", "warehouse.duckdb"]


def test_what_had_landed_is_not_read_again(run_again: Callable[[Point], Killed]) -> None:
    """After a kill when everything had landed the second try asks for nothing."""
    until_killed, after = run_again(POINTS["load, in the middle of its transaction"]).requests

    assert until_killed > 20
    assert after == 0
