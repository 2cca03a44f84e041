"""
### Maintenance

Works off requests of people to be forgotten (`forget`), removes what is older than `retention.yml` keeps it
(`retain`), writes the books anew where most of their file is free (`compact`), takes a backup of the home to
`STOCKBOOK_BACKUP_TO` and lets old ones go by `STOCKBOOK_BACKUP_KEEP`.

On Sundays it then reads the newest backup to its last byte (`verify`). One after the other, so that a backup has
nothing of who was forgotten before it; a task that is red stops none but `verify`.

**Green** means: requests are done, what was too old is gone, the backup is finished; the log says how much that was. It
waited for a night, if there was one.
**Skipped** means: no place is set (`backup`), there are no books yet, or the machine works for a fleet (`compact`;
`forget` only without `STOCKBOOK_INBOX_URL`).
**Red** means at `forget`: requests wait, nobody is half forgotten; at `retain`: the rest goes with the next night, in
a fleet where an account was at work with the next run; at `compact`: the file is as it was; at `backup`: nothing was
finished and earlier backups stay; at `verify`: the store lost something. `every_part` does nothing but make the run red
with them. The log says why and the next step; docs/erasure.md, docs/retention.md and docs/backup.md have the whole
story.
"""

import os

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import chain, dag, get_current_context, task
from pendulum import datetime, duration

SCHEDULE = os.environ.get("STOCKBOOK_MAINTENANCE_SCHEDULE") or "30 4 * * *"


@dag(
    dag_id="stockbook_maintenance",
    schedule=None if SCHEDULE == "none" else SCHEDULE,
    start_date=datetime(2025, 1, 1, tz=os.environ.get("STOCKBOOK_ZONE") or "Europe/Prague"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "stockbook", "retries": 2, "retry_delay": duration(minutes=5)},
    dagrun_timeout=duration(hours=6),
    doc_md=__doc__,
    tags=["stockbook"],
)
def stockbook_maintenance() -> None:
    # none of them in the writer's pool: they wait for a night, which waits for that pool's slot
    @task
    def forget() -> str:
        """People who asked to be forgotten."""
        from stockbook.orchestration import maintenance

        return maintenance.forget(get_current_context())

    @task(trigger_rule="all_done")
    def retain() -> str:
        """What is older than it is kept."""
        from stockbook.orchestration import maintenance

        return maintenance.retain(get_current_context())

    @task(trigger_rule="all_done")
    def compact() -> str:
        """The writer's file, where most of it is free."""
        from stockbook.orchestration import maintenance

        return maintenance.compact(get_current_context())

    @task(trigger_rule="all_done")
    def backup() -> str:
        """The home into the store of the backups."""
        from stockbook.orchestration import maintenance

        return maintenance.backup(get_current_context())

    @task
    def verify() -> str:
        """The newest backup, read to its last byte once a week."""
        from stockbook.orchestration import maintenance

        return maintenance.verify(get_current_context())

    parts = [forget(), retain(), compact(), backup(), verify()]
    chain(*parts)
    # a run is what its last task is: a red part must not hide behind a green one
    parts >> EmptyOperator(task_id="every_part", trigger_rule="none_failed")


stockbook_maintenance()
