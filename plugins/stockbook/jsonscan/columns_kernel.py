"""
Landed lines read into cells byte by byte: compiled, and without the interpreter's lock.

One pass marks where the text of every declared leaf begins and ends, at every level of nesting (the listing's row, the
elements of its arrays); ``column_texts`` copies a column of them. It takes only what it is sure that DuckDB reads the
same way: at anything else it gives up (a code below zero), and the listing is read by DuckDB.
"""

from typing import Any

import numpy as np

from stockbook.compiling import compiled
from stockbook.jsonscan.tokens import (
    after_escape,
    after_name,
    after_plain,
    after_rune,
    after_text,
    after_value,
    after_word,
    field_of,
    hexadecimal,
)

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
        i = after_plain(buf, i)
        c = buf[i]
        if c == 34:
            return i + 1, escaped
        if c == 92:
            escaped = True
            end = after_escape(buf, i)
            i = end if end >= 0 else after_pair(buf, i)
        else:
            i = after_rune(buf, i) if c >= 128 else -1
        if i < 0:
            return -1, escaped


@compiled
def after_whole(buf: Any, i: Any) -> Any:
    """
    Behind a whole number that DuckDB writes as it stands; -1 where it is none.

    What follows decides whether it is a whole one, and a number at all: only a comma, a bracket or a blank may.
    """
    start = i
    if buf[i] == 45:
        i += 1
    first = i
    while 48 <= buf[i] <= 57:
        i += 1
    if i == first or i - start > 18 or (buf[first] == 48 and (i > first + 1 or first > start)):
        return -1
    return i


@compiled
def mark_cells(  # noqa: PLR0912, PLR0915  # one loop over all bytes: calls would carry its whole state
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
    guess: Any,
) -> Any:
    """
    Mark the cells of the lines in ``buf[:end]`` (``tokens.ZEROS`` follows); 0, or a code below zero.

    Members are numbered over all objects: ``table`` and ``following`` find them by name, ``bit`` tells that one came
    twice, ``kind`` says what it is, ``child`` which object lies below, ``column`` which cell of its level is its own.
    ``level`` is the level of each object. ``base``, ``width`` and ``most`` are, for each level, where its rows begin in
    ``cells``, how many numbers a row has and how many rows there is room for. Rows found are counted in ``rows``, the
    bytes of each cell's texts in ``sizes`` (level, cell), with escapes as they stand. ``guess`` remembers which member
    came after each, and behind them which one is the first of each object.
    """
    rows[:] = 0
    sizes[:] = 0
    members = len(kind)
    i = 0
    while True:
        while buf[i] == 10:
            i += 1
        if i >= end:
            return 0
        # where we are: an object, or an array of them; its level and the row there, members seen or elements, whether
        # nothing was read yet, where in ``guess`` to look for the next member
        d, node, in_array, own, seen, fresh, last = 0, 0, False, 0, 0, True, members
        if buf[i] != 123:
            return UNSURE
        if rows[0] >= most[0]:
            return FULL
        i += 1
        row = base[0] + rows[0] * width[0]
        cells[row + PARENT], cells[row + POSITION] = -1, 0
        for k in range(CELLS, width[0]):
            cells[row + k] = -1
        rows[0] += 1
        while True:
            c = buf[i]
            if c == 32 or c == 9:  # noqa: PLR1714  # a set is slow when compiled
                i = after_blank(buf, i)
                c = buf[i]
            if c == (93 if in_array else 125):
                i += 1
                if d == 0:
                    break
                d -= 1
                node, in_array, own, row = stack[d, 0], stack[d, 1] == 1, stack[d, 2], stack[d, 3]
                seen, last = stack[d, 4], stack[d, 5]
                fresh = False
                continue
            if not fresh:
                if c != 44:
                    return UNSURE
                i = after_blank(buf, i + 1)
                c = buf[i]
            fresh = False
            if in_array:
                if c != 123 or d + 1 >= DEPTH:
                    return UNSURE
                i += 1
                inner = level[node]
                if rows[inner] >= most[inner]:
                    return FULL
                seen += 1
                stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = node, 1, own, row, seen
                d += 1
                row = base[inner] + rows[inner] * width[inner]
                cells[row + PARENT], cells[row + POSITION] = rows[own] - 1, seen
                for k in range(CELLS, width[inner]):
                    cells[row + k] = -1
                rows[inner] += 1
                in_array, own, seen, fresh, last = False, inner, 0, True, members + node
                continue
            if c != 34:
                return UNSURE
            name = i + 1
            f = guess[last]
            i = after_name(buf, name, names, name_start[f], name_start[f + 1]) if f >= 0 else -1
            if i < 0:
                i, escaped = after_text(buf, name - 1)
                if i < 0 or escaped:
                    return UNSURE
                f = field_of(buf, name, i - 1, node, table, following, name_start, names)
            if buf[i] == 58:
                i += 1
            else:
                i = after_blank(buf, i)
                if buf[i] != 58:
                    return UNSURE
                i += 1
            c = buf[i]
            if c == 32 or c == 9:  # noqa: PLR1714
                i = after_blank(buf, i)
                c = buf[i]
            if f < 0:
                i = after_value(buf, i)
                if i < 0:
                    return UNSURE
                continue
            guess[last] = f
            last = f
            mark = np.int64(1) << bit[f]
            if seen & mark:
                return UNSURE
            seen |= mark
            if c == 110:
                i = after_word(buf, i)
                if i < 0:
                    return UNSURE
                continue
            what = kind[f]
            if what != LEAF:
                if c != (123 if what == OBJECT else 91) or d + 1 >= DEPTH:
                    return UNSURE
                i += 1
                stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4], stack[d, 5] = (
                    node,
                    0,
                    own,
                    row,
                    seen,
                    last,
                )
                d += 1
                node, in_array, seen, fresh = child[f], what == ARRAY, 0, True
                last = members + node
                continue
            start = i
            at = row + column[f]
            if c == 34:
                i, escaped = after_leaf(buf, i)
                if i < 0:
                    return UNSURE
                cells[at] = start + 1
                cells[at + 1] = ~(i - 1) if escaped else i - 1
                sizes[own, (column[f] - CELLS) // 2] += i - start - 2
                continue
            i = after_whole(buf, i) if c < 65 else after_word(buf, i)
            if i < 0:
                return UNSURE
            cells[at], cells[at + 1] = start, i
            sizes[own, (column[f] - CELLS) // 2] += i - start
        i = after_blank(buf, i)
        if buf[i] != 10 and i < end:
            return UNSURE
