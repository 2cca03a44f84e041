"""The tables of a shape that ``scan_kernel`` works by, and what it leaves to do: keys, personal values, counts."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from stockbook.jsonscan import scan_kernel, tokens
from stockbook.projection import personal
from stockbook.projection.diagnosis import report_path
from stockbook.projection.fields import Path, Shape
from stockbook.projection.scanned_page import ScannedPage

# in the order of values.type_of
_TYPES = ("object", "array", "string", "boolean", "null", "number")
_KINDS = {
    "keep": scan_kernel.KEEP,
    "typed": scan_kernel.TYPED,
    "decimal": scan_kernel.DECIMAL,
    "presence": scan_kernel.PRESENCE,
    "count": scan_kernel.COUNT,
}
_ROWS, _HOLES = 4_096, 16_384
_MOST_FIELDS, _MOST_PATHS = 60, 3


class UnusualShape(Exception):  # no error: pages of the shape are decoded the plain way
    """A shape the tables have no place for."""


class _Field(NamedTuple):
    node: int
    name: bytes
    kind: int
    child: int = 0
    slot: int = -1
    key_slot: int = -1


class _Group(NamedTuple):
    """Fields of one object of which the first that is not empty lands under the first name."""

    names: tuple[str, ...]
    action: Literal["hash", "prefix", "digits"]


class PageTables:
    """The tables of a shape, and reading by them. Safe to use from several threads."""

    def __init__(self, shape: Shape, keys: tuple[str, ...]) -> None:
        """Number objects and fields; ``keys`` are first-level fields. Raises UnusualShape for an unusual shape."""
        self._root = shape
        self._keys = keys
        self._hashed: dict[int, list[_Group]] = {}
        for holder, names in _groups(shape):
            self._hashed.setdefault(id(holder), []).append(_Group(names, "hash"))
        self._fields = [
            _Field(0, b"code", scan_kernel.ENVELOPE, slot=0),
            _Field(0, b"totalCount", scan_kernel.ENVELOPE, slot=1),
            _Field(0, b"data", scan_kernel.DATA, child=1),
        ]
        self._groups: list[list[_Group]] = [[]]
        self._learned: list[str] = []
        self._number(shape, (), keys)
        self._flat = [group for groups in self._groups for group in groups]
        self._tables = self._arrays()
        # one for each field and each object
        self._guesses = len(self._fields) + len(self._groups)
        self._rooms = threading.local()

    def _number(self, shape: Shape, path: Path, keys: tuple[str, ...]) -> int:
        node = len(self._groups)
        groups = [*self._hashed.get(id(shape), ())]
        groups += [_Group((name,), action) for name, action in shape.leaves.items() if action in ("prefix", "digits")]
        self._groups.append(groups)
        slots = _slots(groups)
        fields = []
        for name, action in shape.leaves.items():
            kind = _KINDS.get(action, scan_kernel.PERSONAL)
            slot = slots.pop(name, -1)
            if kind == scan_kernel.PERSONAL and (slot < 0 or name in keys):
                raise UnusualShape
            at = keys.index(name) if name in keys else -1
            fields.append(_Field(node, name.encode(), kind, slot=slot, key_slot=at))
        fields += [_Field(node, name.encode(), scan_kernel.DROP) for name in sorted(shape.drops)]
        for name in sorted(shape.learned):
            fields.append(_Field(node, name.encode(), scan_kernel.LEARNED, slot=len(self._learned)))
            self._learned.append(report_path(self._root, (*path, name)))
        for inners, kind in ((shape.objects, scan_kernel.OBJECT), (shape.arrays, scan_kernel.ARRAY)):
            for name, inner in inners.items():
                child = self._number(inner, (*path, name), ())
                fields.append(_Field(node, name.encode(), kind, child=child))
        if slots or len(fields) > _MOST_FIELDS:
            raise UnusualShape
        self._fields += fields
        return node

    def _arrays(self) -> tuple[Any, ...]:
        fields = self._fields
        names = b"".join(field.name for field in fields)
        starts = np.cumsum([0, *(len(field.name) for field in fields)])
        table = np.full((len(self._groups), tokens.TABLE), -1)
        following = np.full(len(fields), -1)
        bits = np.zeros(len(fields), np.int64)
        members: Counter[int] = Counter()
        for number, field in enumerate(fields):
            place = tokens.place_of(len(field.name), field.name[0], field.name[-1])
            following[number], table[field.node, place] = table[field.node, place], number
            bits[number] = members[field.node]
            members[field.node] += 1
        ends = np.cumsum([len(groups) for groups in self._groups])
        first_names = [(node, group.names[0].encode()) for node, groups in enumerate(self._groups) for group in groups]
        by_name = {(field.node, field.name): number for number, field in enumerate(fields)}
        columns = np.array([[field.kind, field.child, field.slot, field.key_slot] for field in fields]).T.copy()
        return (
            np.frombuffer(names + tokens.ZEROS, np.uint8),
            starts,
            table,
            following,
            bits,
            *columns,
            np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1),
            np.array([by_name[place] for place in first_names], np.int64),
        )

    def read(self, body: bytes, hash_key: bytes) -> ScannedPage | None:
        """A page, or None where it is not plainly right."""
        buffer = np.frombuffer(body + tokens.ZEROS, np.uint8)
        room = self._buffers(len(body))
        counts = np.zeros((len(self._learned), len(_TYPES)), np.int64)
        envelope_tokens = np.full((2, 2), -1)
        outputs = (
            room.out,
            room.numbers,
            room.keys,
            room.holes,
            counts,
            envelope_tokens,
            room.stack,
            room.taken,
            room.guess,
        )
        rows, size, used = scan_kernel.project(*(buffer, *self._tables, *outputs))
        if rows < 0:
            return None
        if used:
            _fill(memoryview(room.out), room.holes[:used].tolist(), self._flat, body, hash_key)
        numbers = room.numbers[:rows]
        undeclared = Counter(
            {(self._learned[at], _TYPES[of]): int(counts[at, of]) for at, of in zip(*np.nonzero(counts), strict=True)}
        )
        code, total = (body[start:end] if start >= 0 else UNSET for start, end in envelope_tokens.tolist())
        are_numbers = len(self._keys) == 1 and bool((numbers != scan_kernel.NO_NUMBER).all())
        return ScannedPage(
            room.out[:size].tobytes(),
            numbers.tolist() if are_numbers else None,
            [] if are_numbers else _values(room.keys[:rows], body),
            code,
            total,
            undeclared,
        )

    def _buffers(self, size: int) -> Any:
        room = self._rooms
        wanted = size + size // 4 + 65_536
        if getattr(room, "out", None) is None or len(room.out) < wanted:
            room.out = np.empty(wanted, np.uint8)
            room.numbers = np.empty(_ROWS, np.int64)
            room.keys = np.empty((_ROWS, max(1, len(self._keys)), 2), np.int64)
            room.holes = np.empty((_HOLES, scan_kernel.TOKENS + 2 * _MOST_PATHS), np.int64)
            room.stack = np.zeros((scan_kernel.DEPTH, 6), np.int64)
            room.taken = np.zeros((scan_kernel.DEPTH, scan_kernel.SLOTS, 2), np.int64)
            room.guess = np.full(self._guesses, -1)
        return room


def warm_up() -> None:
    """Load the compiled code, and compile it where no cache of it is kept."""
    PageTables(Shape(leaves={"id": "keep"}), ("id",)).read(b'{"data":[{"id":1}]}', b"")


def _groups(shape: Shape) -> Iterator[tuple[Shape, tuple[str, ...]]]:
    """(object, names) of everything that is hashed together."""
    for group in shape.hashes:
        holders = {path[:-1] for path in group}
        if len(holders) > 1:
            raise UnusualShape
        holder = shape
        for name in holders.pop():
            holder = holder.objects[name]
        yield holder, tuple(path[-1] for path in group)
    for inner in (*shape.objects.values(), *shape.arrays.values()):
        yield from _groups(inner)


def _slots(groups: list[_Group]) -> dict[str, int]:
    """The place of each personal field among those of its object."""
    slots: dict[str, int] = {}
    for number, group in enumerate(groups):
        for at, name in enumerate(group.names):
            if name in slots or at >= _MOST_PATHS or number * _MOST_PATHS + at >= scan_kernel.SLOTS:
                raise UnusualShape
            slots[name] = number * _MOST_PATHS + at
    return slots


def _fill(out: memoryview, holes: list[list[int]], groups: list[_Group], body: bytes, hash_key: bytes) -> None:
    """Write what becomes of personal values into the holes left for them; the rest of a hole is white space."""
    for start, end, number, behind, *places in holes:
        group = groups[number]
        values = [
            msgspec.json.decode(body[places[at] : places[at + 1]])
            for at in range(0, 2 * len(group.names), 2)
            if places[at] >= 0
        ]
        text = b""
        landed = _landed(group, values, hash_key)
        # a comma of a later member may count on the first one
        if landed is not None or group.action != "hash" or not behind:
            name = msgspec.json.encode(group.names[0])
            text = (b"," if behind else b"") + name + b":" + msgspec.json.encode(landed)
        out[start:end] = text.ljust(end - start)


def _landed(group: _Group, values: list[Any], hash_key: bytes) -> str | None:
    if group.action == "hash":
        return next((digest for value in values if (digest := personal.hashed(value, hash_key))), None)
    value = next(iter(values), None)
    return personal.prefix(value) if group.action == "prefix" else personal.digits(value, hash_key)


def _values(places: Any, body: bytes) -> list[tuple[Any, ...]]:
    """The values of the key fields of each row; None for one that was left out."""
    return [
        tuple(msgspec.json.decode(body[start:end]) if start >= 0 else None for start, end in row)
        for row in places.tolist()
    ]
