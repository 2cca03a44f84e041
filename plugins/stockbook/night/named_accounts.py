"""Accounts that a policy names and nothing was ever read or heard of: a slip, or their first night is still to come."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from stockbook.alerts import rules as alerts
from stockbook.channels import policy as channels
from stockbook.policy_file import Path_, PolicyFile
from stockbook.valuation import policy as valuation

VALUATION = "valuation.yml"


def notes(con: duckdb.DuckDBPyConnection, policy_dir: Path) -> list[str]:
    """A sentence for each, naming file, line and field; sla.yml tells its own by the orders there are."""
    rows = con.execute("select account from meta.cursor union select account from staging.webhook_events").fetchall()
    there = {account for (account,) in rows}
    return [
        f"{file} {PolicyFile(policy_dir / file).place(place)}: nothing was read or heard of an account {account!r}; "
        "what stands there is for none."
        for file, place, account in _named(policy_dir)
        if account not in there
    ]


def _named(policy_dir: Path) -> Iterator[tuple[str, Path_, str]]:
    for number, rule in enumerate(alerts.read(policy_dir)):
        if rule.account is not None:
            yield alerts.FILE, ("rules", number, "account"), rule.account
    for number, written in enumerate(channels.read(policy_dir).accounts):
        for field in ("account", "warehouse_account"):
            yield channels.FILE, ("accounts", number, field), getattr(written, field)
    for account in valuation.read(policy_dir).opening_balance:
        yield VALUATION, ("opening_balance", account), account
