"""
The tables a replay works on, and what their columns hold.

Each table is one array of whole numbers, a row per thing and a column per number, so that what
is known of a thing lies together and the compiled code handles few arrays. A *cell* is one pool
of one variant (``2 * variant + pool``, pool 0 sellable, 1 damaged); a *figure* is one of the four
valuations in the order FIFO landed, FIFO bare, average landed, average bare; a *basis* is landed
(0) or bare (1). ``x + figure`` and ``x + basis`` reach the columns after ``x``. Sums are kept in two
words, ``high`` and ``low`` (fixed_point.py). Receipts double as FIFO layers and issues as the queue of
shortages, each chained by the index of the next one of its cell.
"""

from typing import Any, NamedTuple

# where a cost came from; replay.COST_SOURCES names them in this order
NO_COST, PRICE, RECEIVING_LINE, LAST_RECEIPT, DEFAULT_COST, MISSING, ORDER, TRANSFORMATION = range(8)
STOCK, PROVISIONAL, SETTLED = 8, 9, 10

# Any: numpy arrays of int64, or of Python integers when the replay falls back to those
Array = Any


class _Row(NamedTuple):
    """A movement."""

    variant: int = 0
    is_in: int = 1
    pieces: int = 2  # + pool
    price: int = 4  # of the row or its receiving line
    price_source: int = 5  # PRICE, RECEIVING_LINE or NO_COST
    extra: int = 6
    day: int = 7
    order: int = 8  # number of the (order, variant), -1 for none
    group: int = 9  # number of the linked transformation, -1 for none
    share: int = 10  # of an IN in its group's cost
    cost_source: int = 11  # written
    unit_cost: int = 12  # written; + figure, as booked
    price_rest: int = 16  # what the price lacks of the row's worth: price * pieces + rest
    is_average_missing: int = 17  # written: an IN whose cost is not wholly known under the average
    width: int = 18


class _Version(NamedTuple):
    """A version of a variant's default cost, in force from a day until the next; the first reaches back."""

    from_day: int = 0
    price: int = 1
    is_known: int = 2
    width: int = 3


class _Cell(NamedTuple):
    """What is known of a cell now."""

    on_hand: int = 0
    short: int = 1
    missing: int = 2  # pieces on hand, or short, of no known cost: by FIFO
    first_layer: int = 3
    last_layer: int = 4
    first_short: int = 5
    last_short: int = 6
    average_is_known: int = 7  # pieces of known cost came in since the pool was last empty
    has_last_cost: int = 8
    balance: int = 9  # 1 + its newest balance row; 0 for none
    unit: int = 10  # + basis: the average pile on hand
    remainder: int = 12  # + basis
    high: int = 14  # + figure: value
    low: int = 18
    last_cost: int = 22  # + figure
    average_missing: int = 26  # as missing, under the average
    last_missing: int = 27  # of the pieces that the average's last cost was of
    last_pieces: int = 28
    width: int = 29


class _Variant(NamedTuple):
    """The last receipt of a variant that stated a price."""

    has_receipt: int = 0
    receipt_landed: int = 1
    receipt_price: int = 2
    width: int = 3


class _Ordered(NamedTuple):
    """What an order took of a variant so far."""

    shipped: int = 0
    returned: int = 1  # matched to what was shipped
    missing: int = 2
    high: int = 3  # + figure: cost, settlements included, less what returns took back
    low: int = 7
    average_missing: int = 11
    width: int = 12


class _Group(NamedTuple):
    """What a linked transformation took so far; once its first IN came, the pile of shares that is left."""

    started: int = 0
    missing: int = 1
    shares: int = 2
    high: int = 3  # + figure: cost; once started, the cost of a share
    low: int = 7  # + figure: and the remainder
    average_missing: int = 11
    width: int = 12


class _Receipt(NamedTuple):
    """A receipt's pieces of one pool."""

    row: int = 0
    pool: int = 1
    pieces: int = 2
    is_missing: int = 3
    left: int = 4  # pieces still in the layer
    next: int = 5
    unit: int = 6  # + basis, of the layer
    remainder: int = 8  # + basis
    high: int = 10  # + figure: cost
    low: int = 14
    width: int = 18


class _Issue(NamedTuple):
    """An issue's pieces of one pool."""

    row: int = 0
    pool: int = 1
    pieces: int = 2
    slices: int = 3
    missing: int = 4
    was_short: int = 5
    left: int = 6  # pieces still short
    short_is_missing: int = 7
    next: int = 8
    short_rate: int = 9  # + figure
    cost_high: int = 13  # + figure, as booked
    cost_low: int = 17
    settled_high: int = 21  # + figure
    settled_low: int = 25
    average_missing: int = 29
    short_missing: int = 30  # pieces still short whose rate is unknown under the average
    width: int = 31


class _Slice(NamedTuple):
    """Which receipt some pieces of an issue came from; receipt -1 while they are short."""

    issue: int = 0
    number: int = 1
    receipt: int = 2
    pieces: int = 3
    high: int = 4  # + basis: cost
    low: int = 6
    width: int = 8


class _Settlement(NamedTuple):
    """A shortage made good, dated at the receipt."""

    issue: int = 0
    receipt: int = 1
    pieces: int = 2
    high: int = 3  # + figure
    low: int = 7
    width: int = 11


class _Balance(NamedTuple):
    """A cell at the end of a day on which it changed."""

    cell: int = 0
    day: int = 1
    next_row: int = 2  # -1 while it lasts
    pieces: int = 3
    missing: int = 4
    high: int = 5  # + figure: value
    low: int = 9
    average_missing: int = 13
    width: int = 14


ROW, VERSION, CELL, VARIANT, ORDERED, GROUP = _Row(), _Version(), _Cell(), _Variant(), _Ordered(), _Group()
RECEIPT, ISSUE, SLICE, SETTLEMENT, BALANCE = _Receipt(), _Issue(), _Slice(), _Settlement(), _Balance()


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


class Receipts(NamedTuple):
    """The receipts found, column by column; ``unit`` and ``remainder`` by basis, words by figure."""

    row: Array
    pool: Array
    pieces: Array
    is_missing: Array
    left: Array
    unit: Array
    remainder: Array
    high: Array
    low: Array


class Issues(NamedTuple):
    """The issues found, column by column; words and ``short_rate`` are [issue, figure]."""

    row: Array
    pool: Array
    pieces: Array
    missing: Array
    average_missing: Array
    left: Array
    short_rate: Array
    cost_high: Array
    cost_low: Array
    settled_high: Array
    settled_low: Array


class Slices(NamedTuple):
    """The allocations found, column by column; words are [slice, basis]."""

    issue: Array
    number: Array
    receipt: Array
    pieces: Array
    high: Array
    low: Array


class Settlements(NamedTuple):
    """The settlements found, column by column; words are [settlement, figure]."""

    issue: Array
    receipt: Array
    pieces: Array
    high: Array
    low: Array


class Balances(NamedTuple):
    """The balances found, column by column; words are [balance, figure]."""

    cell: Array
    day: Array
    next_row: Array
    pieces: Array
    missing: Array
    average_missing: Array
    high: Array
    low: Array
