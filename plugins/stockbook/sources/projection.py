"""
A listing's page reduced to what is declared, at the speed of a C parser.

Declarations are compiled to structs whose leaves are raw JSON tokens: digits, escapes and
types land as they came, and a field nobody declared raises instead of passing. Such a page is looked at
row by row: the field is learned (dropped and counted from then on), a row that breaks the declared nesting is
counted as refused. No value of either leaves this module.

Once a process has read enough to pay for loading it, pages are first tried by a compiled projection that slices their
bytes (sliced.py); what that is not sure of is decoded as before.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from stockbook.declarations import Table
from stockbook.sources import renames, wire
from stockbook.sources.compiled import Compiled, Misfit
from stockbook.sources.diagnosis import Diagnosis, diagnose
from stockbook.sources.listing import Listing
from stockbook.sources.shape import Path, Shape, build

if TYPE_CHECKING:
    from stockbook.sources.sliced import Slicer

# more learned fields than this are no new fields but keys that are data; they are then left out uncounted
_MOST_LEARNED = 200


class PaysOff:
    """Whether a process has read enough for the compiled projection to be loaded; one thread loads, others go on."""

    def __init__(self, threshold: int) -> None:
        """Load after so many bytes."""
        self._threshold = threshold
        self._read = 0
        self._loaded = False
        self._lock = threading.Lock()

    def off(self, size: int) -> bool:
        """Count a page; True once the compiled projection is loaded."""
        if not self._loaded:
            self._read += size
            if self._read > self._threshold and self._lock.acquire(blocking=False):
                try:
                    from stockbook.sources.sliced import warm_up

                    warm_up()
                    self._loaded = True
                finally:
                    self._lock.release()
        return self._loaded


# as many bytes as are read the slow way while the compiled code is loaded
PAYS = PaysOff(8_000_000)


class Projected(NamedTuple):
    """
    A page: a key for every row received (None where it has none), its row or None where it was refused.

    ``lines`` is the NDJSON of all rows that were not refused, in their order; a row is what ``Projection.lines`` takes.
    """

    keys: list[int | str | None]
    rows: list[Any]
    total: int | None
    lines: bytes
    undeclared: Counter[tuple[str, str]]
    refused: Counter[tuple[str, str]]


class _Kept(NamedTuple):
    """What is compiled of a shape at one time; replaced whole when a field is learned, so that threads may share it."""

    compiled: Compiled
    page: "msgspec.json.Decoder[Any]"
    row: "msgspec.json.Decoder[Any]"
    shape: Shape
    slicer: "list[Slicer | None]"


class Projection:
    """The projection of one listing. Safe to use from several threads."""

    def __init__(self, listing: Listing, tables: Iterable[Table], hash_key: bytes) -> None:
        """Compile the declarations of the tables the listing feeds. Raises DeclarationError when they contradict."""
        self.listing = listing
        self._key = hash_key
        self._renames = renames.of(listing.renamed) if listing.renamed else None
        self._shape = build(tables, (*listing.key, *listing.key_with))
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()
        self._kept = self._compile()
        self._as_key: Callable[[Any], int | str | None] = _whole if listing.key_is_number else _text

    def _compile(self) -> _Kept:
        compiled = Compiled(self._shape, self._shape, strict=_learned(self._shape) <= _MOST_LEARNED)
        page = msgspec.defstruct(
            "Page",
            [("code", Raw, UNSET), ("totalCount", Raw, UNSET), ("data", list[compiled.type], UNSET)],  # type: ignore[name-defined]  # made at run time
        )
        row = msgspec.json.Decoder(compiled.type)
        return _Kept(compiled, msgspec.json.Decoder(page), row, deepcopy(self._shape), [])

    def read(self, body: bytes, given: Mapping[str, int] | None = None) -> Projected:
        """
        A page from a body; ``given`` is written into every row, under first-level fields it does not have itself.

        Raises Garbled or Denied when the body is no page, BadAnswer when its rows have other names than any we know.
        """
        if self.listing.envelope is None and given is None and (page := self._sliced(body)) is not None:
            return page
        wire.check_text(body)
        if self.listing.envelope is not None:
            raws = wire.named_rows(body, *self.listing.envelope)
            if self._renames is not None:
                raws = [self._renames.row(raw, f"{self.listing.api}.{self.listing.name}") for raw in raws]
            return self._row_by_row(raws, None, given)
        kept = self._kept
        try:
            page = kept.page.decode(body)
        except msgspec.ValidationError:
            return self._row_by_row(*wire.data_rows(body), given)
        except msgspec.DecodeError:
            raise wire.Garbled("it is not complete JSON") from None
        wire.check_code(page.code)
        if page.data is UNSET:
            raise wire.Garbled("it has no data")
        total = wire.total_of(page.totalCount)
        keys = self._keys(kept.compiled, page.data)
        undeclared: Counter[tuple[str, str]] = Counter()
        try:
            kept.compiled.clean(page.data, self._key, undeclared)
        except Misfit:
            keys = [None]
        if None in keys:
            return self._row_by_row(*wire.data_rows(body), given)
        _give(kept.compiled, page.data, given)
        return Projected(keys, page.data, total, self._encoder.encode_lines(page.data), undeclared, Counter())

    def _sliced(self, body: bytes) -> Projected | None:
        """The page as the compiled projection sees it, None where it is not sure or not worth its while."""
        if not PAYS.off(len(body)):
            return None
        kept = self._kept
        if not kept.slicer:
            kept.slicer.append(self._slicer(kept.shape))
        slicer = kept.slicer[0]
        page = slicer.read(body, self._key) if slicer is not None else None
        if page is None:
            return None
        wire.check_code(page.code)
        total = wire.total_of(page.total)
        keys: list[int | str | None] | None = None
        if page.numbers is not None:
            keys = [*page.numbers] if self.listing.key_is_number else None
        else:
            keys = self._keys_of(page.keys)
        if keys is None or None in keys:
            return None
        return Projected(keys, page.lines.splitlines(keepends=True), total, page.lines, page.undeclared, Counter())

    def _slicer(self, shape: Shape) -> "Slicer | None":
        from stockbook.sources.sliced import Slicer, Unsliceable

        if _learned(shape) > _MOST_LEARNED:
            return None
        try:
            return Slicer(shape, (*self.listing.key, *self.listing.key_with))
        except Unsliceable:
            return None

    def _keys_of(self, found: list[tuple[Any, ...]]) -> list[int | str | None]:
        """Keys of rows from the values of their key fields; None for a row that has none."""
        ways = len(self.listing.key)
        keys: list[int | str | None] = []
        for values in found:
            key = next((key for value in values[:ways] if (key := self._as_key(value)) is not None), None)
            for more in values[ways:]:
                key = _joined(key, more)
            keys.append(key)
        return keys

    def lines(self, rows: list[Any]) -> bytes:
        """The NDJSON of rows that ``read`` gave."""
        return b"".join(rows) if rows and isinstance(rows[0], bytes) else self._encoder.encode_lines(rows)

    def texts(self, rows: list[Any], field: str) -> set[str]:
        """The distinct texts that rows of one page have in a first-level field."""
        if not rows:
            return set()
        if isinstance(rows[0], bytes):
            return set(texts_in(b"".join(rows), field))
        kind = type(rows[0])
        attribute = kind.__struct_fields__[kind.__struct_encode_fields__.index(field)]
        return {value for row in rows if isinstance(value := getattr(row, attribute), str) and value}

    def _keys(self, compiled: Compiled, rows: list[Any]) -> list[int | str | None]:
        first, *others = [compiled.attributes[name] for name in self.listing.key]
        as_key = self._as_key
        keys = [as_key(getattr(row, first)) for row in rows]
        if others and None in keys:
            for position, row in enumerate(rows):
                for attribute in others:
                    if keys[position] is None:
                        keys[position] = as_key(getattr(row, attribute))
        for name in self.listing.key_with:
            attribute = compiled.attributes[name]
            keys = [_joined(key, getattr(row, attribute)) for key, row in zip(keys, rows, strict=True)]
        return keys

    def _row_by_row(self, raws: list[Raw], total: int | None, given: Mapping[str, int] | None) -> Projected:
        while True:
            kept = self._kept
            rows, undeclared, diagnoses = self._rows(kept, raws)
            unknown = {path for found in diagnoses.values() for path in found.undeclared}
            if not unknown or not self._learn(unknown):
                break
        refused: Counter[tuple[str, str]] = Counter()
        keys: list[int | str | None] = []
        for position, raw in enumerate(raws):
            keys.append(self._key_of(raw))
            if position in diagnoses:
                refused[_first_break(diagnoses[position])] += 1
            elif keys[-1] is None:
                wanted = "a whole number" if self.listing.key_is_number else "a text"
                refused[f"the key must be {wanted}", self.listing.key[0]] += 1
                rows[position] = None
        whole = [row for row in rows if row is not None]
        _give(kept.compiled, whole, given)
        lines = self._encoder.encode_lines(whole)
        return Projected(keys, rows, total, lines, undeclared, refused)

    def _rows(self, kept: _Kept, raws: list[Raw]) -> tuple[list[Any], Counter[tuple[str, str]], dict[int, Diagnosis]]:
        rows: list[Any] = []
        undeclared: Counter[tuple[str, str]] = Counter()
        diagnoses: dict[int, Diagnosis] = {}
        for position, raw in enumerate(raws):
            row = None
            try:
                row = kept.row.decode(raw)
                kept.compiled.clean([row], self._key, undeclared)
            except (msgspec.ValidationError, Misfit):
                diagnoses[position] = diagnose(self._shape, json.loads(bytes(raw)))
                row = None
            rows.append(row)
        return rows, undeclared, diagnoses

    def _learn(self, paths: set[Path]) -> bool:
        """Drop and count these fields from now on; False when there are too many to be fields."""
        with self._lock:
            if _learned(self._shape) > _MOST_LEARNED:
                return False
            for path in sorted(paths):
                self._shape.learn(path)
            self._kept = self._compile()
            return True

    def _key_of(self, raw: Raw) -> int | str | None:
        row = json.loads(bytes(raw))
        if isinstance(row, dict):
            for name in self.listing.key:
                if (key := self._as_key(row.get(name))) is not None:
                    for more in self.listing.key_with:
                        key = _joined(key, row.get(more))
                    return key
        return None


def texts_in(lines: bytes, field: str) -> Iterable[str]:
    """The texts that rows of NDJSON have in a first-level field."""
    return (value for row in _only(field).decode_lines(lines) if isinstance(value := row.value, str) and value)


@cache
def _only(field: str) -> "msgspec.json.Decoder[Any]":
    kind = msgspec.defstruct("Only", [("value", str | int | float | bool | None, None)], rename={"value": field})
    return msgspec.json.Decoder(kind)


def _give(compiled: Compiled, rows: list[Any], given: Mapping[str, int] | None) -> None:
    for name, value in (given or {}).items():
        for row in rows:
            setattr(row, compiled.attributes[name], value)


def _joined(key: int | str | None, more: Any) -> str | None:
    """A key of several fields as one text; a part that is null or left out counts as empty."""
    return None if key is None else f"{key}\x1f{_text(more) or ''}"


def _first_break(found: Diagnosis) -> tuple[str, str]:
    return tuple(found.breaks[0]) if found.breaks else ("the row could not be read", "$")  # type: ignore[return-value]  # a Break is a pair


def _learned(shape: Shape) -> int:
    inners = [*shape.objects.values(), *shape.arrays.values()]
    return len(shape.learned) + sum(_learned(inner) for inner in inners)


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
