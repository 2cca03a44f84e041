"""
What is written to the schema ``meta`` of nights: what runs checked, raised, marked, erased and published.

What is of one listing, its cursor first, is written by ``meta_listings``; no third module writes to ``meta``. Callers
say what happened in plain values, times of runs and checks in UTC; each function replaces what an earlier attempt at
the same wrote. The tables are declared in ``include/sql/meta``.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb

from stockbook.sql_text import quoted
from stockbook.version import VERSION


def write_file_format(con: duckdb.DuckDBPyConnection, number: int) -> None:
    """Which format the file has and that this version wrote it, unless the file says so already."""
    con.execute("create table if not exists meta.file_format (number integer, written_by varchar)")
    if con.execute("from meta.file_format").fetchall() != [(number, VERSION)]:
        con.execute("delete from meta.file_format")
        con.execute("insert into meta.file_format values (?, ?)", [number, VERSION])


def write_run(
    con: duckdb.DuckDBPyConnection,
    run_id: str,
    *,
    as_of: datetime,
    as_of_utc: datetime | None,
    started_at: datetime,
    finished_at: datetime | None = None,
    status: str,
    full_refresh: bool,
    observes: bool,
) -> None:
    """A run that was opened or, with ``status`` ``replayed``, a night whose landed pages were loaded again."""
    con.execute("delete from meta.run where run_id = ?", [run_id])
    con.execute(
        """
        insert into meta.run
            (run_id, as_of, as_of_utc, started_at, finished_at, status, full_refresh, observes, version)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            run_id,
            as_of,
            as_of_utc,
            started_at.replace(tzinfo=None),
            finished_at and _seconds(finished_at),
            status,
            full_refresh,
            observes,
            VERSION,
        ],
    )


def write_published(con: duckdb.DuckDBPyConnection, run_id: str, finished_at: datetime) -> None:
    """A run that readers see from now on."""
    con.execute(
        "update meta.run set status = 'published', finished_at = ? where run_id = ?", [_seconds(finished_at), run_id]
    )


def write_failed(
    con: duckdb.DuckDBPyConnection, run_id: str, finished_at: datetime, failed_step: str | None, reason: str | None
) -> None:
    """A red run, the step that ended it and why."""
    con.execute(
        "update meta.run set status = 'failed', finished_at = ?, failed_step = ?, reason = ? where run_id = ?",
        [_seconds(finished_at), failed_step, reason, run_id],
    )


def write_current_run(con: duckdb.DuckDBPyConnection, run_id: str, as_of: datetime, zone: str) -> None:
    """The run whose figures are in the file."""
    con.execute("delete from meta.current_run")
    con.execute("insert into meta.current_run values (?, ?, ?)", [run_id, as_of, zone])


def write_erasure(con: duckdb.DuckDBPyConnection, at_utc: datetime, rows: Mapping[str, int]) -> None:
    """That rows were erased, by the place they are in; what the same erasure did there before is added to."""
    at = _seconds(at_utc)
    before = dict(con.execute("select place, rows_erased from meta.erasure where erased_at_utc = ?", [at]).fetchall())
    con.execute("delete from meta.erasure where erased_at_utc = ?", [at])
    for place in sorted(before.keys() | rows.keys()):
        con.execute("insert into meta.erasure values (?, ?, ?)", [at, place, before.get(place, 0) + rows.get(place, 0)])


class CheckRow(NamedTuple):
    """The result of one check: a row of ``meta.check_result`` but for its run and stage."""

    suite: str
    expectation: str
    severity: str
    success: bool | None
    observed: str | None
    failing_rows: int | None
    sample_keys: str
    query: str | None
    checked_at: datetime
    carried_from: str | None = None
    asked_of: str | None = None


def write_check_results(con: duckdb.DuckDBPyConnection, run_id: str, stage: str, results: Sequence[CheckRow]) -> None:
    """The results of a stage's checks; ``sample_keys`` are JSON."""
    con.execute("delete from meta.check_result where run_id = ? and stage = ?", [run_id, stage])
    if not results:
        return
    columns = zip(*(result._replace(checked_at=_seconds(result.checked_at)) for result in results), strict=True)
    # in one statement: a row each takes half a second
    con.execute(
        f"""
        insert into meta.check_result (run_id, stage, {", ".join(CheckRow._fields)})
        select ?, ?, {", ".join(f"unnest(?::{type_}[])" for type_ in _CHECK_TYPES)}
        """,
        [run_id, stage, *map(list, columns)],
    )


_CHECK_TYPES = ("text", "text", "text", "bool", "text", "bigint", "text", "text", "timestamp", "text", "text")


def write_content_marks(con: duckdb.DuckDBPyConnection, marks: Mapping[str, str]) -> None:
    """Marks of the content of tables, in place of those they had."""
    names = list(marks)
    con.execute("delete from meta.content_mark where table_name in (select unnest(?::text[]))", [names])
    con.execute(
        "insert into meta.content_mark (table_name, mark) select unnest(?::text[]), unnest(?::text[])",
        [names, list(marks.values())],
    )


def forget_content_marks(con: duckdb.DuckDBPyConnection, layers: Sequence[str]) -> None:
    """Remove the marks of all tables of some layers."""
    con.execute("delete from meta.content_mark where split_part(table_name, '.', 1) in (select unnest(?))", [layers])


def forget_marks_of(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """These tables may have changed."""
    con.execute("delete from meta.content_mark where table_name in (select unnest(?::text[]))", [list(names)])


OF_EXTRA = "own report"
"""The rule of alerts about a user's own folder: they are raised when its models are checked, the others before."""


def write_alerts(
    con: duckdb.DuckDBPyConnection, alerts: Iterable[Sequence[object]], as_of: datetime, of_extra: bool = False
) -> None:
    """
    The alerts that stand as of a night, each account, rule, subject, severity, message, value and threshold.

    They are those of a user's own folder, or all the others.

    First what an earlier attempt at this night did, or a later night that was never published, is taken back.
    """
    at = {"as_of": as_of}
    those = f"rule {'=' if of_extra else '<>'} {quoted(OF_EXTRA)}"
    con.execute(f"update meta.alert set cleared_as_of = null where cleared_as_of >= $as_of and {those}", at)
    con.execute(f"delete from meta.alert where raised_as_of > $as_of and {those}", at)
    con.execute("create or replace temp table alert_now as select * exclude (sent_at_utc) from meta.alert limit 0")
    for alert in alerts:
        con.execute("insert into alert_now values (?, ?, ?, ?, ?, ?, ?, ?, null)", [*alert, as_of])
    same = "a.account = n.account and a.rule = n.rule and a.subject = n.subject"
    # an alert of this very night that was sent already stays, as one that cleared at once
    con.execute(
        f"delete from meta.alert as a where a.raised_as_of = $as_of and a.sent_at_utc is null and a.{those} "
        f"and not exists (select 1 from alert_now as n where {same})",
        at,
    )
    con.execute(
        f"update meta.alert as a set cleared_as_of = $as_of where a.cleared_as_of is null and a.{those} "
        f"and not exists (select 1 from alert_now as n where {same})",
        at,
    )
    con.execute(
        f"update meta.alert as a set severity = n.severity, message = n.message, value = n.value, "
        f"threshold = n.threshold from alert_now as n where a.cleared_as_of is null and {same}"
    )
    con.execute(
        f"insert into meta.alert select n.*, null from alert_now as n "
        f"where not exists (select 1 from meta.alert as a where a.cleared_as_of is null and {same})"
    )
    con.execute("drop table alert_now")


def write_sent(con: duckdb.DuckDBPyConnection, alerts: Iterable[Sequence[object]], at_utc: datetime) -> None:
    """That a notifier took these alerts, each account, rule, subject and the ``as_of`` that raised it."""
    for key in alerts:
        con.execute(
            "update meta.alert set sent_at_utc = ? where account = ? and rule = ? and subject = ? and raised_as_of = ?",
            [_seconds(at_utc), *key],
        )


class Subscribed(NamedTuple):
    """A topic as its sender has it tonight."""

    topic: str
    spelling: str
    is_active: bool


def write_subscriptions(
    con: duckdb.DuckDBPyConnection, source: str, account: str, topics: Sequence[Subscribed], as_of: datetime
) -> None:
    """The topics of an account as a night was told: those that are not there any more are gone."""
    of_account = "account = ? and source = ?"
    earlier = {
        topic: (spelling, first, last)
        for topic, spelling, first, last in con.execute(
            f"select topic, spelling, first_active_as_of, last_active_as_of from meta.subscription where {of_account}",
            [account, source],
        ).fetchall()
    }
    con.execute(f"delete from meta.subscription where {of_account}", [account, source])
    now = {subscribed.topic: subscribed for subscribed in topics}
    for topic in sorted(earlier.keys() | now.keys()):
        subscribed = now.get(topic)
        spelling, first, last = earlier.get(topic, ("", None, None))
        if subscribed is not None and subscribed.is_active:
            first, last = first or as_of, as_of
        state = "gone" if subscribed is None else "active" if subscribed.is_active else "off"
        con.execute(
            "insert into meta.subscription values (?, ?, ?, ?, ?, ?, ?, ?)",
            [account, source, topic, subscribed.spelling if subscribed else spelling, state, first, last, as_of],
        )


def forget_subscriptions(con: duckdb.DuckDBPyConnection, source: str, account: str) -> None:
    """Remove what is known of an account's topics: they were given up on purpose."""
    con.execute("delete from meta.subscription where account = ? and source = ?", [account, source])


def _seconds(instant: datetime) -> datetime:
    """As stored: UTC without a zone, to the second."""
    return instant.replace(tzinfo=None, microsecond=0)
