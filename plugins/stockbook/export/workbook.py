"""
A workbook for people: sheets that stream to the disk, numbers as numbers, texts that stay texts, ready for A4 paper.

A cell holds a number of 15 to 17 digits and no decimal. So what must be exact to the last digit stands beside the
number as text. The bytes depend on the rows alone: the same answer makes the same file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockbook.export.cells import LETTERS, Kind, held, length
from stockbook.export.formulas import is_like_formula

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from stockbook.export.sheet_rows import Cell, RowSheet

SHEET_ROWS, SHEET_COLUMNS, CELL_LETTERS, NAME_LETTERS = 1_048_576, 16_384, 32_767, 31
_A4 = 9
_LOOKED_AT = 200
_WIDEST = 48
_OPTIONS: Mapping[str, object] = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_FORMATS: Mapping[str, str] = {
    "id": "0",
    "pieces": "#,##0",
    "money": "#,##0.00",
    "number": "#,##0.00####",
    "share": "0.0 %",
    "day": "yyyy-mm-dd",
    "time": "yyyy-mm-dd hh:mm:ss",
}
# room for a total to the last digit
_LEAST: Mapping[Kind, int] = {"money": 12}
_COLOUR, _SOFT = "#E8EEF4", "#595959"


@dataclass(frozen=True)
class Column:
    """
    A column of a sheet: its heading, what it holds, and in letters how wide it is at most.

    Of one that ``is_sparse`` a 0 is left out, as of movements, which most rows have few of.
    """

    heading: str
    kind: Kind = "text"
    widest: int = _WIDEST
    is_sparse: bool = False


class Book:
    """A workbook that is being written; ``cut_texts`` counts those that no cell could hold whole."""

    def __init__(self, workbook: "Workbook", mark: str = "") -> None:
        """``mark`` stands on top of each printed page."""
        self.workbook, self.mark = workbook, mark
        self._formats: dict[tuple[str, ...], Format] = {}
        self._names: set[str] = set()
        self.cut_texts = 0

    def sheet(self, name: str, footer: str = "", *, is_wide: bool = True) -> "RowSheet":
        """A new sheet of A4, fitted to the width of the page, with page numbers."""
        from stockbook.export.sheet_rows import RowSheet

        sheet: RowSheet = self.workbook.add_worksheet(self._free_name(name), RowSheet)
        if is_wide:
            sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.5, right=0.5, top=0.75 if self.mark else 0.5, bottom=0.7)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        sheet.set_footer(f"&L&8{_plain(footer)}&C&8{_plain(name)}&R&8&P / &N")
        if self.mark:
            sheet.set_header(f'&C&"Arial,Bold"&12{_plain(self.mark)}')
        return sheet

    def style(self, *words: str) -> "Format":
        """A format by words such as ``bold`` or a kind of column; one for each combination."""
        if words not in self._formats:
            properties: dict[str, Any] = {"font_name": "Arial", "font_size": 9, "valign": "vcenter"}
            for word in words:
                properties |= _PROPERTIES.get(word) or {"num_format": _FORMATS[word]}
            self._formats[words] = self.workbook.add_format(properties)
        return self._formats[words]

    def cell(self, sheet: "Worksheet", row: int, column: int, value: object, kind: Kind, *words: str) -> None:
        """Write a value; what a cell cannot hold as its kind is written as text."""
        if value is None:
            return
        kind, content = held(value, kind)
        if isinstance(content, str):
            self.text(sheet, row, column, content, *words)
        elif isinstance(content, bool):
            sheet.write_boolean(row, column, content, self.style(kind, *words))
        else:
            sheet.write_number(row, column, content, self.style(kind, *words))

    def rows(
        self, sheet: "RowSheet", top: int, columns: Sequence[Column], rows: Iterable[Sequence[object]]
    ) -> tuple[int, Sequence[object] | None]:
        """
        A heading in row ``top`` and rows below it, as many as the sheet takes: frozen, filtered, repeated in print.

        Returns how many were written, and the first that was not.
        """
        letters = [max(LETTERS.get(c.kind, 0), _LEAST.get(c.kind, 0), *map(len, c.heading.split())) for c in columns]
        if any(" " in column.heading for column in columns):
            sheet.set_row(top, 26)
        for at, column in enumerate(columns):
            self.text(sheet, top, at, column.heading, "heading", *(["right"] if column.kind in _ON_RIGHT else []))
        count, extra = 0, None
        places = [(at, column.kind, column.is_sparse) for at, column in enumerate(columns)]

        def cells_of_rows() -> Iterator["list[Cell]"]:
            nonlocal count, extra
            for row in rows:
                if top + 1 + count == SHEET_ROWS:
                    extra = row
                    return
                count += 1
                if count <= _LOOKED_AT:
                    for at, kind, _ in places:
                        letters[at] = max(letters[at], length(row[at], kind))
                yield [
                    (at, *self._content(value, kind))
                    for (at, kind, is_sparse), value in zip(places, row, strict=True)
                    if value is not None and not (is_sparse and value == 0)
                ]

        formats = {word: self.style(word) for word in _FORMATS} | {"text": self.style(), "quoted": self.style("quoted")}
        formats["flag"] = self.style("flag")
        sheet.write_rows(top + 1, len(columns), formats, cells_of_rows())
        for at, column in enumerate(columns):
            sheet.set_column(at, at, min(letters[at], column.widest) + 2)
        sheet.freeze_panes(top + 1, 0)
        sheet.autofilter(top, 0, top + max(count, 1), len(columns) - 1)
        sheet.repeat_rows(top)
        return count, extra

    def text(self, sheet: "Worksheet", row: int, column: int, text: str, *words: str) -> None:
        """Write a text, which stays one whatever it begins with."""
        # marked as text, so that it is none when somebody edits the cell either
        style = self.style(*words, *(["quoted"] if is_like_formula(text) else []))
        sheet.write_string(row, column, self._fitting(text), style)

    def _content(self, value: object, kind: Kind) -> tuple[str, float | str]:
        """The word of the format of a value in a row, and what stands in its cell."""
        if type(value) is not str:
            kind, content = held(value, kind)
            if not isinstance(content, str):
                return kind, content
            value = content
        return "quoted" if is_like_formula(value) else "text", self._fitting(value)

    def _fitting(self, text: str) -> str:
        if len(text) <= CELL_LETTERS:
            return text
        self.cut_texts += 1
        return text[: CELL_LETTERS - 1] + "…"

    def _free_name(self, name: str) -> str:
        plain = "".join("-" if sign in "[]:*?/\\" else sign for sign in name).strip("'") or "Sheet"
        tries = (f"{plain[: NAME_LETTERS - len(end)]}{end}" for end in ("", *(f" {n}" for n in range(2, 10_000))))
        free = next(text for text in tries if text.lower() not in self._names)
        self._names.add(free.lower())
        return free


_ON_RIGHT = ("pieces", "money", "number", "share")
_PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "text": {"text_wrap": True},
    "flag": {"align": "left"},
    "id": {"num_format": _FORMATS["id"], "align": "left"},
    "day": {"num_format": _FORMATS["day"], "align": "left"},
    "time": {"num_format": _FORMATS["time"], "align": "left"},
    "bold": {"bold": True},
    "heading": {"bold": True, "bg_color": _COLOUR, "bottom": 1, "text_wrap": True},
    "right": {"align": "right"},
    "title": {"bold": True, "font_size": 16},
    "part": {"bold": True, "font_size": 11},
    "soft": {"font_color": _SOFT},
    "exact": {"font_color": _SOFT, "font_size": 7, "align": "right", "text_wrap": True},
    "wrapped": {"text_wrap": True},
    "warning": {"bold": True, "font_color": "#9C1C1C"},
    "above": {"top": 1},
    "quoted": {"quote_prefix": True},
}


@contextmanager
def book(file: Path, mark: str = "", title: str = "") -> Iterator[Book]:
    """A workbook written to ``file`` row by row; its sheets wait in a folder beside it. Raises OSError."""
    from tempfile import TemporaryDirectory

    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    with TemporaryDirectory(prefix=f"{file.name}.", dir=file.parent) as folder:
        workbook = Workbook(str(file), {**_OPTIONS, "tmpdir": folder})
        workbook.set_properties({"title": title, "author": "Stockbook", "created": datetime(2000, 1, 1, tzinfo=UTC)})
        try:
            yield Book(workbook, mark)
            workbook.close()
        except FileCreateError as error:
            cause = error.args[0] if error.args else error
            raise cause if isinstance(cause, OSError) else OSError(str(cause)) from error


def _plain(text: str) -> str:
    """A text of a header or footer, where ``&`` begins a command."""
    return text.replace("&", "&&")[:200]
