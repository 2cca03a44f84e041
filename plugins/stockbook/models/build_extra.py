"""
Build the models of a user's folder behind all of ours, each in a transaction of its own.

The steps, marks and statements are those of ours (``models/build.py``). What fails is a problem of theirs, is not there
and takes along what reads it; the others are built.
"""

from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import EXTRA, Table, in_currency
from stockbook.errors import ModelFailed
from stockbook.extra_folder import Problem
from stockbook.limits import Limits
from stockbook.models.build import currency_of, run_step
from stockbook.models.built_marks import TEXT, BuiltMarks
from stockbook.models.comments import column_texts, write_comments
from stockbook.models.extra import Plan, left_out, of_step
from stockbook.models.order import Step
from stockbook.models.orphans import drop_orphans
from stockbook.models.programs import BuildContext
from stockbook.progress import Progress
from stockbook.sql_text import quoted
from stockbook.warehouse import meta
from stockbook.warehouse.file_errors import is_of_file
from stockbook.warehouse.readers import interrupted_after, query_error
from stockbook.warehouse.transaction import transaction


class Built(NamedTuple):
    """Seconds of what was built anew, and what could not be."""

    seconds: dict[str, float]
    problems: list[Problem]


def build_extra(
    con: duckdb.DuckDBPyConnection,
    models_dir: Path,
    context: BuildContext,
    planned: tuple[Path, Plan],
    limits: Limits,
    clock: Clock,
    progress: Progress,
) -> Built:
    """
    Bring the models of a folder to the context's as-of; its tables are ours and theirs.

    Each may take as long as a reader may. Raises only what is wrong with the file or its disk.
    """
    folder, plan = planned
    built, lost = Built({}, []), set[str]()
    # what a sort of theirs puts on the disk must leave room for the books
    con.execute(f"set global max_temp_directory_size = {quoted(limits.disk)}")
    con.execute(f"create schema if not exists {EXTRA}")
    marks = BuiltMarks(con, models_dir, context, drop_orphans(con, plan.tables, (EXTRA,)), (EXTRA,))
    for step in plan.steps:
        if reads := sorted(step.reads & lost):
            built.problems.append(left_out(folder, step, reads[0]))
            lost.add(step.name)
        elif not marks.stands(step):
            progress.start(step.name)
            started = clock.monotonic()
            try:
                with interrupted_after(con, limits.seconds), transaction(con):
                    run_step(con, step, context)
                    _hold(con, step.tables[0])
            except (duckdb.Error, ModelFailed) as error:
                if isinstance(error, duckdb.Error) and is_of_file(error):
                    raise
                built.problems.append(of_step(folder, step, _reason(step, error, limits)))
                marks.lose(step)
                lost.add(step.name)
            built.seconds[step.name] = clock.monotonic() - started
            progress.finish(step.name, f"{built.seconds[step.name]:.2f} s")
    remaining = {name: table for name, table in plan.tables.items() if name not in lost}
    with transaction(con):
        drop_orphans(con, remaining, (EXTRA,))
        marks.write(con)
        write_comments(con, in_currency(remaining, currency_of(con, context.tables)))
    return built


def take_out(con: duckdb.DuckDBPyConnection, plan: Plan, names: set[str]) -> None:
    """Drop models that did not hold their checks; the next night makes them anew."""
    with transaction(con):
        drop_orphans(con, {name: table for name, table in plan.tables.items() if name not in names}, (EXTRA,))
        meta.forget_marks_of(con, [*names, *(f"{TEXT}.{name}" for name in names)])


def clear(con: duckdb.DuckDBPyConnection) -> None:
    """Drop all of theirs: there is no folder any more."""
    with transaction(con):
        drop_orphans(con, {}, (EXTRA,))
        meta.forget_content_marks(con, (EXTRA,))
        con.execute(f"drop schema if exists {EXTRA}")


def is_there(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file has anything of theirs."""
    query = f"select 1 from duckdb_schemas() where schema_name = '{EXTRA}' and database_name = current_database()"
    return bool(con.execute(query).fetchall())


def _hold(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """A view has exactly its declared columns; a table is made of them. Raises ModelFailed."""
    if table.kind != "view":
        return
    there = {name for name, *_ in con.execute(f"describe {table.name}").fetchall()}
    if there != column_texts(table).keys():
        declared = ", ".join(sorted(column_texts(table)))
        raise ModelFailed(f"it declares the columns {declared}; its select has {', '.join(sorted(there))}.")


def _reason(step: Step, error: Exception, limits: Limits) -> str:
    if isinstance(error, duckdb.InterruptException):
        return f"{step.name} took longer than {limits.seconds:g} s (STOCKBOOK_READER_SECONDS) and was interrupted."
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"{step.name} needs more than STOCKBOOK_MEMORY_LIMIT and STOCKBOOK_READER_DISK allow."
    if not isinstance(error, duckdb.Error):
        return f"{step.name} could not be built: {error}"
    # the line of the statement is that of the select: nothing stands above it
    line = str(error).partition("\nLINE ")[2].partition(":")[0]
    return f"{step.name} could not be built: {query_error(error)}" + (f" (line {line})" if line else "")
