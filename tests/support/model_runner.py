"""
The models a test names, with what they read, run on given rows of staging.

Each model's own file is executed in the order found from what it names, as a night does, but only
the models a test is about: given rows in, rows of the mart out.
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import duckdb
from empty_warehouse import MODELS, Pool

from stockbook.channels import program as channels
from stockbook.declaration_files import load
from stockbook.declarations import Table
from stockbook.models.build import replace_table
from stockbook.models.macros import create_macros
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.sla import program
from stockbook.warehouse.connect import NO_VARIABLES

PROJECT = Path(__file__).parents[2]
POLICY = PROJECT / "include" / "policy"
PRAGUE = ZoneInfo("Europe/Prague")


POOL = Pool()
VIEWS: WeakKeyDictionary[duckdb.DuckDBPyConnection, dict[str, str]] = WeakKeyDictionary()


def warehouse() -> duckdb.DuckDBPyConnection:
    """An empty warehouse: schemas and staging tables. Views of models may be there from an earlier test."""
    con, database = POOL.take()
    # a handful of rows keeps one thread busy
    con.execute("set threads = 1")
    con.execute(NO_VARIABLES)
    if not database.views:
        create_macros(con, MODELS)
    VIEWS[con] = database.views
    return con


@cache
def _selects() -> dict[str, tuple[str, list[str]]]:
    """The select of each model that has one, and what it reads, in order."""
    return {step.name: (step.sql, sorted(step.reads)) for step in steps(MODELS, load(MODELS)) if step.sql is not None}


def run(
    con: duckdb.DuckDBPyConnection, wanted: str, as_of: datetime, zone: ZoneInfo = PRAGUE, policy_dir: Path = POLICY
) -> None:
    """Build ``wanted`` and everything it reads, as of ``as_of`` (naive local)."""
    tables = load(MODELS)
    _is_now(con, as_of, zone)
    if con not in VIEWS:
        create_macros(con, MODELS)
    context = BuildContext(as_of, "test", zone, policy_dir, tables)
    program.build(con, context)
    channels.build(con, context)
    _build(con, tables, wanted, set())


def run_again(con: duckdb.DuckDBPyConnection, wanted: str, as_of: datetime, stays: Collection[str] = ()) -> None:
    """The same as of another time, with the policies, and models that stay, as ``run`` of a later time left them."""
    _is_now(con, as_of, PRAGUE)
    _build(con, load(MODELS), wanted, set(stays))


def _is_now(con: duckdb.DuckDBPyConnection, as_of: datetime, zone: ZoneInfo) -> None:
    con.execute("delete from meta.current_run")
    con.execute("insert into meta.current_run (run_id, as_of, zone) values ('test', ?, ?)", [as_of, zone.key])


def _build(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], name: str, done: set[str]) -> None:
    if name in done or name.startswith(("staging.", "meta.")) or tables[name].kind == "program":
        return
    done.add(name)
    select, reads = _selects()[name]
    for needed in reads:
        _build(con, tables, needed, done)
    if tables[name].kind == "view":
        views = VIEWS.get(con, {})
        if views.get(name) != select:
            con.execute(f"create or replace view {name} as {select}")
            views[name] = select
    else:
        replace_table(con, tables[name], select)
