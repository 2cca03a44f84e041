"""
The figures of a morning: each one a metric of ``include/metrics``, the days it is of, and how it is printed.

All are over all accounts; a figure that is not known yet is NULL and shown as a dash. A night runs when its day has
hardly begun, so figures of a day are those of the last whole day. Units name ``{currency}``, the valuation currency,
``{day}`` and ``{before}``, the last whole day and the one before it, and ``{vat}``, what money.yml says of VAT.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from stockbook.metrics.files import Metrics
from stockbook.metrics.question import CHANGE, Question

Form = Literal["money", "count", "share", "change", "weight"]
Days = Literal["newest", "last day", "last 28 days", "last month"]


def first_and_last(days: Days, today: date) -> tuple[date | None, date | None]:
    """The days as a range; none for the newest that there is."""
    yesterday, this_month = today - timedelta(days=1), today.replace(day=1)
    end_of_month = this_month - timedelta(days=1)
    return {
        "newest": (None, None),
        "last day": (yesterday, yesterday),
        "last 28 days": (today - timedelta(days=28), yesterday),
        "last month": (end_of_month.replace(day=1), end_of_month),
    }[days]


@dataclass(frozen=True)
class Figure:
    """One number. ``form`` says how it is printed, ``bad_above`` from where on it wants attention."""

    key: str
    label: str
    form: Form
    metric: str
    days: Days = "newest"
    unit: str = ""
    bad_above: float | None = None

    def sql(self, metrics: Metrics, today: date) -> str:
        """The query that gives it; a change is against the days before."""
        from_, to = first_and_last(self.days, today)
        question = Question((self.metric,), (), from_, to, is_compared=self.form == "change")
        column = self.metric + (CHANGE if question.is_compared else "")
        return f"select {column} from ({question.sql(metrics)})"


@dataclass(frozen=True)
class Chart:
    """
    Rows ``(x, series, value)`` and how they are drawn; ``x`` is a day, or a name in the order of ``sort``.

    ``series`` are names of lines and their metrics. ``whole_days`` are the days up to the last whole one that are
    drawn, ``newest_days`` those up to the newest.
    """

    key: str
    title: str
    kind: Literal["line", "bars"]
    unit: str
    series: Mapping[str, str]
    x: str = "day"
    sort: str = ""
    whole_days: int = 0
    newest_days: int = 0
    axis_format: str = ",.0f"
    least_step: float = 1

    def sql(self, metrics: Metrics, today: date) -> str:
        """The query that gives its rows."""
        first = today - timedelta(days=self.whole_days or self.newest_days - 1)
        from_ = first if self.whole_days or self.newest_days else None
        to = today - timedelta(days=1) if self.whole_days else None
        by = (self.sort, self.x) if self.sort else (self.x,)
        figures = tuple(self.series.values())
        question = Question(figures, by, from_, to).sql(metrics)
        x = self.x if self.kind == "line" else f"replace({self.x}, '_', ' ')"
        names = ", ".join(f"'{name}'" for name in self.series)
        values = ", ".join(f"cast({figure} as double)" for figure in figures)
        return (
            f"select {x} as x, unnest([{names}]) as series, unnest([{values}]) as value from ({question}) "
            f"order by {', '.join(by)}, series"
        )


STOCK = (
    Figure("stock_value", "Stock value", "money", "stock_value", unit="at cost, before any write-down"),
    Figure(
        "stock_value_change",
        "Change of stock value, last whole day",
        "change",
        "stock_value",
        "last day",
        # with their weekdays: nothing moves on a Sunday
        unit="end of {day:%a %-d %b} less end of {before:%a %-d %b}",
    ),
    Figure("damaged_value", "Damaged stock, net realisable value", "money", "damaged_value_nrv"),
    Figure("write_down", "Write-down, both pools", "money", "write_down", unit="not taken off the stock value"),
    Figure("pieces", "Sellable pieces on hand", "count", "pieces", unit="pieces"),
    Figure("cogs_last_month", "Cost of goods sold, last full month", "money", "cogs", "last month"),
    Figure("missing_cost", "Pieces on hand without a cost", "count", "pieces_without_cost", unit="pieces", bad_above=0),
    Figure(
        "differences",
        "Open differences to the warehouse's count",
        "count",
        "open_differences",
        unit="variants and pools",
        bad_above=0,
    ),
    Figure("running_out", "Variants that may run out within 14 days", "count", "running_out_variants", unit="variants"),
    Figure("oversold", "Pieces promised beyond the stock", "count", "oversold_pieces", unit="pieces", bad_above=0),
    Figure(
        "expiring",
        "Batches expired or expiring within 60 days",
        "count",
        "expiring_batches",
        unit="batches",
        bad_above=0,
    ),
)

FULFILLMENT = (
    Figure(
        "on_time_sure",
        "On time, last 28 due days, at least",
        "share",
        "on_time_rate_sure",
        "last 28 days",
        unit="of the orders due",
    ),
    Figure(
        "on_time_possible",
        "On time, last 28 due days, at most",
        "share",
        "on_time_rate_possible",
        "last 28 days",
        unit="of the orders due",
    ),
    Figure("overdue", "Overdue orders", "count", "overdue_orders", unit="orders", bad_above=0),
    Figure("due_today", "Due today", "count", "orders_due_today", unit="orders"),
    Figure("open_orders", "Open orders", "count", "open_orders", unit="orders"),
    Figure("problems", "Problems in dispatch, open", "count", "open_problems", unit="orders", bad_above=0),
    Figure("parcels", "Parcels, last full month", "count", "warehouse_parcels", "last month", unit="parcels"),
    Figure(
        "weight",
        "Weight of FlickRocket's orders, last full month, at most",
        "weight",
        "carrier_weight_most",
        "last month",
    ),
    Figure("held", "Held in SHOPLINE", "count", "shopline_held_orders", unit="fulfillment orders", bad_above=0),
)

SHOP = (
    Figure(
        "turnover", "Turnover, last full month", "money", "turnover", "last month", unit="value of the goods, {vat}"
    ),
    Figure(
        "margin_share",
        "Margin, last full month",
        "share",
        "margin_share",
        "last month",
        unit="of the value of the goods that left, {vat}",
    ),
    Figure(
        "channel_differences",
        "Differences between channels and the warehouse",
        "count",
        "channel_differences",
        unit="orders",
        bad_above=0,
    ),
)

# under the names of the dashboards that have more of them
PARTS = {"Stock": STOCK, "Fulfillment": FULFILLMENT, "Shop": SHOP}
FIGURES = (*STOCK, *FULFILLMENT, *SHOP)

CHARTS = (
    Chart(
        "stock_value",
        "Stock value, last 120 days",
        "line",
        "{currency}",
        {"Average landed": "average_landed_value", "FIFO landed": "fifo_landed_value"},
        newest_days=120,
    ),
    Chart(
        "on_time",
        "On-time dispatch, last 60 due days: at least and at most",
        "line",
        "share of orders due",
        {"at most": "on_time_rate_possible", "at least": "on_time_rate_sure"},
        whole_days=60,
        axis_format=".0%",
        least_step=0.01,
    ),
    Chart(
        "backlog",
        "Open orders by how soon they have to leave",
        "bars",
        "orders",
        {"orders": "open_orders"},
        x="bucket",
        sort="position",
    ),
    # the pool of the stock value beside it: damaged pieces are a figure of their own
    Chart(
        "ageing",
        "Stock value by days since receipt",
        "bars",
        "{currency}",
        {"value": "aged_stock_value"},
        x="age_bucket",
        sort="bucket_no",
    ),
)
