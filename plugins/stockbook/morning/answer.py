"""
The answer of a morning, before all figures: what the stock is worth and why, and whether orders left on time.

Every number is that of a metric; what the parts leave of the change is the rest, and what nobody knows is None.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import msgspec

from stockbook.metrics.files import Metrics
from stockbook.metrics.question import CHANGE, Question

DAYS = 7
STATES = ("late", "overdue", "pending", "excluded", "unknown")
_RATE = "on_time_rate"


class StockAnswer(msgspec.Struct):
    """The stock at the end of the last whole day, what it gained and by what; ``rest`` is what no part explains."""

    day: date
    value: Decimal | None
    change: Decimal | None
    parts: dict[str, Decimal] = {}
    rest: Decimal = Decimal(0)


class PromiseAnswer(msgspec.Struct):
    """Orders due in seven whole days: on time and in every other state they add up to ``due``; and the rate before."""

    day: date
    due: int | None
    on_time: int | None
    states: dict[str, int] = {}
    rate: Decimal | None = None
    sure: Decimal | None = None
    possible: Decimal | None = None
    before: Decimal | None = None


class Answer(msgspec.Struct):
    """Both."""

    stock: StockAnswer
    promise: PromiseAnswer


def read_answer(con: duckdb.DuckDBPyConnection, metrics: Metrics, today: date) -> Answer:
    """Ask the metrics for the last whole days before ``today``."""
    return Answer(_stock(con, metrics, today - timedelta(days=1)), _promise(con, metrics, today - timedelta(days=1)))


def _stock(con: duckdb.DuckDBPyConnection, metrics: Metrics, day: date) -> StockAnswer:
    row = _row(con, Question(("stock_value",), (), day, day, is_compared=True).sql(metrics))
    value, change = _number(row["stock_value"]), _number(row["stock_value" + CHANGE])
    if change is None:
        return StockAnswer(day, value, None)
    moved = con.execute(Question(("stock_value_moved",), ("happened",), day, day).sql(metrics)).fetchall()
    parts = {happened: gained for happened, gained in moved if gained}
    return StockAnswer(day, value, change, parts, change - sum(parts.values(), Decimal(0)))


def _promise(con: duckdb.DuckDBPyConnection, metrics: Metrics, day: date) -> PromiseAnswer:
    first = day - timedelta(days=DAYS - 1)
    row = _row(con, Question(("orders_due", "on_time", *STATES, _RATE), (), first, day).sql(metrics))
    earlier = Question((_RATE,), (), first - timedelta(days=DAYS), day - timedelta(days=DAYS))
    before = _row(con, earlier.sql(metrics))
    return PromiseAnswer(
        day,
        row["orders_due"],
        row["on_time"],
        {state: row[state] for state in STATES if row[state]},
        _number(row[_RATE]),
        _number(row[f"{_RATE}_sure"]),
        _number(row[f"{_RATE}_possible"]),
        _number(before[_RATE]),
    )


def _row(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    result = con.execute(query)
    names = [column[0] for column in result.description]
    row = result.fetchone()
    return dict(zip(names, row or [None] * len(names), strict=True))


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
