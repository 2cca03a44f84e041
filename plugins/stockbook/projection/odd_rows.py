"""
A row that the fast parser refused, brought to its shape: the one place where a wire's other forms are read.

PHP writes an empty object as ``[]``, a list with a gap as ``{"0": ..., "2": ...}`` and nothing as ``false`` or ``""``;
a list of one may stand where its object is declared. These are read as what they mean. What cannot be read is marked:
the row, or of an array the element alone, lands as its key and a reason, and loading sets it aside (docs/sources.md).
Tokens pass unread, so digits stay as they came; no value leaves this module but in them. Of a field that is only
counted no token passes: it may be nested deeper than the fast parser goes.
"""

from typing import NamedTuple

import msgspec

from stockbook.projection import personal
from stockbook.projection.diagnosis import Break, json_type_of, report_path
from stockbook.projection.fields import TALLIED, Path, Shape
from stockbook.projection.json_members import NOTHING, Unclosed, elements, list_of, members
from stockbook.projection.renames import Renames

Steps = tuple[tuple[str, int], ...]
"""Where a row of an array lies in the listing's row: each array that leads there, and the place in it from 0."""


class Mark(NamedTuple):
    """A row (``steps`` is empty) or a part that cannot be read, and why."""

    steps: Steps
    broken: Break


class Fitted(NamedTuple):
    """A row as its shape has it; ``undeclared`` are (path, JSON type) of what was left out."""

    token: bytes
    marks: list[Mark]
    undeclared: list[tuple[Path, str]]


class _Misfit(Exception):  # no error: what holds the place is set aside
    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.broken = Break(reason, path or "$")


def fit(root: Shape, token: bytes, renames: Renames | None = None) -> Fitted:
    """A row of the wire, as raw JSON, in the shape of the declarations; what of it is broken is marked."""
    fitting = _Fitting(root)
    return Fitted(fitting.row(root, token, (), (), renames), fitting.marks, fitting.undeclared)


def set_aside(root: Shape, token: bytes, broken: Break) -> Fitted:
    """A row that is set aside whole."""
    fitting = _Fitting(root)
    return Fitted(fitting.set_aside(root, token, (), broken, None), fitting.marks, [])


class _Fitting:
    def __init__(self, root: Shape) -> None:
        self._root = root
        self.marks: list[Mark] = []
        self.undeclared: list[tuple[Path, str]] = []

    def row(self, shape: Shape, token: bytes, path: Path, steps: Steps, renames: Renames | None) -> bytes:
        """The listing's row, or an element of one of its arrays."""
        before = len(self.marks), len(self.undeclared)
        try:
            return self._object(shape, token, path, steps, renames)
        except _Misfit as misfit:
            del self.marks[before[0] :]
            del self.undeclared[before[1] :]
            return self.set_aside(shape, token, steps, misfit.broken, renames)

    def set_aside(self, shape: Shape, token: bytes, steps: Steps, broken: Break, renames: Renames | None) -> bytes:
        """What is left of a row that is set aside: its key. Where no table has such rows, a row below stands for it."""
        if shape.is_row:
            self.marks.append(Mark(steps, broken))
        out = []
        for name, value in _named(token, renames):
            if name in shape.keys and value[:1] not in b"[{" and _is_value(value):
                out.append((name, value))
        if len({name for name, _ in out}) < len(out):
            out = []  # two of them name two rows
        if not shape.is_row:
            name, inner = next(iter(shape.arrays.items()))
            out.append((name, b"[" + self.set_aside(inner, b"{}", (*steps, (name, 0)), broken, None) + b"]"))
        return _object_of(out)

    def _object(self, shape: Shape, token: bytes, path: Path, steps: Steps, renames: Renames | None) -> bytes:
        """The members of an object that are declared. Raises _Misfit where it is none, or a value in it is broken."""
        out: list[tuple[str, bytes]] = []
        seen: set[str] = set()
        for name, value in self._members(token, path, renames):
            here = (*path, name)
            if name in seen:
                raise _Misfit("a name was given twice in one object", report_path(self._root, path))
            seen.add(name)
            if shape.leaves.get(name) in TALLIED:
                out.append((name, personal.stand_in(value)))
            elif name in shape.leaves:
                out.append((name, self._leaf(value, here, is_text=shape.leaves[name] == "decimal")))
            elif name in shape.objects:
                inner = b"null" if value in NOTHING else self._object(shape.objects[name], value, here, steps, None)
                out.append((name, inner))
            elif name in shape.arrays:
                within = renames.inside.get(name) if renames is not None else None
                out.append((name, self._array(shape.arrays[name], value, here, steps, within)))
            elif name not in shape.drops:
                self.undeclared.append((here, json_type_of(value)))
        return _object_of(out)

    def _members(self, token: bytes, path: Path, renames: Renames | None) -> list[tuple[str, bytes]]:
        if token in NOTHING:
            return []
        if token[:1] == b"[":
            inside = elements(token)
            if not inside:
                return []
            if len(inside) == 1 and inside[0][:1] == b"{":
                token = inside[0]
        if token[:1] != b"{":
            raise _Misfit(f"expected an object, got {json_type_of(token)}", report_path(self._root, path))
        try:
            return _renamed(members(token), renames)
        except Unclosed:
            raise _Misfit("it is no JSON", report_path(self._root, path)) from None

    def _leaf(self, value: bytes, path: Path, is_text: bool) -> bytes:
        if value[:1] in b"[{":
            raise _Misfit(f"expected a value, got {json_type_of(value)}", report_path(self._root, path))
        if not is_text and not _is_value(value):
            raise _Misfit("a number beyond all bounds", report_path(self._root, path))
        return value

    def _array(self, shape: Shape, value: bytes, path: Path, steps: Steps, renames: Renames | None) -> bytes:
        if value in NOTHING:
            return b"null"
        name = path[-1]
        inside: list[bytes] | None = None
        if value[:1] == b"[":
            inside = elements(value)
        elif value[:1] == b"{":
            inside = list_of(members(value))
        if inside is None:
            array = report_path(self._root, path).removesuffix("[]")
            broken = Break(f"expected an array, got {json_type_of(value)}", array)
            return b"[" + self.set_aside(shape, b"{}", (*steps, (name, 0)), broken, None) + b"]"
        fitted = [self.row(shape, element, path, (*steps, (name, at)), renames) for at, element in enumerate(inside)]
        return b"[" + b",".join(fitted) + b"]"


def _named(token: bytes, renames: Renames | None) -> list[tuple[str, bytes]]:
    if token[:1] != b"{":
        return []
    try:
        return _renamed(members(token), renames)
    except Unclosed:
        return []


def _renamed(pairs: list[tuple[str, bytes]], renames: Renames | None) -> list[tuple[str, bytes]]:
    if renames is None:
        return pairs
    ours = renames.ours([name for name, _ in pairs])
    renamed = [(ours.get(name, name), value) for name, value in pairs]
    added = renames.parts(dict(renamed))
    return [(name, added.pop(name, value)) for name, value in renamed] + [*added.items()]


def _object_of(pairs: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in pairs) + b"}"


def _is_value(token: bytes) -> bool:
    """Whether a value can be read: a number of thousands of digits cannot, nor one that a float makes infinity."""
    try:
        msgspec.json.decode(token)
    except msgspec.DecodeError:
        return False
    return True
