"""
The tables a replay works on, and what their columns hold.

Each table is one array of whole numbers, a row for each movement, cell or variant and a column per number, so
that what belongs together lies together and the compiled code handles few arrays. A *cell* is one pool
of one variant: ``POOLS * variant + pool``. Some columns repeat along an axis, by pool, by basis or by figure:
``x + figure`` is the column of a figure, and a figure is ``FIFO + LANDED``, the method and the basis
(cost_methods.py). Sums are kept in two words, ``high`` and ``low`` (fixed_point.py). Receipts double as FIFO
layers and issues as the queue of shortages, each chained by the index of the next one of its cell.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

from stockbook import cost_methods

# the axes: how many there are of each, and their places on it
POOLS, BASES, FIGURES = 2, len(cost_methods.BASES), len(cost_methods.FIGURES)
SELLABLE, DAMAGED = range(POOLS)
LANDED, BARE = (cost_methods.BASES.index(name) for name in ("landed", "bare"))
FIFO, AVERAGE = (cost_methods.METHODS.index(name) * BASES for name in ("fifo", "average"))
# places in ``Books.counts``
RECEIPTS, ISSUES, SLICES, SETTLEMENTS, BALANCES, COUNTS = range(6)

# where a cost came from; replay.COST_SOURCES names them in this order
NO_COST, PRICE, RECEIVING_LINE, LAST_RECEIPT, DEFAULT_COST, MISSING, ORDER, TRANSFORMATION = range(8)
STOCK, PROVISIONAL, SETTLED = 8, 9, 10

# Any: numpy arrays of int64, or of Python integers when the replay falls back to those
Array = Any

# the first of a column's places along an axis
ByPool = Annotated[int, POOLS]
ByBasis = Annotated[int, BASES]
ByFigure = Annotated[int, FIGURES]

Layout = TypeVar("Layout")


def _laid_out(kind: Callable[..., Layout]) -> Layout:
    """The place of every column, one after another; the last of them, ``width``, is how many there are."""
    hints = get_type_hints(kind, include_extras=True)
    widths = [getattr(hint, "__metadata__", (1,))[0] for hint in hints.values()]
    return kind(*accumulate(widths[:-1], initial=0))


class _Row(NamedTuple):
    """A movement."""

    variant: int
    is_in: int
    pieces: ByPool
    price: int  # of the row or its receiving line
    price_source: int  # PRICE, RECEIVING_LINE or NO_COST
    extra: int
    day: int
    order: int  # number of the (order, variant), -1 for none
    group: int  # number of the linked transformation, -1 for none
    share: int  # of an IN in its group's cost
    cost_source: int  # written
    unit_cost: ByFigure  # written, as booked
    price_rest: int  # what the price lacks of the row's worth: price * pieces + rest
    is_average_missing: int  # written: an IN whose cost is not wholly known under the average
    width: int


class _Version(NamedTuple):
    """A version of a variant's default cost, in force from a day until the next; the first reaches back."""

    from_day: int
    price: int
    is_known: int
    width: int


class _Cell(NamedTuple):
    """What is known of a cell now."""

    on_hand: int
    short: int
    missing: int  # pieces on hand, or short, of no known cost: by FIFO
    first_layer: int
    last_layer: int
    first_short: int
    last_short: int
    average_is_known: int  # pieces of known cost came in since the pool was last empty
    has_last_cost: int
    balance: int  # 1 + its newest balance row; 0 for none
    unit: ByBasis  # the average pile on hand
    remainder: ByBasis
    high: ByFigure  # value
    low: ByFigure
    last_cost: ByFigure
    average_missing: int  # as missing, under the average
    last_missing: int  # of the pieces that the average's last cost was of
    last_pieces: int
    width: int


class _Variant(NamedTuple):
    """The last receipt of a variant that stated a price."""

    has_receipt: int
    receipt_landed: int
    receipt_price: int
    width: int


class _Ordered(NamedTuple):
    """What an order took of a variant so far."""

    shipped: int
    returned: int  # matched to what was shipped
    missing: int
    high: ByFigure  # cost, settlements included, less what returns took back
    low: ByFigure
    average_missing: int
    width: int


class _Group(NamedTuple):
    """What a linked transformation took so far; once its first IN came, the pile of shares that is left."""

    started: int
    missing: int
    shares: int
    high: ByFigure  # cost; once started, the cost of a share
    low: ByFigure  # and the remainder
    average_missing: int
    width: int


class _Receipt(NamedTuple):
    """A receipt's pieces of one pool."""

    row: int
    pool: int
    pieces: int
    is_missing: int
    left: int  # pieces still in the layer
    next: int
    unit: ByBasis  # of the layer
    remainder: ByBasis
    high: ByFigure  # cost
    low: ByFigure
    width: int


class _Issue(NamedTuple):
    """An issue's pieces of one pool."""

    row: int
    pool: int
    pieces: int
    slices: int
    missing: int
    was_short: int
    left: int  # pieces still short
    short_is_missing: int
    next: int
    short_rate: ByFigure
    cost_high: ByFigure  # as booked
    cost_low: ByFigure
    settled_high: ByFigure
    settled_low: ByFigure
    average_missing: int
    short_missing: int  # pieces still short whose rate is unknown under the average
    width: int


class _Slice(NamedTuple):
    """Which receipt some pieces of an issue came from; receipt -1 while they are short."""

    issue: int
    number: int
    receipt: int
    pieces: int
    high: ByBasis  # cost
    low: ByBasis
    width: int


class _Settlement(NamedTuple):
    """A shortage made good, dated at the receipt."""

    issue: int
    receipt: int
    pieces: int
    high: ByFigure
    low: ByFigure
    width: int


class _Balance(NamedTuple):
    """A cell at the end of a day on which it changed."""

    cell: int
    day: int
    next_row: int  # -1 while it lasts
    pieces: int
    missing: int
    high: ByFigure  # value
    low: ByFigure
    average_missing: int
    width: int


ROW = _laid_out(_Row)
VERSION = _laid_out(_Version)
CELL = _laid_out(_Cell)
VARIANT = _laid_out(_Variant)
ORDERED = _laid_out(_Ordered)
GROUP = _laid_out(_Group)
RECEIPT = _laid_out(_Receipt)
ISSUE = _laid_out(_Issue)
SLICE = _laid_out(_Slice)
SETTLEMENT = _laid_out(_Settlement)
BALANCE = _laid_out(_Balance)


class Books(NamedTuple):
    """
    All the tables of a replay.

    ``starts`` says where the versions of each variant's default cost begin; ``counts`` how many rows there are
    of receipts, issues, slices, settlements, balances so far.
    """

    rows: Array
    starts: Array
    versions: Array
    cells: Array
    variants: Array
    orders: Array
    groups: Array
    receipts: Array
    issues: Array
    slices: Array
    settlements: Array
    balances: Array
    counts: Array
