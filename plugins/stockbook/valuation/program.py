"""
The program ``valuation``: the ledger in staging -> the facts of cost and stock.

Reads in batches of variants, replays each, writes in bulk. Nothing is kept from earlier nights:
the same ledger, catalogue and settings give the same rows.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb

from stockbook.declarations import Table
from stockbook.valuation import ledger, policy
from stockbook.valuation.facts import facts
from stockbook.valuation.ledger import Batch
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.replay import replay

SETTING = "marts.dim_valuation_setting"
FACTS = (
    "marts.fct_stock_movement",
    "marts.fct_receipt_cost",
    "marts.fct_issue_cost",
    "marts.fct_cost_allocation",
    "marts.fct_cost_settlement",
    "marts.fct_stock_balance",
    "marts.fct_stock_layer",
)


class Context(Protocol):
    """What the program needs of a build."""

    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def policy_dir(self) -> Path: ...
    @property
    def tables(self) -> dict[str, Table]: ...


def write_valuation(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """
    Write ``FACTS`` and the settings in force.

    Raises ConfigError for settings that are wrong, ModelFailed for a ledger that cannot be replayed.
    """
    settings = policy.read_for(context.policy_dir, context.zone)
    for name in (SETTING, *FACTS):
        _create(con, context.tables[name])
    _write_setting(con, settings)
    ledger.prepare(con, settings)
    try:
        for rows_of in _replayed(ledger.batches(con, context.zone)):
            for name, rows in rows_of.items():
                _append(con, name, rows)
    finally:
        ledger.forget(con)


def _replayed(batches: Iterator[Batch]) -> Iterator[dict[str, Any]]:
    """The facts of each batch. One batch is replayed while the next is read and the one before is written."""
    with ThreadPoolExecutor(1, "valuation") as replayer:
        waiting = None
        for batch in batches:
            coming = replayer.submit(_facts_of, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def _facts_of(batch: Batch) -> dict[str, Any]:
    return facts(batch, replay(batch.movements, batch.defaults))


def _create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f"{name} {column.type}" for name, column in table.columns.items())
    con.execute(f"create or replace table {table.name} ({columns})")


def _append(con: duckdb.DuckDBPyConnection, name: str, rows: Any) -> None:
    # found by its name as a local variable: a registered table would be held, batch after batch, until the commit
    con.execute(f"insert into {name} by name select * from rows")


def _write_setting(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy) -> None:
    con.execute(
        f"insert into {SETTING} by name select ? as headline_method, ? as headline_basis, ? as valuation_currency, "
        "cast(? as decimal(7, 6)) as nrv_factor, ? as damaged_quantity_is_additive, ? as day_zone",
        [
            settings.headline.method,
            settings.headline.basis,
            settings.valuation_currency,
            str(settings.nrv_factor),
            settings.damaged_quantity_is_additive,
            settings.day_zone,
        ],
    )
