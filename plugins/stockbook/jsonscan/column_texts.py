"""
Texts of a column copied from landed lines, without their escapes: compiled, and without the interpreter's lock.

``columns_kernel`` marked where they stand and proved them right, so nothing is asked again here.
"""

from typing import Any

from stockbook.compiling import compiled
from stockbook.jsonscan.tokens import hexadecimal


@compiled
def unescaped(c: Any) -> Any:
    """The character that a short escape stands for."""
    if c == 98:
        return 8
    if c == 102:
        return 12
    if c == 110:
        return 10
    if c == 114:
        return 13
    return 9 if c == 116 else c


@compiled
def encoded(code: Any, out: Any, o: Any) -> Any:
    """Write a character as UTF-8; the place behind it."""
    if code < 0x80:
        out[o] = code
        return o + 1
    if code < 0x800:
        out[o], out[o + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return o + 2
    if code < 0x10000:
        out[o], out[o + 1], out[o + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return o + 3
    out[o], out[o + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    out[o + 2], out[o + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return o + 4


@compiled
def decoded(buf: Any, start: Any, end: Any, out: Any, o: Any) -> Any:
    """Write a text without its escapes; the place behind it."""
    i = start
    while i < end:
        c = buf[i]
        if c != 92:
            out[o] = c
            o += 1
            i += 1
        elif buf[i + 1] != 117:
            out[o] = unescaped(buf[i + 1])
            o += 1
            i += 2
        else:
            code = hexadecimal(buf, i + 2)
            i += 6
            if 0xD800 <= code <= 0xDBFF:
                code = 0x10000 + ((code - 0xD800) << 10) + hexadecimal(buf, i + 2) - 0xDC00
                i += 6
            o = encoded(code, out, o)
    return o


@compiled
def write_column(
    buf: Any, cells: Any, first: Any, step: Any, count: Any, out: Any, o: Any, ends: Any, is_present: Any, row: Any
) -> Any:
    """
    Copy ``count`` cells of a column, the first at ``cells[first]``, each ``step`` behind the last, to ``out[o:]``.

    ``ends[row + 1]`` onwards get where each text ends, ``is_present[row]`` onwards whether there is one. Gives the end
    of the last; ``out`` must have room for all texts with their escapes.
    """
    for k in range(count):
        start, end = cells[first + k * step], cells[first + k * step + 1]
        is_present[row + k] = start >= 0
        if start >= 0:
            if end < 0:
                o = decoded(buf, start, ~end, out, o)
            else:
                for at in range(start, end):
                    out[o] = buf[at]
                    o += 1
        ends[row + k + 1] = o
    return o
