"""
Taking pieces out of a pool: oldest layers and a share of the average first, then owing what is not there.

Compiled: see kernel.py.
"""

from stockbook.compiling import compiled
from stockbook.valuation.fixed_point import add, carry, divide, grow, part_of, rate, settle, share_of
from stockbook.valuation.receipt_cost import default_cost
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
    ISSUES,
    LANDED,
    ORDERED,
    POOLS,
    RECEIPT,
    ROW,
    SELLABLE,
    SLICE,
    SLICES,
    VARIANT,
    Books,
)


@compiled
def allocate(
    books: Books, count: int, issue: int, receipt: int, pieces: int, landed: tuple[int, int], bare: tuple[int, int]
) -> int:
    """Write one allocation; ``landed`` and ``bare`` are (unit, remainder) of its pieces. The new count."""
    books.slices[count, SLICE.issue] = issue
    books.slices[count, SLICE.receipt] = receipt
    books.slices[count, SLICE.pieces] = pieces
    books.issues[issue, ISSUE.slices] += 1
    books.slices[count, SLICE.number] = books.issues[issue, ISSUE.slices]
    books.slices[count, SLICE.high + LANDED], books.slices[count, SLICE.low + LANDED] = add(
        0, 0, landed[0], pieces, landed[1]
    )
    books.slices[count, SLICE.high + BARE], books.slices[count, SLICE.low + BARE] = add(0, 0, bare[0], pieces, bare[1])
    return count + 1


@compiled
def _issue_from_stock(books: Books, count: int, cell: int, issue: int, taken: int) -> int:
    """Take ``taken`` pieces on hand: oldest layers first, and a share of the average pile. The count of slices."""
    on_hand = books.cells[cell, CELL.on_hand]
    for basis in range(BASES):
        figure = AVERAGE + basis
        unit, remainder = books.cells[cell, CELL.unit + basis], books.cells[cell, CELL.remainder + basis]
        if books.cells[cell, CELL.average_is_known]:
            books.cells[cell, CELL.last_cost + figure] = rate(unit, remainder, on_hand)
        part = part_of(remainder, on_hand, taken)
        books.issues[issue, ISSUE.cost_high + figure], books.issues[issue, ISSUE.cost_low + figure] = add(
            0, 0, unit, taken, part
        )
        books.cells[cell, CELL.unit + basis], books.cells[cell, CELL.remainder + basis] = settle(
            unit, remainder - part, on_hand - taken
        )
    unknown = books.cells[cell, CELL.average_missing]
    if books.cells[cell, CELL.average_is_known]:
        books.cells[cell, CELL.has_last_cost] = True
        books.cells[cell, CELL.last_missing], books.cells[cell, CELL.last_pieces] = unknown, on_hand
    books.issues[issue, ISSUE.average_missing] += share_of(unknown, on_hand, taken)
    books.cells[cell, CELL.average_missing] = share_of(unknown, on_hand, on_hand - taken)
    books.cells[cell, CELL.on_hand] = on_hand - taken

    left = taken
    while left > 0:
        layer = books.cells[cell, CELL.first_layer]
        there = books.receipts[layer, RECEIPT.left]
        pieces = min(left, there)
        landed, bare = books.receipts[layer, RECEIPT.unit + LANDED], books.receipts[layer, RECEIPT.unit + BARE]
        landed_rest = books.receipts[layer, RECEIPT.remainder + LANDED]
        bare_rest = books.receipts[layer, RECEIPT.remainder + BARE]
        landed_part = part_of(landed_rest, there, pieces)
        bare_part = part_of(bare_rest, there, pieces)
        if books.receipts[layer, RECEIPT.is_missing]:
            books.issues[issue, ISSUE.missing] += pieces
            books.cells[cell, CELL.missing] -= pieces
        else:
            books.cells[cell, CELL.last_cost + FIFO + LANDED] = rate(landed, landed_rest, there)
            books.cells[cell, CELL.last_cost + FIFO + BARE] = rate(bare, bare_rest, there)
        count = allocate(books, count, issue, layer, pieces, (landed, landed_part), (bare, bare_part))
        for basis in range(BASES):
            grow(
                books.issues,
                issue,
                ISSUE.cost_high + FIFO + basis,
                ISSUE.cost_low + FIFO + basis,
                books.slices[count - 1, SLICE.high + basis],
                books.slices[count - 1, SLICE.low + basis],
            )
        books.receipts[layer, RECEIPT.left] = there - pieces
        books.receipts[layer, RECEIPT.unit + LANDED], books.receipts[layer, RECEIPT.remainder + LANDED] = settle(
            landed, landed_rest - landed_part, there - pieces
        )
        books.receipts[layer, RECEIPT.unit + BARE], books.receipts[layer, RECEIPT.remainder + BARE] = settle(
            bare, bare_rest - bare_part, there - pieces
        )
        if there == pieces:
            books.cells[cell, CELL.first_layer] = books.receipts[layer, RECEIPT.next]
        left -= pieces
    return count


@compiled
def _issue_short(books: Books, cell: int, issue: int, row: int, short: int) -> None:
    """Owe ``short`` pieces at the provisional rate."""
    variant = books.rows[row, ROW.variant]
    is_known, unknown = 1, 0
    if books.cells[cell, CELL.has_last_cost]:
        unknown = share_of(books.cells[cell, CELL.last_missing], books.cells[cell, CELL.last_pieces], short)
        for figure in range(FIGURES):
            books.issues[issue, ISSUE.short_rate + figure] = books.cells[cell, CELL.last_cost + figure]
    elif books.variants[variant, VARIANT.has_receipt]:
        for figure in range(FIGURES):
            books.issues[issue, ISSUE.short_rate + figure] = (
                books.variants[variant, VARIANT.receipt_landed]
                if figure % BASES == LANDED
                else books.variants[variant, VARIANT.receipt_price]
            )
    else:
        is_known, cost = default_cost(books, variant, books.rows[row, ROW.day])
        for figure in range(FIGURES):
            books.issues[issue, ISSUE.short_rate + figure] = cost if is_known else 0
    if is_known:
        books.cells[cell, CELL.has_last_cost] = True
    else:
        unknown = short
        books.issues[issue, ISSUE.missing] += short
        books.cells[cell, CELL.missing] += short
    books.issues[issue, ISSUE.average_missing] += unknown
    books.issues[issue, ISSUE.short_missing] = unknown
    books.cells[cell, CELL.average_missing] += unknown
    for figure in range(FIGURES):
        provisional = books.issues[issue, ISSUE.short_rate + figure]
        if is_known:
            books.cells[cell, CELL.last_cost + figure] = provisional
        books.issues[issue, ISSUE.cost_high + figure], books.issues[issue, ISSUE.cost_low + figure] = add(
            books.issues[issue, ISSUE.cost_high + figure],
            books.issues[issue, ISSUE.cost_low + figure],
            provisional,
            short,
            0,
        )
    books.issues[issue, ISSUE.left] = short
    books.issues[issue, ISSUE.was_short] = True
    books.issues[issue, ISSUE.short_is_missing] = not is_known
    books.issues[issue, ISSUE.next] = -1
    if books.cells[cell, CELL.short] == 0:
        books.cells[cell, CELL.first_short] = issue
    else:
        books.issues[books.cells[cell, CELL.last_short], ISSUE.next] = issue
    books.cells[cell, CELL.last_short] = issue
    books.cells[cell, CELL.short] += short


@compiled
def _book_issue(books: Books, cell: int, issue: int, row: int) -> None:
    """Take the booked cost out of the cell's value and remember it for the order or the transformation."""
    order, group = books.rows[row, ROW.order], books.rows[row, ROW.group]
    if order >= 0:
        books.orders[order, ORDERED.shipped] += books.issues[issue, ISSUE.pieces]
        books.orders[order, ORDERED.missing] += books.issues[issue, ISSUE.missing]
        books.orders[order, ORDERED.average_missing] += books.issues[issue, ISSUE.average_missing]
    if group >= 0:
        books.groups[group, GROUP.missing] += books.issues[issue, ISSUE.missing]
        books.groups[group, GROUP.average_missing] += books.issues[issue, ISSUE.average_missing]
    for figure in range(FIGURES):
        high, low = books.issues[issue, ISSUE.cost_high + figure], books.issues[issue, ISSUE.cost_low + figure]
        grow(books.cells, cell, CELL.high + figure, CELL.low + figure, -high, -low)
        if order >= 0:
            grow(books.orders, order, ORDERED.high + figure, ORDERED.low + figure, high, low)
        if group >= 0:
            grow(books.groups, group, GROUP.high + figure, GROUP.low + figure, high, low)


@compiled
def take_out(books: Books, row: int) -> None:
    """Take an issue's pieces out of their pools, owing what is not there, and cost it as a whole."""
    first = books.counts[ISSUES]
    for pool in range(POOLS):
        pieces = books.rows[row, ROW.pieces + pool]
        if pieces == 0:
            continue
        cell = POOLS * books.rows[row, ROW.variant] + pool
        issue = books.counts[ISSUES]
        books.counts[ISSUES] += 1
        books.issues[issue, ISSUE.row], books.issues[issue, ISSUE.pool], books.issues[issue, ISSUE.pieces] = (
            row,
            pool,
            pieces,
        )
        taken = min(pieces, books.cells[cell, CELL.on_hand])
        if taken > 0:
            books.counts[SLICES] = _issue_from_stock(books, books.counts[SLICES], cell, issue, taken)
        if pieces > taken:
            _issue_short(books, cell, issue, row, pieces - taken)
        _book_issue(books, cell, issue, row)
    pieces = books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED]
    for figure in range(FIGURES):
        high, low = 0, 0
        for issue in range(first, books.counts[ISSUES]):
            high, low = carry(
                high + books.issues[issue, ISSUE.cost_high + figure], low + books.issues[issue, ISSUE.cost_low + figure]
            )
        unit, remainder = divide(high, low, pieces)
        books.rows[row, ROW.unit_cost + figure] = rate(unit, remainder, pieces)
