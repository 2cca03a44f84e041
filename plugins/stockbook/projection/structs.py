"""
A shape compiled to a struct type for a C parser, and the work its fields need before they land.

Leaves take any value but a container; decimals stay raw JSON tokens, so that their digits are never
parsed. A
field that was left out stays left out.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw

from stockbook.landing.pages import REASON
from stockbook.projection import personal
from stockbook.projection.diagnosis import json_type_of, report_path
from stockbook.projection.fields import TALLIED, Path, Shape
from stockbook.projection.personal import is_plain

_NUMBER_START = frozenset(b"-0123456789")
_CONTAINER_START = frozenset(b"{[")
_TEXT_START = frozenset(b'"')
# a container is none of these: where a value is declared it raises
_Value = str | int | float | bool | None


class Misfit(Exception):  # no error yet: the page is looked at row by row
    """A container where a decimal was declared."""


# a text that no body holds once it was mended: a source cannot send a reason
_OURS = Literal["\0"]


class Compiled:
    """A shape as a struct type, and the work each of its fields needs, column by column."""

    def __init__(self, shape: Shape, root: Shape, path: Path = ()) -> None:
        self.objects: list[tuple[str, Compiled]] = []
        self.arrays: list[tuple[str, Compiled]] = []
        self.attributes: dict[str, str] = {}
        fields: list[tuple[str, Any, Any]] = []

        def field(name: str, type_: Any) -> str:
            attribute = f"f{len(fields)}"
            self.attributes[name] = attribute
            fields.append((attribute, type_, UNSET))
            return attribute

        for name, action in shape.leaves.items():
            field(name, Raw if action in ("decimal", *TALLIED) else _Value)
        for name, inner in shape.objects.items():
            nested = Compiled(inner, root, (*path, name))
            self.objects.append((field(name, nested.type | None), nested))
        for name, inner in shape.arrays.items():
            nested = Compiled(inner, root, (*path, name))
            self.arrays.append((field(name, list[nested.type] | None), nested))  # type: ignore[name-defined]  # made at run time
        self.drops = [field(name, Raw) for name in sorted(shape.drops)]
        self.reason = field(REASON, _OURS)
        self.learned = [(field(name, Raw), report_path(root, (*path, name))) for name in sorted(shape.learned)]
        self.decimals = [self.attributes[name] for name, action in shape.leaves.items() if action == "decimal"]
        self.typed = [self.attributes[name] for name, action in shape.leaves.items() if action == "typed"]
        self.prefixes = [self.attributes[name] for name, action in shape.leaves.items() if action == "prefix"]
        self.digits = [self.attributes[name] for name, action in shape.leaves.items() if action == "digits"]
        self.tallies = [
            (self.attributes[name], action == "count") for name, action in shape.leaves.items() if action in TALLIED
        ]
        self.type: Any = msgspec.defstruct(
            "Row",
            fields,
            rename={attribute: name for name, attribute in self.attributes.items()},
            forbid_unknown_fields=True,
            gc=False,
        )
        self.hashes = [[self._chain(group) for group in groups] for groups in shape.hashes]

    def _chain(self, path: Path) -> tuple[list[str], str]:
        compiled, attributes = self, []
        for name in path[:-1]:
            attribute = compiled.attributes[name]
            attributes.append(attribute)
            compiled = dict(compiled.objects)[attribute]
        return attributes, compiled.attributes[path[-1]]

    def clean(self, rows: list[Any], hash_key: bytes, undeclared: Counter[tuple[str, str]]) -> None:
        """Drop, quote, hash and count in place. Raises Misfit for a container where a decimal was declared."""
        self._clean_leaves(rows, hash_key)
        for attribute in self.drops:
            for row in rows:
                setattr(row, attribute, UNSET)
        for attribute, path in self.learned:
            _count(rows, attribute, path, undeclared)
        for attribute, nested in self.objects:
            nested.clean(
                [o for row in rows if (o := getattr(row, attribute)) is not None and o is not UNSET],
                hash_key,
                undeclared,
            )
        for attribute, nested in self.arrays:
            if nested.does_work:
                lists = [part for row in rows if (part := getattr(row, attribute))]
                nested.clean(list(chain.from_iterable(lists)), hash_key, undeclared)

    def _clean_leaves(self, rows: list[Any], hash_key: bytes) -> None:
        for groups in self.hashes:
            for row in rows:
                _hash_first(row, groups, hash_key)
        for attribute in self.prefixes:
            for row in rows:
                setattr(row, attribute, personal.prefix(getattr(row, attribute)))
        for attribute in self.digits:
            for row in rows:
                setattr(row, attribute, personal.digits(getattr(row, attribute), hash_key))
        for attribute, is_count in self.tallies:
            _tally(rows, attribute, is_count)
        for attribute in self.decimals:
            _quote(rows, attribute)
        for attribute in self.typed:
            _hide(rows, attribute)

    def set_aside(self, row: Any, steps: Sequence[tuple[str, int]], reason: str) -> None:
        """Write a reason into a row, or into the part of it that ``steps`` (array, place) lead to."""
        compiled, part = self, row
        for name, at in steps:
            attribute = compiled.attributes[name]
            compiled, part = dict(compiled.arrays)[attribute], getattr(part, attribute)[at]
        setattr(part, compiled.reason, reason)

    @property
    def does_work(self) -> bool:
        """Whether ``clean`` would change anything."""
        return bool(
            self.hashes
            or self.prefixes
            or self.digits
            or self.tallies
            or self.decimals
            or self.typed
            or self.drops
            or self.learned
            or self.objects
            or self.arrays
        )


def _quote(rows: list[Any], attribute: str) -> None:
    for row in rows:
        raw = getattr(row, attribute)
        if raw is not UNSET:
            token = bytes(raw)
            if token[0] in _NUMBER_START:
                setattr(row, attribute, Raw(b'"' + token + b'"'))
            elif token[0] in _CONTAINER_START:
                raise Misfit
            elif token[0] in _TEXT_START and not is_plain(msgspec.json.decode(token)):
                setattr(row, attribute, Raw(b'"?"'))


def _tally(rows: list[Any], attribute: str, is_count: bool) -> None:
    for row in rows:
        raw = getattr(row, attribute)
        if raw is not UNSET:
            setattr(row, attribute, personal.tally(bytes(raw), is_count=is_count))


def _hide(rows: list[Any], attribute: str) -> None:
    for row in rows:
        value = getattr(row, attribute)
        if isinstance(value, str) and not is_plain(value):
            setattr(row, attribute, personal.HIDDEN)


def _count(rows: list[Any], attribute: str, path: str, undeclared: Counter[tuple[str, str]]) -> None:
    for row in rows:
        raw = getattr(row, attribute)
        if raw is not UNSET:
            undeclared[path, json_type_of(bytes(raw))] += 1
            setattr(row, attribute, UNSET)


def _hash_first(row: Any, groups: list[tuple[list[str], str]], key: bytes) -> None:
    """Hash the first value that is not empty and store it at the first path; nothing else of the group stays."""
    result: str | None = None
    first: tuple[Any, str] | None = None
    for steps, attribute in groups:
        holder = row
        for step in steps:
            holder = getattr(holder, step)
            if holder is None or holder is UNSET:
                break
        else:
            if result is None:
                result = personal.hashed(getattr(holder, attribute), key)
            setattr(holder, attribute, UNSET)
            first = first or (holder, attribute)
    if first is not None and result is not None:
        setattr(*first, result)
