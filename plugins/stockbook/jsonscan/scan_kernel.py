"""
A page projected byte by byte: compiled, and without the interpreter's lock.

What is declared is copied from the body to the lines that land, token by token; nothing is decoded. It takes only
what it is sure of: a byte that is not plainly right makes it give up (a code below zero), and the page is read the
plain way, which knows all reasons. Every byte is checked to be JSON in UTF-8, that of dropped fields too.
"""

from typing import Any

import numpy as np

from stockbook.compiling import compiled
from stockbook.jsonscan.line_writing import joined, with_number, with_truth, written
from stockbook.jsonscan.tokens import (
    SPARE,
    after_name,
    after_number,
    after_scalar,
    after_space,
    after_text,
    after_value,
    after_word,
    field_of,
)
from stockbook.jsonscan.values import is_plain, number_at, number_in, type_of

# what is done with a field
KEEP, TYPED, DECIMAL, PRESENCE, COUNT, PERSONAL, OBJECT, ARRAY, DROP, LEARNED, ENVELOPE, DATA = range(12)
DEPTH, SLOTS = 16, 12
HOLE = 66
# columns of a hole: where it begins and ends in the lines, its group, whether a member stands before it
START, END, GROUP, BEHIND, TOKENS = range(5)
UNSURE, FULL = -1, -2
NO_NUMBER = -(2**63)


@compiled
def project(  # noqa: PLR0912, PLR0915  # one loop over all bytes: calls would carry its whole state
    buf: Any,
    names: Any,
    name_start: Any,
    table: Any,
    following: Any,
    bit: Any,
    kind: Any,
    child: Any,
    slot: Any,
    key_slot: Any,
    groups: Any,
    group_name: Any,
    out: Any,
    key_number: Any,
    key_token: Any,
    holes: Any,
    counts: Any,
    tokens: Any,
    stack: Any,
    taken: Any,
    guess: Any,
) -> Any:
    """
    (rows, bytes of lines, holes) of a page that ends with ``tokens.ZEROS``; rows is below zero where it is unsure.

    ``key_number`` gets the first key field of each row where it is a whole number, ``key_token`` where each key field
    stands in the page. Fields are numbered over all nodes (objects): ``table`` and ``following`` find them by name,
    ``bit`` tells that one came twice, ``kind`` says what is done, ``child`` is the node below, ``slot`` the place of a
    personal value in its object, of a learned field in ``counts`` (by JSON type), of an envelope's in ``tokens``.
    ``groups`` are (first, end) of a node's groups of personal fields; at the end of the object a *hole* is left for
    each, which the caller fills. ``guess`` remembers which field came after each field, and first in each object.

    What lands lies mostly in the page as it lands: it is copied a *piece* at a time, ``buf[piece:end]``, once something
    else follows.
    """
    cap = len(out) - 256
    rows, o, used = 0, 0, 0
    piece, end = 0, 0
    i = after_space(buf, 0)
    if buf[i] != 123:
        return UNSURE, 0, 0
    i += 1
    d = 0
    # columns of the stack: node, whether it is an array, whether nothing was read yet, whether nothing was written yet,
    # members seen, where to look for a guess
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4], stack[0, 5] = 0, 0, 1, 1, 0, len(kind)
    has_data = False
    while True:
        i = after_space(buf, i)
        c = buf[i]
        if o + (end - piece) > cap:
            return FULL, 0, 0
        if stack[d, 1]:
            if c == 93:
                i += 1
                is_data = stack[d, 1] == 2
                d -= 1
                if not is_data:
                    piece, o = joined(buf, piece, end, i - 1, out, o)
                    end = i
                continue
            if not stack[d, 2]:
                if c != 44:
                    return UNSURE, 0, 0
                if stack[d, 1] == 1:
                    piece, o = joined(buf, piece, end, i, out, o)
                    end = i + 1
                i = after_space(buf, i + 1)
            stack[d, 2] = 0
            if buf[i] != 123 or d + 1 >= DEPTH:
                return UNSURE, 0, 0
            if stack[d, 1] == 2:
                if rows >= len(key_number):
                    return FULL, 0, 0
                key_number[rows] = NO_NUMBER
                for k in range(key_token.shape[1]):
                    key_token[rows, k, 0] = -1
            piece, o = joined(buf, piece, end, i, out, o)
            i += 1
            end = i
            node = stack[d, 0]
            d += 1
            stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = node, 0, 1, 1, 0
            stack[d, 5] = len(kind) + node
            for s in range(SLOTS):
                taken[d, s, 0] = -1
            continue
        node = stack[d, 0]
        if c == 125:
            i += 1
            if d == 0:
                break
            for g in range(groups[node, 0], groups[node, 1]):
                f = group_name[g]
                o = written(buf, piece, end, out, o)
                piece = end
                if used >= len(holes) or o + 400 > cap:
                    return FULL, 0, 0
                holes[used, START] = o
                holes[used, GROUP] = g
                holes[used, BEHIND] = 1 - stack[d, 3]
                first = (g - groups[node, 0]) * 3
                for s in range(3):
                    holes[used, TOKENS + 2 * s] = taken[d, first + s, 0]
                    holes[used, TOKENS + 2 * s + 1] = taken[d, first + s, 1]
                o += name_start[f + 1] - name_start[f] + 4 + HOLE
                holes[used, END] = o
                used += 1
                stack[d, 3] = 0
            piece, o = joined(buf, piece, end, i - 1, out, o)
            end = i
            d -= 1
            if stack[d, 1] == 2:
                o = written(buf, piece, end, out, o)
                piece = end
                out[o] = 10
                o += 1
                rows += 1
            continue
        comma = i
        if not stack[d, 2]:
            if c != 44:
                return UNSURE, 0, 0
            i = after_space(buf, i + 1)
        stack[d, 2] = 0
        if buf[i] != 34:
            return UNSURE, 0, 0
        name, last = i, stack[d, 5]
        f = guess[last]
        i = after_name(buf, name + 1, names, name_start[f], name_start[f + 1]) if f >= 0 else -1
        if i < 0:
            i, escaped = after_text(buf, name)
            if i < 0 or escaped:
                return UNSURE, 0, 0
            f = field_of(buf, name + 1, i - 1, node, table, following, name_start, names)
            guess[last] = f
        name_end = i
        i = after_space(buf, i)
        if buf[i] != 58:
            return UNSURE, 0, 0
        colon = i
        i = after_space(buf, i + 1)
        if f < 0:
            if d > 0:
                return UNSURE, 0, 0
            i = after_value(buf, i)
            if i < 0:
                return UNSURE, 0, 0
            continue
        mark = np.int64(1) << bit[f]
        if stack[d, 4] & mark:
            return UNSURE, 0, 0
        stack[d, 4] |= mark
        stack[d, 5] = f
        what = kind[f]
        start = i
        c = buf[i]
        number: Any = np.int64(0)
        if PRESENCE <= what <= COUNT:
            i = after_value(buf, i)
            number = number_in(buf, start, i) if i >= 0 else -1
            if number < 0:
                return UNSURE, 0, 0
        if what >= DROP:
            if what == DATA:
                if c != 91:
                    return UNSURE, 0, 0
                has_data = True
                i += 1
                d += 1
                stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = child[f], 2, 1, 1, 0
                continue
            i = after_value(buf, i)
            if i < 0:
                return UNSURE, 0, 0
            if what == LEARNED:
                counts[slot[f], type_of(c)] += 1
            elif what == ENVELOPE:
                tokens[slot[f], 0], tokens[slot[f], 1] = start, i
            continue
        if what == PERSONAL:
            i = after_scalar(buf, i)
            if i < 0:
                return UNSURE, 0, 0
            taken[d, slot[f], 0], taken[d, slot[f], 1] = start, i
            continue
        if o + (end - piece) + (name_end - name) > cap:
            return FULL, 0, 0
        if not stack[d, 3]:
            piece, o = joined(buf, piece, end, comma, out, o)
            end = comma + 1
        stack[d, 3] = 0
        piece, o = joined(buf, piece, end, name, out, o)
        piece, o = joined(buf, piece, name_end, colon, out, o)
        end = colon + 1
        if PRESENCE <= what <= COUNT:
            o = written(buf, piece, end, out, o)
            piece = end
            o = with_truth(out, o, number > 0) if what == PRESENCE else with_number(out, o, number)
            continue
        if (what == OBJECT and c == 123) or (what == ARRAY and c == 91):
            if d + 1 >= DEPTH:
                return UNSURE, 0, 0
            piece, o = joined(buf, piece, end, i, out, o)
            i += 1
            end = i
            d += 1
            stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = child[f], np.int64(what == ARRAY), 1, 1, 0
            stack[d, 5] = len(kind) + child[f]
            for s in range(SLOTS):
                taken[d, s, 0] = -1
            continue
        quote = False
        if c == 110 or c == 116 or c == 102:  # noqa: PLR1714  # a set is slow when compiled
            i = after_word(buf, i)
            if i < 0 or (what >= OBJECT and c != 110):
                return UNSURE, 0, 0
        elif what >= OBJECT:
            return UNSURE, 0, 0
        elif c == 34:
            i, escaped = after_text(buf, i)
            if i < 0 or (what != KEEP and (escaped or not is_plain(buf, start, i))):
                return UNSURE, 0, 0
        else:
            i, whole = after_number(buf, i)
            # other numbers land as the plain way writes them
            if i < 0 or (what != DECIMAL and (not whole or i - start > 18)):
                return UNSURE, 0, 0
            quote = what == DECIMAL
        if o + (end - piece) + (i - start) > cap:
            return FULL, 0, 0
        if quote:
            o = written(buf, piece, end, out, o)
            out[o] = 34
            o = written(buf, start, i, out, o + 1)
            out[o] = 34
            o += 1
            piece = i
        else:
            piece, o = joined(buf, piece, end, start, out, o)
        end = i
        if key_slot[f] >= 0:
            key_token[rows, key_slot[f], 0], key_token[rows, key_slot[f], 1] = start, i
            if key_slot[f] == 0 and (c == 45 or 48 <= c <= 57) and not quote:
                key_number[rows] = number_at(buf, start, i)
    i = after_space(buf, i)
    if i != len(buf) - SPARE or not has_data:
        return UNSURE, 0, 0
    return rows, o, used
