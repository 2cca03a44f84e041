"""
The figures of a morning: each one a metric of ``include/metrics``, the days it is of, and how it is printed.

All are over all accounts; a figure that is not known yet is NULL and shown as a dash. A night runs when its day has
hardly begun, so figures of a day are those of the last whole day. How figures, units and charts are called stands in
``texts/`` under their keys.
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
    """One number: ``form`` says how it is printed, ``unit`` names its unit, ``bad_above`` is what wants attention."""

    key: str
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
    Rows ``(x, series, value)`` and how they are shown; ``x`` is a day, or a name in the order of ``sort``.

    ``series`` are lines by their metrics; of a ``band`` its edges and the line between. ``bars`` are a table with a bar
    in each row. ``whole_days`` are the days up to the last whole one that are drawn, ``newest_days`` those up to the
    newest.
    """

    key: str
    kind: Literal["line", "band", "bars"]
    form: Form
    series: Mapping[str, str]
    x: str = "day"
    sort: str = ""
    whole_days: int = 0
    newest_days: int = 0

    def sql(self, metrics: Metrics, today: date) -> str:
        """The query that gives its rows."""
        first = today - timedelta(days=self.whole_days or self.newest_days - 1)
        from_ = first if self.whole_days or self.newest_days else None
        to = today - timedelta(days=1) if self.whole_days else None
        by = (self.sort, self.x) if self.sort else (self.x,)
        figures = tuple(self.series.values())
        question = Question(figures, by, from_, to).sql(metrics)
        names = ", ".join(f"'{name}'" for name in self.series)
        values = ", ".join(f"cast({figure} as double)" for figure in figures)
        return (
            f"select {self.x} as x, unnest([{names}]) as series, unnest([{values}]) as value from ({question}) "
            f"order by {', '.join(by)}, series"
        )


STOCK = (
    Figure("stock_value", "money", "stock_value", unit="at_cost"),
    Figure("stock_value_change", "change", "stock_value", "last day", unit="days"),
    Figure("damaged_value", "money", "damaged_value_nrv"),
    Figure("write_down", "money", "write_down", unit="not_taken_off"),
    Figure("pieces", "count", "pieces", unit="pieces"),
    Figure("cogs_last_month", "money", "cogs", "last month"),
    Figure("missing_cost", "count", "pieces_without_cost", unit="pieces", bad_above=0),
    Figure("differences", "count", "open_differences", unit="variants_and_pools", bad_above=0),
    Figure("running_out", "count", "running_out_variants", unit="variants"),
    Figure("oversold", "count", "oversold_pieces", unit="pieces", bad_above=0),
    Figure("expiring", "count", "expiring_batches", unit="batches", bad_above=0),
)

FULFILLMENT = (
    Figure("on_time_sure", "share", "on_time_rate_sure", "last 28 days", unit="of_orders_due"),
    Figure("on_time_possible", "share", "on_time_rate_possible", "last 28 days", unit="of_orders_due"),
    Figure("overdue", "count", "overdue_orders", unit="orders", bad_above=0),
    Figure("due_today", "count", "orders_due_today", unit="orders"),
    Figure("open_orders", "count", "open_orders", unit="orders"),
    Figure("problems", "count", "open_problems", unit="orders", bad_above=0),
    Figure("parcels", "count", "warehouse_parcels", "last month", unit="parcels"),
    Figure("weight", "weight", "carrier_weight_most", "last month"),
    Figure("held", "count", "shopline_held_orders", unit="fulfillment_orders", bad_above=0),
)

SHOP = (
    Figure("turnover", "money", "turnover", "last month", unit="value_of_goods"),
    Figure("margin_share", "share", "margin_share", "last month", unit="of_goods_that_left"),
    Figure("channel_differences", "count", "channel_differences", unit="orders", bad_above=0),
)

# under the names of the dashboards that have more of them
PARTS = {"Stock": STOCK, "Fulfillment": FULFILLMENT, "Shop": SHOP}
FIGURES = (*STOCK, *FULFILLMENT, *SHOP)

CHARTS = (
    Chart(
        "stock_value",
        "line",
        "money",
        {"average_landed": "average_landed_value", "fifo_landed": "fifo_landed_value"},
        newest_days=120,
    ),
    Chart(
        "on_time",
        "band",
        "share",
        {"possible": "on_time_rate_possible", "decided": "on_time_rate", "sure": "on_time_rate_sure"},
        whole_days=60,
    ),
    Chart("backlog", "bars", "count", {"orders": "open_orders"}, x="bucket", sort="position"),
    # the pool of the stock value beside it: damaged pieces are a figure of their own
    Chart("ageing", "bars", "money", {"value": "aged_stock_value"}, x="age_bucket", sort="bucket_no"),
)
