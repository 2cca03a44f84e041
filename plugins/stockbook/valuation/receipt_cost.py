"""
What pieces that come in cost: their own price, the chain of prices, what an order took, or what a transformation did.

Compiled: see kernel.py.
"""

from stockbook.valuation.book import (
    DEFAULT_COST,
    GROUP,
    LAST_RECEIPT,
    MISSING,
    NO_COST,
    ORDER,
    ORDERED,
    ROW,
    TRANSFORMATION,
    VARIANT,
    VERSION,
    Array,
    Books,
)
from stockbook.valuation.compiling import compiled
from stockbook.valuation.exact import MOST_HIGH, MOST_UNIT, add, divide, join, part_of, settle


@compiled
def default_cost(books: Books, variant: int, day: int) -> tuple[int, int]:
    """(known, cost): the purchase price in force on ``day``."""
    start, end = books.starts[variant], books.starts[variant + 1]
    if start == end:
        return 0, 0
    found = start
    for version in range(start + 1, end):
        if books.versions[version, VERSION.from_day] <= day:
            found = version
    return books.versions[found, VERSION.is_known], books.versions[found, VERSION.price]


@compiled
def stated_cost(books: Books, row: int) -> tuple[int, int]:
    """(source, bare unit cost) of a receipt by the chain of prices."""
    variant = books.rows[row, ROW.variant]
    if books.rows[row, ROW.price_source] != NO_COST:
        return books.rows[row, ROW.price_source], books.rows[row, ROW.price]
    if books.variants[variant, VARIANT.has_receipt]:
        return LAST_RECEIPT, books.variants[variant, VARIANT.receipt_price]
    known, cost = default_cost(books, variant, books.rows[row, ROW.day])
    return (DEFAULT_COST, cost) if known else (MISSING, 0)


@compiled
def _cost_of_return(books: Books, row: int, unit: Array, remainder: Array) -> int:
    """Fill the pile of a return: what its order took, then surplus pieces by the chain of prices. Its source."""
    order = books.rows[row, ROW.order]
    pieces = books.rows[row, ROW.pieces] + books.rows[row, ROW.pieces + 1]
    shipped, returned = books.orders[order, ORDERED.shipped], books.orders[order, ORDERED.returned]
    linked = min(pieces, shipped - returned)
    surplus = pieces - linked
    source, cost = ORDER, 0
    if surplus > 0:
        source, cost = stated_cost(books, row)
    for figure in range(4):
        unit[figure], remainder[figure] = cost, 0
        if linked > 0:
            one, rest = divide(
                books.orders[order, ORDERED.high + figure], books.orders[order, ORDERED.low + figure], shipped
            )
            part = part_of(rest, shipped, returned + linked) - part_of(rest, shipped, returned)
            one, part = settle(one, part, linked)
            unit[figure], remainder[figure] = join(one, part, linked, cost, 0, surplus)
    books.orders[order, ORDERED.returned] += linked
    if linked > 0 and books.orders[order, ORDERED.missing] > 0:
        return MISSING
    return source


@compiled
def _cost_of_output(books: Books, row: int, unit: Array, remainder: Array, is_bounded: bool) -> int:
    """Fill the pile of a linked transformation's IN with its share of the cost that left; -1 when it is too large."""
    group = books.rows[row, ROW.group]
    pieces = books.rows[row, ROW.pieces] + books.rows[row, ROW.pieces + 1]
    share, shares = books.rows[row, ROW.share], books.groups[group, GROUP.shares]
    if not books.groups[group, GROUP.started]:
        for figure in range(4):
            if is_bounded and abs(books.groups[group, GROUP.high + figure] // shares) >= MOST_HIGH:
                return -1
            one, rest = divide(
                books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure], shares
            )
            books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure] = one, rest
        books.groups[group, GROUP.started] = True
    for figure in range(4):
        unit[figure], remainder[figure] = 0, 0
        if share > 0:
            one, rest = books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure]
            part = part_of(rest, shares, share)
            books.groups[group, GROUP.high + figure], books.groups[group, GROUP.low + figure] = settle(
                one, rest - part, shares - share
            )
            high, low = add(0, 0, one, share, part)
            if is_bounded and abs(high // pieces) >= MOST_HIGH:
                return -1
            unit[figure], remainder[figure] = divide(high, low, pieces)
        if figure % 2 == 0:
            unit[figure] += books.rows[row, ROW.extra]
            if is_bounded and abs(unit[figure]) >= MOST_UNIT:
                return -1
    books.groups[group, GROUP.shares] = shares - share
    return MISSING if books.groups[group, GROUP.missing] > 0 else TRANSFORMATION


@compiled
def cost_of_receipt(books: Books, row: int, unit: Array, remainder: Array, is_bounded: bool) -> int:
    """Fill the pile of pieces that come in and give its source; -1 when it is too large."""
    if books.rows[row, ROW.order] >= 0:
        return _cost_of_return(books, row, unit, remainder)
    if books.rows[row, ROW.group] >= 0:
        return _cost_of_output(books, row, unit, remainder, is_bounded)
    variant = books.rows[row, ROW.variant]
    source, cost = stated_cost(books, row)
    for figure in range(4):
        unit[figure], remainder[figure] = cost, 0
        if figure % 2 == 0:
            unit[figure] += books.rows[row, ROW.extra]
    if books.rows[row, ROW.price_source] != NO_COST:
        books.variants[variant, VARIANT.receipt_price] = unit[1]
        books.variants[variant, VARIANT.receipt_landed] = unit[0]
        books.variants[variant, VARIANT.has_receipt] = True
    return source
