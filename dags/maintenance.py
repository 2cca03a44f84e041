"""
### Maintenance

Works off requests of people to be forgotten (`forget`), removes what is older than `retention.yml` keeps it
(`retain`), takes a backup of the home to `STOCKBOOK_BACKUP_TO` and lets old ones go by `STOCKBOOK_BACKUP_KEEP`.

On Sundays it then reads the newest backup to its last byte. A task that is red stops none but `verify`.

**Green** means: requests are done, what was too old is gone, the backup is finished; the log says how much that was. It
waited for a night, if there was one.
**Skipped** means: no place is set (`backup`), there are no books yet, or the machine works for a fleet (`retain`;
`forget` only without `STOCKBOOK_INBOX_URL`).
**Red** means at `forget`: requests wait, nobody is half forgotten; at `retain`: the rest goes with the next night; at
`backup`: nothing was finished and earlier backups stay; at `verify`: the store lost something. The log says why and the
next step. docs/erasure.md, docs/retention.md and docs/backup.md have the whole story.
"""

import os

from airflow.sdk import dag, get_current_context, task
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

    @task
    def retain() -> str:
        """What is older than it is kept."""
        from stockbook.orchestration import maintenance

        return maintenance.retain(get_current_context())

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

    # side by side, so that a red one stops no other and still makes the run red; the home's lock takes them in turn
    forget()
    retain()
    backup() >> verify()


stockbook_maintenance()
