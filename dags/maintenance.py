"""
### Maintenance

Takes a backup of the home to `STOCKBOOK_BACKUP_TO`, and lets old ones go by `STOCKBOOK_BACKUP_KEEP`. It starts
by itself only where that place is set.

On Sundays it then reads the newest backup to its last byte.

**Green** means: the backup is finished and the log says how large it is; it waited for a night, if there was one.
**Skipped** means: no place is set, or there are no books yet.
**Red** means at `backup`: nothing was finished and earlier backups stay; at `verify`: the store lost something. The log
says why and the next step. docs/backup.md has the whole story.
"""

import os

from airflow.sdk import dag, get_current_context, task
from pendulum import datetime, duration

SCHEDULE = os.environ.get("STOCKBOOK_MAINTENANCE_SCHEDULE") or (
    "30 4 * * *" if os.environ.get("STOCKBOOK_BACKUP_TO") else "none"
)


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
    # not in the writer's pool: it waits for a night, which waits for that pool's slot
    @task
    def backup() -> str:
        """The home into the store of the backups."""
        from stockbook.orchestration import maintenance

        return maintenance.backup(get_current_context())

    @task
    def verify() -> str:
        """The newest backup, read to its last byte once a week."""
        from stockbook.orchestration import maintenance

        return maintenance.verify(get_current_context())

    backup() >> verify()


stockbook_maintenance()
