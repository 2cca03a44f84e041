"""
What pieces that come in cost: their own price, the chain of prices, what an order took, or what a transformation did.

Compiled: see kernel.py.
"""

from stockbook.compiling import compiled
from stockbook.valuation.fixed_point import MOST_HIGH, MOST_UNIT, add, divide, grow, join, part_of, rate, settle
from stockbook.valuation.replay_tables import (
    BARE,
    BASES,
    DAMAGED,
    DEFAULT_COST,
    FIFO,
    FIGURES,
    GROUP,
    LANDED,
    LAST_RECEIPT,
    MISSING,
    NO_COST,
    ORDER,
    ORDERED,
    ROW,
    SELLABLE,
    TRANSFORMATION,
    VARIANT,
    VERSION,
    Array,
    Books,
)


@compiled
def default_cost(books: Books, variant: int, day: int) -> tuple[int, int]:
    """(is it known, cost): the purchase price in force on ``day``."""
    start, end = books.starts[variant], books.starts[variant + 1]
    if start == end:
        return 0, 0
    in_force = start
    for version in range(start + 1, end):
        if books.versions[version, VERSION.from_day] <= day:
            in_force = version
    return books.versions[in_force, VERSION.is_known], books.versions[in_force, VERSION.price]


@compiled
def stated_cost(books: Books, row: int) -> tuple[int, int, int]:
    """(source, bare unit cost, remainder of all the row's pieces) of a receipt by the chain of prices."""
    variant = books.rows[row, ROW.variant]
    if books.rows[row, ROW.price_source] != NO_COST:
        return books.rows[row, ROW.price_source], books.rows[row, ROW.price], books.rows[row, ROW.price_rest]
    if books.variants[variant, VARIANT.has_receipt]:
        return LAST_RECEIPT, books.variants[variant, VARIANT.receipt_price], 0
    is_known, cost = default_cost(books, variant, books.rows[row, ROW.day])
    return (DEFAULT_COST, cost, 0) if is_known else (MISSING, 0, 0)


@compiled
def _cost_of_return(books: Books, row: int, unit: Array, remainder: Array, is_bounded: bool) -> int:
    """
    Fill the pile of a return and give its source; -1 when it is too large.

    It takes back the cost of what of its order is still out, then surplus pieces by the chain of prices.
    """
    order = books.rows[row, ROW.order]
    pieces = books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED]
    still_out = books.orders[order, ORDERED.shipped] - books.orders[order, ORDERED.returned]
    linked = min(pieces, still_out)
    surplus = pieces - linked
    source, cost, rest = ORDER, 0, 0
    if surplus > 0:
        source, cost, rest = stated_cost(books, row)
        rest = part_of(rest, pieces, surplus)
        cost, rest = settle(cost, rest, surplus)
    for figure in range(FIGURES):
        unit[figure], remainder[figure] = cost, rest
        if linked > 0:
            high, low = books.orders[order, ORDERED.high + figure], books.orders[order, ORDERED.low + figure]
            if is_bounded and abs(high // still_out) >= MOST_HIGH:
                return -1
            back, part = 0, 0
            # settlements after a return can leave less than nothing: that stays in the cost of goods
            if high >= 0:
                back, part = divide(high, low, still_out)
                part = part_of(part, still_out, linked)
                grow(books.orders, order, ORDERED.high + figure, ORDERED.low + figure, *add(0, 0, back, -linked, -part))
                back, part = settle(back, part, linked)
            unit[figure], remainder[figure] = join(back, part, linked, cost, rest, surplus)
    books.orders[order, ORDERED.returned] += linked
    if linked > 0 and books.orders[order, ORDERED.average_missing] > 0:
        books.rows[row, ROW.is_average_missing] = True
    if linked > 0 and books.orders[order, ORDERED.missing] > 0:
        return MISSING
    return source


@compiled
def _cost_of_output(books: Books, row: int, unit: Array, remainder: Array, is_bounded: bool) -> int:
    """Fill the pile of a linked transformation's IN with its share of the cost that left; -1 when it is too large."""
    group = books.rows[row, ROW.group]
    pieces = books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED]
    share, shares = books.rows[row, ROW.share], books.groups[group, GROUP.shares]
    if not books.groups[group, GROUP.started]:
        for figure in range(FIGURES):
            if is_bounded and abs(books.groups[group, GROUP.high + figure] // shares) >= MOST_HIGH:
                return -1
            books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure] = divide(
                books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure], shares
            )
        books.groups[group, GROUP.started] = True
    for figure in range(FIGURES):
        unit[figure], remainder[figure] = 0, 0
        if share > 0:
            share_cost, rest = books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure]
            part = part_of(rest, shares, share)
            books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure] = settle(
                share_cost, rest - part, shares - share
            )
            high, low = add(0, 0, share_cost, share, part)
            if is_bounded and abs(high // pieces) >= MOST_HIGH:
                return -1
            unit[figure], remainder[figure] = divide(high, low, pieces)
        if figure % BASES == LANDED:
            unit[figure] += books.rows[row, ROW.extra]
            if is_bounded and abs(unit[figure]) >= MOST_UNIT:
                return -1
    books.groups[group, GROUP.shares] = shares - share
    if books.groups[group, GROUP.average_missing] > 0:
        books.rows[row, ROW.is_average_missing] = True
    return MISSING if books.groups[group, GROUP.missing] > 0 else TRANSFORMATION


@compiled
def cost_of_receipt(books: Books, row: int, unit: Array, remainder: Array, is_bounded: bool) -> int:
    """Fill the pile of pieces that come in and give its source; -1 when it is too large."""
    if books.rows[row, ROW.order] >= 0:
        return _cost_of_return(books, row, unit, remainder, is_bounded)
    if books.rows[row, ROW.group] >= 0:
        return _cost_of_output(books, row, unit, remainder, is_bounded)
    variant = books.rows[row, ROW.variant]
    source, cost, rest = stated_cost(books, row)
    for figure in range(FIGURES):
        unit[figure], remainder[figure] = cost, rest
        if figure % BASES == LANDED:
            unit[figure] += books.rows[row, ROW.extra]
    if books.rows[row, ROW.price_source] != NO_COST:
        pieces = books.rows[row, ROW.pieces + SELLABLE] + books.rows[row, ROW.pieces + DAMAGED]
        books.variants[variant, VARIANT.receipt_price] = rate(unit[FIFO + BARE], remainder[FIFO + BARE], pieces)
        books.variants[variant, VARIANT.receipt_landed] = rate(unit[FIFO + LANDED], remainder[FIFO + LANDED], pieces)
        books.variants[variant, VARIANT.has_receipt] = True
    return source
