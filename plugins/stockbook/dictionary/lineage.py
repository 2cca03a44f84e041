"""Which tables a table reads and feeds, as lists and as a picture."""

from collections.abc import Container, Iterable
from html import escape
from typing import NamedTuple

from stockbook.models.order import Step

ROW, WIDTH, GAP, PAD = 26, 290, 70, 10


class Lineage(NamedTuple):
    """Neighbours of a table, by qualified name in order."""

    reads: tuple[str, ...]
    feeds: tuple[str, ...]


def lineage(steps: Iterable[Step]) -> dict[str, Lineage]:
    """The neighbours of every table that is built or read."""
    reads: dict[str, set[str]] = {}
    feeds: dict[str, set[str]] = {}
    for step in steps:
        for table in step.tables:
            reads.setdefault(table.name, set()).update(step.reads - {table.name})
            for read in step.reads - {table.name}:
                feeds.setdefault(read, set()).add(table.name)
    return {
        name: Lineage(tuple(sorted(reads.get(name, ()))), tuple(sorted(feeds.get(name, ()))))
        for name in reads.keys() | feeds.keys()
    }


def page_of(name: str, pages: Container[str]) -> str | None:
    """The table whose page describes ``name``: the table itself, or the table a history belongs to."""
    return next((table for table in (name, name.removesuffix("_history")) if table in pages), None)


def picture(name: str, around: Lineage, pages: Container[str]) -> str:
    """Three columns: what it reads, itself, what it feeds; a box links to the page that describes it."""
    height = max(len(around.reads), len(around.feeds), 1) * ROW + 2 * PAD
    middle = height / 2
    columns = (around.reads, (name,), around.feeds)
    parts = []
    for number, names in enumerate(columns):
        x = PAD + number * (WIDTH + GAP)
        top = middle - len(names) * ROW / 2
        for row, other in enumerate(names):
            y = top + row * ROW
            centre = y + ROW / 2
            if number == 0:
                parts.append(_line(x + WIDTH, centre, x + WIDTH + GAP, middle))
            elif number == 2:
                parts.append(_line(x - GAP, middle, x, centre))
            kind = "self" if number == 1 else "other"
            box = f'<rect x="{x}" y="{y + 2:g}" width="{WIDTH}" height="{ROW - 4}" rx="4" class="{kind}"/>'
            text = f'<text x="{x + 8}" y="{centre + 4:g}">{escape(other)}</text>'
            page = page_of(other, pages)
            parts.append(f'<a href="{escape(page)}.html">{box}{text}</a>' if page else box + text)
    width = 3 * WIDTH + 2 * GAP + 2 * PAD
    label = f"lineage of {escape(name)}"
    return f'<svg viewBox="0 0 {width} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (x1 + x2) / 2
    return f'<path d="M{x1:g},{y1:g} C{bend:g},{y1:g} {bend:g},{y2:g} {x2:g},{y2:g}"/>'
