"""
Models that SQL cannot say simply, built by Python.

A program reads tables, and writes every table whose declaration names it. It is found by name
so that a model runner imports it only when it runs.
"""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook.declarations import Table


class BuildContext(NamedTuple):
    """
    What a program may know of the run.

    ``as_of`` is naive local wall clock of ``zone``, ``as_of_utc`` its instant (None: in a repeated hour the second
    pass); with ``full_refresh`` nothing of earlier nights may be kept;
    ``published`` is the file readers have now, where there is one to compare with; ``closes`` the folder of landed
    closes.
    """

    as_of: datetime
    run_id: str
    zone: ZoneInfo
    policy_dir: Path
    tables: dict[str, Table]
    full_refresh: bool = False
    published: Path | None = None
    as_of_utc: datetime | None = None
    closes: Path | None = None


class Program(NamedTuple):
    """
    Where a program is (``module:function``) and what it reads.

    One ``without_memory`` makes the same of the same: it reads neither rows of earlier builds nor what is published.
    """

    target: str
    reads: tuple[str, ...]
    without_memory: bool = False

    def load(self) -> Callable[[duckdb.DuckDBPyConnection, BuildContext], None]:
        """The function: ``(con, context) -> None``; it creates or replaces its tables."""
        module, _, function = self.target.partition(":")
        build: Callable[[duckdb.DuckDBPyConnection, BuildContext], None] = getattr(import_module(module), function)
        return build


# what a replay of what was known is made of
_VERSIONS_OF_STOCK = (
    "staging.movements",
    "staging.movements_history",
    "staging.receiving_lines",
    "staging.receiving_lines_history",
    "staging.stock_levels",
    "staging.variants_history",
    "marts.fct_stock_movement",
    "intermediate.later_movement",
    "marts.fct_stock_movement_version",
)
PROGRAMS = {
    "policies": Program(
        "stockbook.sla.program:build",
        reads=("staging.orders", "staging.orders_history", "staging.movements", "meta.current_run"),
        without_memory=True,
    ),
    "posting": Program("stockbook.closing.posting:build", reads=("meta.current_run",), without_memory=True),
    "channels": Program(
        "stockbook.channels.program:build", reads=("staging.orders", "meta.current_run"), without_memory=True
    ),
    "closes": Program("stockbook.closing.program:write_closes", reads=()),
    "alerts": Program(
        "stockbook.alerts.program:build",
        reads=("reports.alert_measures", "meta.alert", "meta.run", "meta.current_run"),
    ),
    "sla_changes": Program(
        "stockbook.sla.changes:build",
        reads=("marts.fct_fulfillment", "reports.sla_daily", "meta.current_run"),
    ),
    "valuation": Program(
        "stockbook.valuation.program:write_valuation",
        reads=(
            "staging.movements",
            "staging.movements_history",
            "staging.receiving_lines",
            "staging.stock_levels",
            "staging.variants_history",
            "marts.dim_variant",
            "meta.current_run",
            "meta.run",
        ),
    ),
    "known_stock": Program(
        "stockbook.valuation.as_known.program:write_known_stock",
        reads=(
            *_VERSIONS_OF_STOCK,
            "meta.current_run",
        ),
    ),
    "close_causes": Program(
        "stockbook.valuation.since_close.program:write_causes",
        reads=(
            *_VERSIONS_OF_STOCK,
            "marts.fct_period_close",
            "intermediate.closed_month",
            "reports.close_difference",
            "meta.current_run",
            "meta.run",
        ),
    ),
}
