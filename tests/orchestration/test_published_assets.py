"""What DAGs of other teams are told of a published night: which day it is of, and whether anything came."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.orchestration.published_assets import WHOLE, tell
from stockbook.runs import context as runs
from stockbook.runs.step_log import ListingDone, recorded
from stockbook.settings import Settings


class Outlets:
    """The outlets of a task by their addresses, each with an event to be filled in, as Airflow has them."""

    def __init__(self, *uris: str) -> None:
        self.assets = [SimpleNamespace(uri=uri) for uri in uris]
        self.events = {uri: SimpleNamespace(extra={}, keys=[]) for uri in uris}
        for event in self.events.values():
            event.add_partitions = event.keys.append

    def __getitem__(self, asset: SimpleNamespace) -> SimpleNamespace:
        return self.events[asset.uri]


@pytest.mark.parametrize(("new", "changed", "gone"), [(3, 2, 1), (0, 0, 0)])
def test_an_event_has_the_nights_day_and_says_what_came(
    new: int, changed: int, gone: int, tmp_path: Path, clock: ManualClock
) -> None:
    """A subject's is of the partition of its day, the whole file's of none; an idle night says 0 rows."""
    settings, run = Settings.load({"STOCKBOOK_HOME": str(tmp_path)}), a_run("2026-03-01T02:15:00", "night-1")
    runs.save(settings, run)
    with recorded(runs.folder(settings, run.run_id), "load", clock) as done:
        done.listings = [ListingDone("main", "fulfillment_cz", "orders", 9, 9, "", 1, 1, 1, 1.0, new, changed, 4, gone)]
    outlets = Outlets(WHOLE, "stockbook://published/stock")

    tell({"task": SimpleNamespace(outlets=outlets.assets), "outlet_events": outlets}, settings, run.run_id)

    whole, stock = outlets.events.values()
    assert whole.extra == stock.extra
    assert stock.extra == {
        "day": "2026-03-01", "as_of": "2026-03-01T02:15:00", "run_id": "night-1", "rows_changed": new + changed + gone,
    }  # fmt: skip
    assert (whole.keys, stock.keys) == ([], ["2026-03-01"])
