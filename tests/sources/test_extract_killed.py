"""An extraction killed with SIGKILL at every page it lands, and run again: only what had not landed is asked for."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from forked import forks
from night_rig import Rig, nights_before

from stockbook import connections
from stockbook.landing.manifest import read_manifest
from stockbook.landing.pages import lines_of
from stockbook.night import steps
from stockbook.runs import context
from stockbook.runs.context import parse_parameters
from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.localtime import NEVER

pytestmark = pytest.mark.slow  # two extractions for every page

FIRST, LAST = nights_before(datetime(2025, 11, 20, 2, 15), 2)
NARROW = {"STOCKBOOK_ORDERS_WINDOW_DAYS": "1", "STOCKBOOK_MOVEMENTS_OVERLAP": "60",
          "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS": "1"}  # fmt: skip
Rows = dict[str, list[bytes]]


@dataclass
class Doomed:
    """Extractions of one night in forks of a process of their own."""

    server: Running
    ask: Callable[..., int]
    plans: list[str]

    def extract(self, into: Path, kill: int = 0) -> int:
        """Extract into a folder, killed at the given page; the number of requests that were answered."""
        self.server.reset_requests()
        assert self.ask(plans=self.plans, into=str(into), kill=kill) == (-signal.SIGKILL if kill else 0)
        return sum(self.server.requests().values())


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop that serves small pages."""
    shop = Shop.small(seed=5, places=8)
    shop.flickrocket.shipped[4:8] = NEVER  # open for months: they are followed one by one
    with running(shop, FIRST) as served:
        served.faults(
            [
                {"kind": "short_page", "rows": 25, "path": "*/warehouse-*"},
                {"kind": "short_page", "rows": 6, "path": "*/orders"},
            ]
        )
        yield served


@pytest.fixture(scope="module")
def doomed(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doomed]:
    """The plans of a night after a first one, with a month read again, documents to follow by id, one thread."""
    rig = Rig(server, tmp_path_factory.mktemp("home"), NARROW)
    rig.books(FIRST, build=False)
    server.set_clock(LAST)
    parameters = parse_parameters(
        {"as_of": LAST.isoformat(), "backfill_from": "2025-10-14", "backfill_to": "2025-10-15"}
    )
    run = steps.open_run(rig.tonight(), "last", parameters, connections.conn_ids_in_environment(rig.environ))
    plans = [str(context.folder(rig.settings, run.run_id) / f"plan-{conn_id}.json") for conn_id in run.conn_ids]
    one_thread = {
        name: value.replace('"max_connections": 4', '"max_connections": 1') for name, value in rig.environ.items()
    }
    with forks("killed_extract.py", os.environ | one_thread) as ask:
        yield Doomed(server, ask, plans)


def landed(folder: Path) -> Rows:
    """The rows of every complete listing, sorted."""
    lines_by_listing = {}
    for listing in sorted(folder.glob("main/*")):
        manifest = read_manifest(listing)
        assert manifest is not None
        assert {page.file for page in manifest.pages} == {file.name for file in listing.glob("page-*")}
        lines_by_listing[listing.name] = sorted(lines_of(listing, manifest.pages))
    return lines_by_listing


def pages(folder: Path) -> list[str]:
    """The pages on disk, as listing/file."""
    return sorted(str(file.relative_to(folder / "main")) for file in folder.rglob("page-*"))


def test_a_kill_at_any_page_costs_only_the_pages_not_landed(
    doomed: Doomed, tmp_path: Path, tell: Callable[[str, str], None]
) -> None:
    """
    Counted by the sandbox, for every page of every listing of both APIs: each page that was on disk is a request
    less, and what has landed in the end are the rows of a night that was not killed.
    """
    whole = tmp_path / "whole"
    requests = doomed.extract(whole)
    expected, every = landed(whole), pages(whole)
    assert {"fulfillment_cz.movements", "fulfillment_cz.orders", "flickrocket.fulfillments"} <= by_many_pages(every)
    struck = []
    for kill in range(1, len(every) + 1):
        folder = tmp_path / "killed"
        doomed.extract(folder, kill)
        had = pages(folder)
        (being_written,) = folder.rglob(".page-*")
        struck.append(being_written.parent.name)
        again = doomed.extract(folder)
        assert len(had) == kill - 1
        assert again <= requests - len(had), f"killed at page {kill}, of {struck[-1]}"
        assert landed(folder) == expected, f"killed at page {kill}, of {struck[-1]}"
        shutil.rmtree(folder)
    assert Counter(struck) == Counter(page.split("/")[0] for page in every)
    tell(
        "killed at every page",
        f"{len(every)} pages of {len(set(struck))} listings, {requests} requests when not killed",
    )


def by_many_pages(every: list[str]) -> set[str]:
    """The listings of more than two pages."""
    return {listing for listing, count in Counter(page.split("/")[0] for page in every).items() if count > 2}
