"""
What other rules would write down, worked out beside what was published.

The published file is asked once more by the rules of another file, in a database in memory. Neither the published file
nor the writer's is ever written.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook import declaration_files
from stockbook.errors import ConfigError
from stockbook.metrics import files
from stockbook.metrics.question import Question
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.programs import BuildContext
from stockbook.settings import Settings
from stockbook.valuation import policy, program
from stockbook.valuation.fact_tables import WRITE_DOWN
from stockbook.warehouse.readers import beside_published

MACRO, REPORT = "reports.stock_write_down_on", "reports.stock_write_down"
OF_ACCOUNTS = "intermediate.account_write_down_rule"


class ChangedPool(NamedTuple):
    """Pieces that other rules write down otherwise."""

    account: str
    code: str | None
    pool: str
    quantity: int
    cost: Decimal
    published: Decimal
    other: Decimal


class Comparison(NamedTuple):
    """The write-down at the end of ``day`` by the published rules and by others, each by the rules that applied."""

    day: date
    currency: str
    published: Mapping[str | None, Decimal | None]
    other: Mapping[str | None, Decimal | None]
    changed: list[ChangedPool]


def compare(settings: Settings, file: Path, day: date | None = None) -> Comparison:
    """
    Write down what was published by the rules of ``file``; ``day`` None is that of the published night.

    Raises ConfigError naming line and field for wrong rules, or when nothing has been published.
    """
    rules = policy.read(file.parent, file.name)
    tables = declaration_files.load(settings.models_dir)
    order = {step.name: step for step in steps(settings.models_dir, tables)}
    metric = Question(("write_down",), ("rule",)).sql(files.load(settings.models_dir, tables))
    with beside_published(settings, settings.published) as con:
        if not con.execute(
            "select 1 from duckdb_tables() where database_name = 'published' and table_name = ?",
            [WRITE_DOWN.partition(".")[2]],
        ).fetchall():
            raise ConfigError("The published file is of a version that wrote nothing down: run a night first.")
        run_id, as_of, zone, currency = con.execute(
            "select r.run_id, r.as_of, r.zone, s.valuation_currency "
            "from published.meta.current_run as r cross join published.marts.dim_valuation_setting as s"
        ).fetchall()[0]
        for schema in ("intermediate", "marts", "reports"):
            con.execute(f"create schema {schema}")
        create_macros(con, settings.models_dir)
        _bring(con, order, MACRO, BuildContext(as_of, run_id, ZoneInfo(zone), settings.policy_dir, tables))
        day = day or as_of.date()
        published = _written_down(con, metric, "published_pool", day)
        program.write_rules(con, tables[WRITE_DOWN], WRITE_DOWN, rules)
        con.execute(f"create or replace view {OF_ACCOUNTS} as {order[OF_ACCOUNTS].sql}")
        other = _written_down(con, metric, "other_pool", day)
        changed = con.execute("""
            select o.account, o.code, o.pool, o.quantity, o.cost, p.write_down, o.write_down
            from other_pool as o
            inner join published_pool as p
                on o.account = p.account and o.variant_id = p.variant_id and o.pool = p.pool
            where o.write_down <> p.write_down
            order by abs(o.write_down - p.write_down) desc, o.account, o.variant_id, o.pool
        """).fetchall()
    return Comparison(day, currency, published, other, [ChangedPool(*row) for row in changed])


def _bring(con: duckdb.DuckDBPyConnection, order: Mapping[str, Step], name: str, context: BuildContext) -> None:
    """Make a macro with all it reads; tables are those of the published file."""
    step = order.get(name)
    if step is None or step.tables[0].kind != "macro":
        con.execute(f"create or replace view {name} as select * from published.{name}")
        return
    for needed in sorted(step.reads):
        _bring(con, order, needed, context)
    run_step(con, step, context)


def _written_down(
    con: duckdb.DuckDBPyConnection, metric: str, name: str, day: date
) -> dict[str | None, Decimal | None]:
    """Keep the pools of a day under ``name``; their write-down by the rules that applied."""
    con.execute(f"create table {name} as from {MACRO}(?::date)", [day])
    con.execute(f"create or replace view {REPORT} as from {name}")
    return dict(con.execute(metric).fetchall())
