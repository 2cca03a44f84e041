"""
Build every model whose rows may be others in the writer's file, in one transaction as long as tables are small.

DuckDB reads what a transaction wrote with one thread, and plans as if it were empty. So once a table of more than a
row group was built, every model with rows is committed before the next one reads it. A build that fails leaves the
marts as they were or, in a large shop, new ones beside old ones; the next build makes these again. Readers see none of
this, they read the published copy.
"""

from pathlib import Path

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import VALUATION_CURRENCY, Table, in_currency
from stockbook.errors import ModelFailed, StockbookError
from stockbook.models.built_marks import BuiltMarks
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.orphans import drop_orphans
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.progress import Progress
from stockbook.warehouse import meta
from stockbook.warehouse.connect import BUILDS_FAST, ROW_GROUP, spare_threads
from stockbook.warehouse.transaction import transaction


def build(
    con: duckdb.DuckDBPyConnection,
    models_dir: Path,
    context: BuildContext,
    clock: Clock,
    progress: Progress,
    large: int = ROW_GROUP,
) -> dict[str, float]:
    """
    Bring all models to the context's as-of. Returns the seconds of each step that was built; the others stand.

    Raises ModelFailed naming the model; nothing is changed then, unless a table of more than ``large`` rows was built
    before it.
    """
    seconds: dict[str, float] = {}
    is_large = False
    con.execute(BUILDS_FAST)
    spare_threads(con)
    with transaction(con):
        meta.write_current_run(con, context.run_id, context.as_of, context.zone.key)
        create_macros(con, models_dir)
        drop_orphans(con, context.tables)
        marks = BuiltMarks(con, models_dir, context)
        for step in steps(models_dir, context.tables):
            if marks.stands(step):
                continue
            progress.start(step.name)
            started = clock.monotonic()
            try:
                rows = run_step(con, step, context)
                is_large = is_large or rows > large
                # what has no rows can be read where it is
                if is_large and rows:
                    con.execute("commit")
                    con.execute("begin transaction")
            except (StockbookError, duckdb.IOException, duckdb.FatalException):
                # the file or its disk is at fault, not the model: the writer says which
                raise
            except Exception as error:
                raise ModelFailed(f"{step.name} could not be built: {str(error).splitlines()[0]}") from error
            seconds[step.name] = clock.monotonic() - started
            progress.finish(step.name, f"{seconds[step.name]:.2f} s")
        marks.write(con)
        write_comments(con, in_currency(context.tables, currency_of(con, context.tables)))
        if not is_large:
            # one commit of much is a checkpoint by itself, and nothing of it goes through the log first
            con.execute("reset wal_autocheckpoint")
    return seconds


def run_step(con: duckdb.DuckDBPyConnection, step: Step, context: BuildContext) -> int:
    """Make what a step makes; returns the rows of its largest table."""
    if step.program is not None:
        PROGRAMS[step.program].load()(con, context)
        # of one count beside the other DuckDB would plan a join of joins
        counts = " union all ".join(f"select count(*) as rows from {table.name}" for table in step.tables)
        most: int = con.execute(f"select max(rows) from ({counts})").fetchall()[0][0]
        return most
    table, sql = step.tables[0], (step.sql or "").strip().rstrip(";")
    if table.kind == "view":
        con.execute(f"create or replace view {table.name} as {sql}")
    elif table.kind == "macro":
        con.execute(f"create or replace macro {table.name}({', '.join(table.parameters)}) as table {sql}")
    else:
        return replace_table(con, table, sql)
    return 0


def replace_table(con: duckdb.DuckDBPyConnection, table: Table, select: str) -> int:
    """
    Create or replace a table with exactly its declared columns and types, in their order, from a select by name.

    Returns its rows.
    """
    columns = {"account": "varchar"} if "account" in table.grain and "account" not in table.columns else {}
    columns |= {name: column.type for name, column in table.columns.items()}
    con.execute(f"create or replace table {table.name} ({', '.join(f'{n} {t}' for n, t in columns.items())})")
    inserted: int = con.execute(f"insert into {table.name} by name {select}").fetchall()[0][0]
    return inserted


def currency_of(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> str:
    """The code of the valuation currency, where there is a valuation."""
    if "marts.dim_valuation_setting" not in tables:
        return VALUATION_CURRENCY
    return str(con.execute("select valuation_currency from marts.dim_valuation_setting").fetchall()[0][0])
