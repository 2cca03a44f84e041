"""
The cost replay: arrays in, arrays out.

Movements in their replay order give costs of every receipt and issue, who consumed what,
settlements of shortages, the balance of every day on which something changed, and the open
layers, for FIFO and perpetual average, landed and bare, sellable and damaged pieces. All
figures are exact at 12 decimals. The rules are those of docs/valuation.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stockbook.compiling import interpreted
from stockbook.valuation import fixed_point, kernel, replay_tables
from stockbook.valuation.replay_result import Balances, Issues, Receipts, Replay, Settlements, Slices, columns_of
from stockbook.valuation.replay_tables import BALANCES, COUNTS, DAMAGED, FIGURES, POOLS, SELLABLE, SETTLEMENTS, SLICES

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# int64, or Python integers where figures are too large for that
Money = npt.NDArray[Any]

POOL_NAMES = ("sellable", "damaged")
# names of the codes in ``cost_source``
COST_SOURCES = (
    None,
    "price",
    "receiving_line",
    "last_receipt",
    "default_cost",
    "missing",
    "order",
    "transformation",
    "stock",
    "provisional",
    "settled",
)


@dataclass(frozen=True)
class Movements:
    """
    Movements in replay order; all arrays have one entry per movement.

    ``variant`` numbers variants from 0. ``quantity`` and ``damaged_quantity`` are pieces of the two
    pools, never negative. ``price`` is the row's own or its receiving line's, with its code in
    ``price_source`` (replay_tables.PRICE, RECEIVING_LINE, NO_COST), and ``price_rest`` what price times
    pieces lacks of what the row is worth, below its pieces. Prices and extra costs are integers of 10^-12.
    ``day`` ascends. ``order`` numbers pairs of order and variant, and ``group`` linked transformations
    (transformations.py), both from 0, -1 for none; ``share`` is an IN's share of its group's cost.
    """

    variant: Ints
    is_in: Flags
    quantity: Ints
    damaged_quantity: Ints
    price: Money
    price_rest: Ints
    price_source: Ints
    extra_cost: Money
    day: Ints
    order: Ints
    group: Ints
    share: Money

    def __len__(self) -> int:
        return len(self.variant)


@dataclass(frozen=True)
class DefaultCosts:
    """
    Versions of the variants' default cost: those of variant v stand at ``start[v]`` to ``start[v + 1]``, oldest first.

    A version is in force from ``from_day`` (a day number as in Movements) until the next; the
    first reaches back without limit. ``is_known`` is false for a version without a price.
    """

    start: Ints
    from_day: Ints
    price: Money
    is_known: Flags

    @classmethod
    def none(cls, variants: int) -> "DefaultCosts":
        """No variant has one."""
        empty = np.zeros(0, np.int64)
        return cls(np.zeros(variants + 1, np.int64), empty, empty, np.zeros(0, np.bool_))


def replay(movements: Movements, defaults: DefaultCosts) -> Replay:
    """
    Replay ``movements``.

    Runs compiled in 64 bits as long as prices stay below 1.15 million a piece and pools below a
    thousand million pieces, else with integers of any size, a hundred times slower and to the
    same digits. Raises ValueError for a negative quantity.
    """
    for pieces in (movements.quantity, movements.damaged_quantity):
        if len(pieces) and pieces.min() < 0:
            raise ValueError(f"Quantities must not be negative; row {int(pieces.argmin())} has {int(pieces.min())}.")
    if _is_small(movements, defaults):
        bounded = _run(movements, defaults, np.dtype(np.int64))
        if bounded is not None:
            return bounded
    widened = _run(movements, defaults, np.dtype(object))
    if widened is None:
        raise AssertionError("integers of any size have no bound to leave")
    return widened


def _is_small(movements: Movements, defaults: DefaultCosts) -> bool:
    if any(money.dtype == object for money in (movements.price, movements.extra_cost, movements.share, defaults.price)):
        return False
    if not len(movements):
        return True
    prices = (movements.price, movements.extra_cost, defaults.price)
    most = max(int(np.abs(money).max(initial=0)) for money in prices)
    pieces = max(int(movements.quantity.max()), int(movements.damaged_quantity.max()))
    groups = int(movements.group.max()) + 1
    shares = np.bincount(movements.group[movements.group >= 0], movements.share[movements.group >= 0], groups)
    return (
        most < fixed_point.MOST_UNIT // 2
        and pieces < fixed_point.MOST_PIECES // 2
        and shares.max(initial=0) < fixed_point.MOST_PIECES
    )


def _run(movements: Movements, defaults: DefaultCosts, dtype: np.dtype[Any]) -> Replay | None:
    """The replay in numbers of ``dtype``; None when they are too small for it."""
    is_bounded = dtype == np.int64

    def blank(rows: int, *columns: int) -> Money:
        return np.zeros((rows, *columns), dtype)

    rows = _rows(movements, blank(len(movements), replay_tables.ROW.width))
    versions = blank(len(defaults.from_day), replay_tables.VERSION.width)
    versions[:, replay_tables.VERSION.from_day] = defaults.from_day
    versions[:, replay_tables.VERSION.price] = defaults.price
    versions[:, replay_tables.VERSION.is_known] = defaults.is_known
    groups = blank(int(movements.group.max(initial=-1)) + 1, replay_tables.GROUP.width)
    in_group = movements.group >= 0
    np.add.at(groups[:, replay_tables.GROUP.shares], movements.group[in_group], movements.share[in_group])
    variants = len(defaults.start) - 1
    moved = np.array([movements.quantity > 0, movements.damaged_quantity > 0])
    receipts = blank(int(moved[:, movements.is_in].sum()), replay_tables.RECEIPT.width)
    issues = blank(int(moved.sum()) - len(receipts), replay_tables.ISSUE.width)
    # a slice ends where an issue or a receipt ends, so there are no more of them than of both
    most = int(moved.sum())
    slices, settlements = blank(most, replay_tables.SLICE.width), blank(most, replay_tables.SETTLEMENT.width)
    balances, counts = blank(most, replay_tables.BALANCE.width), blank(COUNTS)
    books = replay_tables.Books(
        rows=rows,
        starts=np.require(defaults.start, dtype, ["C", "W"]),
        versions=versions,
        cells=blank(POOLS * variants, replay_tables.CELL.width),
        variants=blank(variants, replay_tables.VARIANT.width),
        orders=blank(int(movements.order.max(initial=-1)) + 1, replay_tables.ORDERED.width),
        groups=groups,
        receipts=receipts,
        issues=issues,
        slices=slices,
        settlements=settlements,
        balances=balances,
        counts=counts,
    )
    replay_rows = kernel.replay_rows if is_bounded else interpreted(kernel.replay_rows)
    pile, part = (blank(FIGURES), blank(FIGURES)), (blank(FIGURES), blank(FIGURES))
    outcome = replay_rows(books, pile, part, is_bounded)
    if outcome == kernel.TOO_LARGE:
        return None
    return Replay(
        cost_source=rows[:, replay_tables.ROW.cost_source].astype(np.int64),
        unit_cost=rows[:, replay_tables.ROW.unit_cost : replay_tables.ROW.unit_cost + FIGURES],
        receipts=columns_of(Receipts, replay_tables.RECEIPT, receipts),
        issues=columns_of(Issues, replay_tables.ISSUE, issues),
        slices=columns_of(Slices, replay_tables.SLICE, slices[: counts[SLICES]]),
        settlements=columns_of(Settlements, replay_tables.SETTLEMENT, settlements[: counts[SETTLEMENTS]]),
        balances=columns_of(Balances, replay_tables.BALANCE, balances[: counts[BALANCES]]),
        is_widened=not is_bounded,
    )


def _rows(movements: Movements, rows: Money) -> Money:
    rows[:, replay_tables.ROW.variant] = movements.variant
    rows[:, replay_tables.ROW.is_in] = movements.is_in
    rows[:, replay_tables.ROW.pieces + SELLABLE] = movements.quantity
    rows[:, replay_tables.ROW.pieces + DAMAGED] = movements.damaged_quantity
    rows[:, replay_tables.ROW.price] = movements.price
    rows[:, replay_tables.ROW.price_rest] = movements.price_rest
    rows[:, replay_tables.ROW.price_source] = movements.price_source
    rows[:, replay_tables.ROW.extra] = movements.extra_cost
    rows[:, replay_tables.ROW.day] = movements.day
    rows[:, replay_tables.ROW.order] = movements.order
    rows[:, replay_tables.ROW.group] = movements.group
    rows[:, replay_tables.ROW.share] = movements.share
    return rows
