"""
What Airflow is told of a published night, for DAGs of other teams that wait for it.

A subject has an event a night whose partition key is the night's day, so that who waits gets a run for each day. The
asset of the whole file has no partition: a DAG scheduled by assets alone is started by events without one only.
"""

from typing import Any

from stockbook.runs import context as runs
from stockbook.runs.step_log import read_all
from stockbook.settings import Settings

WHOLE = "stockbook://published/warehouse"


def tell(context: Any, settings: Settings, run_id: str) -> None:
    """
    Fill in the events of the task's outlets; Airflow emits them when the task has succeeded, and of a red one none.

    ``rows_changed`` are the rows of the sources that were new, changed or gone: 0 in an idle night.
    """
    run = runs.read(settings, run_id)
    listings = [
        item for step in read_all(runs.folder(settings, run_id)) if step.name == "load" for item in step.listings
    ]
    day = run.as_of.date().isoformat()
    extra = {
        "day": day,
        "as_of": run.as_of.isoformat(),
        "run_id": run_id,
        "rows_changed": sum(item.new + item.changed + item.gone for item in listings),
    }
    for asset in context["task"].outlets:
        event = context["outlet_events"][asset]
        event.extra = extra
        if asset.uri != WHOLE:
            event.add_partitions(day)
