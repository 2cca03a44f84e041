"""
### Drain of the webhook inbox

Takes the events that fulfillment.cz, FlickRocket and SHOPLINE sent into `staging.webhook_events`, in order of arrival
and each once. What they name is read from the APIs by the next night, and readers see it then.

**Green** also while a night is under way: its events wait, the night takes the inbox itself as its first step.
**Skipped** means: there is no connection or no key yet, so no event can have come; the log says the next step.
**Red** means the inbox or the warehouse could not be opened; nothing is lost, the next drain takes everything.
"""

import os

from airflow.sdk import dag, get_current_context, task
from pendulum import datetime, duration

# in a fleet each account's night takes the account's events
SCHEDULE = "none" if os.environ.get("STOCKBOOK_STORE") else os.environ.get("STOCKBOOK_DRAIN_SCHEDULE") or "*/15 * * * *"


@dag(
    dag_id="stockbook_webhooks_drain",
    schedule=None if SCHEDULE == "none" else SCHEDULE,
    start_date=datetime(2025, 1, 1, tz=os.environ.get("STOCKBOOK_ZONE") or "Europe/Prague"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "stockbook", "retries": 0},
    dagrun_timeout=duration(hours=1),
    doc_md=__doc__,
    tags=["stockbook"],
)
def stockbook_webhooks_drain() -> None:
    # at a first start tasks begin before the API server answers
    @task(pool="stockbook_writer", retries=4, retry_delay=duration(seconds=30))
    def drain() -> str:
        """The inbox into staging, in one transaction a batch."""
        from stockbook.orchestration import steps

        return steps.drain(get_current_context())

    drain()


stockbook_webhooks_drain()
