"""The row of a run in ``meta.run``: begun, or loaded again by a replay."""

from datetime import datetime

import duckdb

from stockbook.runs.context import RunContext
from stockbook.warehouse import meta


def insert(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    status: str,
    started_at: datetime,
    finished_at: datetime | None = None,
) -> None:
    """Write the row of a run, instead of the one of an earlier try."""
    meta.write_run(
        con,
        run.run_id,
        as_of=run.as_of,
        as_of_utc=run.as_of_utc,
        started_at=started_at,
        finished_at=finished_at,
        status=status,
        full_refresh=run.full_refresh,
        observes=run.observes,
    )
