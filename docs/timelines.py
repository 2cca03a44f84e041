"""
Draws the timelines of docs/sla.md: ``python docs/timelines.py``.

Each picture is a few invented orders, put through the project's own models and policy; what is drawn is
the rows that came out. A test draws them again and compares.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from model_runner import PRAGUE  # the path above comes first
from order_rows import Orders, Seen, at

PICTURES = Path(__file__).parent / "pictures"
LEFT, RIGHT, TOP, LANE, WIDTH = 170, 110, 44, 46, 900
COLOURS = {
    "on_time": "#2b7a3d",
    "late": "#b3261e",
    "overdue": "#b3261e",
    "pending": "#5f6368",
    "excluded": "#5f6368",
    "unknown": "#9a6700",
}


class Picture(NamedTuple):
    """Orders over some local days, as of a local time; ``polls`` are the local times at which they were looked at."""

    title: str
    first: str
    last: str
    as_of: str
    orders: Callable[[Orders], None]
    polls: tuple[str, ...] = ()


def _cutoff(orders: Orders) -> None:
    orders.order("11:59 before the cut-off", "2025-03-04 11:59", out="2025-03-05 10:00")
    orders.order("12:00 at the cut-off", "2025-03-04 12:00", out="2025-03-05 10:00")


def _weekend(orders: Orders) -> None:
    orders.order("Friday after the cut-off", "2025-03-07 12:30", out="2025-03-10 17:00")
    orders.order("on Saturday", "2025-03-08 09:00", out="2025-03-10 18:30")
    orders.order("wished for Saturday", "2025-03-07 08:00", dispatch_date="2025-03-08", out="2025-03-10 09:00")


def _hold(orders: Orders) -> None:
    on_hold = Seen("created", "2025-03-04 02:15", "2025-03-05 02:15", on_hold=True)
    free = Seen("in_expedition", "2025-03-06 02:15")
    for name, left in (("left before both", "2025-03-05 17:00"), ("left between", "2025-03-06 11:00")):
        orders.order(name, "2025-03-03 09:00", on_hold, free, out=left)
    orders.order("left after both", "2025-03-03 09:00", on_hold, free, out="2025-03-06 19:00")


def _cancelled(orders: Orders) -> None:
    seen = Seen("in_expedition", "2025-03-04 02:15")
    orders.order("cancelled in time", "2025-03-03 13:00", seen, Seen("cancelled", "2025-03-04 17:00"))
    orders.order("cancelled in the night", "2025-03-03 13:00", seen, Seen("cancelled", "2025-03-05 02:15"))
    late = Seen("in_expedition", "2025-03-04 02:15", "2025-03-05 02:15")
    orders.order("cancelled too late", "2025-03-03 13:00", late, Seen("cancelled", "2025-03-06 02:15"))
    orders.order("still there", "2025-03-03 13:00", late)


DRAWN = {
    "cutoff": Picture("The cut-off is strict", "2025-03-04", "2025-03-05", "2025-03-06", _cutoff),
    "weekend": Picture("Days without work do not count", "2025-03-07", "2025-03-10", "2025-03-12", _weekend),
    "hold": Picture(
        "A hold that ended between two nights leaves two due times",
        "2025-03-03",
        "2025-03-06",
        "2025-03-07 02:15",
        _hold,
        ("2025-03-04 02:15", "2025-03-05 02:15", "2025-03-06 02:15"),
    ),
    "cancelled": Picture(
        "Cancelled before or after the promise ran out",
        "2025-03-03",
        "2025-03-05",
        "2025-03-06 02:15",
        _cancelled,
        ("2025-03-04 02:15", "2025-03-04 17:00", "2025-03-05 02:15"),
    ),
}


def draw(name: str) -> str:
    """The SVG of one picture."""
    picture = DRAWN[name]
    orders = Orders()
    picture.orders(orders)
    # models number orders as they like; lanes keep the order they were given in
    fulfillments = orders.fulfillment(picture.as_of)
    lanes = [fulfillments[order_id] for (order_id,) in orders.con.execute(
        "select order_id from staging.orders order by rowid").fetchall()]  # fmt: skip
    open_days = orders.con.execute(
        "select opens_at_utc, closes_at_utc from intermediate.calendar_day "
        "where is_working_day and date between ? and ? order by date",
        [picture.first, picture.last],
    ).fetchall()
    return _svg(picture, lanes, open_days)


def _svg(picture: Picture, lanes: list[dict[str, Any]], open_days: list[tuple[datetime, datetime]]) -> str:
    first, last = at(picture.first), at(picture.last) + timedelta(days=1)
    height = TOP + LANE * len(lanes) + 56
    bottom = TOP + LANE * len(lanes)

    def x(moment: datetime) -> float:
        share = (min(max(moment, first), last) - first) / (last - first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f"<title>{escape(picture.title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(8, 18, picture.title, size=14, weight="bold"),
    ]
    for opens, closes in open_days:
        left, right = x(_local(opens)), x(_local(closes))
        parts.append(
            f'<rect x="{left}" y="{TOP}" width="{round(right - left, 1)}" height="{bottom - TOP}" fill="#eaf2fb"/>'
        )
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        parts.append(f'<path d="M{x(day)} {TOP - 6}V{bottom}" stroke="#c0c4c9"/>')
        if day < last:
            parts.append(_text(x(day) + 4, TOP - 8, f"{day:%a} {day.day} {day:%b}", colour="#5f6368"))
    parts += [
        f'<path d="M{x(at(poll))} {TOP}V{bottom}" stroke="#7a4fb5" stroke-dasharray="2 3"/>' for poll in picture.polls
    ]
    for number, lane in enumerate(lanes):
        parts += _lane(lane, TOP + LANE * number + LANE // 2, x, at(picture.as_of))
    parts += _legend(bottom + 26, bool(picture.polls))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lane(row: dict[str, Any], y: int, x: Callable[[datetime], float], as_of: datetime) -> list[str]:
    """Creation to eligibility thin, eligibility to the end thick, due times as marks, ends as dots or bars."""
    colour = COLOURS[row["sla_state"]]
    created = _local(row["created_at_utc"])
    begins = [_local(row[name]) for name in ("eligible_after_utc", "eligible_at_utc")]
    ending = "dispatch" if row["dispatch_at_utc"] else "cancelled" if row["cancelled_at_utc"] else None
    ends = [_local(row[f"{ending}_{side}_utc"]) for side in ("after", "at")] if ending else [as_of, as_of]
    parts = [
        _text(8, y + 4, row["order_id"]),
        f'<path d="M{x(created)} {y}H{x(begins[1])}" stroke="#9aa0a6" stroke-width="2"/>',
        f'<path d="M{x(begins[1])} {y}H{x(ends[0])}" stroke="{colour}" stroke-width="6" stroke-opacity="0.45"/>',
        f'<circle cx="{x(created)}" cy="{y}" r="4" fill="#ffffff" stroke="#202124" stroke-width="1.5"/>',
    ]
    parts += _interval(begins, y, x, "#202124", mark=True)
    for due in dict.fromkeys(_local(row[name]) for name in ("due_after_utc", "due_at_utc")):
        parts.append(f'<path d="M{x(due)} {y - 17}V{y + 17}" stroke="#b3261e" stroke-width="2"/>')
        parts.append(f'<path d="M{x(due)} {y - 17}l7 4l-7 4z" fill="#b3261e"/>')
    if ending == "dispatch":
        parts += _interval(ends, y, x, colour, mark=False)
        parts.append(f'<circle cx="{x(ends[1])}" cy="{y}" r="5" fill="{colour}"/>')
    elif ending == "cancelled":
        parts += _interval(ends, y, x, colour, mark=False)
        centre = x(ends[1])
        parts.append(
            f'<path d="M{centre - 5} {y - 5}L{centre + 5} {y + 5}M{centre - 5} {y + 5}L{centre + 5} {y - 5}" '
            f'stroke="{colour}" stroke-width="2.5"/>'
        )
    parts.append(_text(WIDTH - RIGHT + 12, y + 4, row["sla_state"].replace("_", " "), colour=colour, weight="bold"))
    return parts


def _interval(ends: list[datetime], y: int, x: Callable[[datetime], float], colour: str, mark: bool) -> list[str]:
    """A bar between the two ends where they differ; ``mark`` is drawn at each end."""
    parts = []
    if ends[0] != ends[1]:
        parts.append(
            f'<path d="M{x(ends[0])} {y}H{x(ends[1])}" stroke="{colour}" stroke-width="3" stroke-dasharray="5 3"/>'
        )
    marked = dict.fromkeys(ends) if mark else ()
    return parts + [f'<path d="M{x(end)} {y - 9}V{y + 9}" stroke="{colour}" stroke-width="2"/>' for end in marked]


def _legend(y: int, polled: bool) -> list[str]:
    """What the marks mean."""
    parts = [
        f'<circle cx="14" cy="{y}" r="4" fill="#ffffff" stroke="#202124" stroke-width="1.5"/>',
        _text(24, y + 4, "created"),
        f'<path d="M90 {y - 8}V{y + 8}" stroke="#202124" stroke-width="2"/>',
        _text(98, y + 4, "eligible"),
        f'<path d="M166 {y - 9}V{y + 9}M166 {y - 9}" stroke="#b3261e" stroke-width="2"/>',
        f'<path d="M166 {y - 9}l7 4l-7 4z" fill="#b3261e"/>',
        _text(178, y + 4, "due"),
        f'<circle cx="226" cy="{y}" r="5" fill="#5f6368"/>',
        _text(236, y + 4, "left"),
        f'<path d="M281 {y - 5}L291 {y + 5}M281 {y + 5}L291 {y - 5}" stroke="#5f6368" stroke-width="2.5"/>',
        _text(297, y + 4, "cancelled"),
        f'<path d="M372 {y}H402" stroke="#5f6368" stroke-width="3" stroke-dasharray="5 3"/>',
        _text(408, y + 4, "somewhere between"),
        f'<rect x="528" y="{y - 8}" width="24" height="16" fill="#eaf2fb"/>',
        _text(558, y + 4, "open"),
    ]
    if polled:
        parts += [
            f'<path d="M606 {y - 9}V{y + 9}" stroke="#7a4fb5" stroke-dasharray="2 3"/>',
            _text(612, y + 4, "a poll"),
        ]
    return parts


def _text(x: float, y: float, text: str, colour: str = "#202124", size: int = 12, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" font-size="{size}" font-weight="{weight}">{escape(text)}</text>'


def _local(instant: datetime) -> datetime:
    """Local wall clock of Prague of a naive UTC time."""
    return instant.replace(tzinfo=UTC).astimezone(PRAGUE).replace(tzinfo=None)


def main() -> None:
    """Write every picture beside the document."""
    PICTURES.mkdir(exist_ok=True)
    for name in DRAWN:
        (PICTURES / f"{name}.svg").write_text(draw(name))
        sys.stdout.write(f"{PICTURES / name}.svg\n")


if __name__ == "__main__":
    main()
