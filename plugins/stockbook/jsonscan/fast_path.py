"""
The one switch of the fast path, and the sizes from which it pays.

Loading the compiled code takes about as long as the plain way needs for some megabytes, so a process loads it once it
has seen more. With ``STOCKBOOK_JSON_FAST_PATH=no`` every page and every listing takes the plain way.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stockbook.landing.landed_shape import Node
from stockbook.projection.fields import Shape
from stockbook.projection.scanned_page import ScannedPage
from stockbook.settings import has_json_fast_path

if TYPE_CHECKING:
    from stockbook.jsonscan.columns import Columns
    from stockbook.jsonscan.scan import PageTables


__all__ = ["Columns", "Scanner", "Thresholds", "Warmth", "columns_of", "process", "warm_up"]


class Thresholds(NamedTuple):
    """
    From how many bytes on the fast path pays.

    ``pages_from`` are bytes of answers that a process reads before it loads the scanner: msgspec reads as many while
    it is loaded. ``columns_from`` are bytes of a listing's landed lines, as many as DuckDB parses while the code is
    loaded. Above ``columns_to`` DuckDB parses again: columns take memory, two thirds of their lines, and DuckDB's own
    tables can go to disk.
    """

    pages_from: int = 8_000_000
    columns_from: int = 32 * 1024 * 1024
    columns_to: int = 1024 * 1024 * 1024


class Warmth:
    """What one process has read so far, and which compiled code it has loaded."""

    def __init__(self, thresholds: Thresholds = Thresholds()) -> None:  # noqa: B008  # a constant
        """Begin cold."""
        self._thresholds = thresholds
        self._bytes_read = 0
        self._has_scanner = self._has_columns = False
        self._lock = threading.Lock()

    def is_warm(self, size: int) -> bool:
        """Count a page of ``size`` bytes; true once pages can be scanned, for which the code is loaded."""
        if not has_json_fast_path():
            return False
        if not self._has_scanner:
            self._bytes_read += size
            if self._bytes_read > self._thresholds.pages_from:
                # one thread loads the code, the others wait: decoding they would hold it up, and twice the work is done
                with self._lock:
                    if not self._has_scanner:
                        from stockbook.jsonscan import scan

                        scan.warm_up()
                        self._has_scanner = True
        return self._has_scanner

    def is_worth_columns(self, sizes: list[int]) -> bool:
        """Whether landed pages of these sizes are read as columns; from then on smaller listings are, too."""
        size = sum(sizes)
        is_large = size >= self._thresholds.columns_from or (self._has_columns and bool(sizes))
        if not is_large or size > self._thresholds.columns_to or not has_json_fast_path():
            return False
        self._has_columns = True
        return True


process = Warmth()
"""The state of this process."""


class Scanner:
    """The scanner of one listing's pages. Safe to use from several threads."""

    def __init__(self, shape: Shape, keys: tuple[str, ...]) -> None:
        """Of a shape that does not change any more; ``keys`` are its first-level key fields."""
        self._shape, self._keys = shape, keys
        self._tables: PageTables | None = None
        self._is_unusual = False

    def read(self, body: bytes, hash_key: bytes) -> ScannedPage | None:
        """A page of a body, None where the plain way must read it."""
        if not process.is_warm(len(body)) or self._is_unusual:
            return None
        tables = self._tables
        if tables is None:
            from stockbook.jsonscan.scan import PageTables, UnusualShape

            try:
                tables = self._tables = PageTables(self._shape, self._keys)
            except UnusualShape:
                self._is_unusual = True
                return None
        return tables.read(body, hash_key)


def columns_of(root: Node, files: list[Path], sizes: list[int], threads: int) -> "Columns | None":
    """The columns of landed pages and their sizes in bytes, None where DuckDB must parse them."""
    if not process.is_worth_columns(sizes):
        return None
    from stockbook.jsonscan.column_layout import Unsure
    from stockbook.jsonscan.columns import read_columns

    try:
        return read_columns(root, files, threads)
    except Unsure:
        return None


def warm_up() -> None:
    """Load the compiled code, and compile it where no cache of it is kept."""
    from stockbook.jsonscan import columns, scan

    scan.warm_up()
    columns.warm_up()
