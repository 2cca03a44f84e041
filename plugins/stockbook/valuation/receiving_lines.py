"""
Which line of a receiving a movement belongs to, and so what it cost where the movement says no price.

Several lines may name one variant. Its movements fill them in replay order, the lines in the order of their list,
each up to what was counted of it, damaged pieces included, or else announced. A movement over two lines costs their
weighted mean, and pieces beyond all lines cost what the last priced line says. A line without a price is filled
like any other; pieces of it have no price of a line.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.compiling import compiled, interpreted
from stockbook.valuation import fixed_point, replay_tables
from stockbook.valuation.decimal_arrays import scaled
from stockbook.valuation.fixed_point import add, divide, rate
from stockbook.valuation.replay import Flags, Ints, Money
from stockbook.valuation.replay_tables import Array


@dataclass(frozen=True)
class Lines:
    """The lines of every lot in the order of their list: those of lot l are at ``starts[l]`` to ``starts[l + 1]``."""

    starts: Ints
    pieces: Ints
    price: Money
    is_priced: Flags

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "Lines":
        """All lines that ``lots.prepare`` found."""
        table = con.sql("""
            select o.lot, l.pieces, l.price
            from valuation_line as l
            inner join valuation_lot as o
                on l.account = o.account and l.receiving_id = o.receiving_id and l.variant_id = o.variant_id
            order by o.lot, l.line_no
        """).to_arrow_table()
        return cls.of(table, int(table.column("lot")[-1].as_py()) + 1 if table.num_rows else 0)

    @classmethod
    def of(cls, table: pa.Table, lots: int) -> "Lines":
        """The lines of so many lots, by lot and their order."""
        counts = np.bincount(table.column("lot").to_numpy(), minlength=lots) if lots else np.zeros(0, np.int64)
        return cls(
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            pieces=table.column("pieces").to_numpy().astype(np.int64),
            price=scaled(table.column("price")),
            is_priced=table.column("price").is_valid().to_numpy().astype(np.bool_),
        )

    def prices(self, lot: Ints, pieces: Ints) -> tuple[Money, Ints, Flags]:
        """
        What the lines say of movements in replay order, by each one's lot (-1 for none) and pieces.

        The price, what it lacks of the worth of all the pieces, and whether there is any.
        """
        is_small = (
            self.price.dtype != object
            and self.price.max(initial=0) < fixed_point.MOST_UNIT
            and max(pieces.max(initial=0), self.pieces.max(initial=0)) < fixed_point.MOST_PIECES
        )
        kind: Any = np.int64 if is_small else object
        lots = len(self.starts) - 1
        price, rest, is_priced = (np.zeros(len(lot), dtype) for dtype in (kind, np.int64, np.bool_))
        fill = _fill if is_small else interpreted(_fill)
        fill(
            (self.starts, self.pieces.astype(kind), self.price.astype(kind), self.is_priced),
            (np.array(lot, np.int64), pieces.astype(kind)),
            (self.starts[:-1].copy(), np.zeros(lots, kind)),
            (price, rest, is_priced),
        )
        return price, rest, is_priced


def stated(own: Money, has_own: Flags, lot: Ints, pieces: Ints, lines: Lines) -> tuple[Money, Ints, Ints]:
    """
    Price, rest and source of movements in replay order: their own price, else that of their lines.

    A negative price is none. ``lot`` is -1 where a movement belongs to no receiving, or is no IN.
    """
    has_own = has_own & (own >= 0)
    price, rest, is_priced = lines.prices(lot, pieces)
    source = np.where(
        has_own, replay_tables.PRICE, np.where(is_priced, replay_tables.RECEIVING_LINE, replay_tables.NO_COST)
    )
    return np.where(has_own, own, price), np.where(has_own, 0, rest), source


@compiled
def _fill(
    lines: tuple[Array, Array, Array, Array],
    movements: tuple[Array, Array],
    filled: tuple[Array, Array],
    stated_prices: tuple[Array, Array, Array],
) -> None:
    """``filled`` says how far each lot is: its line, and the pieces of it that came."""
    starts, most, price, is_priced = lines
    lot, pieces = movements
    line, of_line = filled
    out_price, out_rest, has_price = stated_prices
    for row in range(len(lot)):
        number, left = lot[row], pieces[row]
        if number < 0 or left == 0:
            continue
        high, low, priced, at, end = 0, 0, 0, line[number], starts[number + 1]
        while left > 0 and at < end:
            taken = min(left, most[at] - of_line[number])
            if is_priced[at]:
                high, low = add(high, low, price[at], taken, 0)
                priced += taken
            left -= taken
            of_line[number] += taken
            if of_line[number] == most[at]:
                at += 1
                of_line[number] = 0
        line[number] = at
        for last in range(end - 1, starts[number] - 1, -1):
            if left > 0 and is_priced[last]:
                high, low = add(high, low, price[last], left, 0)
                priced += left
                left = 0
        if priced > 0:
            unit, rest = divide(high, low, priced)
            out_price[row], out_rest[row] = (unit, rest) if priced == pieces[row] else (rate(unit, rest, priced), 0)
            has_price[row] = True


def load() -> None:
    """Have the compiled code ready."""
    empty = np.zeros(0, np.int64)
    Lines(np.zeros(1, np.int64), empty, empty, np.zeros(0, np.bool_)).prices(empty, empty)
