"""
A JSON text taken apart by one level: the members of an object, the elements of a list, as raw tokens.

A parser of whole texts keeps one of two members with the same name and gives up on what is nested thousands deep;
this one shows both and looks at nothing below. It is for texts that the fast parsers refused.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

V = TypeVar("V")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_NAMED = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)

NOTHING = (b"null", b"false", b'""')
"""What stands for no object and no list: PHP writes false and an empty text so."""


class Unclosed(Exception):  # says that a text is no JSON; who asked makes an error of it
    """The text ends before what it opened is closed, or goes on behind it."""


def elements(token: bytes) -> list[bytes]:
    """The elements of a list. Raises Unclosed."""
    return list(_parts(token.strip()))


def members(token: bytes) -> list[tuple[str, bytes]]:
    """The members of an object, in their order, each as often as it came. Raises Unclosed."""
    pairs = []
    for part in _parts(token.strip()):
        named = _NAMED.match(part)
        if named is None or named.end() == len(part):
            raise Unclosed
        try:
            pairs.append((msgspec.json.decode(named[1], type=str), part[named.end() :]))
        except msgspec.DecodeError:
            raise Unclosed from None
    return pairs


def list_of(pairs: Sequence[tuple[str, V]]) -> list[V] | None:
    """
    The values of an object that PHP made of a list with gaps (``{"0": ..., "2": ...}``), in the order of its numbers.

    None where a name is no place in a list, or comes twice.
    """
    numbers = [name for name, _ in pairs]
    if not all(name.isascii() and name.isdigit() and len(name) < 10 for name in numbers):
        return None
    if len(set(numbers)) < len(numbers):
        return None
    return [value for _, value in sorted(pairs, key=lambda pair: int(pair[0]))]


def _parts(token: bytes) -> Iterator[bytes]:
    depth, start = 0, 1
    for match in _TOKEN.finditer(token):
        mark = match[0]
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if match.end() != len(token):
                    raise Unclosed
                last = token[start : match.start()].strip()
                if last:
                    yield last
                return
        elif mark == b"," and depth == 1:
            yield token[start : match.start()].strip()
            start = match.end()
    raise Unclosed
