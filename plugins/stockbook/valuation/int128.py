"""Sums of the replay's tables as 128-bit numbers, column by column."""

import numpy as np

from stockbook.compiling import compiled
from stockbook.valuation.fixed_point import WORD_BITS
from stockbook.valuation.replay_tables import Array


@compiled
def joined(high: Array, low: Array) -> Array:
    """
    [column, row, half] of sums [row, column] in two words: the lower and the upper 64 bits of each.

    A table lies row by row, a column of Arrow value by value: each row is visited once for all columns.
    """
    words = np.empty((high.shape[1], len(high), 2), np.int64)
    for row in range(len(high)):
        for column in range(high.shape[1]):
            words[column, row, 0] = (high[row, column] << WORD_BITS) | low[row, column]
            words[column, row, 1] = high[row, column] >> WORD_BITS
    return words
