"""The levels of a listing's landed rows, and the tables by which ``columns_kernel`` finds their members."""

from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from stockbook.jsonscan import columns_kernel, tokens
from stockbook.landing.landed_shape import Node

_MOST_MEMBERS = 62


class Unsure(Exception):  # no error: DuckDB reads the listing
    """Something in a shape or in a line that DuckDB knows better."""


class _Member(NamedTuple):
    node: int
    name: bytes
    kind: int
    child: int = 0
    column: int = 0


class Level(NamedTuple):
    """Rows of one nesting: the level they lie in, the arrays that lead there, the paths of their leaves."""

    parent: int
    array: tuple[str, ...]
    leaves: list[str]


class ColumnLayout:
    """The levels of a listing's rows and the tables to find their members by."""

    def __init__(self, root: Node) -> None:
        """Number objects, members and levels. Raises Unsure for an unusual shape."""
        self.levels = [Level(-1, (), [])]
        self._members: list[_Member] = []
        self._level_of: list[int] = []
        self._number(root, 0, "")
        self.arrays = self._arrays()
        # one for each member and each object
        self.guesses = len(self._members) + len(self._level_of)

    def _number(self, node: Node, level: int, path: str) -> int:
        number = len(self._level_of)
        self._level_of.append(level)
        names = [*node.leaves, *node.objects, *node.arrays]
        if len(set(names)) < len(names) or len(names) > _MOST_MEMBERS or not all(names):
            raise Unsure
        own = self.levels[level]
        for name in sorted(node.leaves):
            place = columns_kernel.CELLS + 2 * len(own.leaves)
            own.leaves.append(path + name)
            self._members.append(_Member(number, name.encode(), columns_kernel.LEAF, column=place))
        for name, inner in sorted(node.objects.items()):
            child = self._number(inner, level, f"{path}{name}.")
            self._members.append(_Member(number, name.encode(), columns_kernel.OBJECT, child))
        for name, inner in sorted(node.arrays.items()):
            if path:
                raise Unsure
            self.levels.append(Level(level, (*own.array, name), []))
            child = self._number(inner, len(self.levels) - 1, "")
            self._members.append(_Member(number, name.encode(), columns_kernel.ARRAY, child))
        return number

    def _arrays(self) -> tuple[Any, ...]:
        members = self._members
        table = np.full((len(self._level_of), tokens.TABLE), -1)
        following = np.full(len(members), -1)
        bits = np.zeros(len(members), np.int64)
        seen = [0] * len(self._level_of)
        for number, member in enumerate(members):
            place = tokens.place_of(len(member.name), member.name[0], member.name[-1])
            following[number], table[member.node, place] = table[member.node, place], number
            bits[number] = seen[member.node]
            seen[member.node] += 1
        columns = (
            np.array([[member.kind, member.child, member.column] for member in members], np.int64)
            .reshape(-1, 3)
            .T.copy()
        )
        return (
            np.frombuffer(b"".join(member.name for member in members) + tokens.ZEROS, np.uint8),
            np.array([0, *accumulate(len(member.name) for member in members)]),
            table,
            following,
            bits,
            *columns,
            np.array(self._level_of),
        )
