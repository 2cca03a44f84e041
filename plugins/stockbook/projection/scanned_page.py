"""What a scanner of pages gives to the projection. The compiled one is ``jsonscan``; it lies above and is handed in."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from stockbook.projection.fields import Shape


class ScannedPage(NamedTuple):
    """
    A page: the NDJSON of its rows, the values of their key fields, the tokens of its envelope.

    ``numbers`` are the keys where all of them are single whole numbers; ``keys`` are read only where they are None.
    """

    lines: bytes
    numbers: list[int] | None
    keys: list[tuple[Any, ...]]
    code: Any
    total: Any
    undeclared: Counter[tuple[str, str]]


class PageScanner(Protocol):
    """Reads the pages of one listing. Safe to use from several threads."""

    def read(self, body: bytes, hash_key: bytes) -> ScannedPage | None:
        """A page of a body, None where it must be decoded."""
        ...


ScannerOf = Callable[[Shape, tuple[str, ...]], PageScanner]
"""Makes the scanner of a shape and its first-level key fields."""
