"""What would be signed, or was, as text: the statement of the month by pool, and what speaks against it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from stockbook.closing.landed import Close
from stockbook.cost_methods import FIGURES
from stockbook.counted import counted

if TYPE_CHECKING:
    import pyarrow as pa

_FLOWS = (
    ("opening", 1),
    ("receipts", 1),
    ("returns", 1),
    ("transformations_in", 1),
    ("issues", -1),
    ("transformations_out", -1),
    ("settlements", -1),
    ("corrections", 1),
    ("closing", 1),
)


def summary(close: Close, lines: "pa.Table", objections: Sequence[str]) -> Iterator[str]:
    """The lines of the text."""
    yield (
        f"Account {close.account}, {close.month:%Y-%m}, as of {close.as_of:%Y-%m-%d %H:%M} {close.day_zone}, as known "
        f"on {close.known_on} (run {close.run_id}), {counted(close.line_count, 'line')}, {close.valuation_currency}"
    )
    if close.sequence > 1:
        yield f"  supersedes {close.account}/{close.month:%Y-%m}/{close.sequence - 1}: {close.reason}"
    pools = sorted(set(lines.column("pool").to_pylist()), reverse=True)
    yield f"  {'':<20}" + "".join(f"{pool + ', pieces':>20}{pool + ', value':>24}" for pool in pools)
    for flow, sign in _FLOWS:
        cells = []
        for pool in pools:
            has_pieces = f"{flow}_quantity" in lines.column_names
            cells.append(f"{_signed(sign, _sum(lines, pool, f'{flow}_quantity')):>20,}" if has_pieces else " " * 20)
            cells.append(f"{_signed(sign, _sum(lines, pool, f'{flow}_value')):>24,.2f}")
        yield f"  {flow.replace('_', ' '):<20}" + "".join(cells)
    yield f"  {'cost of goods':<20}" + "".join(f"{'':>20}{_sum(lines, pool, 'cogs'):>24,.2f}" for pool in pools)
    for figure in FIGURES:
        name = f"closing, {figure.replace('_', ' ')}"
        yield f"  {name:<26}" + "".join(f"{'':>14}{_sum(lines, pool, f'{figure}_closing'):>24,.2f}" for pool in pools)
    yield "  Nothing speaks against it." if not objections else "  What speaks against it:"
    yield from (f"  - {text}" for text in objections)


def _signed(sign: int, value: Decimal | int) -> Decimal | int:
    return value if sign > 0 or not value else -value


def _sum(lines: "pa.Table", pool: str, name: str) -> Decimal | int:
    import pyarrow.compute as pc

    column = lines.filter(pc.equal(lines.column("pool"), pool)).column(name)
    return sum((value for value in column.to_pylist() if value), Decimal(0) if "quantity" not in name else 0)
