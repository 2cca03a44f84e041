"""An answer as a workbook: its rows as they are, a second sheet when one is full, and what the columns mean."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook.counted import counted
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.export.cells import Kind
from stockbook.export.workbook import CELL_LETTERS, SHEET_COLUMNS, SHEET_ROWS, Column, book

if TYPE_CHECKING:
    import duckdb

_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)", "id"),
    (r"DECIMAL\(\d+,0\)", "id"),
    (r"(DECIMAL\(.*\)|FLOAT|DOUBLE)", "number"),
    (r"BOOLEAN", "flag"),
    (r"DATE", "day"),
    (r"TIMESTAMP(_S|_MS|_NS)?", "time"),
)
_FETCHED = 5_000


def write(answer: "duckdb.DuckDBPyRelation", file: Path, name: str, declared: Table | None) -> tuple[int, list[str]]:
    """Write it; returns the rows and notes. Raises ConfigError for more columns than a sheet has."""
    distinct = answer.project("*")  # of two columns of one name the second is renamed
    if len(distinct.columns) > SHEET_COLUMNS:
        raise ConfigError(f"A sheet has at most {SHEET_COLUMNS:,} columns; {name} has {len(distinct.columns):,}.")
    kinds = [_kind(str(kind)) for kind in answer.types]
    columns = [Column(heading, kind) for heading, kind in zip(distinct.columns, kinds, strict=True)]
    written, sheets = 0, 0
    with book(file, title=name) as workbook:
        rows = _rows(distinct.project(_as_kinds(distinct.columns, kinds)))
        extra: Sequence[object] | None = ()
        while extra is not None:
            sheet = workbook.sheet(name, name)
            ahead = [extra] if extra else []
            count, extra = workbook.rows(sheet, 0, columns, chain(ahead, rows))
            written, sheets = written + count, sheets + 1
        notes = [f"They stand in {sheets} sheets: a sheet has {SHEET_ROWS:,} rows."] if sheets > 1 else []
        if workbook.cut_texts:
            cut = counted(workbook.cut_texts, "text")
            notes.append(f"Cut at {CELL_LETTERS:,} letters, all that a cell holds: {cut}.")
        if declared is not None:
            about = [(n, c.type, c.unit or "", c.description) for n, c in declared.columns.items()]
            headings = [Column(text, "text", 70) for text in ("Column", "Type", "Unit", "Meaning")]
            workbook.rows(workbook.sheet("Columns", name), 0, headings, about)
        return written, notes


def _kind(type_: str) -> Kind:
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, type_)), "text")


def _as_kinds(names: Sequence[str], kinds: Sequence[Kind]) -> str:
    """Each column as its kind: amounts as a cell holds them, what a cell has no kind for as DuckDB writes it."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    types = {"text": "varchar", "number": "double"}
    return ", ".join(
        f"cast({name} as {types[kind]}) as {name}" if kind in types else name
        for name, kind in zip(quoted, kinds, strict=True)
    )


def _rows(answer: "duckdb.DuckDBPyRelation") -> Iterator[Sequence[object]]:
    while rows := answer.fetchmany(_FETCHED):
        yield from rows
