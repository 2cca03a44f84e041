"""
Landed lines unfolded into cells by their bytes: compiled, and without the lock of the interpreter.

One pass marks where the text of every declared leaf begins and ends, at every level of nesting (the listing's row, the
elements of its arrays); a second one copies a column of them. It takes only what it is sure that DuckDB reads the same
way: at anything else it gives up (a code below zero), and the listing is read by DuckDB.
"""

from typing import Any

import numpy as np

from stockbook.sources.lexing import (
    after_escape,
    after_number,
    after_rune,
    after_text,
    after_value,
    after_word,
    field_of,
    hexadecimal,
)
from stockbook.valuation.compiling import compiled

# what a member is
LEAF, OBJECT, ARRAY = range(3)
DEPTH = 32
# a row of cells: number of the row it lies in (one level up), its place there from 1, then where each leaf begins and
# ends; below zero where it is null or absent, the end's complement where the text has escapes
PARENT, POSITION, CELLS = range(3)
UNSURE, FULL = -1, -2


@compiled
def after_blank(buf: Any, i: Any) -> Any:
    """The first byte that is no blank; a line's end is none."""
    while buf[i] == 32 or buf[i] == 9:
        i += 1
    return i


@compiled
def is_nul(buf: Any, i: Any) -> Any:
    """Whether the escape at ``i`` stands for the character 0, which is not told from no text everywhere."""
    return buf[i + 1] == 117 and hexadecimal(buf, i + 2) == 0


@compiled
def after_pair(buf: Any, i: Any) -> Any:
    """Behind a character written as a pair of escapes, -1 where there is no whole pair."""
    if buf[i + 1] != 117:
        return -1
    high = hexadecimal(buf, i + 2)
    if high < 0xD800 or high > 0xDBFF or buf[i + 6] != 92 or buf[i + 7] != 117:
        return -1
    low = hexadecimal(buf, i + 8)
    return i + 12 if 0xDC00 <= low <= 0xDFFF else -1


@compiled
def after_leaf(buf: Any, i: Any) -> Any:
    """(end of the text whose opening quote stands at ``i``, whether it has escapes); end is -1 where it is unsure."""
    escaped = False
    i += 1
    while True:
        c = buf[i]
        if 35 <= c < 128 and c != 92:
            i += 1
        elif c == 34:
            return i + 1, escaped
        elif c < 32:
            return -1, escaped
        elif c == 92:
            escaped = True
            if is_nul(buf, i):
                return -1, escaped
            end = after_escape(buf, i)
            i = end if end >= 0 else after_pair(buf, i)
            if i < 0:
                return -1, escaped
        elif c < 128:
            i += 1
        else:
            i = after_rune(buf, i)
            if i < 0:
                return -1, escaped


@compiled
def unfold(  # noqa: PLR0912, PLR0915  # one loop over all bytes: calls would carry its whole state
    buf: Any,
    end: Any,
    names: Any,
    name_start: Any,
    table: Any,
    following: Any,
    bit: Any,
    kind: Any,
    child: Any,
    column: Any,
    level: Any,
    base: Any,
    width: Any,
    most: Any,
    cells: Any,
    rows: Any,
    sizes: Any,
    stack: Any,
) -> Any:
    """
    Mark the cells of the lines in ``buf[:end]`` (a zero follows); 0, or a code below zero.

    Members are numbered over all objects: ``table`` and ``following`` find them by name, ``bit`` tells that one came
    twice, ``kind`` says what it is, ``child`` which object lies below, ``column`` which cell of its level is its own.
    ``level`` is the level of each object. ``base``, ``width`` and ``most`` are, for each level, where its rows begin in
    ``cells``, how many numbers a row has and how many rows there is room for. Rows found are counted in ``rows``, the
    bytes of each cell's texts in ``sizes`` (level, cell), with escapes as they stand.
    """
    rows[:] = 0
    sizes[:] = 0
    i = 0
    while True:
        while buf[i] == 10:
            i += 1
        if i >= end:
            return 0
        if buf[i] != 123 or rows[0] >= most[0]:
            return UNSURE if buf[i] != 123 else FULL
        i += 1
        at = base[0] + rows[0] * width[0]
        cells[at + PARENT], cells[at + POSITION] = -1, 0
        for k in range(CELLS, width[0]):
            cells[at + k] = -1
        rows[0] += 1
        d = 0
        # columns of the stack: object, whether it is its array, whether nothing was read yet, members seen or elements
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, 0, 1, 0
        while d >= 0:
            node = stack[d, 0]
            i = after_blank(buf, i)
            if stack[d, 1]:
                if buf[i] == 93:
                    i += 1
                    d -= 1
                    continue
                if not stack[d, 2]:
                    if buf[i] != 44:
                        return UNSURE
                    i = after_blank(buf, i + 1)
                stack[d, 2] = 0
                if buf[i] != 123 or d + 1 >= DEPTH:
                    return UNSURE
                i += 1
                own = level[node]
                if rows[own] >= most[own]:
                    return FULL
                at = base[own] + rows[own] * width[own]
                stack[d, 3] += 1
                cells[at + PARENT], cells[at + POSITION] = stack[d, 4], stack[d, 3]
                for k in range(CELLS, width[own]):
                    cells[at + k] = -1
                rows[own] += 1
                d += 1
                stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3] = node, 0, 1, 0
                continue
            if buf[i] == 125:
                i += 1
                d -= 1
                continue
            if not stack[d, 2]:
                if buf[i] != 44:
                    return UNSURE
                i = after_blank(buf, i + 1)
            stack[d, 2] = 0
            if buf[i] != 34:
                return UNSURE
            name = i + 1
            i, escaped = after_text(buf, i)
            if i < 0 or escaped:
                return UNSURE
            name_end = i - 1
            i = after_blank(buf, i)
            if buf[i] != 58:
                return UNSURE
            i = after_blank(buf, i + 1)
            f = field_of(buf, name, name_end, node, table, following, name_start, names)
            if f < 0:
                i = after_value(buf, i)
                if i < 0:
                    return UNSURE
                continue
            mark = np.int64(1) << bit[f]
            if stack[d, 3] & mark:
                return UNSURE
            stack[d, 3] |= mark
            c = buf[i]
            if c == 110:
                i = after_word(buf, i)
                if i < 0:
                    return UNSURE
                continue
            if kind[f] != LEAF:
                if c != (123 if kind[f] == OBJECT else 91) or d + 1 >= DEPTH:
                    return UNSURE
                i += 1
                d += 1
                stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3] = child[f], np.int64(kind[f] == ARRAY), 1, 0
                # the row that the elements lie in
                stack[d, 4] = rows[level[node]] - 1
                continue
            start = i
            own = level[node]
            at = base[own] + (rows[own] - 1) * width[own] + column[f]
            if c == 34:
                i, escaped = after_leaf(buf, i)
                if i < 0:
                    return UNSURE
                cells[at] = start + 1
                cells[at + 1] = ~(i - 1) if escaped else i - 1
                sizes[own, (column[f] - CELLS) // 2] += i - start - 2
                continue
            if c == 45 or 48 <= c <= 57:
                i, whole = after_number(buf, i)
                # other numbers are written anew by DuckDB
                if i < 0 or not whole or i - start > 18 or (c == 45 and buf[start + 1] == 48):
                    return UNSURE
            else:
                i = after_word(buf, i)
                if i < 0:
                    return UNSURE
            cells[at], cells[at + 1] = start, i
            sizes[own, (column[f] - CELLS) // 2] += i - start
        i = after_blank(buf, i)
        if buf[i] != 10 and i < end:
            return UNSURE


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
    buf: Any, cells: Any, first: Any, step: Any, count: Any, out: Any, o: Any, ends: Any, is_given: Any, row: Any
) -> Any:
    """
    Copy ``count`` cells of a column, the first at ``cells[first]``, each ``step`` behind the last, to ``out[o:]``.

    ``ends[row + 1]`` onwards get where each text ends, ``is_given[row]`` onwards whether there is one. Gives the end of
    the last; ``out`` must have room for all texts with their escapes.
    """
    for k in range(count):
        start, end = cells[first + k * step], cells[first + k * step + 1]
        is_given[row + k] = start >= 0
        if start >= 0:
            if end < 0:
                o = decoded(buf, start, ~end, out, o)
            else:
                for at in range(start, end):
                    out[o] = buf[at]
                    o += 1
        ends[row + k + 1] = o
    return o
