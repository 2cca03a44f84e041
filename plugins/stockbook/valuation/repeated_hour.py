"""
The hour that a clock repeats: which rows of a ledger are of its second pass.

An offset in the text of the time says so. Where there is none, ids do: they ascend in time, so the second pass begins
at the first id whose wall clock is behind that of an earlier one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb

from stockbook.sql_text import quoted
from stockbook.valuation.wall_clock import Span


@dataclass(frozen=True)
class Hours:
    """The local times of a ledger: its spans, and the intervals among them that occur twice."""

    spans: list[Span]
    repeated: list[tuple[datetime, datetime]]
    zone: ZoneInfo


def second_begins(start: datetime, zone: ZoneInfo) -> datetime:
    """When the second pass of the repeated hour that begins at a local time begins, UTC."""
    return start.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(tzinfo=None)


def is_second_pass(con: duckdb.DuckDBPyConnection, hours: Hours) -> str:
    """
    The condition that a row is of the second pass of a repeated hour: by its offset, else from the first id whose time
    steps back.
    """
    conditions = ["false"]
    for start, stop in hours.repeated:
        turns = con.execute(
            """
            select account, min(movement_id)
            from (
                select
                    account,
                    movement_id,
                    moved_at,
                    max(moved_at) over (
                        partition by account
                        order by movement_id
                        rows between unbounded preceding and 1 preceding
                    ) as latest
                from valuation_received
                where moved_at >= ? and moved_at < ? and stated_utc is null
            )
            where moved_at < latest
            group by account
            order by account
            """,
            [start, stop],
        ).fetchall()
        within = f"moved_at >= timestamp {quoted(str(start))} and moved_at < timestamp {quoted(str(stop))}"
        conditions.append(f"({within} and stated_utc >= timestamp {quoted(str(second_begins(start, hours.zone)))})")
        conditions += [
            f"(account = {quoted(account)} and movement_id >= {turn} and {within} and stated_utc is null)"
            for account, turn in turns
        ]
    return " or ".join(conditions)
