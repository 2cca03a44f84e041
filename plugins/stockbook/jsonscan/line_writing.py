"""
The lines that land, written by the byte: pieces of the page, and what stands in place of a value; compiled.

There must be room for what is written: nothing is asked here. Each function gives where to write next.
"""

from typing import Any

import numpy as np

from stockbook.compiling import compiled
from stockbook.jsonscan.eight_bytes import copy_bytes

TRUE, FALSE = (np.frombuffer(word, np.uint8) for word in (b"true", b"false"))


@compiled
def written(buf: Any, piece: Any, end: Any, out: Any, o: Any) -> Any:
    """Behind the piece that is written."""
    copy_bytes(buf, piece, end - piece, out, o)
    return o + (end - piece)


@compiled
def joined(buf: Any, piece: Any, end: Any, start: Any, out: Any, o: Any) -> Any:
    """(where the piece begins, where to write next) when bytes from ``start`` on shall follow a piece up to ``end``."""
    if start == end:
        return piece, o
    return start, written(buf, piece, end, out, o)


@compiled
def with_truth(out: Any, o: Any, truth: Any) -> Any:
    """Behind ``true`` or ``false`` that is written at ``o``."""
    word = TRUE if truth else FALSE
    for at in range(len(word)):
        out[o + at] = word[at]
    return o + len(word)


@compiled
def with_number(out: Any, o: Any, number: Any) -> Any:
    """Behind a whole number, not below zero, that is written at ``o``."""
    size = 1
    rest = number // 10
    while rest:
        size += 1
        rest //= 10
    for at in range(size):
        out[o + size - 1 - at] = 48 + number % 10
        number //= 10
    return o + size
