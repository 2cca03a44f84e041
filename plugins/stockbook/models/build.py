"""
Build every model in the writer's file, in one transaction as long as tables are small.

DuckDB reads what a transaction wrote with one thread, and plans as if it were empty. So once a table of more than a
row group was built, every model is committed before the next one reads it. A build that fails leaves the marts as they
were or, in a large shop, new ones beside old ones; the next build makes all of them again. Readers see none of this,
they read the published copy.
"""

from pathlib import Path

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import VALUATION_CURRENCY, Table, in_currency
from stockbook.errors import ModelFailed, StockbookError
from stockbook.models.built_marks import BuiltMarks
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.orphans import drop_orphans
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.progress import Progress
from stockbook.sql_text import quoted
from stockbook.warehouse import meta
from stockbook.warehouse.connect import BUILDS_FAST, ROW_GROUP
from stockbook.warehouse.schema import HISTORY_COLUMNS, ROW_COLUMNS
from stockbook.warehouse.transaction import transaction

ACCOUNT = "Fulfillment account the row came from; one connection each."


def build(
    con: duckdb.DuckDBPyConnection,
    models_dir: Path,
    context: BuildContext,
    clock: Clock,
    progress: Progress,
    large: int = ROW_GROUP,
) -> dict[str, float]:
    """
    Build all models as of the context. Returns the seconds each step took.

    Raises ModelFailed naming the model; nothing is changed then, unless a table of more than ``large`` rows was built
    before it.
    """
    seconds: dict[str, float] = {}
    is_large = False
    con.execute(BUILDS_FAST)
    with transaction(con):
        meta.write_current_run(con, context.run_id, context.as_of, context.zone.key)
        create_macros(con, models_dir)
        marks = BuiltMarks(con, models_dir, context)
        for step in steps(models_dir, context.tables):
            progress.start(step.name)
            started = clock.monotonic()
            try:
                run_step(con, step, context)
                marks.add(step)
                is_large = is_large or has_large(con, step, large)
                if is_large:
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
        drop_orphans(con, context.tables)
        write_comments(con, in_currency(context.tables, _currency(con, context.tables)))
    return seconds


def run_step(con: duckdb.DuckDBPyConnection, step: Step, context: BuildContext) -> None:
    if step.program is not None:
        PROGRAMS[step.program].load()(con, context)
        return
    table, sql = step.tables[0], (step.sql or "").strip().rstrip(";")
    if table.kind in ("view", "table"):
        _drop_of_other_kind(con, table)
    if table.kind == "view":
        con.execute(f"create or replace view {table.name} as {sql}")
    elif table.kind == "macro":
        con.execute(f"create or replace macro {table.name}({', '.join(table.parameters)}) as table {sql}")
    else:
        replace_table(con, table, sql)


def has_large(con: duckdb.DuckDBPyConnection, step: Step, large: int = ROW_GROUP) -> bool:
    """Whether a step wrote a table of more than ``large`` rows."""
    written = [table.name for table in step.tables if table.kind not in ("view", "macro")]
    return any(con.execute(f"select count(*) from {name}").fetchall()[0][0] > large for name in written)


def _drop_of_other_kind(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """A model that was a table in an earlier version and is a view now, or the other way round, makes way."""
    other = "table" if table.kind == "view" else "view"
    former = con.execute(
        f"select 1 from duckdb_{other}s() where database_name = current_database() and schema_name = ? "
        f"and {other}_name = ?",
        [table.layer, table.table],
    )
    if former.fetchall():
        con.execute(f"drop {other} {table.name}")


def replace_table(con: duckdb.DuckDBPyConnection, table: Table, select: str) -> None:
    """Create or replace a table with exactly its declared columns and types, in their order, from a select by name."""
    columns = {"account": "varchar"} if "account" in table.grain and "account" not in table.columns else {}
    columns |= {name: column.type for name, column in table.columns.items()}
    con.execute(f"create or replace table {table.name} ({', '.join(f'{n} {t}' for n, t in columns.items())})")
    con.execute(f"insert into {table.name} by name {select}")


def _currency(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> str:
    """The code of the valuation currency, where there is a valuation."""
    if "marts.dim_valuation_setting" not in tables:
        return VALUATION_CURRENCY
    return str(con.execute("select valuation_currency from marts.dim_valuation_setting").fetchall()[0][0])


def write_comments(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """Comment every table, view, macro and column from its declaration."""
    columns_of_staging = (
        "select table_name, column_name from duckdb_columns() where schema_name = 'staging' order by all"
    )
    columns = con.execute(columns_of_staging).fetchall()
    statements = []
    for table in tables.values():
        if table.kind == "macro":
            statements.append(f"comment on macro table {table.name} is {quoted(_with_grain(table))}")
            continue
        what = "view" if table.kind == "view" else "table"
        statements.append(f"comment on {what} {table.name} is {quoted(_with_grain(table))}")
        statements += _column_comments(table.name, column_texts(table))
        if table.history:
            text = f"Versions of {table.name}: {table.description}"
            statements.append(f"comment on table {table.name}_history is {quoted(text)}")
            texts = column_texts(table) | {name: text for name, (_, text) in HISTORY_COLUMNS.items()}
            own = [column for name, column in columns if name == f"{table.table}_history"]
            statements += _column_comments(f"{table.name}_history", {name: texts[name] for name in own})
    # in one call: more than two thousand statements one by one take twice the time
    con.execute(";".join(statements))


def _column_comments(table: str, texts: dict[str, str]) -> list[str]:
    return [f"comment on column {table}.{name} is {quoted(text)}" for name, text in texts.items()]


def _with_grain(table: Table) -> str:
    grain = f" One row per {' × '.join(table.grain)}." if table.grain else ""
    return table.description.strip() + grain


def column_texts(table: Table) -> dict[str, str]:
    """Description of each column as readers see it, with its unit."""
    texts = {}
    if table.is_staged or ("account" in table.grain and "account" not in table.columns):
        texts["account"] = ACCOUNT
    texts |= {
        name: column.description + (f" Unit: {column.unit}." if column.unit else "")
        for name, column in table.columns.items()
    }
    if table.is_staged:
        texts |= {name: text for name, (_, text) in ROW_COLUMNS.items()}
    return texts
