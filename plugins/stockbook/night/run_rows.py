"""The rows of ``meta.run``: begun, published, failed, or loaded again by a replay."""

from datetime import datetime

import duckdb

from stockbook.runs.context import RunContext
from stockbook.version import VERSION


def insert(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    status: str,
    started_at: datetime,
    finished_at: datetime | None = None,
) -> None:
    """Write the row of a run, instead of the one of an earlier try. Times are aware."""
    con.execute("delete from meta.run where run_id = ?", [run.run_id])
    con.execute(
        """
        insert into meta.run
            (run_id, as_of, as_of_utc, started_at, finished_at, status, full_refresh, observes, version)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            run.run_id,
            run.as_of,
            run.as_of_utc,
            started_at.replace(tzinfo=None),
            None if finished_at is None else _second(finished_at),
            status,
            run.full_refresh,
            run.observes,
            VERSION,
        ],
    )


def mark_published(con: duckdb.DuckDBPyConnection, run_id: str, finished_at: datetime) -> None:
    """The run is being published: the published file says so of itself."""
    con.execute(
        "update meta.run set status = 'published', finished_at = ? where run_id = ?", [_second(finished_at), run_id]
    )


def mark_failed(
    con: duckdb.DuckDBPyConnection, run_id: str, finished_at: datetime, step: str | None, reason: str | None
) -> None:
    """The run ended red, in a step and for a reason."""
    con.execute(
        "update meta.run set status = 'failed', finished_at = ?, failed_step = ?, reason = ? where run_id = ?",
        [_second(finished_at), step, reason, run_id],
    )


def _second(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, microsecond=0)
