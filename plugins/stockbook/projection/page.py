"""
A listing's page reduced to what is declared, at the speed of a C parser.

Declarations are compiled to structs whose leaves are raw JSON tokens: digits, escapes and
types land as they came, and a field nobody declared raises instead of passing. Such a page is looked at
row by row (odd_rows.py): the field is left out and counted, what breaks the declared nesting lands as its key and a
reason. No value of either leaves this module.

Once a process has read enough to pay for loading it, pages are first tried by a compiled projection that slices their
bytes (jsonscan/scan.py); what that is not sure of is decoded as before.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from stockbook.declarations import LARGEST_NUMBER, Table
from stockbook.landing.pages import REASON
from stockbook.projection import envelope, renames
from stockbook.projection.diagnosis import Break, report_path
from stockbook.projection.fields import Path, Shape, build
from stockbook.projection.listing import Listing
from stockbook.projection.odd_rows import Fitted, Mark, aside, fit
from stockbook.projection.structs import Compiled, Misfit
from stockbook.projection.undeclared_names import Names

if TYPE_CHECKING:
    from stockbook.jsonscan.scan import Slicer


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
                    from stockbook.jsonscan.scan import warm_up

                    warm_up()
                    self._loaded = True
                finally:
                    self._lock.release()
        return self._loaded


VERSION = "2"
"""Changed when the same body gives other rows than before: an earlier night's are then not taken."""

# as many bytes as are read the slow way while the compiled code is loaded
PAYS = PaysOff(8_000_000)


class Projected(NamedTuple):
    """
    A page: a key for every row received (None where it has none), and the row as it lands.

    ``lines`` is the NDJSON of the rows, in their order; a row is what ``Projection.lines`` takes. ``aside`` are the
    breaks of those rows, by position, of which all or a part lands with no more than its key and the reason.
    ``mended`` are characters that were no text.
    """

    keys: list[int | str | None]
    rows: list[Any]
    total: int | None
    lines: bytes
    undeclared: Counter[tuple[str, str]]
    aside: dict[int, list[Break]]
    mended: int = 0


class _Kept(NamedTuple):
    """What is compiled of a shape at one time; replaced whole when a field is learned, so that threads may share it."""

    compiled: Compiled
    page: "msgspec.json.Decoder[Any]"
    row: "msgspec.json.Decoder[Any]"
    shape: Shape
    slicer: "list[Slicer | None]"


class Projection:
    """The projection of one listing. Safe to use from several threads."""

    def __init__(
        self,
        listing: Listing,
        tables: Iterable[Table],
        hash_key: bytes,
        told_before: Mapping[str, str] | None = None,
    ) -> None:
        """
        Compile the declarations of the tables the listing feeds. Raises DeclarationError when they contradict.

        ``told_before`` are undeclared names that were told the night before (``Names``).
        """
        self.listing = listing
        self.names = Names(hash_key, told_before)
        self._key = hash_key
        self._renames = renames.of(listing.renamed) if listing.renamed else None
        self._shape = build(tables, (*listing.key, *listing.key_with))
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()
        self._kept = self._compile()
        self._as_key: Callable[[Any], int | str | None] = _whole if listing.key_is_number else _text

    def _compile(self) -> _Kept:
        compiled = Compiled(self._shape, self._shape)
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
        if self.listing.envelope is None and given is None and (sliced := self._sliced(body)) is not None:
            return sliced
        page, count = envelope.mended_and(lambda text: self._parsed(text, given), body)
        return page._replace(mended=count)

    def _parsed(self, body: bytes, given: Mapping[str, int] | None) -> Projected:
        unique = envelope.names_are_unique(body)
        if self.listing.envelope is not None:
            raws = envelope.named_rows(body, *self.listing.envelope, unique)
            if self._renames is not None:
                self._renames.check(raws, f"{self.listing.api}.{self.listing.name}")
            return self._row_by_row(raws, None, given, unique)
        kept = self._kept
        try:
            page = kept.page.decode(body) if unique else None
        except msgspec.ValidationError:
            page = None
        except msgspec.DecodeError:
            raise envelope.Garbled("it is not complete JSON") from None
        if page is None:
            return self._row_by_row(*envelope.data_rows(body, unique), given, unique)
        envelope.check_code(page.code)
        if page.data is UNSET:
            raise envelope.Garbled("it has no data")
        total = envelope.total_of(page.totalCount)
        keys = self._keys(kept.compiled, page.data)
        undeclared: Counter[tuple[str, str]] = Counter()
        try:
            kept.compiled.clean(page.data, self._key, undeclared)
        except Misfit:
            keys = [None]
        if None in keys:
            return self._row_by_row(*envelope.data_rows(body, unique), given, unique)
        _give(kept.compiled, page.data, given)
        return Projected(keys, page.data, total, self._encoder.encode_lines(page.data), undeclared, {})

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
        envelope.check_code(page.code)
        total = envelope.total_of(page.total)
        keys: list[int | str | None] | None = None
        if page.numbers is not None:
            keys = [*page.numbers] if self.listing.key_is_number else None
        else:
            keys = self._keys_of(page.keys)
        if keys is None or None in keys or (self.listing.key_is_number and not all(map(_is_key, keys))):
            return None
        return Projected(keys, page.lines.splitlines(keepends=True), total, page.lines, page.undeclared, {})

    def _slicer(self, shape: Shape) -> "Slicer | None":
        from stockbook.jsonscan.scan import Slicer, Unsliceable

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

    def _row_by_row(
        self, raws: list[bytes], total: int | None, given: Mapping[str, int] | None, unique: bool
    ) -> Projected:
        kept = self._kept
        rows: list[Any] = []
        keys: list[int | str | None] = []
        undeclared: Counter[tuple[str, str]] = Counter()
        aside: dict[int, list[Break]] = {}
        for position, raw in enumerate(raws):
            row, marks, unknown = self._row(kept, raw, unique, undeclared)
            key = self._keys(kept.compiled, [row])[0]
            if key is None and not any(mark.steps == () for mark in marks):
                wanted = "a whole number" if self.listing.key_is_number else "a text"
                row, marks = self._aside(kept, raw, Break(f"the key must be {wanted}", self.listing.key[0]))
            rows.append(row)
            keys.append(key)
            if marks:
                aside[position] = [mark.found for mark in marks]
            if unknown:
                undeclared.update(self._reported(key, unknown))
        _give(kept.compiled, rows, given)
        return Projected(keys, rows, total, self._encoder.encode_lines(rows), undeclared, aside)

    def _row(
        self, kept: _Kept, raw: bytes, unique: bool, undeclared: Counter[tuple[str, str]]
    ) -> tuple[Any, list[Mark], list[tuple[Path, str]]]:
        """A row with the marks of what of it is set aside, and the fields nobody declared."""
        if unique:
            try:
                row = kept.row.decode(self._renames.row(Raw(raw)) if self._renames is not None else raw)
                known: Counter[tuple[str, str]] = Counter()
                kept.compiled.clean([row], self._key, known)
            except (msgspec.DecodeError, Misfit):
                pass
            else:
                undeclared.update(known)
                return row, [], []
        fitted = fit(self._shape, raw, self._renames)
        try:
            return self._marked(kept, fitted), fitted.marks, fitted.undeclared
        except (msgspec.DecodeError, Misfit):
            return *self._aside(kept, raw, Break("the row could not be read", "$")), []

    def _aside(self, kept: _Kept, raw: bytes, found: Break) -> tuple[Any, list[Mark]]:
        fitted = aside(self._shape, raw, found)
        return self._marked(kept, fitted), fitted.marks

    def _marked(self, kept: _Kept, fitted: Fitted) -> Any:
        row = kept.row.decode(fitted.token)
        kept.compiled.clean([row], self._key, Counter())
        for mark in fitted.marks:
            kept.compiled.set_aside(row, mark.steps, f"{mark.found.path}: {mark.found.reason}")
        return row

    def _reported(self, key: int | str | None, unknown: list[tuple[Path, str]]) -> Counter[tuple[str, str]]:
        """What is reported of the names of one row; one that is told from now on is dropped and counted from now on."""
        named = [(report_path(self._shape, path[:-1]), path[-1]) for path, _ in unknown]
        texts = self.names.report(key, named)
        told = {path for (path, _), text in zip(unknown, texts, strict=True) if self.names.is_told(text)}
        if told:
            self._learn(told)
        return Counter((text, kind) for text, (_, kind) in zip(texts, unknown, strict=True))

    def _learn(self, paths: set[Path]) -> None:
        """Drop and count these fields from now on without looking at each row."""
        with self._lock:
            new = [path for path in sorted(paths) if path[-1] != REASON and self._shape.learn(path)]
            if new:
                self._kept = self._compile()


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


def _is_key(number: Any) -> bool:
    # the highest id of a ledger decides what is read the next night
    return bool(abs(number) <= LARGEST_NUMBER)


def _whole(value: Any) -> int | None:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        return None
    is_key = isinstance(number, int) and not isinstance(number, bool) and _is_key(number)
    return number if is_key else None


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
