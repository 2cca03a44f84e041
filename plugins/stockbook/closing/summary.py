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
    import pyarrow.compute as pc

    yield (
        f"Account {close.account}, {close.month:%Y-%m}, as of {close.as_of:%Y-%m-%d %H:%M} {close.day_zone}, as known "
        f"on {close.known_on} (run {close.run_id}), {counted(close.line_count, 'line')}, {close.valuation_currency}"
    )
    if close.sequence > 1:
        yield f"  supersedes {close.account}/{close.month:%Y-%m}/{close.sequence - 1}: {close.reason}"
    pools = sorted(set(lines.column("pool").to_pylist()), reverse=True)
    of_both = [lines] if len(pools) > 1 else []
    parts = [lines.filter(pc.equal(lines.column("pool"), pool)) for pool in pools]
    heads = [f"{pool + ', pieces':>18}{pool + ', value':>22}" for pool in pools]
    yield f"  {'':<26}" + "".join([*heads, *(f"{'both, value':>22}" for _ in of_both)])
    for flow, sign in _FLOWS:
        cells = []
        for part in parts:
            has_pieces = f"{flow}_quantity" in lines.column_names
            cells.append(f"{_signed(sign, _sum(part, f'{flow}_quantity')):>18,}" if has_pieces else " " * 18)
            cells.append(f"{_signed(sign, _sum(part, f'{flow}_value')):>22,.2f}")
        cells += [f"{_signed(sign, _sum(part, f'{flow}_value')):>22,.2f}" for part in of_both]
        yield f"  {flow.replace('_', ' '):<26}" + "".join(cells)
    closings = {f"closing, {figure.replace('_', ' ')}": f"{figure}_closing" for figure in FIGURES}
    for name, column in ({"cost of goods": "cogs"} | closings).items():
        cells = [f"{'':>18}{_sum(part, column):>22,.2f}" for part in parts]
        cells += [f"{_sum(part, column):>22,.2f}" for part in of_both]
        yield f"  {name:<26}" + "".join(cells)
    yield "  Each figure is rounded by itself: the lines may differ from the closing by a hundredth or two."
    yield "  Nothing speaks against it." if not objections else "  What speaks against it:"
    yield from (f"  - {text}" for text in objections)


def _signed(sign: int, value: Decimal | int) -> Decimal | int:
    return value if sign > 0 or not value else -value


def _sum(lines: "pa.Table", name: str) -> Decimal | int:
    column = lines.column(name)
    return sum((value for value in column.to_pylist() if value), Decimal(0) if "quantity" not in name else 0)
