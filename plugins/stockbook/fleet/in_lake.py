"""What of a fleet's run stands in the lake, as the lake itself says it."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from stockbook.fleet.work import Fleet
from stockbook.runs.report import Report
from stockbook.runs.step_log import rows_changed


class RunInLake(NamedTuple):
    """
    A run: the as-of of each account whose night readers have, and the accounts of which they keep the books of before.

    ``rows_changed`` counts the rows of the sources that were new, changed or gone in the nights that are there.
    """

    run_id: str
    published: dict[str, datetime]
    red: list[str]
    rows_changed: int


def run_in_lake(fleet: Fleet, run_id: str) -> RunInLake:
    """Of a run whose nights have ended. Raises ControlUnavailable, LakeUnavailable."""
    run = fleet.run_log.run(run_id)
    there = fleet.lake.all_published()
    published = {name: there[name].as_of for name in run.accounts if name in there and there[name].run_id == run_id}
    reports = fleet.run_log.reports(run_id) if published else ()
    changed = sum(
        rows_changed(msgspec.json.decode(text, type=Report).steps) for name, text in reports if name in published
    )
    return RunInLake(run_id, published, [name for name in run.accounts if name not in published], changed)
