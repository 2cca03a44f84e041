"""
The program ``sla_changes``: what a night changed in the figures of days that were over, order by order.

A night is compared with the one readers have: the published file. Only days that were over by then
count; on the others orders come and go as they should. What earlier nights changed is taken along
from the published file, so that a red night leaves no trace and a repeated one none of its own. A published file
that is open for writing or damaged cannot be compared with: what published nights changed then comes from the writer's
own tables.
"""

from datetime import datetime
from typing import NamedTuple

import duckdb

from stockbook.errors import StockbookError
from stockbook.models.build import replace_table
from stockbook.models.programs import BuildContext
from stockbook.sql_text import quoted
from stockbook.warehouse.readers import attach

ORDERS = "reports.sla_order_change"
DAYS = "reports.sla_daily_change"
FACT = "marts.fct_fulfillment"
COUNTS = ("orders", "on_time", "late", "overdue", "pending", "excluded", "unknown")
# what a state rests on: the end of each interval, and what it is called
MILESTONES = ("released", "stock_ready", "pushed", "stock_out", "packed", "sent", "delivered", "cancelled", "restored")


class Published(NamedTuple):
    """The published file: its ``as_of``, the columns of fct_fulfillment, and which of our tables it has."""

    as_of: datetime
    columns: set[str]
    own_tables: set[str]


def build(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Write ``ORDERS`` and ``DAYS``. Without a published night, or as of a time before it, nothing changed."""
    try:
        before, unreadable = _published(con, context), False
    except (duckdb.IOException, StockbookError):
        before, unreadable = None, True
    for name in (ORDERS, DAYS):
        own = _of_published_nights(con, name) if unreadable else None
        replace_table(con, context.tables[name], own or _empty(context, name))
        if before and name in before.own_tables:
            # what nights changed that came after a published night of the past is found again by comparing with that
            until = f"where changed_as_of <= {_at(before.as_of)}" if before.as_of < context.as_of else ""
            con.execute(f"insert into {name} by name select * from published.{name} {until}")
    if before and before.as_of < context.as_of:
        con.execute(f"insert into {ORDERS} by name {_changed(before, context.as_of)}")
        con.execute(f"insert into {DAYS} by name {_days(before.as_of, context.as_of)}")


def _published(con: duckdb.DuckDBPyConnection, context: BuildContext) -> Published | None:
    if context.published is None or not context.published.exists():
        return None
    attach(con, context.published, "published")
    columns: dict[str, set[str]] = {}
    for schema, table, column in con.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where database_name = 'published'"
    ).fetchall():
        columns.setdefault(f"{schema}.{table}", set()).add(column)
    current = con.execute("select as_of from published.meta.current_run").fetchall()
    if not current or FACT not in columns:
        return None
    return Published(current[0][0], columns[FACT], {ORDERS, DAYS} & columns.keys())


def _of_published_nights(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    schema, _, table = name.partition(".")
    there = con.execute("select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [schema, table])
    if not there.fetchall():
        return None
    published = "select as_of from meta.run where status = 'published'"
    con.execute(f"create or replace temp table taken_along as from {name} where changed_as_of in ({published})")
    return "from taken_along"


def _at(moment: datetime) -> str:
    return f"timestamp {quoted(moment.isoformat(sep=' '))}"


def _empty(context: BuildContext, name: str) -> str:
    columns = ", ".join(f"cast(null as {column.type}) as {key}" for key, column in context.tables[name].columns.items())
    return f"select {columns} where false"


def _reasons(before: Published) -> list[str]:
    """An expression for each milestone or rule, NULL where it is as it was (``o`` before, ``n`` now)."""
    milestones = [name for name in MILESTONES if {f"{name}_at_utc", f"{name}_evidence"} <= before.columns]
    reasons = [
        f"case when n.{name}_at_utc is distinct from o.{name}_at_utc "
        f"then {quoted(name)} || coalesce(' (' || coalesce(n.{name}_evidence, o.{name}_evidence) || ')', '') end"
        for name in milestones
    ]
    reasons += [
        "case when n.policy_version is distinct from o.policy_version then 'policy' end",
        "case when n.calendar_version is distinct from o.calendar_version then 'calendar' end",
        "case when n.cycle_no <> o.cycle_no then 'new cycle' end",
    ]
    return reasons


def _changed(before: Published, now: datetime) -> str:
    """One row per order and day whose figures it changed: the day it stayed on, or those it left and joined."""
    day = f"cast({_at(before.as_of)} as date)"
    state = "select account, order_id, sla_state, due_date from {} where is_latest_cycle"
    return f"""
        with changed as (
            select
                coalesce(n.account, o.account) as account,
                coalesce(n.order_id, o.order_id) as order_id,
                o.order_id is null as is_new,
                n.order_id is null as is_gone,
                o.sla_state as old_state,
                n.sla_state as new_state,
                o.due_date as old_due_date,
                n.due_date as new_due_date
            from ({state.format(f"published.{FACT}")}) as o
            full outer join ({state.format(FACT)}) as n
                on o.account = n.account and o.order_id = n.order_id
            where
                (o.due_date < {day} or n.due_date < {day})
                and (o.sla_state is distinct from n.sla_state or o.due_date is distinct from n.due_date)
        ),
        compared as (
            select
                c.*,
                list_filter([{", ".join(_reasons(before))}], lambda reason: reason is not null) as reasons
            from changed as c
            left join published.{FACT} as o
                on c.account = o.account and c.order_id = o.order_id and o.is_latest_cycle
            left join {FACT} as n
                on c.account = n.account and c.order_id = n.order_id and n.is_latest_cycle
        ),
        reasoned as (
            select
                * exclude (reasons, is_new, is_gone),
                case
                    when is_gone then 'gone from the source'
                    when is_new then 'first seen'
                    when len(reasons) > 0 then array_to_string(reasons, ', ')
                    when old_due_date is distinct from new_due_date then 'rule, calendar or requested date'
                    else 'time'
                end as reason,
                unnest(
                    case
                        when old_due_date is not distinct from new_due_date
                            then [{{'due_date': new_due_date, 'change': 'state'}}]
                        else [
                            {{'due_date': old_due_date, 'change': 'left'}},
                            {{'due_date': new_due_date, 'change': 'joined'}}
                        ]
                    end,
                    recursive := true
                )
            from compared
        )
        select
            account,
            due_date,
            order_id,
            {_at(now)} as changed_as_of,
            {_at(before.as_of)} as compared_as_of,
            change,
            old_state,
            new_state,
            old_due_date,
            new_due_date,
            reason
        from reasoned
        where due_date < {day}
    """


def _days(before: datetime, now: datetime) -> str:
    """One row per day that was over and whose figures differ from the published ones."""
    sides = ", ".join(f"coalesce(o.{name}, 0) as old_{name}, coalesce(n.{name}, 0) as new_{name}" for name in COUNTS)
    return f"""
        select
            coalesce(n.account, o.account) as account,
            coalesce(n.due_date, o.due_date) as due_date,
            {_at(now)} as changed_as_of,
            {_at(before)} as compared_as_of,
            {sides},
            o.on_time_rate as old_on_time_rate,
            n.on_time_rate as new_on_time_rate
        from published.reports.sla_daily as o
        full outer join reports.sla_daily as n
            on o.account = n.account and o.due_date = n.due_date
        left join (select distinct account, due_date from {ORDERS} where changed_as_of = {_at(now)}) as c
            on coalesce(n.account, o.account) = c.account and coalesce(n.due_date, o.due_date) = c.due_date
        where
            coalesce(n.due_date, o.due_date) < cast({_at(before)} as date)
            and (c.account is not null or {
        " or ".join(f"coalesce(o.{name}, 0) <> coalesce(n.{name}, 0)" for name in COUNTS)
    })
    """
