"""
The figures of a morning: each one a name, a unit and the SQL it is read with from the published file.

All queries answer over all accounts; a figure that is not known yet is NULL and shown as a dash. A night runs when
its day has hardly begun, so figures of a day are those of the last whole day. Units name ``{currency}``, the valuation
currency, and ``{day}`` and ``{before}``, the last whole day and the one before it.
"""

from dataclasses import dataclass
from typing import Literal

Form = Literal["money", "count", "share", "change"]


@dataclass(frozen=True)
class Figure:
    """One number. ``form`` says how it is printed, ``bad_above`` from where on it wants attention."""

    key: str
    label: str
    form: Form
    sql: str
    unit: str = ""
    bad_above: float | None = None


@dataclass(frozen=True)
class Chart:
    """Rows ``(x, series, value)`` and how they are drawn; ``x`` is a day, or a name in the order of the rows."""

    key: str
    title: str
    kind: Literal["line", "bars"]
    unit: str
    sql: str
    axis_format: str = ",.0f"
    least_step: float = 1


FIGURES = (
    Figure(
        "stock_value",
        "Stock value",
        "money",
        """
        select sum(stock_value)
        from reports.stock_value_daily
        where date = (select max(date) from reports.stock_value_daily)
        """,
    ),
    Figure(
        "stock_value_change",
        "Change of stock value, last whole day",
        "change",
        """
        select sum(stock_value) filter (where date = cast(as_of as date) - 1)
             - sum(stock_value) filter (where date = cast(as_of as date) - 2)
        from reports.stock_value_daily, meta.current_run
        """,
        # with their weekdays: nothing moves on a Sunday
        unit="end of {day:%a %-d %b} less end of {before:%a %-d %b}",
    ),
    Figure(
        "damaged_value",
        "Damaged stock, net realisable value",
        "money",
        """
        select sum(damaged_value_nrv)
        from reports.stock_value_daily
        where date = (select max(date) from reports.stock_value_daily)
        """,
    ),
    Figure(
        "pieces",
        "Sellable pieces on hand",
        "count",
        """
        select cast(sum(quantity) as bigint)
        from reports.stock_value_daily
        where date = (select max(date) from reports.stock_value_daily)
        """,
        unit="pieces",
    ),
    Figure(
        "cogs_last_month",
        "Cost of goods sold, last full month",
        "money",
        """
        select sum(cogs)
        from reports.cogs_monthly
        where month = (select date_trunc('month', as_of) - interval 1 month from meta.current_run)
        """,
    ),
    Figure(
        "missing_cost",
        "Pieces on hand without a cost",
        "count",
        """
        select cast(sum(headline_missing_cost_quantity) as bigint)
        from reports.stock_value_daily
        where date = (select max(date) from reports.stock_value_daily)
        """,
        unit="pieces",
        bad_above=0,
    ),
    Figure(
        "differences",
        "Open differences to the warehouse's count",
        "count",
        "select count(*) from reports.stock_reconciliation_open",
        unit="variants and pools",
        bad_above=0,
    ),
    Figure(
        "on_time_sure",
        "On time, last 28 due days, at least",
        "share",
        """
        select sum(on_time) / nullif(sum(on_time + late + overdue + perhaps_late), 0)
        from reports.sla_daily, meta.current_run
        where due_date between cast(as_of as date) - 28 and cast(as_of as date) - 1
        """,
        unit="of the orders due",
    ),
    Figure(
        "on_time_possible",
        "On time, last 28 due days, at most",
        "share",
        """
        select sum(on_time + perhaps_on_time) / nullif(sum(on_time + late + overdue + perhaps_on_time), 0)
        from reports.sla_daily, meta.current_run
        where due_date between cast(as_of as date) - 28 and cast(as_of as date) - 1
        """,
        unit="of the orders due",
    ),
    Figure(
        "overdue",
        "Overdue orders",
        "count",
        "select count(*) from reports.backlog_orders where bucket like 'overdue%'",
        unit="orders",
        bad_above=0,
    ),
    Figure(
        "due_today",
        "Due today",
        "count",
        "select count(*) from reports.backlog_orders where bucket = 'due_today'",
        unit="orders",
    ),
    Figure("open_orders", "Open orders", "count", "select count(*) from reports.backlog_orders", unit="orders"),
    Figure(
        "problems",
        "Problems in dispatch, open",
        "count",
        "select count(*) from reports.problem_orders where is_open",
        unit="orders",
        bad_above=0,
    ),
)

CHARTS = (
    Chart(
        "stock_value",
        "Stock value, last 120 days",
        "line",
        "{currency}",
        """
        select date, unnest(['Average landed', 'FIFO landed']) as series,
               unnest([cast(sum(average_landed_value) as double), cast(sum(fifo_landed_value) as double)]) as value
        from reports.stock_value_daily
        where date > (select max(date) from reports.stock_value_daily) - 120
        group by date
        order by date, series
        """,
    ),
    Chart(
        "on_time",
        "On-time dispatch, last 60 due days: at least and at most",
        "line",
        "share of orders due",
        """
        select due_date, unnest(['at most', 'at least']) as series, unnest([
            sum(on_time + perhaps_on_time) / nullif(sum(on_time + late + overdue + perhaps_on_time), 0),
            sum(on_time) / nullif(sum(on_time + late + overdue + perhaps_late), 0)
        ]) as value
        from reports.sla_daily, meta.current_run
        where due_date between cast(as_of as date) - 60 and cast(as_of as date) - 1
        group by due_date
        order by due_date, series
        """,
        axis_format=".0%",
        least_step=0.01,
    ),
    Chart(
        "backlog",
        "Open orders by how soon they have to leave",
        "bars",
        "orders",
        """
        select replace(bucket, '_', ' '), 'orders' as series, cast(sum(orders) as double)
        from reports.backlog
        group by bucket
        order by min(position), bucket
        """,
    ),
    Chart(
        "ageing",
        "Stock value by days since receipt",
        "bars",
        "{currency}",
        """
        select age_bucket, 'value' as series, cast(sum(value) as double)
        from reports.stock_ageing
        -- the pool of the stock value beside it: damaged pieces are a figure of their own
        where pool = 'sellable'
        group by age_bucket
        order by min(bucket_no)
        """,
    ),
)
