"""A sheet of a month's workbook: its title, its total, as a number and to the last digit, and its rows."""

from collections.abc import Iterable, Sequence

from stockbook.export.cells import exact_text
from stockbook.export.month import Month
from stockbook.export.workbook import Book, Column

NO_CATEGORY = "(no category)"
NAMES = {
    "code": Column("Code", widest=14),
    "ext_code": Column("Shop's code", widest=14),
    "product_name": Column("Product", widest=28),
    "variant_name": Column("Variant", widest=14),
    "category_path": Column("Category", widest=24),
    "pool": Column("Pool", widest=9),
}
"""What names a variant and its pool."""
NAMES_OF_VARIANT = {name: column for name, column in NAMES.items() if name != "pool"}


def write(
    workbook: Book,
    month: Month,
    name: str,
    says: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    totals: Sequence[object] = (),
) -> None:
    """Write it as the next sheet; ``says`` stands below the title."""
    footer = f"{month.account}, {month.title}" + (f", digest {month.close.digest[:16]}" if month.close else ", DRAFT")
    sheet = workbook.sheet(name, footer)
    sheet.set_row(0, 24)
    sheet.write_string(0, 0, f"{name}, {month.title}", workbook.style("title"))
    sheet.write_string(1, 0, f"{month.account}: {says}", workbook.style("soft"))
    top = 2
    if totals:
        # row by row: what was left behind is on the disk already
        sheet.write_string(2, 0, "Total", workbook.style("bold"))
        for at, (column, value) in enumerate(zip(columns, totals, strict=True)):
            workbook.cell(sheet, 2, at, value, column.kind, "bold")
        sheet.write_string(3, 0, "to the last digit", workbook.style("soft"))
        for at, (column, value) in enumerate(zip(columns, totals, strict=True)):
            if value is not None and column.kind == "money":
                sheet.write_string(3, at, exact_text(value), workbook.style("exact"))
        top = 4
    workbook.rows(sheet, top, columns, rows)
