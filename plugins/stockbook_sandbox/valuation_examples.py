"""
The worked examples of docs/valuation.md, read out of the document.

An example is a heading ``### Example: <title>`` and the tables below it, told apart by the head of
their first column: ``movement``, ``purchase price of``, ``line of`` a receiving (given), ``cost of``,
``settlement of``, ``at the end of day`` and ``known on day`` (expected). Days are numbered from 1, variants have
letters, an empty cell is nothing. Tests run them through the replay, and the sandbox shop ``examples`` sells them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from stockbook.errors import ConfigError

FIGURES = ("FIFO landed", "FIFO bare", "average landed", "average bare")
_HEADING = re.compile(r"^### Example: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class MovementRow:
    """A movement as the document gives it; ``known`` is the day it was first seen when that was late."""

    id: int
    day: int
    variant: str
    direction: str
    quantity: int
    damaged: int
    price: Decimal | None
    extra: Decimal | None
    order: str | None
    transformation: int | None
    receiving: int | None
    known: int | None


@dataclass(frozen=True)
class PriceRow:
    """A purchase price of the catalogue from a day on."""

    variant: str
    day: int
    price: Decimal


@dataclass(frozen=True)
class ReceivingLineRow:
    """A line of a receiving, in the order of its list: pieces counted, and their price or none."""

    receiving: int
    variant: str
    pieces: int
    price: Decimal | None


@dataclass(frozen=True)
class Expected:
    """
    A row of figures: FIFO landed, FIFO bare, average landed, average bare.

    ``kind`` is the head of the table's first column. ``subject`` is a movement (cost of), an issue and
    its receipt (settlement of), or variant and pool (at the end of day, known on day); ``known`` the day of knowledge.
    ``unknown`` are pieces without a cost by FIFO and under the average, where the table has them.
    """

    kind: str
    subject: tuple[int | str, ...]
    day: int | None
    known: int | None
    pieces: int | None
    source: str | None
    figures: tuple[Decimal, ...]
    unknown: tuple[int, int] | None = None


@dataclass
class Example:
    """One worked example."""

    title: str
    movements: list[MovementRow] = field(default_factory=list)
    prices: list[PriceRow] = field(default_factory=list)
    lines: list[ReceivingLineRow] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)

    @property
    def variants(self) -> list[str]:
        """Letters of the variants, in order."""
        return sorted({moved.variant for moved in self.movements} | {priced.variant for priced in self.prices})


def read(document: Path) -> list[Example]:
    """
    Every example of a document.

    Raises ConfigError naming the example for a table that is not understood, or one without expectations.
    """
    try:
        text = document.read_text()
    except OSError as error:
        raise ConfigError(f"The worked examples were expected in {document}: {error.strerror}.") from error
    parts = _HEADING.split(text)[1:]
    examples = []
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        example = Example(title)
        for head, rows in _tables(re.split(r"^#{1,3} ", body, maxsplit=1, flags=re.MULTILINE)[0]):
            _take(example, head, rows)
        if not (example.movements and example.expected):
            raise ConfigError(f"Example {title!r} of {document.name}: expected movements and figures; one is missing.")
        examples.append(example)
    return examples


def _tables(body: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for block in re.findall(r"(?:^\|.*\|$\n?)+", body, flags=re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.strip().splitlines()]
        head, rows = lines[0], lines[2:]
        yield head[0], [dict(zip(head, row, strict=True)) for row in rows]


def _take(example: Example, head: str, rows: list[dict[str, str]]) -> None:
    readers: dict[str, Callable[[dict[str, str]], None]] = {
        "movement": lambda row: example.movements.append(_movement_row(row)),
        "purchase price of": lambda row: example.prices.append(
            PriceRow(row["purchase price of"], int(row["from day"]), Decimal(row["price"]))
        ),
        "line of": lambda row: example.lines.append(
            ReceivingLineRow(
                int(row["line of"]),
                row["variant"],
                int(row["pieces"]),
                Decimal(row["price"]) if row["price"] else None,
            )
        ),
    }
    for kind in ("cost of", "settlement of", "at the end of day", "known on day"):
        readers[kind] = lambda row, kind=kind: example.expected.append(_expected(kind, row))  # type: ignore[misc]  # mypy sees no default of a lambda
    if head not in readers:
        raise ConfigError(f"Example {example.title!r}: a table begins with {head!r}; known are {', '.join(readers)}.")
    for row in rows:
        try:
            readers[head](row)
        except (KeyError, ArithmeticError, ValueError) as error:
            raise ConfigError(
                f"Example {example.title!r}, table {head!r}: {row} is not understood ({error})."
            ) from error


def _movement_row(row: dict[str, str]) -> MovementRow:
    def number(name: str) -> int | None:
        return int(row[name]) if row.get(name) else None

    def money(name: str) -> Decimal | None:
        return Decimal(row[name]) if row.get(name) else None

    return MovementRow(
        id=int(row["movement"]),
        day=int(row["day"]),
        variant=row["variant"],
        direction=row["direction"],
        quantity=number("pieces") or 0,
        damaged=number("damaged") or 0,
        price=money("price"),
        extra=money("extra cost"),
        order=row.get("order") or None,
        transformation=number("transformation"),
        receiving=number("receiving"),
        known=number("first seen on day"),
    )


def _expected(kind: str, row: dict[str, str]) -> Expected:
    subject: tuple[int | str, ...]
    if kind == "cost of":
        subject = (int(row[kind]),)
    elif kind == "settlement of":
        subject = (int(row[kind]), int(row["by"]))
    else:
        subject = (row["variant"], row.get("pool") or "sellable")
    return Expected(
        kind=kind,
        subject=subject,
        day=int(row["at the end of day"] if kind == "known on day" else row[kind]) if "variant" in row else None,
        known=int(row[kind]) if kind == "known on day" else None,
        pieces=int(row["pieces"]) if row.get("pieces") else None,
        source=row.get("comes from") or None,
        figures=tuple(Decimal(row[name]) for name in FIGURES),
        unknown=(int(row["FIFO unknown"]), int(row["average unknown"])) if "FIFO unknown" in row else None,
    )
