"""
A listing's page reduced to what is declared, at the speed of a C parser.

Declarations are compiled to structs whose leaves are raw JSON tokens: digits, escapes and
types land as they came, and a field nobody declared raises instead of passing. Such a page is looked at
row by row (``odd_rows``): the field is left out and counted, what breaks the declared nesting lands as its key and a
reason. No value of either leaves this module.

A scanner may be handed in. It is tried first; what it is not sure of is decoded here.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from stockbook.declarations import Table
from stockbook.landing.pages import REASON
from stockbook.projection import envelope, renames
from stockbook.projection.diagnosis import Break, report_path
from stockbook.projection.erased import RowEraser, time_of
from stockbook.projection.erasures import Erasures
from stockbook.projection.fields import Path, build
from stockbook.projection.listing import Listing
from stockbook.projection.odd_rows import Fitted, Mark, fit, set_aside
from stockbook.projection.row_keys import RowKeys
from stockbook.projection.scanned_page import PageScanner, ScannerOf
from stockbook.projection.structs import Compiled, Misfit
from stockbook.projection.undeclared_names import Names

VERSION = "5"
"""Changed when the same body gives other rows than before: an earlier night's are then not taken."""


class Projected(NamedTuple):
    """
    A page: a key for every row received (None where it has none), and the row as it lands.

    ``lines`` is the NDJSON of the rows, in their order. ``set_aside`` are the breaks of those rows, by position, of
    which all or a part lands with no more than its key and the reason. ``mended`` are characters that were no text.
    """

    keys: list[int | str | None]
    total: int | None
    lines: bytes
    undeclared: Counter[tuple[str, str]]
    set_aside: dict[int, list[Break]]
    mended: int = 0

    def lines_at(self, positions: list[int]) -> bytes:
        """The NDJSON of the rows at these positions, which ascend."""
        lines = self.lines
        if positions and positions[-1] - positions[0] == len(positions) - 1:
            # a page goes on from the last row of the one before: all but its first row are cut off in one piece
            start, end = 0, len(lines)
            for _ in range(positions[0]):
                start = lines.index(b"\n", start) + 1
            for _ in range(len(self.keys) - 1 - positions[-1]):
                end = lines.rindex(b"\n", 0, end - 1) + 1
            return lines[start:end]
        rows = lines.splitlines(keepends=True)
        return b"".join([rows[at] for at in positions])


class _Compiled(NamedTuple):
    """What is compiled of a shape at one time; replaced whole when a field is learned, so that threads may share it."""

    compiled: Compiled
    page: "msgspec.json.Decoder[Any]"
    row: "msgspec.json.Decoder[Any]"
    scanner: PageScanner | None


class Projection:
    """The projection of one listing. Safe to use from several threads."""

    def __init__(
        self,
        listing: Listing,
        tables: Iterable[Table],
        hash_key: bytes,
        reported_before: Mapping[str, str] | None = None,
        scanner_of: ScannerOf | None = None,
        forgotten: tuple[Erasures, str] | None = None,
    ) -> None:
        """
        Compile the declarations of the tables the listing feeds. Raises DeclarationError when they contradict.

        ``reported_before`` are undeclared names that were reported the night before (``Names``). ``scanner_of`` makes a
        scanner that reads pages faster. ``forgotten`` is the list of whom nothing may land, and the account.
        """
        self.listing = listing
        self._scanner_of = scanner_of
        self.names = Names(hash_key, reported_before, forgotten[0] if forgotten else None)
        self._key = hash_key
        self._renames = renames.of(listing.renamed) if listing.renamed else None
        tables = list(tables)
        self._row_keys = RowKeys(listing)
        self._shape = build(tables, self._row_keys.fields)
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()
        self._eraser = None
        if forgotten and forgotten[0]:
            eraser = RowEraser(forgotten[0], self._shape, listing.api, forgotten[1], listing.key, time_of(tables))
            self._eraser = eraser if eraser.is_needed else None
        self._current = self._compile()

    def _compile(self) -> _Compiled:
        compiled = Compiled(self._shape, self._shape)
        page = msgspec.defstruct(
            "Page",
            [("code", Raw, UNSET), ("totalCount", Raw, UNSET), ("data", list[compiled.type], UNSET)],  # type: ignore[name-defined]  # made at run time
        )
        row = msgspec.json.Decoder(compiled.type)
        scanner = self._scanner_of and self._scanner_of(deepcopy(self._shape), self._row_keys.fields)
        return _Compiled(compiled, msgspec.json.Decoder(page), row, scanner)

    def read(self, body: bytes, constants: Mapping[str, int] | None = None) -> Projected:
        """
        A page from a body; ``constants`` are written into every row, under first-level fields it does not have itself.

        Raises Garbled or Denied when the body is no page, BadAnswer when its rows have other names than any we know.
        """
        page = self._read(body, constants)
        rows = self._eraser.page(page.lines) if self._eraser is not None else None
        return page if rows is None else page._replace(lines=b"".join(rows))

    def _read(self, body: bytes, constants: Mapping[str, int] | None) -> Projected:
        if self.listing.envelope is None and constants is None and (scanned := self._scanned(body)) is not None:
            return scanned
        page, count = envelope.mended_and(lambda text: self._parsed(text, constants), body)
        return page._replace(mended=count)

    def _parsed(self, body: bytes, constants: Mapping[str, int] | None) -> Projected:
        unique = envelope.names_are_unique(body)
        if self.listing.envelope is not None:
            raws = envelope.named_rows(body, *self.listing.envelope, unique)
            if self._renames is not None:
                self._renames.check(raws, f"{self.listing.api}.{self.listing.name}")
            return self._row_by_row(raws, None, constants, unique)
        current = self._current
        try:
            page = current.page.decode(body) if unique else None
        except msgspec.ValidationError:
            page = None
        except msgspec.DecodeError:
            raise envelope.Garbled("it is not complete JSON") from None
        if page is None:
            return self._row_by_row(*envelope.data_rows(body, unique), constants, unique)
        envelope.check_code(page.code)
        if page.data is UNSET:
            raise envelope.Garbled("it has no data")
        total = envelope.total_of(page.totalCount)
        keys = self._row_keys.of_structs(current.compiled, page.data)
        undeclared: Counter[tuple[str, str]] = Counter()
        try:
            current.compiled.clean(page.data, self._key, undeclared)
        except Misfit:
            keys = [None]
        if None in keys:
            return self._row_by_row(*envelope.data_rows(body, unique), constants, unique)
        _give(current.compiled, page.data, constants)
        return Projected(keys, total, self._encoder.encode_lines(page.data), undeclared, {})

    def _scanned(self, body: bytes) -> Projected | None:
        """The page as the scanner reads it, None where it is not sure of it or there is none."""
        scanner = self._current.scanner
        page = scanner.read(body, self._key) if scanner is not None else None
        if page is None:
            return None
        envelope.check_code(page.code)
        total = envelope.total_of(page.total)
        if page.numbers is None:
            keys = self._row_keys.of_values(page.keys)
        elif self._row_keys.are_keys(page.numbers):
            keys = [*page.numbers]
        else:
            return None
        if None in keys:
            return None
        return Projected(keys, total, page.lines, page.undeclared, {})

    def _row_by_row(
        self, raws: list[bytes], total: int | None, constants: Mapping[str, int] | None, unique: bool
    ) -> Projected:
        current = self._current
        rows: list[Any] = []
        keys: list[int | str | None] = []
        undeclared: Counter[tuple[str, str]] = Counter()
        aside: dict[int, list[Break]] = {}
        for position, raw in enumerate(raws):
            row, marks, unknown = self._row(current, raw, unique, undeclared)
            key = self._row_keys.of_structs(current.compiled, [row])[0]
            if key is None and not any(mark.steps == () for mark in marks):
                wanted = "a whole number" if self.listing.key_is_number else "a text"
                row, marks = self._aside(current, raw, Break(f"the key must be {wanted}", self.listing.key[0]))
            rows.append(row)
            keys.append(key)
            if marks:
                aside[position] = [mark.broken for mark in marks]
            if unknown:
                undeclared.update(self._reported(key, unknown))
        _give(current.compiled, rows, constants)
        return Projected(keys, total, self._encoder.encode_lines(rows), undeclared, aside)

    def _row(
        self, current: _Compiled, raw: bytes, unique: bool, undeclared: Counter[tuple[str, str]]
    ) -> tuple[Any, list[Mark], list[tuple[Path, str]]]:
        """A row with the marks of what of it is set aside, and the fields nobody declared."""
        if unique:
            try:
                row = current.row.decode(self._renames.row(Raw(raw)) if self._renames is not None else raw)
                learned: Counter[tuple[str, str]] = Counter()
                current.compiled.clean([row], self._key, learned)
            except (msgspec.DecodeError, Misfit):
                pass
            else:
                undeclared.update(learned)
                return row, [], []
        fitted = fit(self._shape, raw, self._renames)
        try:
            return self._marked(current, fitted), fitted.marks, fitted.undeclared
        except (msgspec.DecodeError, Misfit):
            return *self._aside(current, raw, Break("the row could not be read", "$")), []

    def _aside(self, current: _Compiled, raw: bytes, broken: Break) -> tuple[Any, list[Mark]]:
        fitted = set_aside(self._shape, raw, broken)
        return self._marked(current, fitted), fitted.marks

    def _marked(self, current: _Compiled, fitted: Fitted) -> Any:
        row = current.row.decode(fitted.token)
        current.compiled.clean([row], self._key, Counter())
        for mark in fitted.marks:
            current.compiled.set_aside(row, mark.steps, f"{mark.broken.path}: {mark.broken.reason}")
        return row

    def _reported(self, key: int | str | None, unknown: list[tuple[Path, str]]) -> Counter[tuple[str, str]]:
        """What is reported of the names of one row; those reported in clear are dropped and counted from now on."""
        named = [(report_path(self._shape, path[:-1]), path[-1]) for path, _ in unknown]
        texts = self.names.report(key, named)
        reported = {path for (path, _), text in zip(unknown, texts, strict=True) if self.names.is_reported(text)}
        if reported:
            self._learn(reported)
        return Counter((text, kind) for text, (_, kind) in zip(texts, unknown, strict=True))

    def _learn(self, paths: set[Path]) -> None:
        """Drop and count these fields from now on without looking at each row."""
        with self._lock:
            new = [path for path in sorted(paths) if path[-1] != REASON and self._shape.learn(path)]
            if new:
                self._current = self._compile()


def texts_in(lines: bytes, field: str) -> set[str]:
    """The distinct texts that rows of NDJSON have in a first-level field."""
    values = {row.value for row in _only(field).decode_lines(lines)}
    return {value for value in values if isinstance(value, str) and value}


@cache
def _only(field: str) -> "msgspec.json.Decoder[Any]":
    kind = msgspec.defstruct("Only", [("value", str | int | float | bool | None, None)], rename={"value": field})
    return msgspec.json.Decoder(kind)


def _give(compiled: Compiled, rows: list[Any], constants: Mapping[str, int] | None) -> None:
    for name, value in (constants or {}).items():
        for row in rows:
            setattr(row, compiled.attributes[name], value)
