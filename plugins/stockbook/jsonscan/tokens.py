"""
Tokens of JSON by the byte: where each ends, and whether it is one; compiled, without the lock of the interpreter.

The bytes must end with eight zeros (``ZEROS``): no token reads past them. What is not plainly right gives -1, never a
guess.
"""

from typing import Any

import numpy as np

from stockbook.compiling import compiled
from stockbook.jsonscan.eight_bytes import first_byte, word_at

# zeros behind the last byte, as many as a word may reach beyond it
SPARE = 8
ZEROS = bytes(SPARE)
# entries of a node's table of names
TABLE = 64
_ONES, _QUOTES, _BACKSLASHES, _SPACES, _HIGHEST = (
    np.uint64(int.from_bytes([byte] * 8)) for byte in (0x01, 0x22, 0x5C, 0x20, 0x80)
)


@compiled
def after_space(buf: Any, i: Any) -> Any:
    """The first byte that is no white space."""
    while buf[i] == 32 or buf[i] == 10 or buf[i] == 13 or buf[i] == 9:
        i += 1
    return i


@compiled
def after_plain(buf: Any, i: Any) -> Any:
    """The first byte that does not stand for itself in a text: quote, backslash, control or of several bytes."""
    while True:
        word = word_at(buf, i)
        quote, backslash = word ^ _QUOTES, word ^ _BACKSLASHES
        # of a byte that is zero, or less than a space, the highest bit stays, and of none before the first such byte
        is_zero = ((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash)
        marks = (is_zero | ((word - _SPACES) & ~word) | word) & _HIGHEST
        if marks:
            return i + first_byte(marks)
        i += 8


@compiled
def after_text(buf: Any, i: Any) -> Any:
    """(end of the text whose opening quote stands at ``i``, whether it has escapes); end is -1 where it is none."""
    escaped = False
    i += 1
    while True:
        i = after_plain(buf, i)
        c = buf[i]
        if c == 34:
            return i + 1, escaped
        if c == 92:
            escaped = True
            i = after_escape(buf, i)
        else:
            i = after_rune(buf, i) if c >= 128 else -1
        if i < 0:
            return -1, escaped


@compiled
def hexadecimal(buf: Any, i: Any) -> Any:
    """The number of four hexadecimal digits, -1 where they are none."""
    number = 0
    for at in range(i, i + 4):
        c = buf[at]
        if 48 <= c <= 57:
            number = number * 16 + (c - 48)
        elif 97 <= c <= 102:
            number = number * 16 + (c - 87)
        elif 65 <= c <= 70:
            number = number * 16 + (c - 55)
        else:
            return -1
    return number


@compiled
def after_escape(buf: Any, i: Any) -> Any:
    c = buf[i + 1]
    if c == 117:
        code = hexadecimal(buf, i + 2)
        # halves of a pair and the character 0, which is no text, are left to the plain way
        return -1 if code <= 0 or 0xD800 <= code <= 0xDFFF else i + 6
    if c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:  # noqa: PLR1714  # a set is slow when compiled
        return i + 2
    return -1


@compiled
def is_tail(c: Any) -> Any:
    return 128 <= c <= 191


@compiled
def after_rune(buf: Any, i: Any) -> Any:
    """Behind the character of several bytes at ``i``; -1 where it is no UTF-8."""
    c = buf[i]
    if 194 <= c <= 223:
        return i + 2 if is_tail(buf[i + 1]) else -1
    if 224 <= c <= 239:
        least = 160 if c == 224 else 128
        most = 159 if c == 237 else 191
        return i + 3 if least <= buf[i + 1] <= most and is_tail(buf[i + 2]) else -1
    if 240 <= c <= 244:
        least = 144 if c == 240 else 128
        most = 143 if c == 244 else 191
        whole = least <= buf[i + 1] <= most and is_tail(buf[i + 2]) and is_tail(buf[i + 3])
        return i + 4 if whole else -1
    return -1


@compiled
def after_number(buf: Any, i: Any) -> Any:
    """(end of a number, whether it is whole); end is -1 where it is none."""
    if buf[i] == 45:
        i += 1
    if buf[i] == 48:
        i += 1
    elif 49 <= buf[i] <= 57:
        while 48 <= buf[i] <= 57:
            i += 1
    else:
        return -1, False
    whole = True
    if buf[i] == 46:
        whole = False
        i += 1
        if not 48 <= buf[i] <= 57:
            return -1, False
        while 48 <= buf[i] <= 57:
            i += 1
    if buf[i] == 101 or buf[i] == 69:
        whole = False
        i += 1
        if buf[i] == 43 or buf[i] == 45:
            i += 1
        if not 48 <= buf[i] <= 57:
            return -1, False
        while 48 <= buf[i] <= 57:
            i += 1
    return i, whole


@compiled
def after_word(buf: Any, i: Any) -> Any:
    """Behind true, false or null; -1 where it is none of them."""
    if buf[i] == 116 and buf[i + 1] == 114 and buf[i + 2] == 117 and buf[i + 3] == 101:
        return i + 4
    if buf[i] == 110 and buf[i + 1] == 117 and buf[i + 2] == 108 and buf[i + 3] == 108:
        return i + 4
    if buf[i] == 102 and buf[i + 1] == 97 and buf[i + 2] == 108 and buf[i + 3] == 115 and buf[i + 4] == 101:
        return i + 5
    return -1


@compiled
def after_scalar(buf: Any, i: Any) -> Any:
    c = buf[i]
    if c == 34:
        return after_text(buf, i)[0]
    if c == 45 or 48 <= c <= 57:
        return after_number(buf, i)[0]
    return after_word(buf, i)


@compiled
def at_value(buf: Any, i: Any) -> Any:
    """The value of the member whose name's quote stands at ``i``; -1 where there is none."""
    if buf[i] != 34:
        return -1
    i = after_text(buf, i)[0]
    if i < 0:
        return -1
    i = after_space(buf, i)
    return after_space(buf, i + 1) if buf[i] == 58 else -1


@compiled
def after_value(buf: Any, i: Any) -> Any:  # noqa: PLR0912  # one loop, as below
    """Behind any value; -1 where it is none, or nested deeper than 60."""
    depth, objects = 0, np.uint64(0)
    while True:
        c = buf[i]
        if c == 123 or c == 91:  # noqa: PLR1714  # a set is slow when compiled
            depth += 1
            if depth > 60:
                return -1
            objects = (objects << np.uint64(1)) | np.uint64(c == 123)
            i = after_space(buf, i + 1)
            if buf[i] != c + 2:
                if c == 123:
                    i = at_value(buf, i)
                    if i < 0:
                        return -1
                continue
        else:
            i = after_scalar(buf, i)
            if i < 0:
                return -1
        while True:
            if depth == 0:
                return i
            in_object = objects & np.uint64(1)
            i = after_space(buf, i)
            c = buf[i]
            if c == 44:
                i = after_space(buf, i + 1)
                if in_object:
                    i = at_value(buf, i)
                    if i < 0:
                        return -1
                break
            if c != (125 if in_object else 93):
                return -1
            depth -= 1
            objects = objects >> np.uint64(1)
            i += 1


@compiled
def after_name(buf: Any, i: Any, names: Any, start: Any, end: Any) -> Any:
    """Behind the name that begins at ``i`` and its quote, if it is the one given; -1 otherwise."""
    while end - start >= 8:
        if word_at(buf, i) != word_at(names, start):
            return -1
        i += 8
        start += 8
    size = end - start
    # what lies behind the name is shifted out of the word
    if size and (word_at(buf, i) ^ word_at(names, start)) << np.uint64(64 - 8 * size):
        return -1
    i += size
    return i + 1 if buf[i] == 34 else -1


@compiled
def place_of(size: Any, first: Any, last: Any) -> Any:
    """Where in a node's table the names of this length and these first and last bytes begin."""
    return (size * 7 + first * 3 + last) % TABLE


@compiled
def field_of(buf: Any, start: Any, end: Any, node: Any, table: Any, following: Any, name_start: Any, names: Any) -> Any:
    """The field of a name without quotes, -1 when it is not declared."""
    size = end - start
    if size == 0:
        return -1
    f = table[node, place_of(size, buf[start], buf[end - 1])]
    while f >= 0:
        at = name_start[f]
        if name_start[f + 1] - at == size:
            same = True
            for k in range(size):
                if names[at + k] != buf[start + k]:
                    same = False
                    break
            if same:
                return f
        f = following[f]
    return -1
