"""Exact figures between the replay's words and Arrow's 128-bit decimals, without a row-by-row step."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stockbook.errors import ModelFailed
from stockbook.valuation.fixed_point import WORD_BITS
from stockbook.valuation.int128 import joined
from stockbook.valuation.replay import Money

SCALE_DIGITS = 12
VALUE = pa.decimal128(38, SCALE_DIGITS)
UNIT = pa.decimal128(24, SCALE_DIGITS)


def values(high: Money, low: Money) -> list[pa.Array]:
    """Sums in two words, [row, column], as columns of decimals with 12 digits behind the point."""
    if high.dtype == object:
        pairs = zip(high.T.tolist(), low.T.tolist(), strict=True)
        return [_large([(a << WORD_BITS) + b for a, b in zip(*pair, strict=True)], VALUE) for pair in pairs]
    return [_decimals(words, VALUE) for words in joined(high, low)]


def units(amounts: Money, is_there: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Unit costs as decimals; NULL where ``is_there`` is false."""
    if amounts.dtype == object:
        decimals = _large(amounts.tolist(), UNIT)
        if is_there is None:
            return decimals
        return pa.compute.if_else(pa.array(is_there), decimals, pa.scalar(None, UNIT))
    words = np.empty((len(amounts), 2), np.int64)
    words[:, 0] = amounts
    words[:, 1] = amounts >> 63
    return _decimals(words, UNIT, is_there)


def _decimals(words: npt.NDArray[np.int64], kind: Any, is_there: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    validity = None
    if is_there is not None:
        validity = pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return pa.Array.from_buffers(kind, len(words), [validity, pa.py_buffer(words)])


def _large(amounts: list[int], kind: Any) -> pa.Array:
    most = 10**kind.precision
    for amount in amounts:
        if abs(amount) >= most:
            raise ModelFailed(
                f"A figure of the valuation has more than {kind.precision - SCALE_DIGITS} digits before the point; "
                "the warehouse keeps no more. Look for an absurd price or quantity in staging.movements."
            )
    mask = 2**64 - 1
    words = np.array([[amount & mask, (amount >> 64) & mask] for amount in amounts], np.uint64).reshape(-1, 2)
    return _decimals(words.view(np.int64), kind)


def scaled(column: pa.ChunkedArray) -> Money:
    """Decimals of scale 12 as integers of 10^-12, 0 for NULL: int64, or Python integers where they do not fit."""
    parts = [_scaled(chunk) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _scaled(chunk: pa.Array) -> Money:
    if not len(chunk):
        return np.zeros(0, np.int64)
    words = np.frombuffer(chunk.buffers()[1], np.int64).reshape(-1, 2)[chunk.offset : chunk.offset + len(chunk)]
    is_there = chunk.is_valid().to_numpy(zero_copy_only=False)
    low = np.where(is_there, words[:, 0], 0)
    if np.array_equal(np.where(is_there, words[:, 1], 0), low >> 63):
        return low
    large = [0 if amount is None else int(amount.scaleb(SCALE_DIGITS)) for amount in chunk.to_pylist()]
    return np.array(large, object)
