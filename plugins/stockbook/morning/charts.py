"""Charts as SVG: said in Vega-Lite, drawn without a browser or a network by vl-convert."""

import hashlib
from typing import Any

import msgspec

from stockbook.morning.figures import Chart

# Okabe and Ito: told apart by colour-blind people too
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00"]

# the padding leaves room for readers whose font is wider than the one measured here
# a phone shows a chart at two thirds of its size
SIZES = {"labelFontSize": 12, "titleFontSize": 12}
CONFIG = {"view": {"stroke": None}, "font": "system-ui, sans-serif", "axis": SIZES, "legend": SIZES}


def svg(spec: dict[str, Any]) -> str:
    """Draw what ``spec_of`` said."""
    # starting it takes half a second
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(spec)
    return drawn


def digest(spec: dict[str, Any]) -> str:
    """A hash of all that a chart is drawn of."""
    return hashlib.sha256(msgspec.json.encode(spec)).hexdigest()


def spec_of(chart: Chart, points: list[tuple[str, str, float | None]]) -> dict[str, Any]:
    """What Vega-Lite draws of ``points`` (x, series, value); an empty chart says that there is nothing to draw."""
    if not points:
        words = {"type": "text", "text": "Nothing to show yet", "fontSize": 12}
        return _framed({"data": {"values": [{}]}, "width": 420, "height": 60, "mark": words})
    several = len({series for _, series, _ in points}) > 1
    measure = {
        "field": "value",
        "type": "quantitative",
        # the unit stands in the caption: a title beside the labels is drawn over them where the reader's font is wider
        "title": None,
        "axis": {
            "format": chart.axis_format,
            "tickMinStep": chart.least_step,
            "labelFlush": False,
            "tickCount": _ticks(chart, points),
        },
    }
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": {"range": COLOURS},
        "legend": {"orient": "top", "title": None} if several else None,
    }
    data = {"values": [{"x": x, "series": series, "value": value} for x, series, value in points]}
    if chart.kind == "line":
        count = max(1, min(5, len({x for x, _, _ in points}) - 1))
        days = {"format": "%Y-%m-%d", "labelAngle": 0, "tickCount": count, "labelFlush": False}
        return _framed(
            {
                "data": data,
                "mark": "line",
                "width": 420,
                "height": 170,
                "encoding": {
                    "x": {"field": "x", "type": "temporal", "title": None, "axis": days},
                    "y": measure | {"scale": {"zero": False}},
                    "color": colour,
                    # lines of equal values would hide one another
                    "strokeDash": {"field": "series", "type": "nominal", "legend": None},
                },
            }
        )
    names = {"field": "x", "type": "nominal", "title": None, "sort": [x for x, _, _ in points]}
    return _framed(
        {
            "data": data,
            "mark": "bar",
            "width": 320,
            "height": {"step": 22},
            "encoding": {"y": names | {"axis": {"labelLimit": 220}}, "x": measure, "color": colour},
        }
    )


def _ticks(chart: Chart, points: list[tuple[str, str, float | None]]) -> int:
    """How many steps an axis may have, so that no two labels are written alike: a wished count outdoes tickMinStep."""
    values = [value for _, _, value in points if value is not None]
    least = min(values, default=0.0) if chart.kind == "line" else min([0.0, *values])
    return max(1, min(4, int((max(values, default=0.0) - least) / chart.least_step)))


def _framed(spec: dict[str, Any]) -> dict[str, Any]:
    return spec | {"padding": {"left": 24, "right": 32, "top": 4, "bottom": 8}, "config": CONFIG}
