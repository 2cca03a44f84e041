"""
What a value of JSON is, by the byte: its type, its number, whether there is anything in it; compiled.

``tokens`` has proven that it is a value. What is not sure gives -1 or no, never a guess.
"""

from typing import Any

import numpy as np

from stockbook.compiling import compiled
from stockbook.jsonscan.tokens import after_space, after_value


@compiled
def is_plain(buf: Any, start: Any, end: Any) -> Any:
    """Whether a text is one of digits and signs, as of a number or a time; of other plain ones it is not sure."""
    if end - start > 34:
        return False
    for at in range(start + 1, end - 1):
        c = buf[at]
        if not (48 <= c <= 58 or 43 <= c <= 47 or c == 32):
            return False
    return True


@compiled
def number_at(buf: Any, start: Any, end: Any) -> Any:
    """The whole number of at most 18 places that stands there."""
    negative = buf[start] == 45
    number = np.int64(0)
    for at in range(start + negative, end):
        number = number * 10 + (np.int64(buf[at]) - 48)
    return -number if negative else number


@compiled
def type_of(c: Any) -> Any:
    """The place of a value's JSON type in ``scan._TYPES``."""
    if c == 123:
        return 0
    if c == 91:
        return 1
    if c == 34:
        return 2
    if c == 116 or c == 102:  # noqa: PLR1714  # a set is slow when compiled
        return 3
    return 4 if c == 110 else 5


@compiled
def number_in(buf: Any, start: Any, end: Any) -> Any:
    """What ``personal.number_in`` gives for the value that stands there; -1 where it is not sure."""
    c = buf[start]
    if c == 34:
        return is_something(buf, start + 1, end - 1)
    if c == 110 or c == 102:  # noqa: PLR1714  # a set is slow when compiled
        return 0
    if c == 123:
        return 0 if after_space(buf, start + 1) == end - 1 else -1
    if c != 91:
        return 1
    number = 0
    i = after_space(buf, start + 1)
    while i < end - 1:
        stop = after_value(buf, i)
        # null, false and an empty text are nothing
        if not (buf[i] == 110 or buf[i] == 102 or (buf[i] == 34 and stop == i + 2)):
            number += 1
        i = after_space(buf, stop)
        if buf[i] == 44:
            i = after_space(buf, i + 1)
    return number


@compiled
def is_something(buf: Any, start: Any, end: Any) -> Any:
    """1 for a text with a character that is surely no blank, 0 for an empty one; -1 where it is not sure."""
    i = start
    while i < end:
        c = buf[i]
        if c == 92:
            i += 6 if buf[i + 1] == 117 else 2
        elif 33 <= c <= 126:
            return 1
        else:
            i += 1
    return 0 if start == end else -1
