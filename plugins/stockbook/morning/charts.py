"""Lines as SVG, drawn without a browser and in the colours of the page: the small one of a figure, and two charts."""

import math
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from markupsafe import Markup

from stockbook.morning.history import Point

# a phone shows a chart at three quarters of its size, a desk at one and a half times
WIDTH, HEIGHT = 400, 190
_SPARK_WIDTH, _SPARK_HEIGHT, _EDGE = 120, 28, 3
_TOP, _RIGHT, _BOTTOM = 10, 16, 24
# a digit is not wider in any font of a page
_DIGIT = 7.5
_TICKS = 4

Series = dict[str, list[tuple[str, float | None]]]


class Axis(NamedTuple):
    """The ticks of an axis, the lowest first."""

    ticks: tuple[float, ...]

    @property
    def begins_at_zero(self) -> bool:
        """Lines may begin elsewhere, and say so."""
        return self.ticks[0] == 0

    def share(self, value: float) -> float:
        """Where a value lies between the first tick and the last."""
        return (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])


def sparkline(points: Sequence[Point], title: str) -> Markup:
    """The small line of a figure; ``title`` says it in words. Fewer than two points are no line."""
    values = [point.value for point in points if point.value is not None]
    if len(values) < 2:
        return Markup()
    least, most = min(values), max(values)

    def y(value: Decimal) -> float:
        share = Decimal("0.5") if most == least else (value - least) / (most - least)
        return _EDGE + float(1 - share) * (_SPARK_HEIGHT - 2 * _EDGE)

    width = _SPARK_WIDTH - 2 * _EDGE
    places = [
        (_EDGE + width * number / (len(points) - 1), y(point.value))
        for number, point in enumerate(points)
        if point.value is not None
    ]
    x, last = places[-1]
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="xMinYMid" role="img"><title>{}</title>'
        '<polyline points="{}"/><circle cx="{}" cy="{}" r="2.5"/></svg>'
    ).format(_SPARK_WIDTH, _SPARK_HEIGHT, title, _written(places), _short(x), _short(last))


def axis_of(values: Sequence[float], least_step: float, highest: float | None = None) -> Axis:
    """
    An axis of few round ticks, no two of which are written alike.

    It begins at zero unless all values lie in the upper half; ``highest`` is what no value can be above.
    """
    low, high = min(values), max(values)
    if low >= 0 and low < high / 2:
        low = 0.0
    step = max(least_step, _round_step((high - low) / _TICKS))
    first = math.floor(low / step + 1e-9) * step
    last = math.ceil(high / step - 1e-9) * step
    if last <= first and last == highest:
        first -= step
    elif last <= first:
        last = first + step
    return Axis(tuple(first + step * number for number in range(round((last - first) / step) + 1)))


def _round_step(raw: float) -> float:
    if raw <= 0:
        return 0.0
    size = 10.0 ** math.floor(math.log10(raw))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)


def lines(
    series: Series,
    axis: Axis,
    title: str,
    written: Callable[[float], str],
    of_day: Callable[[date], str],
    band: tuple[str, str] | None = None,
) -> Markup:
    """Lines over days; between the two of ``band`` lies an area, and they are its edges."""
    labels = [written(tick) for tick in axis.ticks]
    left = 8 + _DIGIT * max(len(label) for label in labels)
    days = sorted({date.fromisoformat(x) for points in series.values() for x, _ in points})
    span = max(1, (days[-1] - days[0]).days)

    def place(x: str, value: float) -> tuple[float, float]:
        along = (date.fromisoformat(x) - days[0]).days / span
        return left + along * (WIDTH - left - _RIGHT), _TOP + (1 - axis.share(value)) * (HEIGHT - _TOP - _BOTTOM)

    placed = {name: [place(x, value) for x, value in points if value is not None] for name, points in series.items()}
    parts = [_grid(axis, labels, left)]
    parts += [_day(day, of_day, place(day.isoformat(), axis.ticks[0])[0]) for day in _some(days)]
    if band:
        upper, lower = (placed[name] for name in band)
        parts.append(Markup('<polygon class="band" points="{}"/>').format(_written([*upper, *reversed(lower)])))
    for number, (name, places) in enumerate(placed.items()):
        if len(places) == 1:
            ((x, y),) = places
            parts.append(Markup('<circle class="dot{}" cx="{}" cy="{}" r="3"/>').format(number, _short(x), _short(y)))
        elif band is None or name not in band:
            parts.append(Markup('<polyline class="line{}" points="{}"/>').format(number, _written(places)))
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>').format(WIDTH, HEIGHT, title)
    return head + Markup().join(parts) + Markup("</svg>")


def _grid(axis: Axis, labels: list[str], left: float) -> Markup:
    drawn = []
    for tick, label in zip(axis.ticks, labels, strict=True):
        y = _TOP + (1 - axis.share(tick)) * (HEIGHT - _TOP - _BOTTOM)
        drawn.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                _short(left), WIDTH - _RIGHT, _short(y), _short(y)
            )
        )
        drawn.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
                _short(left - 6), _short(y + 4), label
            )
        )
    return Markup().join(drawn)


def _day(day: date, of_day: Callable[[date], str], x: float) -> Markup:
    return Markup('<text class="day" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        # half a label is not wider: the first and the last stay in the picture
        _short(min(max(x, 26), WIDTH - 26)),
        HEIGHT - 6,
        of_day(day),
    )


def _some(days: list[date]) -> list[date]:
    """A few days, evenly apart, the first and the last among them."""
    count = min(4, len(days))
    if count < 2:
        return days
    return sorted({days[round(number * (len(days) - 1) / (count - 1))] for number in range(count)})


def _written(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in places)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
