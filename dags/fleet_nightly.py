"""
### Nightly books of many accounts

The night of every account, on whatever worker is free: open, extract, books. An account's home travels between workers
through the store; no disk is shared. Readers see each account's new night whole, or its last one.

**Green** means: every account was published.
**Red** means: at least one was not. `summary` names each account's state and why; the others are published anyway.
**Skipped** means: this is no fleet, or there is no connection or no key yet; the log of `accounts` says the next step.

*What to do with a red account:* read its line in the log of `summary`, mend what it says, and clear its failed task
together with what follows it (`summary`, `published`): it goes on where it stopped. The next run tries it again anyway.
All is explained in docs/fleet.md.
"""

import os

from airflow.sdk import Asset, Param, dag, get_current_context, task, task_group
from pendulum import datetime, duration

# those of stockbook_nightly, so that who waits for a night need not know whether it is of a fleet (docs/doors.md)
PUBLISHED = Asset(name="stockbook_warehouse", uri="stockbook://published/warehouse", group="stockbook")
SUBJECTS = [
    Asset(name=f"stockbook_{subject}", uri=f"stockbook://published/{subject}", group="stockbook")
    for subject in ("stock", "promise", "shop")
]
# a cron expression in local time of the zone; "none" leaves starting to somebody else. Without a fleet it never starts
SCHEDULE = os.environ.get("STOCKBOOK_SCHEDULE") or "15 2 * * *"
IS_FLEET = bool(os.environ.get("STOCKBOOK_STORE"))
# a worker that ends takes a try with it, and another goes on soon; what is away has five minutes to come back
AGAIN = {"retries": 4, "retry_delay": duration(seconds=20), "retry_exponential_backoff": 2.0}
NAMED = {"map_index_template": "{{ account }}"}


@dag(
    dag_id="stockbook_fleet_nightly",
    schedule=SCHEDULE if IS_FLEET and SCHEDULE != "none" else None,
    start_date=datetime(2025, 1, 1, tz=os.environ.get("STOCKBOOK_ZONE") or "Europe/Prague"),
    catchup=False,
    max_active_runs=1,
    # who has begun comes before who has not: an account is through before the next is read
    default_args={"owner": "stockbook", "weight_rule": "upstream"},
    params={
        "as_of": Param(
            "",
            type=["null", "string"],
            description="The nights' now: a local date-time, perhaps with an offset; empty = when each starts.",
        ),
        "full_refresh": Param(False, type="boolean", description="Read everything the APIs still serve again."),
        "backfill_from": Param("", type=["null", "string"], description="First day of a window to read again."),
        "backfill_to": Param("", type=["null", "string"], description="Last day of that window."),
    },
    doc_md=__doc__,
    tags=["stockbook"],
)
def stockbook_fleet_nightly() -> None:
    # at a first start tasks begin before the API server answers
    @task(**AGAIN)
    def accounts() -> list[str]:
        """The accounts of this run; begun again it has the same."""
        from stockbook.orchestration import fleet_steps

        return fleet_steps.accounts(get_current_context())

    @task(**AGAIN, **NAMED)
    def open_night(account: str) -> None:
        """Restore the account's home, check parameters, key and connections, take its events, plan what is asked."""
        from stockbook.orchestration import fleet_steps

        fleet_steps.open_night(_named(account), account)

    @task(**AGAIN, **NAMED)
    def extract(account: str) -> None:
        """Read the account's sources completely, to the store. A retry reads only what did not land."""
        from stockbook.orchestration import fleet_steps

        fleet_steps.extract(_named(account), account)

    @task(**AGAIN, **NAMED)
    def books(account: str) -> None:
        """Load, check, build, check, save the books, publish them in the lake."""
        from stockbook.orchestration import fleet_steps

        fleet_steps.books(_named(account), account)

    @task_group
    def night(account: str) -> None:
        """The night of one account."""
        open_night(account) >> extract(account) >> books(account)

    @task(trigger_rule="all_done", **AGAIN)
    def summary() -> None:
        """End what is red, tell of it once, name each account's state. Red when an account is."""
        from stockbook.orchestration import fleet_steps

        fleet_steps.summary(get_current_context())

    # beside `summary` and not behind it: a red account must make the run red, and the others are there all the same
    @task(trigger_rule="all_done", outlets=[PUBLISHED, *SUBJECTS], **AGAIN)
    def published() -> None:
        """Which accounts of the run readers have: DAGs that wait for the night start. Skipped where there are none."""
        from stockbook.orchestration import fleet_steps

        fleet_steps.published(get_current_context())

    night.expand(account=accounts()) >> [summary(), published()]


def _named(account: str) -> object:
    """The context, which names the mapped task by its account."""
    context = get_current_context()
    context["account"] = account  # type: ignore[typeddict-unknown-key]  # names the mapped task
    return context


stockbook_fleet_nightly()
