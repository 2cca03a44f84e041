"""
What a figure was before: the points of its small line, and the one that it is compared with.

Where the published file knows earlier days, the metric is asked for them. Of a figure of now (open orders, say) the
file has no past: its points are what the summaries of earlier nights had, and a night without one has none.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import duckdb
import msgspec

from stockbook.metrics.files import Metrics
from stockbook.metrics.question import Question
from stockbook.morning.figures import Figure, first_and_last

DAYS, WEEKS, MONTHS = 28, 8, 13
WEEK = timedelta(days=7)


class Point(msgspec.Struct, array_like=True):
    """What a figure was on a day, or in the month that began on it."""

    day: date
    value: Decimal | None


def history(
    con: duckdb.DuckDBPyConnection,
    figure: Figure,
    metrics: Metrics,
    today: date,
    value: Decimal | None,
    former: Mapping[str, list[Point]],
) -> list[Point]:
    """The points of a figure, the oldest first; the last one is the figure itself."""
    metric = metrics.of_figure(figure.metric)
    if figure.days == "last month":
        return _months(con, figure, metrics, today)
    if figure.days == "last 28 days":
        return _weeks(con, figure, metrics, today)
    if metric.type != "last":
        earlier = [point for point in former.get(figure.key, []) if today - WEEK * 5 < point.day < today]
        return [*earlier, Point(today, value)]
    # of a change one day more, and its own day is the last whole one
    last = today - timedelta(days=figure.form == "change")
    question = Question((figure.metric,), ("day",), last - timedelta(days=DAYS), last)
    points = [Point(day, _number(amount)) for day, amount in con.execute(question.sql(metrics)).fetchall()]
    if figure.form == "change":
        return [Point(day.day, _less(day.value, before.value)) for before, day in pairwise(points)]
    return points


def before(figure: Figure, points: list[Point]) -> Point | None:
    """What it is compared with: the same day of the week before, or the month before; None where there is none."""
    if not points:
        return None
    last = points[-1].day
    wanted = (last - timedelta(days=1)).replace(day=1) if figure.days == "last month" else last - WEEK
    return next((point for point in points if point.day == wanted and point.value is not None), None)


def _months(con: duckdb.DuckDBPyConnection, figure: Figure, metrics: Metrics, today: date) -> list[Point]:
    first, last = first_and_last("last month", today)
    assert first is not None  # noqa: S101  # a month has a first day
    for _ in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    question = Question((figure.metric,), ("month",), first, last)
    rows = con.execute(f"select month, {figure.metric} from ({question.sql(metrics)}) order by month").fetchall()
    months = {month: _number(amount) for month, amount in rows}
    # a month without a row is one whose figure is not known
    last_month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return [Point(month, months[month]) for month in sorted(months) if month != last_month] + [
        Point(last_month, months.get(last_month))
    ]


def _weeks(con: duckdb.DuckDBPyConnection, figure: Figure, metrics: Metrics, today: date) -> list[Point]:
    points = []
    for weeks in reversed(range(WEEKS)):
        first, last = first_and_last(figure.days, today - weeks * WEEK)
        assert last is not None  # noqa: S101  # these days have an end
        (amount,) = con.execute(Question((figure.metric,), (), first, last).sql(metrics)).fetchone() or (None,)
        points.append(Point(last, _number(amount)))
    return points


def _less(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if value is None or other is None else value - other


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
