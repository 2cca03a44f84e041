"""
Build every model whose rows may be others in the writer's file, some side by side, each in a transaction of its own.

A build that fails or is killed leaves new marts beside old ones, and blanks: it has no marks then, so that the next
build makes all of them again, and nothing is published before one ended. Readers see none of this, they read the
published copy.
"""

from pathlib import Path

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import VALUATION_CURRENCY, Table, in_currency
from stockbook.models import blanks
from stockbook.models.built_marks import BuiltMarks
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.orphans import drop_orphans
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.models.walk import walk
from stockbook.progress import Progress
from stockbook.warehouse import meta
from stockbook.warehouse.connect import BUILDS_FAST, spare_threads
from stockbook.warehouse.content_marks import BUILD
from stockbook.warehouse.transaction import transaction

SETTING = "marts.dim_valuation_setting"


def build(
    con: duckdb.DuckDBPyConnection,
    models_dir: Path,
    context: BuildContext,
    clock: Clock,
    progress: Progress,
    walkers: int = 2,
) -> dict[str, float]:
    """
    Bring all models to the context's as-of, as many at once as there are ``walkers``.

    Returns the seconds of each step that was built, in their order; the others stand. Raises as ``walk`` does.
    """
    in_order = steps(models_dir, context.tables)
    con.execute(BUILDS_FAST)
    spare_threads(con)
    with transaction(con):
        meta.write_current_run(con, context.run_id, context.as_of, context.zone.key)
        create_macros(con, models_dir)
        there = drop_orphans(con, context.tables)
        marks = BuiltMarks(con, models_dir, context, there)
        meta.write_content_marks(con, {BUILD: ""})
    stands = {step.name for step in in_order if marks.stands(step)}
    currency = currency_of(con, context.tables if SETTING in there else {})
    laid = blanks.lay(con, models_dir, context.tables, in_order, stands, currency)
    seconds: dict[str, float] = {}

    def work(cursor: duckdb.DuckDBPyConnection, step: Step) -> None:
        progress.start(step.name)
        started = clock.monotonic()
        run_step(cursor, step, context, step.name in laid)
        seconds[step.name] = clock.monotonic() - started
        progress.finish(step.name, f"{seconds[step.name]:.2f} s")

    walk(con, in_order, stands, work, walkers)
    with transaction(con):
        marks.write(con)
        meta.write_content_marks(con, {BUILD: context.run_id})
        write_comments(con, in_currency(context.tables, currency_of(con, context.tables)))
    return {step.name: seconds[step.name] for step in in_order if step.name in seconds}


def run_step(con: duckdb.DuckDBPyConnection, step: Step, context: BuildContext, has_blank: bool = False) -> None:
    """Make what a step makes, in its blank where there is one."""
    if step.program is not None:
        PROGRAMS[step.program].load()(con, context)
        return
    table, sql = step.tables[0], (step.sql or "").strip().rstrip(";")
    if has_blank:
        if table.kind == "table":
            con.execute(f"insert into {table.name}{blanks.BLANK} by name {sql}")
        blanks.put_in_place(con, table)
    elif table.kind == "table":
        replace_table(con, table, sql)
    else:
        blanks.create(con, table, sql)


def replace_table(con: duckdb.DuckDBPyConnection, table: Table, select: str) -> None:
    """Create or replace a table with exactly its declared columns and types, in their order, from a select by name."""
    blanks.create(con, table, "")
    con.execute(f"insert into {table.name} by name {select}")


def currency_of(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> str:
    """The code of the valuation currency, where there is a valuation."""
    if SETTING not in tables:
        return VALUATION_CURRENCY
    return str(con.execute(f"select valuation_currency from {SETTING}").fetchall()[0][0])
