"""What a column is made of: other columns, each with the way it comes in."""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

ROWS = "*"
"""In place of a column: which rows its table has."""


class Way(IntEnum):
    """How a column comes into another, the closest first: its value as it is, in a result, in an aggregate; or not."""

    COPIED = 0
    WORKED_OUT = 1
    AGGREGATED = 2
    SWAYS = 3


class Ref(NamedTuple):
    """A column of a table, or of a source: a field on the wire or a file of policies."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


Inputs = dict[Ref, Way]


class Relation(NamedTuple):
    """
    A table, or a part of a select: what each column is made of, what decides which rows there are, and its keys.

    A key is a set of columns of which no two rows have the same values; an empty one says that there is one row.
    """

    columns: dict[str, Inputs]
    rows: frozenset[Ref]
    keys: frozenset[frozenset[str]] = frozenset()


def together(parts: Iterable[Inputs]) -> Inputs:
    """All inputs of the parts, each by its closest way."""
    merged: Inputs = {}
    for part in parts:
        for ref, way in part.items():
            if way < merged.get(ref, len(Way)):
                merged[ref] = way
    return merged


def at_least(inputs: Mapping[Ref, Way], least: Way) -> Inputs:
    """The inputs when something is made of what they made."""
    return {ref: max(way, least) for ref, way in inputs.items()}


def swaying(refs: Iterable[Ref]) -> Inputs:
    """Columns that only sway."""
    return dict.fromkeys(refs, Way.SWAYS)


def renamed(relation: Relation, names: Iterable[str]) -> Relation:
    """The relation with other names for its first columns."""
    new = dict(zip(relation.columns, names, strict=False))
    keys = frozenset(frozenset(new.get(name, name) for name in key) for key in relation.keys)
    return Relation({new.get(name, name): inputs for name, inputs in relation.columns.items()}, relation.rows, keys)


def refs_of(parts: Iterable[Inputs]) -> Iterator[Ref]:
    """All inputs of the parts, however they come in."""
    for part in parts:
        yield from part
