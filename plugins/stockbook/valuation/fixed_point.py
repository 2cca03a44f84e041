"""
Exact money in machine words.

Money is an integer count of 10^-12 of the valuation currency (the internal scale). It is held in
one of two forms, both exact:

* a *pile*: ``quantity`` pieces, a ``unit`` cost and a remainder, worth ``unit * quantity + remainder``
  with ``0 <= remainder < quantity``;
* a *sum*: two words worth ``high * 2^32 + low`` with ``0 <= low < 2^32``.

With quantities below ``MOST_PIECES`` and unit costs within ``MOST_UNIT`` no step of any function here
leaves 64 bits: the largest product is a 32-bit word, or a remainder, times a quantity (2^62). The
same functions, not compiled, are as right for Python integers of any size, which is what a
replay falls back to beyond those bounds.
"""

from stockbook.compiling import compiled
from stockbook.valuation.replay_tables import Array

SCALE = 10**12
WORD_BITS = 32
WORD_MASK = 2**WORD_BITS - 1
MOST_PIECES = 2**30
MOST_UNIT = 2**61
MOST_HIGH = MOST_UNIT >> WORD_BITS


@compiled
def part_of(remainder: int, quantity: int, taken: int) -> int:
    """What ``taken`` of ``quantity`` pieces carry off of the remainder: half up; the last pieces take all of it."""
    if remainder == 0 or taken == quantity:
        return remainder
    product = remainder * taken
    whole = product // quantity
    if 2 * (product - whole * quantity) >= quantity:
        whole += 1
    return whole


@compiled
def share_of(some: int, quantity: int, taken: int) -> int:
    """How many of ``some`` among ``quantity`` pieces are among ``taken`` of them, in proportion, rounded up."""
    return -(-some * taken // quantity) if some > 0 else 0


@compiled
def rate(unit: int, remainder: int, quantity: int) -> int:
    """The unit cost of a pile, half up."""
    return unit + 1 if 2 * remainder >= quantity and remainder > 0 else unit


@compiled
def settle(unit: int, remainder: int, quantity: int) -> tuple[int, int]:
    """(unit, remainder) of a pile with its remainder below its quantity again, after pieces were taken."""
    return (unit + 1, remainder - quantity) if remainder >= quantity > 0 else (unit, remainder)


@compiled
def join(unit: int, remainder: int, quantity: int, more_unit: int, more_remainder: int, more: int) -> tuple[int, int]:
    """(unit, remainder) of a pile of ``quantity`` pieces to which another of ``more`` pieces is added."""
    total = quantity + more
    difference = more_unit - unit
    if difference == 0 and remainder + more_remainder < total:
        return unit, remainder + more_remainder
    step = difference // total
    spread = (difference - step * total) * more + remainder + more_remainder
    whole = spread // total
    return unit + step * more + whole, spread - whole * total


@compiled
def carry(high: int, low: int) -> tuple[int, int]:
    """A sum whose low word holds one word again, after words were added to words."""
    return high + (low >> WORD_BITS), low & WORD_MASK


@compiled
def add(high: int, low: int, unit: int, quantity: int, remainder: int) -> tuple[int, int]:
    """A sum plus ``unit * quantity + remainder``; a negative quantity and remainder subtract."""
    return carry(high + (unit >> WORD_BITS) * quantity, low + (unit & WORD_MASK) * quantity + remainder)


@compiled
def divide(high: int, low: int, quantity: int) -> tuple[int, int]:
    """(unit, remainder) of a sum made a pile of ``quantity`` pieces."""
    top = high // quantity
    rest = ((high - top * quantity) << WORD_BITS) + low
    whole = rest // quantity
    return (top << WORD_BITS) + whole, rest - whole * quantity


@compiled
def grow(table: Array, row: int, high: int, low: int, more_high: int, more_low: int) -> None:
    """Add a sum to the one that stands in columns ``high`` and ``low`` of a table's row."""
    table[row, high], table[row, low] = carry(table[row, high] + more_high, table[row, low] + more_low)
