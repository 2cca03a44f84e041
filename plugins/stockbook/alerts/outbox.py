"""
Alerts of a published night that were not sent yet, and the mark of those that were.

The mark is written after the notifier took the message: a crash in between sends it a second time,
never not at all.
"""

from datetime import datetime
from pathlib import Path

import duckdb

from stockbook.alerts import notify, rules
from stockbook.alerts.notify import Alert
from stockbook.errors import StockbookError
from stockbook.settings import Settings
from stockbook.warehouse import meta


def send_new(con: duckdb.DuckDBPyConnection, settings: Settings, as_of: datetime, now: datetime) -> list[str]:
    """
    Send what stands as of a local time and was not sent, at ``now`` (UTC); returns notes for the run report.

    Without a notifier the report is all there is: it names an alert on the night that raised it.
    """
    notifier = notify.parse(settings.alert_notifier)
    alerts = unsent(con, as_of)
    if notifier is None:
        return [f"alert: {notify.line(alert)}" for alert in alerts if alert.raised_as_of == as_of]
    notes = [f"alert: {notify.line(alert)}" for alert in alerts]
    if not alerts:
        return notes
    try:
        notify.send(notifier, alerts, as_of)
    except StockbookError as error:
        return [
            *notes,
            f"warning: {len(alerts)} alerts could not be sent and stay unsent until the next night: {error}",
        ]
    mark_sent(con, alerts, now)
    return notes


def unsent(con: duckdb.DuckDBPyConnection, as_of: datetime) -> list[Alert]:
    """Alerts that stand as of a local time and were not sent, the worst and oldest first."""
    rows = con.execute(
        """
        select account, rule, subject, severity, message, raised_as_of
        from meta.alert
        where sent_at_utc is null and cleared_as_of is null and raised_as_of <= ?
        order by
            case severity when 'critical' then 1 when 'warning' then 2 else 3 end,
            raised_as_of, account, rule, subject
        """,
        [as_of],
    ).fetchall()
    return [Alert(*row) for row in rows]


def mark_sent(con: duckdb.DuckDBPyConnection, alerts: list[Alert], at_utc: datetime) -> None:
    """Remember that these were sent."""
    meta.write_sent(con, [(alert.account, alert.rule, alert.subject, alert.raised_as_of) for alert in alerts], at_utc)


def rules_of_unknown_accounts(con: duckdb.DuckDBPyConnection, policy_dir: Path) -> list[str]:
    """A sentence for each rule that names an account without figures in this home: it can never raise an alert."""
    rows = con.execute("select distinct account from reports.alert_measures order by account").fetchall()
    accounts = [row[0] for row in rows]
    return [
        f"rule {rule.rule!r} of {rules.FILE} is for account {rule.account!r}, which has no figures; "
        f"accounts are {', '.join(accounts)}."
        for rule in rules.read(policy_dir)
        if rule.account is not None and rule.account not in accounts
    ]
