"""What a query answered, as text: DuckDB's table where it fits, else every column on a line of its own; CSV; JSON."""

import json
import math
import re
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from typing import IO, TYPE_CHECKING

from stockbook.errors import ConfigError
from stockbook.export.csv_lines import chunks
from stockbook.warehouse.published_names import TABLES

if TYPE_CHECKING:
    import duckdb

# DuckDB's own table never shows more of an answer
TABLE_ROWS = 10_000
ROWS = 100


class Format(StrEnum):
    """How an answer is written."""

    auto = "auto"
    table = "table"
    expanded = "expanded"
    csv = "csv"
    json = "json"


@dataclass(frozen=True)
class Printer:
    """
    Writes answers to ``out``.

    ``width`` is the columns of the terminal, None where there is none. ``rows`` are written at most, 0 is all;
    None is 100 for people (table, expanded) and all for programs (csv, json). ``auto`` is a table, and where one is
    wider than the terminal every column on a line of its own. In CSV a text that a spreadsheet would take for a formula
    stands behind an apostrophe, unless ``as_is``.
    """

    out: IO[str]
    format: Format = Format.auto
    rows: int | None = None
    width: int | None = None
    as_is: bool = False

    def answer(self, con: "duckdb.DuckDBPyConnection", text: str) -> None:
        """
        Run the statements of ``text`` in their order and write what each answers.

        An empty line stands between two answers, but for JSON.

        Raises ConfigError at the first that fails, saying which; those before it have been written.
        """
        from stockbook.warehouse.allowed_statements import readable
        from stockbook.warehouse.readers import asked

        with asked("The query cannot be answered"):
            statements = readable(con, text)
        for number, statement in enumerate(statements, 1):
            which = f"{_which(number, len(statements))} cannot be answered"
            try:
                with asked(which):
                    is_show_tables = re.fullmatch(r"\s*show\s+tables\s*;?\s*", statement.query, re.IGNORECASE)
                    answer = con.sql(TABLES) if is_show_tables else con.sql(statement)
                    if answer is not None:
                        if number > 1 and self.format != Format.json:
                            self.out.write("\n")
                        self._write(answer)
            except (RecursionError, OverflowError) as error:
                reason = f"a value is too large to be written ({type(error).__name__})."
                raise ConfigError(f"{which}: {reason}") from error

    def _write(self, answer: "duckdb.DuckDBPyRelation") -> None:
        if self.format == Format.csv:
            self._csv(answer)
        elif self.format == Format.json:
            distinct = answer.project("*")  # of two columns of one name the second is renamed
            for row in _rows(distinct, self.rows or 0)[0]:
                named = {name: _as_json(value) for name, value in zip(distinct.columns, row, strict=True)}
                self.out.write(json.dumps(named, ensure_ascii=False, allow_nan=False) + "\n")
        elif self.format == Format.expanded or not self._table(answer):
            self._expanded(answer)

    def _table(self, answer: "duckdb.DuckDBPyRelation") -> bool:
        """Write DuckDB's table with all its columns; False when there is too little room for it."""
        limited = self.format == Format.auto and self.width is not None
        headings = zip(answer.columns, answer.types, strict=True)
        if limited and sum(3 + max(len(name), len(str(kind))) for name, kind in headings) >= (self.width or 0):
            return False
        rows = self._people()
        if not 0 < rows <= TABLE_ROWS and len(answer.limit(TABLE_ROWS + 1).fetchall()) > TABLE_ROWS:
            raise ConfigError(
                f"A table is written of at most {TABLE_ROWS:,} rows, and there are more: choose another --format "
                "(csv, json, expanded) or a --limit."
            )
        text = StringIO()
        with redirect_stdout(text):
            answer.show(max_rows=rows or TABLE_ROWS, max_width=1_000_000_000)
        drawn = text.getvalue().rstrip("\n")
        if limited and len(drawn.partition("\n")[0]) > (self.width or 0):
            return False
        self.out.write(drawn + "\n")
        return True

    def _expanded(self, answer: "duckdb.DuckDBPyRelation") -> None:
        names = answer.columns
        rows, more = _rows(_as_text(answer), self._people())
        margin = max(map(len, names))
        room = max((self.width or 1_000_000_000) - margin - 3, 20)
        for number, row in enumerate(rows, 1):
            self.out.write(f"{f'-- row {number} ':-<{min(self.width or 60, 60)}}\n")
            for name, value in zip(names, row, strict=True):
                lines = ["NULL"] if value is None else list(_lines(value, room))
                for at, line in enumerate(lines):
                    self.out.write(f"{'' if at else name:{margin}} | {line}\n")
        count = f"{len(rows)} row{'s' * (len(rows) != 1)}"
        self.out.write(f"({count}; there are more: --limit 0 writes all)\n" if more else f"({count})\n")

    def _csv(self, answer: "duckdb.DuckDBPyRelation") -> None:
        # all of it before the first line: of an answer that fails nothing is printed
        for _, lines in list(chunks(answer.limit(self.rows) if self.rows else answer, self.as_is)):
            self.out.write(lines.decode())

    def _people(self) -> int:
        return ROWS if self.rows is None else self.rows


def _which(number: int, of: int) -> str:
    return "The query" if of == 1 else f"Statement {number} of {of}"


def _as_json(value: object) -> object:
    """A value as JSON has it: NaN and the infinities, which it has not, are null; what it cannot say is text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def terminal_width(out: IO[str]) -> int | None:
    """The columns of the terminal that ``out`` is, None when it is none."""
    return shutil.get_terminal_size().columns if out.isatty() else None


def _as_text(answer: "duckdb.DuckDBPyRelation") -> "duckdb.DuckDBPyRelation":
    """Every value as DuckDB itself writes it."""
    return answer.project("cast(columns(*) as varchar)")


def _rows(answer: "duckdb.DuckDBPyRelation", limit: int) -> tuple[list[tuple[object, ...]], bool]:
    """The first ``limit`` rows (0: all), and whether there are more."""
    rows = answer.limit(limit + 1).fetchall() if limit else answer.fetchall()
    return (rows[:limit], len(rows) > limit) if limit else (rows, False)


def _lines(value: object, room: int) -> Iterator[str]:
    for line in str(value).splitlines() or [""]:
        yield from textwrap.wrap(line, room, drop_whitespace=False) or [""]
