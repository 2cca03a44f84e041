"""Accounts that policies name and that are not there: told with file, line and field, and nothing stops."""

from pathlib import Path

import duckdb
from checkout import PROJECT

from stockbook.night import named_accounts

WRITTEN = {
    "alerts.yml": "rules:\n  - {rule: a, measure: overdue_orders, above: 1, account: Main}\n"
    "  - {rule: b, measure: overdue_orders, above: 1, account: 'main '}\n",
    "channels.yml": "accounts:\n  - {system: shopline, account: heard, warehouse_account: mainn}\n",
    "valuation.yml": "opening_balance:\n  main: 2025-01-01\n  secnd: 2025-01-01\n",
}


def test_an_account_that_is_not_there_is_named(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """One that was read or heard of is there, blanks around it or not; every other is told."""
    con.execute("insert into meta.cursor (account, api, listing) values ('main', 'fulfillment_cz', 'orders')")
    con.execute("insert into staging.webhook_events (account) values ('heard')")
    for name, text in WRITTEN.items():
        (tmp_path / name).write_text(text)

    assert [note.split(";")[0] for note in named_accounts.notes(con, tmp_path)] == [
        "alerts.yml line 2, rules[0].account: nothing was read or heard of an account 'Main'",
        "channels.yml line 2, accounts[0].warehouse_account: nothing was read or heard of an account 'mainn'",
        "valuation.yml line 3, opening_balance.secnd: nothing was read or heard of an account 'secnd'",
    ]
    assert named_accounts.notes(con, PROJECT / "include" / "policy") == []
