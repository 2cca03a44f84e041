"""Amounts as integers of millionths, printed the way the API prints its floats."""

from functools import lru_cache

import numpy as np

from stockbook_sandbox.localtime import Ints

SCALE = 1_000_000
NULL = np.int64(-(2**62))


@lru_cache(maxsize=200_000)
def text(amount: int) -> str:
    """A JSON number: ``99`` for 99.0, ``12.5``, ``null`` for NULL."""
    if amount == NULL:
        return "null"
    whole, rest = divmod(abs(amount), SCALE)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:06d}".rstrip("0") if rest else f"{sign}{whole}"


def number(amount: int) -> int | float | None:
    """The value json would read from ``text``."""
    if amount == NULL:
        return None
    return amount / SCALE if amount % SCALE else amount // SCALE


def rounded(amount: Ints, decimals: int = 2) -> Ints:
    """Amounts rounded half up to some decimals."""
    step = 10 ** (6 - decimals)
    amounts: Ints = (np.asarray(amount, dtype=np.int64) + step // 2) // step * step
    return amounts
