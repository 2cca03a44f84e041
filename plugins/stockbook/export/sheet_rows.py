"""
Rows of a sheet, each written at once.

XlsxWriter keeps every cell, asks it for its format and escapes each attribute: some seven microseconds a cell, and the
workbook of a month has a quarter of a million. Here a row is one text, and a cell a part of it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

if TYPE_CHECKING:
    from xlsxwriter.format import Format

# column, name of the format, and what stands there: a number, a truth or a text
Cell = tuple[int, str, float | str]
# names of categories, pools and products stand in many rows
_REMEMBERED = 20_000


class RowSheet(Worksheet):  # type: ignore[misc]  # XlsxWriter has no types
    """A sheet of a workbook in constant memory that takes whole rows too, below all that was written before."""

    def write_rows(self, first: int, columns: int, formats: Mapping[str, "Format"], rows: Iterable[list[Cell]]) -> None:
        """Rows from ``first``, counted from 0, on."""
        # a format gets its number when it is first asked for it
        numbers = {name: style._get_xf_index() for name, style in formats.items()}  # has no public name
        behind = {name: f'" s="{number}"><v>' for name, number in numbers.items()}
        names, text_cell = [xl_col_to_name(at) for at in range(columns)], self._text_cells(numbers)
        self._write_single_row(first)  # what waits of the row above
        row = first
        for cells in rows:
            row += 1
            parts = [f'<row r="{row}">']
            for column, name, value in cells:
                if isinstance(value, str):
                    parts.append(f'<c r="{names[column]}{row}{text_cell(name, value)}')
                elif value is True or value is False:
                    parts.append(f'<c r="{names[column]}{row}" s="{numbers[name]}" t="b"><v>{value:d}</v></c>')
                else:
                    parts.append(f'<c r="{names[column]}{row}{behind[name]}{value!r}</v></c>')
            parts.append("</row>")
            self.row_data_fh.write("".join(parts))
        self._check_dimensions(row - 1, columns - 1)
        self.previous_row = row

    def _text_cells(self, numbers: Mapping[str, int]) -> Callable[[str, str], str]:
        @lru_cache(_REMEMBERED)
        def text_cell(name: str, text: str) -> str:
            space = ' xml:space="preserve"' if text != text.strip() else ""
            escaped = self._escape_data(self._escape_control_characters(text))
            return f'" s="{numbers[name]}" t="inlineStr"><is><t{space}>{escaped}</t></is></c>'

        return text_cell
