"""
Bringing pieces into a pool: they make shortages good, oldest first, and what is left joins the stock.

Compiled: see kernel.py.
"""

from stockbook.compiling import compiled
from stockbook.valuation.fixed_point import add, grow, join, part_of, rate, settle, share_of
from stockbook.valuation.issuing import allocate
from stockbook.valuation.receipt_cost import cost_of_receipt
from stockbook.valuation.replay_tables import (
    AVERAGE,
    BARE,
    BASES,
    CELL,
    DAMAGED,
    FIFO,
    FIGURES,
    GROUP,
    ISSUE,
    LANDED,
    MISSING,
    ORDERED,
    POOLS,
    RECEIPT,
    RECEIPTS,
    ROW,
    SELLABLE,
    SETTLEMENT,
    SETTLEMENTS,
    SLICES,
    Array,
    Books,
)


@compiled
def _settle_one(books: Books, cell: int, receipt: int, unit: Array, remainder: Array, left: int) -> int:
    """Make the oldest shortage good from a pile of ``left`` pieces coming in, as far as they go. Pieces settled."""
    issue = books.cells[cell, CELL.first_short]
    owed = books.issues[issue, ISSUE.left]
    pieces = min(left, owed)
    row = books.issues[issue, ISSUE.row]
    order, group = books.rows[row, ROW.order], books.rows[row, ROW.group]
    settlement = books.counts[SETTLEMENTS]
    books.counts[SETTLEMENTS] += 1
    books.settlements[settlement, SETTLEMENT.issue] = issue
    books.settlements[settlement, SETTLEMENT.receipt] = receipt
    books.settlements[settlement, SETTLEMENT.pieces] = pieces
    landed = unit[FIFO + LANDED], part_of(remainder[FIFO + LANDED], left, pieces)
    bare = unit[FIFO + BARE], part_of(remainder[FIFO + BARE], left, pieces)
    books.counts[SLICES] = allocate(books, books.counts[SLICES], issue, receipt, pieces, landed, bare)
    for figure in range(FIGURES):
        part = part_of(remainder[figure], left, pieces)
        high, low = add(0, 0, unit[figure], pieces, part)
        high, low = add(high, low, books.issues[issue, ISSUE.short_rate + figure], -pieces, 0)
        (
            books.settlements[settlement, SETTLEMENT.high + figure],
            books.settlements[settlement, SETTLEMENT.low + figure],
        ) = high, low
        grow(books.issues, issue, ISSUE.settled_high + figure, ISSUE.settled_low + figure, high, low)
        grow(books.cells, cell, CELL.high + figure, CELL.low + figure, -high, -low)
        if order >= 0:
            grow(books.orders, order, ORDERED.high + figure, ORDERED.low + figure, high, low)
        if group >= 0 and not books.groups[group, GROUP.started]:
            grow(books.groups, group, GROUP.high + figure, GROUP.low + figure, high, low)
        unit[figure], remainder[figure] = settle(unit[figure], remainder[figure] - part, left - pieces)
    # what pieces of unknown cost settle is of unknown cost from now on, and the other way round
    gone = pieces if books.issues[issue, ISSUE.short_is_missing] else 0
    change = (pieces if books.receipts[receipt, RECEIPT.is_missing] else 0) - gone
    short_missing = books.issues[issue, ISSUE.short_missing]
    still = share_of(short_missing, owed, owed - pieces)
    average_change = (pieces if books.rows[books.receipts[receipt, RECEIPT.row], ROW.is_average_missing] else 0) - (
        short_missing - still
    )
    books.issues[issue, ISSUE.short_missing] = still
    books.issues[issue, ISSUE.missing] += change
    books.issues[issue, ISSUE.average_missing] += average_change
    if order >= 0:
        books.orders[order, ORDERED.missing] += change
        books.orders[order, ORDERED.average_missing] += average_change
    if group >= 0:
        books.groups[group, GROUP.missing] += change
        books.groups[group, GROUP.average_missing] += average_change
    books.cells[cell, CELL.missing] -= gone
    books.cells[cell, CELL.average_missing] -= short_missing - still
    books.issues[issue, ISSUE.left] = owed - pieces
    books.cells[cell, CELL.short] -= pieces
    if owed == pieces:
        books.cells[cell, CELL.first_short] = books.issues[issue, ISSUE.next]
    return int(pieces)


@compiled
def _receive(books: Books, cell: int, receipt: int, unit: Array, remainder: Array) -> None:
    """Bring a pile in: it settles shortages, oldest first; what is left joins the stock."""
    left = books.receipts[receipt, RECEIPT.pieces]
    is_missing = books.receipts[receipt, RECEIPT.is_missing]
    is_average_missing = books.rows[books.receipts[receipt, RECEIPT.row], ROW.is_average_missing]
    for figure in range(FIGURES):
        high, low = add(0, 0, unit[figure], left, remainder[figure])
        books.receipts[receipt, RECEIPT.high + figure], books.receipts[receipt, RECEIPT.low + figure] = high, low
        grow(books.cells, cell, CELL.high + figure, CELL.low + figure, high, low)
    books.receipts[receipt, RECEIPT.left] = 0
    books.receipts[receipt, RECEIPT.next] = -1
    if books.cells[cell, CELL.short] > 0:
        if not is_missing and books.cells[cell, CELL.short] <= left:
            books.cells[cell, CELL.has_last_cost] = True
            books.cells[cell, CELL.last_missing] = left if is_average_missing else 0
            books.cells[cell, CELL.last_pieces] = left
            for figure in range(FIGURES):
                books.cells[cell, CELL.last_cost + figure] = rate(unit[figure], remainder[figure], left)
        while left > 0 and books.cells[cell, CELL.short] > 0:
            left -= _settle_one(books, cell, receipt, unit, remainder, left)
    if left == 0:
        return
    on_hand = books.cells[cell, CELL.on_hand]
    books.receipts[receipt, RECEIPT.left] = left
    for basis in range(BASES):
        books.receipts[receipt, RECEIPT.unit + basis] = unit[FIFO + basis]
        books.receipts[receipt, RECEIPT.remainder + basis] = remainder[FIFO + basis]
        if on_hand == 0:
            books.cells[cell, CELL.unit + basis], books.cells[cell, CELL.remainder + basis] = (
                unit[AVERAGE + basis],
                remainder[AVERAGE + basis],
            )
        else:
            books.cells[cell, CELL.unit + basis], books.cells[cell, CELL.remainder + basis] = join(
                books.cells[cell, CELL.unit + basis],
                books.cells[cell, CELL.remainder + basis],
                on_hand,
                unit[AVERAGE + basis],
                remainder[AVERAGE + basis],
                left,
            )
    if on_hand == 0:
        books.cells[cell, CELL.first_layer] = receipt
        books.cells[cell, CELL.average_is_known] = not is_missing
    else:
        books.receipts[books.cells[cell, CELL.last_layer], RECEIPT.next] = receipt
        books.cells[cell, CELL.average_is_known] = books.cells[cell, CELL.average_is_known] or not is_missing
    books.cells[cell, CELL.last_layer] = receipt
    books.cells[cell, CELL.on_hand] = on_hand + left
    books.cells[cell, CELL.missing] += left if is_missing else 0
    books.cells[cell, CELL.average_missing] += left if is_average_missing else 0


@compiled
def bring_in(books: Books, pile: tuple[Array, Array], part: tuple[Array, Array], row: int, is_bounded: bool) -> bool:
    """Cost a receipt and bring its pieces into their pools. False when a figure is too large."""
    source = cost_of_receipt(books, row, pile[0], pile[1], is_bounded)
    if source < 0:
        return False
    left = books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED]
    books.rows[row, ROW.cost_source] = source
    if source == MISSING:
        books.rows[row, ROW.is_average_missing] = True
    for figure in range(FIGURES):
        books.rows[row, ROW.unit_cost + figure] = rate(pile[0][figure], pile[1][figure], left)
    for pool in range(POOLS):
        pieces = books.rows[row, ROW.pieces + pool]
        if pieces == 0:
            continue
        receipt = books.counts[RECEIPTS]
        books.counts[RECEIPTS] += 1
        (
            books.receipts[receipt, RECEIPT.row],
            books.receipts[receipt, RECEIPT.pool],
            books.receipts[receipt, RECEIPT.pieces],
        ) = (row, pool, pieces)
        books.receipts[receipt, RECEIPT.is_missing] = source == MISSING
        for figure in range(FIGURES):
            unit, remainder = pile[0][figure], pile[1][figure]
            taken = part_of(remainder, left, pieces)
            part[0][figure], part[1][figure] = settle(unit, taken, pieces)
            pile[0][figure], pile[1][figure] = settle(unit, remainder - taken, left - pieces)
        left -= pieces
        cell = POOLS * books.rows[row, ROW.variant] + pool
        _receive(books, cell, receipt, part[0], part[1])
    return True
