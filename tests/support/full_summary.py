"""A summary with something of everything that a page can show: every figure, table and state, all of it invented."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from stockbook.morning.answer import Answer, PromiseAnswer, StockAnswer
from stockbook.morning.figures import CHARTS, PARTS
from stockbook.morning.history import Point
from stockbook.morning.summary import (
    Alert,
    BrokenCheck,
    ChartPoints,
    Listing,
    OpenMonth,
    SignedMonth,
    StaleTable,
    Summary,
    Value,
)
from stockbook.runs.report import Report

AS_OF = datetime(2026, 3, 1, 2, 15)
TODAY = AS_OF.date()
# what stands in a page because it stands in the data
DATA_WORDS = (
    *(
        "main",
        "CZK",
        "Europe/Prague",
        "Stockbook",
        "night-7",
        "fulfillment_cz.orders",
        "staging.orders",
        "marts.fct_order",
    ),
    *("Jana Nováková", "SHOPLINE", "FlickRocket", "UTC", "FIFO", "DAG", "doctor"),
)
BUCKETS = (
    *("overdue_more_than_a_day", "overdue", "perhaps_overdue", "due_today", "due_tomorrow", "due_later"),
    *("not_eligible_hold", "not_eligible_stock", "not_eligible_correction", "not_eligible_requested_date"),
    "no_promise_known",
)
AGES = ("owed", "0 to 30 days", "31 to 60 days", "61 to 90 days", "91 to 180 days", "181 to 365 days", "over 365 days")
PROOFS = ("totalCount", "count.json", "empty page", "floor passed", "by id")


def full_summary() -> Summary:
    """Figures that rose, fell, stayed, were not there and are not known, in turn; and rows in every table."""
    return Summary(
        *("night-7", AS_OF, AS_OF, "Europe/Prague", "0", "CZK", "average", "landed"),
        figures=_figures(),
        charts=[ChartPoints(chart.key, chart.kind, chart.form, _points(chart.key)) for chart in CHARTS],
        listings=[Listing("main", "fulfillment_cz", "orders", 7 * n, n, 1, 0, 0, p) for n, p in enumerate(PROOFS, 1)],
        checks_asked=867,
        checks_empty=5,
        checks_broken=[
            BrokenCheck("marts.fct_order", "every order has a day", severity, "2 rows", 2)
            for severity in ("warn", "fail")
        ],
        oldest=[StaleTable("main", "staging.orders", hours) for hours in (71.5, 40.0)],
        alerts=[
            Alert("main", "overdue", "orders", severity, "12 orders are overdue.", AS_OF, severity == "critical")
            for severity in ("critical", "warning", "info")
        ],
        signed=[
            SignedMonth("main/2026-01/1", date(2026, 1, 1), "main", "Jana Nováková", AS_OF, "d" * 64, packs)
            for packs in ({"Workbook": "packs/m.xlsx", "Journal": "packs/j.csv"}, {})
        ],
        to_sign=[OpenMonth(date(2026, 2, 1), "main")],
        vat="unknown",
        answer=answer(),
    )


def answer() -> Answer:
    """Stock that lost, by two parts and a rest; orders in every state, and a rate that is a range."""
    day = TODAY - timedelta(days=1)
    parts = {"cost_of_goods": Decimal("-21004.4"), "receipt": Decimal("4527.3")}
    stock = StockAnswer(day, Decimal("1507367.08"), Decimal("-16480.10"), parts, Decimal("-3.0"))
    states = {"late": 12, "overdue": 3, "pending": 1, "excluded": 2, "unknown": 4}
    promise = PromiseAnswer(day, 222, 200, states, *(Decimal(rate) for rate in ("0.93", "0.91", "0.94", "0.9")))
    return Answer(stock, promise)


def red_run() -> Report:
    """A run that ended in a step, with its reason."""
    return Report("night-7", AS_OF, "failed", AS_OF, AS_OF, 12.0, 1, "load", "the page was torn", [])


def _figures() -> list[Value]:
    values: list[Value] = []
    for part, figures in PARTS.items():
        for figure in figures:
            number = len(values)
            value = Decimal("0.912") if figure.form == "share" else Decimal(40 + number)
            gained = {"share": Decimal("0.02")}.get(figure.form, Decimal(number % 3 - 1))
            before = Point(TODAY - timedelta(days=7), value - gained * (number % 2 * 2 - 1))
            points = [before, Point(TODAY, value)]
            shown = None if number % 11 == 10 else value
            values.append(
                Value(
                    figure.key,
                    "",
                    figure.form,
                    figure.unit,
                    shown,
                    figure.bad_above,
                    part,
                    up=("good", "bad", "neither")[number % 3],
                    points=[] if number % 7 == 6 else points,
                    before=None if number % 5 == 4 else before,
                    is_monthly=figure.days == "last month",
                )
            )
    return values


def _points(chart: str) -> list[tuple[str, str, float | None]]:
    days = [(TODAY - timedelta(days=back)).isoformat() for back in range(30, 0, -1)]
    if chart == "stock_value":
        rows = [(day, 1_500_000.0 + 900 * number, 1_510_000.0 + 700 * number) for number, day in enumerate(days)]
        return [
            (day, name, v) for day, *vs in rows for name, v in zip(("average_landed", "fifo_landed"), vs, strict=True)
        ]
    if chart == "on_time":
        rates = {"possible": 0.97, "decided": 0.94, "sure": 0.88}
        return [(day, name, rate - number % 5 / 100) for number, day in enumerate(days) for name, rate in rates.items()]
    if chart == "backlog":
        return [(bucket, "orders", float(number)) for number, bucket in enumerate(BUCKETS)]
    return [(age, "value", 100.0 * number - 50) for number, age in enumerate(AGES)]
