"""
What another policy would have promised, worked out beside what was published.

Everything happens in a database in memory that reads the published file: what a policy decides is
built again there, what does not depend on it (polls, movements, events) is read as published.
Neither the published file nor the writer's is ever written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook import declaration_files
from stockbook.declarations import Table
from stockbook.errors import ConfigError, ModelFailed, first_line
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.programs import BuildContext
from stockbook.settings import Settings
from stockbook.sla import calendar, policy, program, statuses
from stockbook.sla.program import Policies
from stockbook.sql_text import quoted
from stockbook.warehouse.readers import beside_published

FACT = "marts.fct_fulfillment"
# the tables of the program ``policies`` that follow from the policy and its calendar
DECIDED = frozenset({"intermediate.sla_policy", "intermediate.sla_due_day", "intermediate.calendar_day"})
STATES = ("on_time", "late", "overdue", "pending", "excluded", "unknown")


class ChangedOrder(NamedTuple):
    """An order another policy judges otherwise; due times are local wall clock, None where nothing is promised."""

    account: str
    order_id: str
    policy_version: str | None
    other_policy_version: str | None
    state: str
    other_state: str
    due_at: datetime | None
    other_due_at: datetime | None


class Comparison(NamedTuple):
    """What was published as of ``as_of`` (local) beside what the other policy gives, each order by its latest cycle."""

    as_of: datetime
    moved: dict[tuple[str, str], int]
    """Orders by published and other state."""
    changed: list[ChangedOrder]
    """Orders whose state or due time differs, in order of their published due time."""
    notes: list[str]

    def states(self, other: bool) -> dict[str, int]:
        """Orders by state, as published or by the other policy."""
        return {state: sum(count for pair, count in self.moved.items() if pair[other] == state) for state in STATES}


def compare(settings: Settings, policy_file: Path, calendar_file: Path | None = None) -> Comparison:
    """
    Judge the published orders by another policy.

    ``calendar_file`` defaults to the calendar in force. Raises ConfigError naming file, line and field
    for a wrong policy, or when nothing has been published.
    """
    calendars = calendar.read(calendar_file or settings.policy_dir / "calendar.yml")
    status_file = settings.policy_dir / "statuses.yml"
    policies = Policies(
        policy.read(policy_file, calendars),
        calendars,
        statuses.read(status_file),
        statuses.read_shipments(status_file),
    )
    tables = declaration_files.load(settings.models_dir)
    with _beside_published(settings) as con:
        context = _context(con, settings, tables)
        _build(con, settings, context, policies)
        return Comparison(
            as_of=context.as_of,
            moved=_moved(con),
            changed=_changed(con, context.zone),
            notes=program.notes(con, policies, policy_file.name),
        )


@contextmanager
def _beside_published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with beside_published(settings, settings.published) as con:
        for schema in ("intermediate", "marts", "meta"):
            con.execute(f"create schema {schema}")
        create_macros(con, settings.models_dir)
        for name in ("meta.current_run", "meta.run"):
            con.execute(f"create view {name} as select * from published.{name}")
        yield con


def _context(con: duckdb.DuckDBPyConnection, settings: Settings, tables: dict[str, Table]) -> BuildContext:
    current = con.execute("select run_id, as_of, zone from meta.current_run").fetchall()
    if not current:
        raise ConfigError("The published file names no run: run a night first.")
    run_id, as_of, zone = current[0]
    return BuildContext(as_of, run_id, ZoneInfo(zone), settings.policy_dir, tables)


def _build(con: duckdb.DuckDBPyConnection, settings: Settings, context: BuildContext, policies: Policies) -> None:
    order = steps(settings.models_dir, context.tables)
    published = {
        name
        for (name,) in con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'published'"
        ).fetchall()
    }
    for name in sorted(published):
        if name.startswith("staging."):
            con.execute(f"create view {name} as select * from published.{name}")
    built = _to_build(order, published)
    for step in order:
        try:
            if step.program == "policies":
                program.write(con, context, policies)
            elif step.name in built:
                run_step(con, step, context)
            else:
                # a program may make tables of several layers
                for table in step.tables:
                    if table.layer == "intermediate" and table.name in published:
                        con.execute(f"create view {table.name} as select * from published.{table.name}")
        except duckdb.Error as error:
            raise ModelFailed(f"{step.name} could not be built: {first_line(error)}") from error


def _to_build(order: list[Step], published: set[str]) -> set[str]:
    """The steps that fct_fulfillment needs and that depend on the policy, or are views, or were not published."""
    maker = {table.name: step for step in order for table in step.tables}
    touched = set(DECIDED)
    for step in order:
        if step.reads & touched:
            touched |= {table.name for table in step.tables}
    wanted: set[str] = set()
    open_ = [maker[FACT]]
    while open_:
        step = open_.pop()
        is_as_published = step.tables[0].name in published and step.tables[0].name not in touched
        if step.name in wanted or step.program is not None or is_as_published:
            continue
        wanted.add(step.name)
        open_ += [maker[name] for name in step.reads if name in maker]
    return wanted


_BOTH = f"""
from published.{FACT} as p
inner join {FACT} as o
    on p.account = o.account and p.order_id = o.order_id and p.cycle_no = o.cycle_no
where p.is_latest_cycle
"""


def _moved(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    moved = con.execute(f"select p.sla_state, o.sla_state, count(*) {_BOTH} group by all order by all").fetchall()
    return {(state, other): count for state, other, count in moved}


def _changed(con: duckdb.DuckDBPyConnection, zone: ZoneInfo) -> list[ChangedOrder]:
    local = f"(({{}} at time zone 'UTC') at time zone {quoted(zone.key)})"
    orders = con.execute(
        f"""
        select
            p.account,
            p.order_id,
            p.policy_version,
            o.policy_version,
            p.sla_state,
            o.sla_state,
            {local.format("p.due_at_utc")},
            {local.format("o.due_at_utc")}
        {_BOTH}
        and (p.sla_state <> o.sla_state or p.due_at_utc is distinct from o.due_at_utc)
        order by p.due_at_utc nulls last, p.account, p.order_id
        """
    ).fetchall()
    return [ChangedOrder(*row) for row in orders]
