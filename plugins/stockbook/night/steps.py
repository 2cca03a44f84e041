"""
The night in order: open, extract (per account), load, check, build, check, publish, finish.

Each step is a function that may run in a process of its own; what one step leaves for the next lies in
the run's folder and in the landing. The DAG and the command line call the same functions.
"""

from collections.abc import Iterable

from stockbook.errors import StockbookError
from stockbook.night.building import build
from stockbook.night.checking import check
from stockbook.night.draining import drain, forget_subscriptions, settle_events
from stockbook.night.extracting import extract, extract_all
from stockbook.night.finishing import finish
from stockbook.night.loading import load
from stockbook.night.opening import open_run
from stockbook.night.publishing import publish
from stockbook.night.tonight import Night
from stockbook.runs.context import Parameters
from stockbook.runs.report import Report

__all__ = [
    "Night",
    "build",
    "check",
    "drain",
    "extract",
    "finish",
    "forget_subscriptions",
    "load",
    "open_run",
    "publish",
    "run_all",
    "settle",
    "settle_events",
]


def run_all(
    night: Night, name: str, parameters: Parameters, conn_ids: Iterable[str], notes: Iterable[str] = ()
) -> Report:
    """Run the whole night in this process. Raises what made it red, after the report is written."""
    from stockbook.warehouse.connect import held_open

    with held_open(night.settings):
        run = open_run(night, name, parameters, conn_ids, whole_run_here=True, notes=notes)
        try:
            extract_all(night, run)
            load(night, run.run_id)
            settle(night, run.run_id)
        except Exception:
            try:
                finish(night, run.run_id)
            except (StockbookError, OSError) as error:
                night.progress.note(f"The report of this run could not be completed: {error}")
            raise
    return finish(night, run.run_id)


def settle(night: Night, run_id: str) -> None:
    """What every run does once its rows are in staging: check them, build the marts, check those, publish."""
    check(night, run_id, "check_staging")
    build(night, run_id)
    check(night, run_id, "check_marts")
    publish(night, run_id)
