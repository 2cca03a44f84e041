"""
A page projected by slicing its bytes: compiled, and without the lock of the interpreter.

What is declared is copied from the body to the lines that land, token by token; nothing is decoded. It takes only
what it is sure of: a byte that is not plainly right makes it give up (a code below zero), and the page is read the
slow way, which knows all reasons. Every byte is checked to be JSON in UTF-8, that of dropped fields too.
"""

from typing import Any

import numpy as np

from stockbook.valuation.compiling import compiled

# what is done with a field
KEEP, TYPED, DECIMAL, PERSONAL, OBJECT, ARRAY, DROP, LEARNED, ENVELOPE, DATA = range(10)
DEPTH, SLOTS, TABLE = 16, 12, 64
HOLE = 66
# columns of a hole: where it begins and ends in the lines, its group, whether a member stands before it
START, END, GROUP, BEHIND, TOKENS = range(5)
UNSURE, FULL = -1, -2
NO_NUMBER = -(2**63)


@compiled
def after_space(buf: Any, i: Any) -> Any:
    """The first byte that is no white space."""
    while buf[i] == 32 or buf[i] == 10 or buf[i] == 13 or buf[i] == 9:
        i += 1
    return i


@compiled
def after_text(buf: Any, i: Any) -> Any:
    """(end of the text whose opening quote stands at ``i``, whether it has escapes); end is -1 where it is none."""
    escaped = False
    i += 1
    while True:
        c = buf[i]
        if c == 34:
            return i + 1, escaped
        if c < 32:
            return -1, escaped
        if c == 92:
            escaped = True
            i = after_escape(buf, i)
            if i < 0:
                return -1, escaped
        elif c < 128:
            i += 1
        else:
            i = after_rune(buf, i)
            if i < 0:
                return -1, escaped


@compiled
def hexadecimal(buf: Any, i: Any) -> Any:
    """The number of four hexadecimal digits, -1 where they are none."""
    found = 0
    for at in range(i, i + 4):
        c = buf[at]
        if 48 <= c <= 57:
            found = found * 16 + (c - 48)
        elif 97 <= c <= 102:
            found = found * 16 + (c - 87)
        elif 65 <= c <= 70:
            found = found * 16 + (c - 55)
        else:
            return -1
    return found


@compiled
def after_escape(buf: Any, i: Any) -> Any:
    c = buf[i + 1]
    if c == 117:
        code = hexadecimal(buf, i + 2)
        # halves of a pair are left to the slow way
        return -1 if code < 0 or 0xD800 <= code <= 0xDFFF else i + 6
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
    found = np.int64(0)
    for at in range(start + negative, end):
        found = found * 10 + (np.int64(buf[at]) - 48)
    return -found if negative else found


@compiled
def copied(buf: Any, start: Any, end: Any, out: Any, o: Any) -> Any:
    for at in range(start, end):
        out[o] = buf[at]
        o += 1
    return o


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


@compiled
def type_of(c: Any) -> Any:
    """The place of a value's JSON type in ``sliced.TYPES``."""
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
) -> Any:
    """
    (rows, bytes of lines, holes) of a page that ends with a zero byte; rows is below zero where it is unsure.

    ``key_number`` gets the first key field of each row where it is a whole number, ``key_token`` where each key field
    stands in the page. Fields are numbered over all nodes (objects): ``table`` and ``following`` find them by name,
    ``bit`` tells that one came twice, ``kind`` says what is done, ``child`` is the node below, ``slot`` the place of a
    personal value in its object, of a learned field in ``counts`` (by JSON type), of an envelope's in ``tokens``.
    ``groups`` are (first, end) of a node's groups of personal fields; at the end of the object a *hole* is left for
    each, which the caller fills.
    """
    cap = len(out) - 256
    rows, o, used = 0, 0, 0
    i = after_space(buf, 0)
    if buf[i] != 123:
        return UNSURE, 0, 0
    i += 1
    d = 0
    # columns of the stack: node, whether it is an array, whether nothing was read yet, whether nothing was written yet,
    # members seen
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = 0, 0, 1, 1, 0
    has_data = False
    while True:
        i = after_space(buf, i)
        c = buf[i]
        if o > cap:
            return FULL, 0, 0
        if stack[d, 1]:
            if c == 93:
                i += 1
                is_data = stack[d, 1] == 2
                d -= 1
                if not is_data:
                    out[o] = 93
                    o += 1
                continue
            if not stack[d, 2]:
                if c != 44:
                    return UNSURE, 0, 0
                i = after_space(buf, i + 1)
                if stack[d, 1] == 1:
                    out[o] = 44
                    o += 1
            stack[d, 2] = 0
            if buf[i] != 123 or d + 1 >= DEPTH:
                return UNSURE, 0, 0
            if stack[d, 1] == 2:
                if rows >= len(key_number):
                    return FULL, 0, 0
                key_number[rows] = NO_NUMBER
                for k in range(key_token.shape[1]):
                    key_token[rows, k, 0] = -1
            i += 1
            out[o] = 123
            o += 1
            node = stack[d, 0]
            d += 1
            stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = node, 0, 1, 1, 0
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
            out[o] = 125
            o += 1
            d -= 1
            if stack[d, 1] == 2:
                out[o] = 10
                o += 1
                rows += 1
            continue
        if not stack[d, 2]:
            if c != 44:
                return UNSURE, 0, 0
            i = after_space(buf, i + 1)
        stack[d, 2] = 0
        if buf[i] != 34:
            return UNSURE, 0, 0
        name = i
        i, escaped = after_text(buf, i)
        if i < 0 or escaped:
            return UNSURE, 0, 0
        name_end = i
        i = after_space(buf, i)
        if buf[i] != 58:
            return UNSURE, 0, 0
        i = after_space(buf, i + 1)
        f = field_of(buf, name + 1, name_end - 1, node, table, following, name_start, names)
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
        what = kind[f]
        start = i
        c = buf[i]
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
        if o + (name_end - name) > cap:
            return FULL, 0, 0
        if not stack[d, 3]:
            out[o] = 44
            o += 1
        stack[d, 3] = 0
        o = copied(buf, name, name_end, out, o)
        out[o] = 58
        o += 1
        if (what == OBJECT and c == 123) or (what == ARRAY and c == 91):
            if d + 1 >= DEPTH:
                return UNSURE, 0, 0
            i += 1
            out[o] = c
            o += 1
            d += 1
            stack[d, 0], stack[d, 1], stack[d, 2], stack[d, 3], stack[d, 4] = child[f], np.int64(what == ARRAY), 1, 1, 0
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
            # other numbers land as the slow way writes them
            if i < 0 or (what != DECIMAL and (not whole or i - start > 18)):
                return UNSURE, 0, 0
            quote = what == DECIMAL
        if o + (i - start) > cap:
            return FULL, 0, 0
        if quote:
            out[o] = 34
            o += 1
        o = copied(buf, start, i, out, o)
        if quote:
            out[o] = 34
            o += 1
        if key_slot[f] >= 0:
            key_token[rows, key_slot[f], 0], key_token[rows, key_slot[f], 1] = start, i
            if key_slot[f] == 0 and (c == 45 or 48 <= c <= 57) and not quote:
                key_number[rows] = number_at(buf, start, i)
    i = after_space(buf, i)
    if i != len(buf) - 1 or not has_data:
        return UNSURE, 0, 0
    return rows, o, used
