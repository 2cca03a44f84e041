"""
What a replay computed: its tables, column by column.

Columns that repeat along an axis are [row, axis]. Sums stand as two words (fixed_point.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
# int64, or Python integers where figures are too large for that
Array = npt.NDArray[Any]

Columns = TypeVar("Columns")


class Receipts(NamedTuple):
    """The receipts, column by column; ``unit`` and ``remainder`` by basis, words by figure."""

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
    """The issues, column by column; words and ``short_rate`` are [issue, figure]."""

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
    """The allocations, column by column; words are [slice, basis]."""

    issue: Array
    number: Array
    receipt: Array
    pieces: Array
    high: Array
    low: Array


class Settlements(NamedTuple):
    """The settlements, column by column; words are [settlement, figure]."""

    issue: Array
    receipt: Array
    pieces: Array
    high: Array
    low: Array


class Balances(NamedTuple):
    """The balances, column by column; words are [balance, figure]."""

    cell: Array
    day: Array
    next_row: Array
    pieces: Array
    missing: Array
    average_missing: Array
    high: Array
    low: Array


@dataclass(frozen=True)
class Replay:
    """
    What a replay computed. Sums stand as two words, ``high * 2^32 + low``.

    ``cost_source`` and ``unit_cost`` [movement, figure] are per movement; figures and bases are in
    the order of cost_methods.py. The tables are cut to their rows.
    """

    cost_source: Ints
    unit_cost: Array
    receipts: Receipts
    issues: Issues
    slices: Slices
    settlements: Settlements
    balances: Balances
    is_widened: bool


def columns_of(kind: Callable[..., Columns], layout: tuple[int, ...], table: Array) -> Columns:
    """A table laid out by ``layout``, column by column: one that repeats along an axis is [row, axis]."""
    names: tuple[str, ...] = layout._fields  # type: ignore[attr-defined]  # every layout is a NamedTuple
    columns = {
        name: table[:, start] if stop == start + 1 else table[:, start:stop]
        for name, (start, stop) in zip(names, pairwise(layout), strict=False)
    }
    return kind(**{name: columns[name] for name in kind._fields})  # type: ignore[attr-defined]  # so are they
