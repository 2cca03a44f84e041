"""
The program ``alerts``: figures and rules -> the alerts that stand, remembered from night to night.

The memory (``meta.alert``) is written in the transaction of the build. A night that is built again at the same
``as_of`` first undoes what its earlier attempt cleared; what that attempt raised stays marked as sent. So the same
night raises nothing twice.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import duckdb

from stockbook.alerts import rules
from stockbook.alerts.rules import Figure, Rule
from stockbook.models.programs import BuildContext
from stockbook.warehouse import meta
from stockbook.warehouse.transaction import transaction


class Standing(NamedTuple):
    """An alert that stands now."""

    account: str
    rule: str
    subject: str
    severity: str
    message: str
    value: float
    threshold: float


def build(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Create or replace ``reports.alerts``. Raises ConfigError for a wrong rule file."""
    alert_rules = rules.read(context.policy_dir)
    if _observes(con, context.run_id):
        meta.write_alerts(con, standing(alert_rules, figures(con), context.as_of), context.as_of)
    show(con, context.as_of)


def of_extra(con: duckdb.DuckDBPyConnection, run_id: str, as_of: datetime, messages: Mapping[str, str]) -> None:
    """The alerts about a user's own folder, the message of each file; what stood and is none of them is cleared."""
    if not _observes(con, run_id):
        return
    alerts = [Standing("all", meta.OF_EXTRA, file, "warning", text, 1, 0) for file, text in messages.items()]
    with transaction(con):
        meta.write_alerts(con, alerts, as_of, of_extra=True)
        show(con, as_of)
        # who reads it finds it changed
        meta.forget_marks_of(con, ["reports.alerts"])


def has_of_extra(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an alert about a user's own folder stands."""
    query = "select 1 from meta.alert where rule = ? and cleared_as_of is null limit 1"
    return bool(con.execute(query, [meta.OF_EXTRA]).fetchall())


def show(con: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Create or replace ``reports.alerts`` as of a night."""
    con.execute(
        """
        create or replace table reports.alerts as
        select
            account,
            rule,
            subject,
            severity,
            message,
            value,
            threshold,
            raised_as_of,
            case when cleared_as_of <= $as_of then cleared_as_of end as cleared_as_of,
            raised_as_of = $as_of as is_new
        from meta.alert
        where raised_as_of <= $as_of
        """,
        {"as_of": as_of},
    )


def figures(con: duckdb.DuckDBPyConnection) -> list[Figure]:
    """The measures of this run, in a fixed order."""
    rows = con.execute(
        "select account, measure, subject, coalesce(detail, ''), value, basis, age_hours, usual "
        "from reports.alert_measures order by account, measure, subject"
    ).fetchall()
    return [Figure(*row) for row in rows]


def standing(alert_rules: list[Rule], measured: list[Figure], as_of: datetime) -> list[Standing]:
    """The alerts that stand by these rules and figures of a night, in the order of the rules."""
    return [
        Standing(
            figure.account,
            rule.rule,
            figure.subject,
            rule.severity,
            rules.message(rule, figure, as_of),
            figure.value,
            rule.threshold_for(figure),
        )
        for rule in alert_rules
        for figure in measured
        if rules.crosses(rule, figure)
    ]


def _observes(con: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """A run dated in the past computes figures again and must not rewrite what was sent since."""
    row = con.execute("select observes from meta.run where run_id = ?", [run_id]).fetchone()
    return row is None or bool(row[0])
