"""
The replay itself: one pass over the movements in their order, for all variants at once.

Written for the compiler: flat arrays, whole numbers, no objects. What the arrays hold is said
in book.py, the arithmetic in exact.py; what the rules are, in docs/valuation.md.
"""

from stockbook.valuation.book import (
    BALANCE,
    CELL,
    DEFAULT_COST,
    GROUP,
    ISSUE,
    LAST_RECEIPT,
    MISSING,
    NO_COST,
    ORDER,
    ORDERED,
    PROVISIONAL,
    RECEIPT,
    ROW,
    SETTLED,
    SETTLEMENT,
    SLICE,
    STOCK,
    TRANSFORMATION,
    VARIANT,
    VERSION,
    Array,
)
from stockbook.valuation.compiling import compiled
from stockbook.valuation.exact import MOST_HIGH, MOST_PIECES, MOST_UNIT, add, carry, divide, join, part_of, rate, settle

DONE, TOO_LARGE = 0, 1


@compiled
def _default_cost(starts: Array, versions: Array, variant: int, day: int) -> tuple[int, int]:
    """(known, cost): the purchase price in force on ``day``."""
    start, end = starts[variant], starts[variant + 1]
    if start == end:
        return 0, 0
    found = start
    for version in range(start + 1, end):
        if versions[version, VERSION.from_day] <= day:
            found = version
    return versions[found, VERSION.is_known], versions[found, VERSION.price]


@compiled
def _stated_cost(
    rows: Array, starts: Array, versions: Array, variants: Array, orders: Array, groups: Array, row: int
) -> tuple[int, int]:
    """(source, bare unit cost) of a receipt by the chain of prices."""
    variant = rows[row, ROW.variant]
    if rows[row, ROW.price_source] != NO_COST:
        return rows[row, ROW.price_source], rows[row, ROW.price]
    if variants[variant, VARIANT.has_receipt]:
        return LAST_RECEIPT, variants[variant, VARIANT.receipt_price]
    known, cost = _default_cost(starts, versions, variant, rows[row, ROW.day])
    return (DEFAULT_COST, cost) if known else (MISSING, 0)


@compiled
def _cost_of_return(
    rows: Array,
    starts: Array,
    versions: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    row: int,
    unit: Array,
    remainder: Array,
) -> int:
    """Fill the pile of a return: what its order took, then surplus pieces by the chain of prices. Its source."""
    order = rows[row, ROW.order]
    pieces = rows[row, ROW.pieces] + rows[row, ROW.pieces + 1]
    shipped, returned = orders[order, ORDERED.shipped], orders[order, ORDERED.returned]
    linked = min(pieces, shipped - returned)
    surplus = pieces - linked
    source, cost = ORDER, 0
    if surplus > 0:
        source, cost = _stated_cost(rows, starts, versions, variants, orders, groups, row)
    for figure in range(4):
        unit[figure], remainder[figure] = cost, 0
        if linked > 0:
            one, rest = divide(orders[order, ORDERED.high + figure], orders[order, ORDERED.low + figure], shipped)
            part = part_of(rest, shipped, returned + linked) - part_of(rest, shipped, returned)
            one, part = settle(one, part, linked)
            unit[figure], remainder[figure] = join(one, part, linked, cost, 0, surplus)
    orders[order, ORDERED.returned] += linked
    if linked > 0 and orders[order, ORDERED.missing] > 0:
        return MISSING
    return source


@compiled
def _cost_of_output(
    rows: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    row: int,
    unit: Array,
    remainder: Array,
    is_bounded: bool,
) -> int:
    """Fill the pile of a linked transformation's IN with its share of the cost that left; -1 when it is too large."""
    group = rows[row, ROW.group]
    pieces = rows[row, ROW.pieces] + rows[row, ROW.pieces + 1]
    share, shares = rows[row, ROW.share], groups[group, GROUP.shares]
    if not groups[group, GROUP.started]:
        for figure in range(4):
            if is_bounded and abs(groups[group, GROUP.high + figure] // shares) >= MOST_HIGH:
                return -1
            one, rest = divide(groups[group, GROUP.high + figure], groups[group, GROUP.low + figure], shares)
            groups[group, GROUP.high + figure], groups[group, GROUP.low + figure] = one, rest
        groups[group, GROUP.started] = True
    for figure in range(4):
        unit[figure], remainder[figure] = 0, 0
        if share > 0:
            one, rest = groups[group, GROUP.high + figure], groups[group, GROUP.low + figure]
            part = part_of(rest, shares, share)
            groups[group, GROUP.high + figure], groups[group, GROUP.low + figure] = settle(
                one, rest - part, shares - share
            )
            high, low = add(0, 0, one, share, part)
            if is_bounded and abs(high // pieces) >= MOST_HIGH:
                return -1
            unit[figure], remainder[figure] = divide(high, low, pieces)
        if figure % 2 == 0:
            unit[figure] += rows[row, ROW.extra]
            if is_bounded and abs(unit[figure]) >= MOST_UNIT:
                return -1
    groups[group, GROUP.shares] = shares - share
    return MISSING if groups[group, GROUP.missing] > 0 else TRANSFORMATION


@compiled
def _cost_of_receipt(
    rows: Array,
    starts: Array,
    versions: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    row: int,
    unit: Array,
    remainder: Array,
    is_bounded: bool,
) -> int:
    """Fill the pile of pieces that come in and give its source; -1 when it is too large."""
    if rows[row, ROW.order] >= 0:
        return _cost_of_return(rows, starts, versions, variants, orders, groups, row, unit, remainder)
    if rows[row, ROW.group] >= 0:
        return _cost_of_output(rows, variants, orders, groups, row, unit, remainder, is_bounded)
    variant = rows[row, ROW.variant]
    source, cost = _stated_cost(rows, starts, versions, variants, orders, groups, row)
    for figure in range(4):
        unit[figure], remainder[figure] = cost, 0
        if figure % 2 == 0:
            unit[figure] += rows[row, ROW.extra]
    if rows[row, ROW.price_source] != NO_COST:
        variants[variant, VARIANT.receipt_price] = unit[1]
        variants[variant, VARIANT.receipt_landed] = unit[0]
        variants[variant, VARIANT.has_receipt] = True
    return source


@compiled
def _allocate(
    slices: Array,
    count: int,
    issues: Array,
    issue: int,
    receipt: int,
    pieces: int,
    landed: tuple[int, int],
    bare: tuple[int, int],
) -> int:
    """Write one allocation; ``landed`` and ``bare`` are (unit, remainder) of its pieces. The new count."""
    slices[count, SLICE.issue] = issue
    slices[count, SLICE.receipt] = receipt
    slices[count, SLICE.pieces] = pieces
    issues[issue, ISSUE.slices] += 1
    slices[count, SLICE.number] = issues[issue, ISSUE.slices]
    slices[count, SLICE.high], slices[count, SLICE.low] = add(0, 0, landed[0], pieces, landed[1])
    slices[count, SLICE.high + 1], slices[count, SLICE.low + 1] = add(0, 0, bare[0], pieces, bare[1])
    return count + 1


@compiled
def _issue_from_stock(
    cells: Array, receipts: Array, issues: Array, slices: Array, count: int, cell: int, issue: int, taken: int
) -> int:
    """Take ``taken`` pieces on hand: oldest layers first, and a share of the average pile. The count of slices."""
    on_hand = cells[cell, CELL.on_hand]
    for basis in range(2):
        figure = 2 + basis
        unit, remainder = cells[cell, CELL.unit + basis], cells[cell, CELL.remainder + basis]
        if cells[cell, CELL.average_is_known]:
            cells[cell, CELL.last_cost + figure] = rate(unit, remainder, on_hand)
        part = part_of(remainder, on_hand, taken)
        issues[issue, ISSUE.cost_high + figure], issues[issue, ISSUE.cost_low + figure] = add(0, 0, unit, taken, part)
        cells[cell, CELL.unit + basis], cells[cell, CELL.remainder + basis] = settle(
            unit, remainder - part, on_hand - taken
        )
    if cells[cell, CELL.average_is_known]:
        cells[cell, CELL.has_last_cost] = True
    cells[cell, CELL.on_hand] = on_hand - taken

    left = taken
    while left > 0:
        layer = cells[cell, CELL.first_layer]
        there = receipts[layer, RECEIPT.left]
        pieces = min(left, there)
        landed, bare = receipts[layer, RECEIPT.unit], receipts[layer, RECEIPT.unit + 1]
        landed_rest, bare_rest = receipts[layer, RECEIPT.remainder], receipts[layer, RECEIPT.remainder + 1]
        landed_part = part_of(landed_rest, there, pieces)
        bare_part = part_of(bare_rest, there, pieces)
        if receipts[layer, RECEIPT.is_missing]:
            issues[issue, ISSUE.missing] += pieces
            cells[cell, CELL.missing] -= pieces
        else:
            cells[cell, CELL.last_cost] = rate(landed, landed_rest, there)
            cells[cell, CELL.last_cost + 1] = rate(bare, bare_rest, there)
        count = _allocate(slices, count, issues, issue, layer, pieces, (landed, landed_part), (bare, bare_part))
        for basis in range(2):
            issues[issue, ISSUE.cost_high + basis] += slices[count - 1, SLICE.high + basis]
            issues[issue, ISSUE.cost_low + basis] += slices[count - 1, SLICE.low + basis]
            issues[issue, ISSUE.cost_high + basis], issues[issue, ISSUE.cost_low + basis] = carry(
                issues[issue, ISSUE.cost_high + basis], issues[issue, ISSUE.cost_low + basis]
            )
        receipts[layer, RECEIPT.left] = there - pieces
        receipts[layer, RECEIPT.unit], receipts[layer, RECEIPT.remainder] = settle(
            landed, landed_rest - landed_part, there - pieces
        )
        receipts[layer, RECEIPT.unit + 1], receipts[layer, RECEIPT.remainder + 1] = settle(
            bare, bare_rest - bare_part, there - pieces
        )
        if there == pieces:
            cells[cell, CELL.first_layer] = receipts[layer, RECEIPT.next]
        left -= pieces
    return count


@compiled
def _issue_short(
    rows: Array,
    starts: Array,
    versions: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    issues: Array,
    cell: int,
    issue: int,
    row: int,
    short: int,
) -> None:
    """Owe ``short`` pieces at the provisional rate."""
    variant = rows[row, ROW.variant]
    is_known = 1
    if cells[cell, CELL.has_last_cost]:
        for figure in range(4):
            issues[issue, ISSUE.short_rate + figure] = cells[cell, CELL.last_cost + figure]
    elif variants[variant, VARIANT.has_receipt]:
        for figure in range(4):
            issues[issue, ISSUE.short_rate + figure] = (
                variants[variant, VARIANT.receipt_landed]
                if figure % 2 == 0
                else variants[variant, VARIANT.receipt_price]
            )
    else:
        is_known, cost = _default_cost(starts, versions, variant, rows[row, ROW.day])
        for figure in range(4):
            issues[issue, ISSUE.short_rate + figure] = cost if is_known else 0
    if is_known:
        cells[cell, CELL.has_last_cost] = True
    else:
        issues[issue, ISSUE.missing] += short
        cells[cell, CELL.missing] += short
    for figure in range(4):
        provisional = issues[issue, ISSUE.short_rate + figure]
        if is_known:
            cells[cell, CELL.last_cost + figure] = provisional
        issues[issue, ISSUE.cost_high + figure], issues[issue, ISSUE.cost_low + figure] = add(
            issues[issue, ISSUE.cost_high + figure], issues[issue, ISSUE.cost_low + figure], provisional, short, 0
        )
    issues[issue, ISSUE.left] = short
    issues[issue, ISSUE.was_short] = True
    issues[issue, ISSUE.short_is_missing] = not is_known
    issues[issue, ISSUE.next] = -1
    if cells[cell, CELL.short] == 0:
        cells[cell, CELL.first_short] = issue
    else:
        issues[cells[cell, CELL.last_short], ISSUE.next] = issue
    cells[cell, CELL.last_short] = issue
    cells[cell, CELL.short] += short


@compiled
def _book_issue(
    rows: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    issues: Array,
    cell: int,
    issue: int,
    row: int,
) -> None:
    """Take the booked cost out of the cell's value and remember it for the order or the transformation."""
    order, group = rows[row, ROW.order], rows[row, ROW.group]
    if order >= 0:
        orders[order, ORDERED.shipped] += issues[issue, ISSUE.pieces]
        orders[order, ORDERED.missing] += issues[issue, ISSUE.missing]
    if group >= 0:
        groups[group, GROUP.missing] += issues[issue, ISSUE.missing]
    for figure in range(4):
        high, low = issues[issue, ISSUE.cost_high + figure], issues[issue, ISSUE.cost_low + figure]
        cells[cell, CELL.high + figure], cells[cell, CELL.low + figure] = carry(
            cells[cell, CELL.high + figure] - high, cells[cell, CELL.low + figure] - low
        )
        if order >= 0:
            orders[order, ORDERED.high + figure], orders[order, ORDERED.low + figure] = carry(
                orders[order, ORDERED.high + figure] + high, orders[order, ORDERED.low + figure] + low
            )
        if group >= 0:
            groups[group, GROUP.high + figure], groups[group, GROUP.low + figure] = carry(
                groups[group, GROUP.high + figure] + high, groups[group, GROUP.low + figure] + low
            )


@compiled
def _is_too_large(rows: Array, variants: Array, orders: Array, groups: Array, row: int) -> bool:
    """Whether what an order or a transformation took so far nears the end of 64 bits."""
    order, group = rows[row, ROW.order], rows[row, ROW.group]
    if order >= 0 and orders[order, ORDERED.shipped] >= MOST_PIECES:
        return True
    if group >= 0:
        for figure in range(4):
            if abs(groups[group, GROUP.high + figure]) >= MOST_UNIT // 2:
                return True
    return False


@compiled
def _settle_one(
    rows: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    issues: Array,
    slices: Array,
    settlements: Array,
    counts: Array,
    cell: int,
    receipt: int,
    is_missing: bool,
    unit: Array,
    remainder: Array,
    left: int,
) -> int:
    """Make the oldest shortage good from a pile of ``left`` pieces coming in, as far as they go. Pieces settled."""
    issue = cells[cell, CELL.first_short]
    owed = issues[issue, ISSUE.left]
    pieces = min(left, owed)
    row = issues[issue, ISSUE.row]
    order, group = rows[row, ROW.order], rows[row, ROW.group]
    settlement = counts[3]
    counts[3] += 1
    settlements[settlement, SETTLEMENT.issue] = issue
    settlements[settlement, SETTLEMENT.receipt] = receipt
    settlements[settlement, SETTLEMENT.pieces] = pieces
    landed, bare = (unit[0], part_of(remainder[0], left, pieces)), (unit[1], part_of(remainder[1], left, pieces))
    counts[2] = _allocate(slices, counts[2], issues, issue, receipt, pieces, landed, bare)
    for figure in range(4):
        part = part_of(remainder[figure], left, pieces)
        high, low = add(0, 0, unit[figure], pieces, part)
        high, low = add(high, low, issues[issue, ISSUE.short_rate + figure], -pieces, 0)
        settlements[settlement, SETTLEMENT.high + figure], settlements[settlement, SETTLEMENT.low + figure] = high, low
        issues[issue, ISSUE.settled_high + figure], issues[issue, ISSUE.settled_low + figure] = carry(
            issues[issue, ISSUE.settled_high + figure] + high, issues[issue, ISSUE.settled_low + figure] + low
        )
        cells[cell, CELL.high + figure], cells[cell, CELL.low + figure] = carry(
            cells[cell, CELL.high + figure] - high, cells[cell, CELL.low + figure] - low
        )
        if order >= 0:
            orders[order, ORDERED.high + figure], orders[order, ORDERED.low + figure] = carry(
                orders[order, ORDERED.high + figure] + high, orders[order, ORDERED.low + figure] + low
            )
        if group >= 0 and not groups[group, GROUP.started]:
            groups[group, GROUP.high + figure], groups[group, GROUP.low + figure] = carry(
                groups[group, GROUP.high + figure] + high, groups[group, GROUP.low + figure] + low
            )
        unit[figure], remainder[figure] = settle(unit[figure], remainder[figure] - part, left - pieces)
    # what pieces of unknown cost settle is of unknown cost from now on, and the other way round
    change = (pieces if is_missing else 0) - (pieces if issues[issue, ISSUE.short_is_missing] else 0)
    issues[issue, ISSUE.missing] += change
    if order >= 0:
        orders[order, ORDERED.missing] += change
    if group >= 0:
        groups[group, GROUP.missing] += change
    if issues[issue, ISSUE.short_is_missing]:
        cells[cell, CELL.missing] -= pieces
    issues[issue, ISSUE.left] = owed - pieces
    cells[cell, CELL.short] -= pieces
    if owed == pieces:
        cells[cell, CELL.first_short] = issues[issue, ISSUE.next]
    return int(pieces)


@compiled
def _receive(
    rows: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    receipts: Array,
    issues: Array,
    slices: Array,
    settlements: Array,
    counts: Array,
    cell: int,
    receipt: int,
    unit: Array,
    remainder: Array,
) -> None:
    """Bring a pile in: it settles shortages, oldest first; what is left joins the stock."""
    left = receipts[receipt, RECEIPT.pieces]
    is_missing = receipts[receipt, RECEIPT.is_missing]
    for figure in range(4):
        high, low = add(0, 0, unit[figure], left, remainder[figure])
        receipts[receipt, RECEIPT.high + figure], receipts[receipt, RECEIPT.low + figure] = high, low
        cells[cell, CELL.high + figure], cells[cell, CELL.low + figure] = carry(
            cells[cell, CELL.high + figure] + high, cells[cell, CELL.low + figure] + low
        )
    receipts[receipt, RECEIPT.left] = 0
    receipts[receipt, RECEIPT.next] = -1
    if cells[cell, CELL.short] > 0:
        if not is_missing and cells[cell, CELL.short] <= left:
            cells[cell, CELL.has_last_cost] = True
            for figure in range(4):
                cells[cell, CELL.last_cost + figure] = rate(unit[figure], remainder[figure], left)
        while left > 0 and cells[cell, CELL.short] > 0:
            left -= _settle_one(
                rows,
                cells,
                variants,
                orders,
                groups,
                issues,
                slices,
                settlements,
                counts,
                cell,
                receipt,
                is_missing,
                unit,
                remainder,
                left,
            )
    if left == 0:
        return
    on_hand = cells[cell, CELL.on_hand]
    receipts[receipt, RECEIPT.left] = left
    for basis in range(2):
        receipts[receipt, RECEIPT.unit + basis] = unit[basis]
        receipts[receipt, RECEIPT.remainder + basis] = remainder[basis]
        if on_hand == 0:
            cells[cell, CELL.unit + basis], cells[cell, CELL.remainder + basis] = unit[2 + basis], remainder[2 + basis]
        else:
            cells[cell, CELL.unit + basis], cells[cell, CELL.remainder + basis] = join(
                cells[cell, CELL.unit + basis],
                cells[cell, CELL.remainder + basis],
                on_hand,
                unit[2 + basis],
                remainder[2 + basis],
                left,
            )
    if on_hand == 0:
        cells[cell, CELL.first_layer] = receipt
        cells[cell, CELL.average_is_known] = not is_missing
    else:
        receipts[cells[cell, CELL.last_layer], RECEIPT.next] = receipt
        cells[cell, CELL.average_is_known] = cells[cell, CELL.average_is_known] or not is_missing
    cells[cell, CELL.last_layer] = receipt
    cells[cell, CELL.on_hand] = on_hand + left
    if is_missing:
        cells[cell, CELL.missing] += left


@compiled
def _write_balance(cells: Array, balances: Array, count: int, cell: int, day: int) -> int:
    """The cell's state at the end of ``day``, so far. The count of balance rows."""
    row = cells[cell, CELL.balance] - 1
    if row < 0 or balances[row, BALANCE.day] != day:
        if row >= 0:
            balances[row, BALANCE.next_row] = count
        row = count
        cells[cell, CELL.balance] = row + 1
        balances[row, BALANCE.cell] = cell
        balances[row, BALANCE.day] = day
        balances[row, BALANCE.next_row] = -1
        count += 1
    balances[row, BALANCE.pieces] = cells[cell, CELL.on_hand] - cells[cell, CELL.short]
    balances[row, BALANCE.missing] = cells[cell, CELL.missing]
    for figure in range(4):
        balances[row, BALANCE.high + figure] = cells[cell, CELL.high + figure]
        balances[row, BALANCE.low + figure] = cells[cell, CELL.low + figure]
    return count


@compiled
def _bring_in(
    rows: Array,
    starts: Array,
    versions: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    receipts: Array,
    issues: Array,
    slices: Array,
    settlements: Array,
    counts: Array,
    pile: tuple[Array, Array],
    part: tuple[Array, Array],
    row: int,
    is_bounded: bool,
) -> bool:
    """Cost a receipt and bring its pieces into their pools. False when a figure is too large."""
    source = _cost_of_receipt(rows, starts, versions, variants, orders, groups, row, pile[0], pile[1], is_bounded)
    if source < 0:
        return False
    left = rows[row, ROW.pieces] + rows[row, ROW.pieces + 1]
    rows[row, ROW.cost_source] = source
    for figure in range(4):
        rows[row, ROW.unit_cost + figure] = rate(pile[0][figure], pile[1][figure], left)
    for pool in range(2):
        pieces = rows[row, ROW.pieces + pool]
        if pieces == 0:
            continue
        receipt = counts[0]
        counts[0] += 1
        receipts[receipt, RECEIPT.row], receipts[receipt, RECEIPT.pool], receipts[receipt, RECEIPT.pieces] = (
            row,
            pool,
            pieces,
        )
        receipts[receipt, RECEIPT.is_missing] = source == MISSING
        for figure in range(4):
            unit, remainder = pile[0][figure], pile[1][figure]
            taken = part_of(remainder, left, pieces)
            part[0][figure], part[1][figure] = settle(unit, taken, pieces)
            pile[0][figure], pile[1][figure] = settle(unit, remainder - taken, left - pieces)
        left -= pieces
        cell = 2 * rows[row, ROW.variant] + pool
        _receive(
            rows,
            cells,
            variants,
            orders,
            groups,
            receipts,
            issues,
            slices,
            settlements,
            counts,
            cell,
            receipt,
            part[0],
            part[1],
        )
    return True


@compiled
def _take_out(
    rows: Array,
    starts: Array,
    versions: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    receipts: Array,
    issues: Array,
    slices: Array,
    counts: Array,
    row: int,
) -> None:
    """Take an issue's pieces out of their pools, owing what is not there, and cost it as a whole."""
    first = counts[1]
    for pool in range(2):
        pieces = rows[row, ROW.pieces + pool]
        if pieces == 0:
            continue
        cell = 2 * rows[row, ROW.variant] + pool
        issue = counts[1]
        counts[1] += 1
        issues[issue, ISSUE.row], issues[issue, ISSUE.pool], issues[issue, ISSUE.pieces] = row, pool, pieces
        taken = min(pieces, cells[cell, CELL.on_hand])
        if taken > 0:
            counts[2] = _issue_from_stock(cells, receipts, issues, slices, counts[2], cell, issue, taken)
        if pieces > taken:
            _issue_short(
                rows, starts, versions, cells, variants, orders, groups, issues, cell, issue, row, pieces - taken
            )
        _book_issue(rows, cells, variants, orders, groups, issues, cell, issue, row)
    pieces = rows[row, ROW.pieces] + rows[row, ROW.pieces + 1]
    for figure in range(4):
        high, low = 0, 0
        for issue in range(first, counts[1]):
            high, low = carry(
                high + issues[issue, ISSUE.cost_high + figure], low + issues[issue, ISSUE.cost_low + figure]
            )
        unit, remainder = divide(high, low, pieces)
        rows[row, ROW.unit_cost + figure] = rate(unit, remainder, pieces)


@compiled
def _has_too_many(rows: Array, cells: Array, row: int) -> bool:
    """Whether a pool would near the end of what 64 bits can count exactly."""
    for pool in range(2):
        cell = 2 * rows[row, ROW.variant] + pool
        if cells[cell, CELL.on_hand] + cells[cell, CELL.short] + rows[row, ROW.pieces + pool] >= MOST_PIECES:
            return True
    return False


@compiled
def replay_rows(
    rows: Array,
    starts: Array,
    versions: Array,
    cells: Array,
    variants: Array,
    orders: Array,
    groups: Array,
    receipts: Array,
    issues: Array,
    slices: Array,
    settlements: Array,
    balances: Array,
    counts: Array,
    pile: tuple[Array, Array],
    part: tuple[Array, Array],
    is_bounded: bool,
) -> int:
    """
    Replay every row. DONE, or TOO_LARGE when a figure could leave 64 bits (only when ``is_bounded``).

    ``counts`` becomes (receipts, issues, slices, settlements, balances); ``pile`` and ``part`` are
    working space, unit costs and remainders by figure.
    """
    for row in range(len(rows)):
        if rows[row, ROW.pieces] + rows[row, ROW.pieces + 1] == 0:
            continue
        if is_bounded and _has_too_many(rows, cells, row):
            return TOO_LARGE
        if not rows[row, ROW.is_in]:
            _take_out(rows, starts, versions, cells, variants, orders, groups, receipts, issues, slices, counts, row)
            if is_bounded and _is_too_large(rows, variants, orders, groups, row):
                return TOO_LARGE
        elif not _bring_in(
            rows,
            starts,
            versions,
            cells,
            variants,
            orders,
            groups,
            receipts,
            issues,
            slices,
            settlements,
            counts,
            pile,
            part,
            row,
            is_bounded,
        ):
            return TOO_LARGE
        for pool in range(2):
            if rows[row, ROW.pieces + pool] > 0:
                counts[4] = _write_balance(
                    cells, balances, counts[4], 2 * rows[row, ROW.variant] + pool, rows[row, ROW.day]
                )
    _allocate_shortages(issues, slices, counts)
    _name_issue_sources(rows, issues, counts)
    return DONE


@compiled
def _allocate_shortages(issues: Array, slices: Array, counts: Array) -> None:
    """The slices of pieces nobody has delivered yet: no receipt, at the provisional rate."""
    for issue in range(counts[1]):
        if issues[issue, ISSUE.left] > 0:
            landed, bare = (issues[issue, ISSUE.short_rate], 0), (issues[issue, ISSUE.short_rate + 1], 0)
            counts[2] = _allocate(slices, counts[2], issues, issue, -1, issues[issue, ISSUE.left], landed, bare)


@compiled
def _name_issue_sources(rows: Array, issues: Array, counts: Array) -> None:
    """The weakest source among an issue's pools: missing, provisional, settled, stock."""
    for issue in range(counts[1]):
        row = issues[issue, ISSUE.row]
        if issues[issue, ISSUE.missing] > 0:
            rows[row, ROW.cost_source] = MISSING
        elif rows[row, ROW.cost_source] == MISSING:
            continue
        elif issues[issue, ISSUE.left] > 0:
            rows[row, ROW.cost_source] = PROVISIONAL
        elif rows[row, ROW.cost_source] == PROVISIONAL:
            continue
        elif issues[issue, ISSUE.was_short]:
            rows[row, ROW.cost_source] = SETTLED
        elif rows[row, ROW.cost_source] != SETTLED:
            rows[row, ROW.cost_source] = STOCK
