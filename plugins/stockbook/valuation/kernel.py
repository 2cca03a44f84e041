"""
The replay itself: one pass over the movements in their order, for all variants at once.

Written for the compiler: flat arrays, whole numbers, no objects. replay_tables.py
says what the arrays hold, fixed_point.py how they are added; the rules are in docs/valuation.md. Receipts are
costed in receipt_cost.py and brought in by receiving.py, issues taken out by issuing.py.
"""

from stockbook.compiling import compiled
from stockbook.valuation.fixed_point import MOST_PIECES, MOST_UNIT
from stockbook.valuation.issuing import allocate, take_out
from stockbook.valuation.receiving import bring_in
from stockbook.valuation.replay_tables import (
    BALANCE,
    BALANCES,
    BARE,
    CELL,
    DAMAGED,
    FIFO,
    FIGURES,
    GROUP,
    ISSUE,
    ISSUES,
    LANDED,
    MISSING,
    ORDERED,
    POOLS,
    PROVISIONAL,
    ROW,
    SELLABLE,
    SETTLED,
    SLICES,
    STOCK,
    Array,
    Books,
)

DONE, TOO_LARGE = 0, 1


@compiled
def _is_too_large(books: Books, row: int) -> bool:
    """Whether what an order or a transformation took so far nears the end of 64 bits."""
    order, group = books.rows[row, ROW.order], books.rows[row, ROW.group]
    if order >= 0 and books.orders[order, ORDERED.shipped] >= MOST_PIECES:
        return True
    if group >= 0:
        for figure in range(FIGURES):
            if abs(books.groups[group, GROUP.high + figure]) >= MOST_UNIT // 2:
                return True
    return False


@compiled
def _has_too_many(books: Books, row: int) -> bool:
    """Whether a pool would near the end of what 64 bits can count exactly."""
    for pool in range(POOLS):
        cell = POOLS * books.rows[row, ROW.variant] + pool
        if (
            books.cells[cell, CELL.on_hand] + books.cells[cell, CELL.short] + books.rows[row, ROW.pieces + pool]
            >= MOST_PIECES
        ):
            return True
    return False


@compiled
def _write_balance(books: Books, count: int, cell: int, day: int) -> int:
    """The cell's state at the end of ``day``, so far. The count of balance rows."""
    row = books.cells[cell, CELL.balance] - 1
    if row < 0 or books.balances[row, BALANCE.day] != day:
        if row >= 0:
            books.balances[row, BALANCE.next_row] = count
        row = count
        books.cells[cell, CELL.balance] = row + 1
        books.balances[row, BALANCE.cell] = cell
        books.balances[row, BALANCE.day] = day
        books.balances[row, BALANCE.next_row] = -1
        count += 1
    books.balances[row, BALANCE.pieces] = books.cells[cell, CELL.on_hand] - books.cells[cell, CELL.short]
    books.balances[row, BALANCE.missing] = books.cells[cell, CELL.missing]
    books.balances[row, BALANCE.average_missing] = books.cells[cell, CELL.average_missing]
    for figure in range(FIGURES):
        books.balances[row, BALANCE.high + figure] = books.cells[cell, CELL.high + figure]
        books.balances[row, BALANCE.low + figure] = books.cells[cell, CELL.low + figure]
    return count


@compiled
def _allocate_shortages(books: Books) -> None:
    """Slices for pieces that are still short: without a receipt, at the provisional rate."""
    for issue in range(books.counts[ISSUES]):
        if books.issues[issue, ISSUE.left] > 0:
            landed = books.issues[issue, ISSUE.short_rate + FIFO + LANDED], 0
            bare = books.issues[issue, ISSUE.short_rate + FIFO + BARE], 0
            books.counts[SLICES] = allocate(
                books, books.counts[SLICES], issue, -1, books.issues[issue, ISSUE.left], landed, bare
            )


@compiled
def _name_issue_sources(books: Books) -> None:
    """The weakest source among an issue's pools: missing, provisional, settled, stock."""
    for issue in range(books.counts[ISSUES]):
        row = books.issues[issue, ISSUE.row]
        if books.issues[issue, ISSUE.missing] > 0:
            books.rows[row, ROW.cost_source] = MISSING
        elif books.rows[row, ROW.cost_source] == MISSING:
            continue
        elif books.issues[issue, ISSUE.left] > 0:
            books.rows[row, ROW.cost_source] = PROVISIONAL
        elif books.rows[row, ROW.cost_source] == PROVISIONAL:
            continue
        elif books.issues[issue, ISSUE.was_short]:
            books.rows[row, ROW.cost_source] = SETTLED
        elif books.rows[row, ROW.cost_source] != SETTLED:
            books.rows[row, ROW.cost_source] = STOCK


@compiled
def replay_rows(books: Books, pile: tuple[Array, Array], part: tuple[Array, Array], is_bounded: bool) -> int:
    """
    Replay every row. DONE, or TOO_LARGE when a figure could leave 64 bits (only when ``is_bounded``).

    ``counts`` becomes (receipts, issues, slices, settlements, balances); ``pile`` and ``part`` are
    working space, unit costs and remainders by figure.
    """
    for row in range(len(books.rows)):
        if books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED] == 0:
            continue
        if is_bounded and _has_too_many(books, row):
            return TOO_LARGE
        if not books.rows[row, ROW.is_in]:
            take_out(books, row)
            if is_bounded and _is_too_large(books, row):
                return TOO_LARGE
        elif not bring_in(books, pile, part, row, is_bounded):
            return TOO_LARGE
        for pool in range(POOLS):
            if books.rows[row, ROW.pieces + pool] > 0:
                books.counts[BALANCES] = _write_balance(
                    books, books.counts[BALANCES], POOLS * books.rows[row, ROW.variant] + pool, books.rows[row, ROW.day]
                )
    _allocate_shortages(books)
    _name_issue_sources(books)
    return DONE
