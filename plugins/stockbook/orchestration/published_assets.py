"""
What Airflow is told of a published night, for DAGs of other teams that wait for it.

A subject has an event a night whose partition key is the night's day, so that who waits gets a run for each day. The
asset of the whole file, or lake, has no partition: a DAG scheduled by assets alone is started by events without one
only.

A fleet tells once a run, when the night of every account has ended: who waits reads the lake, where the accounts are
side by side. One red account in a hundred would keep everybody waiting, so the event comes, and names it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stockbook.runs import context as runs
from stockbook.runs.step_log import read_all, rows_changed
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.fleet.in_lake import RunInLake

WHOLE = "stockbook://published/warehouse"


def tell(context: Any, settings: Settings, run_id: str) -> None:
    """Fill in the events of the task's outlets for a night of one home."""
    run = runs.read(settings, run_id)
    day = run.as_of.date().isoformat()
    extra = {
        "day": day,
        "as_of": run.as_of.isoformat(),
        "run_id": run_id,
        "rows_changed": rows_changed(read_all(runs.folder(settings, run_id))),
    }
    _fill_in(context, extra, [day])


def tell_of_fleet(context: Any, run: "RunInLake") -> None:
    """
    Fill them in for a fleet's run of which the lake has at least one account.

    A run over midnight, or with accounts of several zones, has a partition for each day its nights are of.
    """
    by_day: dict[str, list[str]] = {}
    for account, as_of in sorted(run.published.items()):
        by_day.setdefault(as_of.date().isoformat(), []).append(account)
    newest = max(run.published.values())
    extra = {
        "day": newest.date().isoformat(),
        "as_of": newest.isoformat(),
        "run_id": run.run_id,
        "rows_changed": run.rows_changed,
        "accounts": by_day,
        "red": run.red,
    }
    _fill_in(context, extra, by_day)


def _fill_in(context: Any, extra: Mapping[str, object], days: Iterable[str]) -> None:
    """Airflow emits the events when the task has succeeded, and of a red one none."""
    for asset in context["task"].outlets:
        event = context["outlet_events"][asset]
        event.extra = extra
        if asset.uri != WHOLE:
            for day in days:
                event.add_partitions(day)
