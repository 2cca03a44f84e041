"""
The program ``known_stock``: forms of movements as they were known -> balances as they were known, and revisions.

Most variants need none of it: their movements were known on the night after their day, and what was
known on a day is their balance of the day before. Only variants whose known history is another are replayed.
"""

from datetime import datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import duckdb

from stockbook.declarations import Table
from stockbook.valuation import policy
from stockbook.valuation.as_known import line_forms
from stockbook.valuation.as_known.selection import write_counts, write_variants
from stockbook.valuation.policy import ValuationPolicy

VERSION = "marts.fct_stock_balance_version"
REVISION = "marts.fct_stock_revision"
SCRATCH = (*line_forms.SCRATCH, "known_variant", "known_count", "known_row", "known_step", "known_event")


class Context(Protocol):
    """What the program needs of a build."""

    @property
    def as_of(self) -> datetime: ...
    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def policy_dir(self) -> Path: ...
    @property
    def tables(self) -> dict[str, Table]: ...


def write_known_stock(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """Write ``VERSION`` and ``REVISION``. Raises ConfigError for settings that are wrong."""
    settings = policy.read_for(context.policy_dir, context.zone)
    for name in (VERSION, REVISION):
        columns = ", ".join(f"{column} {declared.type}" for column, declared in context.tables[name].columns.items())
        con.execute(f"create or replace table {name} ({columns})")
    _forget(con)
    try:
        write_counts(con, settings)
        line_forms.prepare(con)
        if write_variants(con):
            _replay(con, settings, context)
    finally:
        _forget(con)


def _replay(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy, context: Context) -> None:
    # compiled code takes half a second to import, and most nights need none of it
    from stockbook.valuation.as_known.inputs import read_prices, read_versions
    from stockbook.valuation.as_known.output import REVISIONS, VERSIONS, write_steps

    rows = read_versions(con, settings, context.zone, context.as_of)
    write_steps(con, rows, read_prices(con), line_forms.LineForms.read(con))
    con.execute(f"insert into {VERSION} by name {VERSIONS}")
    con.execute(f"insert into {REVISION} by name {REVISIONS}")


def _forget(con: duckdb.DuckDBPyConnection) -> None:
    for name in SCRATCH:
        con.execute(f"drop table if exists temp.{name}")
