"""
The results of a stage in ``meta.check_result``: asked now, or carried over from the run that asked.

A rule whose sentence and query are as before, over tables whose content is as before
(``warehouse/content_marks.py``), has the result it had, a warning too. A ``fail`` rule that did not hold is asked
again, and each rule at least once in ``ASKED_AGAIN_AFTER``.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import msgspec

from stockbook.checks.rules import Rule
from stockbook.runs.check_outcome import Outcome
from stockbook.warehouse import meta
from stockbook.warehouse.content_marks import LOADS, Marks

ASKED_AGAIN_AFTER = timedelta(days=7)

Key = tuple[str, str]


class Result(NamedTuple):
    """What came of a rule, when it was asked (UTC), and the mark of what it was asked of, if that can be told."""

    outcome: Outcome
    asked_at: datetime
    asked_of: str | None


def asked_of(rule: Rule, marks: Marks) -> str | None:
    """The mark of a rule and of all that its query reads; None where that may have changed."""
    if rule.of_loads:
        return marks.of(rule.name, {rule.table.name, LOADS})
    text = f"{rule.table.name}: {rule.name}, {rule.severity}: {rule.bad_rows}"
    return marks.of(text, {rule.table.name} | marks.named_in(rule.bad_rows))


def carried(
    con: duckdb.DuckDBPyConnection, run_id: str, contents: Mapping[Key, str | None], now: datetime
) -> dict[Key, Result]:
    """The results that stand: nothing that they were asked of (``contents``, by rule) has changed since."""
    rows = con.execute(
        """
        select
            suite, expectation, severity, success, observed, failing_rows, sample_keys, query, checked_at,
            coalesce(carried_from, run_id), asked_of
        from meta.check_result
        where (success is not false or severity = 'warn') and asked_of is not null and checked_at > ?
        qualify row_number() over (partition by suite, expectation, asked_of order by checked_at desc) = 1
        """,
        [(now - ASKED_AGAIN_AFTER).replace(tzinfo=None)],
    ).fetchall()
    results = {}
    for *of_rule, success, observed, bad_rows, samples, query, asked_at, asked_by, content in rows:
        suite, expectation, severity = of_rule
        if contents.get((suite, expectation)) == content:
            origin = None if asked_by == run_id else asked_by
            keys = msgspec.json.decode(samples or "[]", type=list[dict[str, Any]])
            outcome = Outcome(suite, expectation, severity, success, observed, bad_rows, keys, query, origin)
            results[suite, expectation] = Result(outcome, asked_at, content)
    return results


def write_results(con: duckdb.DuckDBPyConnection, run_id: str, stage: str, results: list[Result]) -> None:
    """Write results to ``meta.check_result``, in place of an earlier attempt's."""
    rows = [
        meta.CheckRow(
            outcome.suite,
            outcome.expectation,
            outcome.severity,
            outcome.success,
            outcome.observed,
            outcome.failing_rows,
            msgspec.json.encode(outcome.sample_keys).decode(),
            outcome.query,
            asked_at,
            outcome.carried_from,
            content,
        )
        for outcome, asked_at, content in results
    ]
    meta.write_check_results(con, run_id, stage, rows)
