"""
### Close of a month

Signs the figures of a month as they were known at the last published night: *Trigger*, fill in the month and who signs.
With *dry_run* (as it comes) it signs nothing: the log of `close` shows what would be signed and what speaks against it.

**Green** means: it was signed, or looked at; the log says which, and the digest. Readers see the close at once.
**Red** means: it was not signed; the log says why and the next step. docs/closing.md has the whole story.

In a fleet `close` is a task for each account, on whatever worker is free: one that is red keeps no other from it.
"""

import os

from airflow.sdk import Param, dag, get_current_context, task
from pendulum import datetime, duration

IS_FLEET = bool(os.environ.get("STOCKBOOK_STORE"))


@dag(
    dag_id="stockbook_close_month",
    schedule=None,
    start_date=datetime(2025, 1, 1, tz=os.environ.get("STOCKBOOK_ZONE") or "Europe/Prague"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "stockbook", "retries": 0},
    dagrun_timeout=duration(hours=1),
    params={
        "month": Param("", type="string", description="The month, as 2026-10."),
        "account": Param("", type=["null", "string"], description="One account; empty = all that have moved by then."),
        "by": Param("", type=["null", "string"], description="Who signs; a dry run needs nobody."),
        "note": Param("", type=["null", "string"], description="A note that stays with the close."),
        "dry_run": Param(True, type="boolean", description="Sign nothing: show what would be signed."),
        "supersede": Param(False, type="boolean", description="Sign the last closed month anew; both stay."),
        "reason": Param("", type=["null", "string"], description="Why it is signed anew."),
    },
    doc_md=__doc__,
    tags=["stockbook"],
)
def stockbook_close_month() -> None:
    @task
    def accounts() -> list[str]:
        """The accounts whose month is closed."""
        from stockbook.orchestration import closing

        return closing.accounts(get_current_context())

    # a fleet's accounts have homes of their own, and locks between machines
    @task(pool="default_pool" if IS_FLEET else "stockbook_writer", map_index_template="{{ account }}")
    def close(account: str = "") -> str:
        """Look at the month or sign it."""
        from stockbook.orchestration import closing

        context = get_current_context()
        context["account"] = account  # type: ignore[typeddict-unknown-key]  # names the mapped task
        return closing.close_month(context, account)

    if IS_FLEET:
        close.expand(account=accounts())
    else:
        close()


stockbook_close_month()
