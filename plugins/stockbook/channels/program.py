"""The program ``channels``: ``channels.yml``, ``money.yml`` and files of rates -> the tables that models join."""

from collections.abc import Iterable

import duckdb

from stockbook.channels import money as money_file
from stockbook.channels import policy, rate_files
from stockbook.declarations import Table
from stockbook.models.programs import BuildContext


def build(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Create or replace the tables of this program. Raises ConfigError for a wrong policy file."""
    channels, money = policy.read(context.policy_dir), money_file.read(context.policy_dir)
    rows: dict[str, Iterable[tuple[object, ...]]] = {
        "intermediate.channel_policy": [
            (channel.system, channel.is_forwarded, channel.recognised_by, channels.grace_hours)
            for channel in channels.channels
        ],
        "intermediate.channel_join_rule": [
            (channel.system, number, join.channel, join.warehouse)
            for channel in channels.channels
            for number, join in enumerate(channel.join, start=1)
        ],
        "intermediate.channel_state": [
            (channel.system, source_status, state)
            for channel in channels.channels
            for source_status, state in channel.states.items()
        ],
        "intermediate.channel_account": [
            (account.system, account.account, account.warehouse_account) for account in channels.accounts
        ],
        "intermediate.rate_source": [(source, number) for number, source in enumerate(money.sources, start=1)],
        "intermediate.currency_rate_line": rate_files.read(context.policy_dir, money.rate_files),
        "intermediate.whole_currency": [(code,) for code in money.whole_currencies],
        "marts.dim_money_setting": [
            (money.reporting_currency, money.goods_value_vat, money.vat_rate, money.vat_label),
        ],
    }
    for name, written in rows.items():
        _write(con, context.tables[name], written)
    _write(con, context.tables["intermediate.channel_recognised_order"], [])
    for channel in channels.channels:
        if channel.recognised_by is not None:
            # a pattern that is a constant is compiled once, one of a column for every row
            con.execute(
                """
                insert into intermediate.channel_recognised_order
                select
                    o.account,
                    o.order_id,
                    $system
                from staging.orders as o
                anti join intermediate.channel_recognised_order as r
                    on
                        o.account = r.account
                        and o.order_id = r.order_id
                where regexp_full_match(staging.bare_of(o.remote_number), $pattern)
                """,
                {"system": channel.system, "pattern": channel.recognised_by},
            )


def _write(con: duckdb.DuckDBPyConnection, table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    columns = table.columns
    declared = ", ".join(f"{name} {column.type}" for name, column in columns.items())
    con.execute(f"create or replace table {table.name} ({declared})")
    values = list(zip(*rows, strict=True))
    if values:
        taken = ", ".join(
            f"unnest(cast($v{number} as {column.type}[]))" for number, column in enumerate(columns.values())
        )
        con.execute(
            f"insert into {table.name} select {taken}",
            {f"v{number}": list(column_values) for number, column_values in enumerate(values)},
        )
