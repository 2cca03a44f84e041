"""
### Nightly books

Reads every account of the shop's fulfillment APIs, lands the pages, loads staging in one transaction,
checks it, builds facts and dimensions, checks them, and publishes a file that readers open at any moment.

**Green** means: every listing was complete, every check of severity `fail` held, and the file was published.
**Skipped** means: there is no connection or no key yet; the log of `open_run` says what is missing and the next step.
**Red** leaves the last published file as it is. The task `finish` logs the run report, also of a red night.

*What to do with a red night:* read the report in the log of `finish`; clear the failed task (it goes on where it
stopped) or trigger the DAG again (it reads what did not land). Parameters are explained in docs/running.md.
"""

import os

from airflow.sdk import Asset, Param, dag, get_current_context, task
from pendulum import datetime, duration

PUBLISHED = Asset(name="stockbook_warehouse", uri="stockbook://published/warehouse", group="stockbook")
# each with the night's day as its partition: others wait for one (docs/doors.md)
SUBJECTS = [
    Asset(name=f"stockbook_{subject}", uri=f"stockbook://published/{subject}", group="stockbook")
    for subject in ("stock", "promise", "shop")
]
WRITER = {"pool": "stockbook_writer"}
# a cron expression in local time of the shop's zone; "none" leaves starting the night to somebody else, and a fleet to
# stockbook_fleet_nightly
SCHEDULE = "none" if os.environ.get("STOCKBOOK_STORE") else os.environ.get("STOCKBOOK_SCHEDULE") or "15 2 * * *"


@dag(
    dag_id="stockbook_nightly",
    schedule=None if SCHEDULE == "none" else SCHEDULE,
    start_date=datetime(2025, 1, 1, tz=os.environ.get("STOCKBOOK_ZONE") or "Europe/Prague"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "stockbook", "retries": 0},
    params={
        "as_of": Param(
            "",
            type=["null", "string"],
            description="The run's now: a local date-time, perhaps with an offset; empty = when it starts.",
        ),
        "full_refresh": Param(False, type="boolean", description="Read everything the API still serves again."),
        "backfill_from": Param("", type=["null", "string"], description="First day of a window to read again."),
        "backfill_to": Param("", type=["null", "string"], description="Last day of that window."),
        "accounts": Param([], type=["null", "array"], description="Accounts to read; empty = all."),
    },
    doc_md=__doc__,
    tags=["stockbook"],
)
def stockbook_nightly() -> None:
    # at a first start tasks begin before the API server answers
    @task(**WRITER, retries=4, retry_delay=duration(seconds=30))
    def open_run() -> list[str]:
        """Check parameters, key and connections, take the lock, plan what each account is asked: one task each."""
        from stockbook.orchestration import steps

        return steps.open_run(get_current_context())

    @task(retries=2, retry_delay=duration(minutes=2), map_index_template="{{ conn_id }}")
    def extract(conn_id: str) -> None:
        """Read one account completely, to the landing. A retry reads only what did not land."""
        from stockbook.orchestration import steps

        context = get_current_context()
        context["conn_id"] = conn_id  # type: ignore[typeddict-unknown-key]  # names the mapped task
        steps.extract(context, conn_id)

    @task(**WRITER)
    def load_and_check() -> None:
        """Everything landed into staging, in one transaction; a broken check of severity fail stops the night here."""
        from stockbook.orchestration import steps

        steps.load_and_check(get_current_context())

    @task(**WRITER)
    def build_and_check() -> None:
        """Build facts, dimensions and reports in the writer's file, and check them before anybody sees them."""
        from stockbook.orchestration import steps

        steps.build_and_check(get_current_context())

    @task(**WRITER, outlets=[PUBLISHED, *SUBJECTS])
    def publish() -> None:
        """Copy, prove, rename: readers see the new night from here on, and DAGs that wait for it start."""
        from stockbook.orchestration import steps

        steps.publish(get_current_context())

    @task(**WRITER, trigger_rule="all_done")
    def finish() -> None:
        """Send the alerts of a published night, write and log the run report. Runs after red nights too."""
        from stockbook.orchestration import steps

        steps.finish(get_current_context())

    conn_ids = open_run()
    (
        extract.expand(conn_id=conn_ids)
        >> load_and_check()
        >> build_and_check()
        >> publish()
        >> finish().as_teardown(setups=conn_ids)
    )


stockbook_nightly()
