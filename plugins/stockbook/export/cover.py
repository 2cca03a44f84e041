"""The first page of a month's workbook: what it is of, who signed it, its figures in short, and room for signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from stockbook.export.cells import exact_text
from stockbook.export.month import Month
from stockbook.export.workbook import Book

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

_ITEM, _PIECES, _VALUE, _EXACT = range(4)
_LETTERS = 80


@dataclass(frozen=True)
class Facts:
    """What the cover says in figures: lines of a text, pieces and a value, or of a text and a value."""

    flows: Sequence[tuple[str, int | None, Decimal | None]]
    pools: Sequence[tuple[str, int | None, Decimal | None]]
    closings: Sequence[tuple[str, Decimal | None]]
    cogs: Sequence[tuple[str, Decimal | None]]
    write_down: Decimal | None


class _Page:
    """Writes the cover from top to bottom."""

    def __init__(self, workbook: Book, sheet: "Worksheet") -> None:
        self.workbook, self.sheet, self.row = workbook, sheet, 0

    def line(self, text: str, *words: str) -> None:
        self.sheet.write_string(self.row, _ITEM, text, self.workbook.style(*words))
        self.row += 1

    def gap(self) -> None:
        self.row += 1

    def fact(self, name: str, text: str) -> None:
        """A name and a text that may take several lines."""
        lines = sum(max(1, -(-len(part) // _LETTERS)) for part in text.split("\n"))
        self.sheet.set_row(self.row, 12.5 * lines)
        self.sheet.write_string(self.row, _ITEM, name, self.workbook.style("soft"))
        self.sheet.merge_range(self.row, _PIECES, self.row, _EXACT, "", self.workbook.style("wrapped"))
        self.workbook.text(self.sheet, self.row, _PIECES, text, "wrapped")
        self.row += 1

    def heading(self, *texts: str) -> None:
        for at, text in enumerate(texts):
            words = ("heading", "right") if at else ("heading",)
            self.sheet.write_string(self.row, at, text, self.workbook.style(*words))
        self.row += 1

    def figures(self, name: str, pieces: int | None, value: Decimal | None, *words: str) -> None:
        self.sheet.write_string(self.row, _ITEM, name, self.workbook.style(*words))
        self.workbook.cell(self.sheet, self.row, _PIECES, pieces, "pieces", *words)
        self.workbook.cell(self.sheet, self.row, _VALUE, value, "money", *words)
        if value is not None:
            self.sheet.write_string(self.row, _EXACT, exact_text(value), self.workbook.style("exact"))
        self.row += 1


def write(workbook: Book, month: Month, facts: Facts) -> None:
    """Write the cover as the next sheet."""
    sheet = workbook.sheet("Cover", f"{month.account}, {month.title}", is_wide=False)
    for column, width in enumerate((27, 13, 20, 32)):
        sheet.set_column(column, column, width)
    page = _Page(workbook, sheet)
    sheet.set_row(page.row, 24)
    page.line(f"Stock, {month.title}", "title")
    page.line(f"Account {month.account}", "part")
    if not month.close:
        page.line("DRAFT: nobody has signed this month", "warning")
    page.gap()
    _who(page, month)
    page.gap()
    page.heading("Stock, both pools", "Pieces", f"Value in {month.currency}", "to the last digit")
    for name, pieces, value in facts.flows:
        page.figures(name, pieces, value, *(["bold"] if name in ("Opening", "Closing") else []))
    for name, pieces, value in facts.pools:
        page.figures(f"   of it {name}", pieces, value)
    page.line("Issues, used up and settlements are taken off; all other lines are added.", "soft")
    page.gap()
    page.heading("Closing by method and basis", "", f"Value in {month.currency}", "to the last digit")
    for name, value in facts.closings:
        page.figures(name, None, value)
    page.gap()
    page.heading("Cost of goods", "", f"Value in {month.currency}", "to the last digit")
    for name, value in facts.cogs:
        page.figures(name, None, value, *(["bold"] if name == "headline" else []))
    page.gap()
    page.heading("Write-down", "", f"Value in {month.currency}", "to the last digit")
    page.figures("as signed" if month.close else month.known, None, facts.write_down)
    if facts.write_down is None:
        page.line("No rule writes anything down, or nobody knows how much.", "soft")
    page.line("Values above stay at cost: nothing is taken off them.", "soft")
    page.gap()
    page.gap()
    for name in ("Prepared by", "Approved by"):
        page.fact(name, "")
        for at, text in enumerate(("Name", "Date", "Signature")):
            sheet.write_string(page.row, at + 1, text, workbook.style("soft", "above"))
        page.row += 2


def _who(page: _Page, month: Month) -> None:
    close = month.close
    if close is None:
        page.fact("State", "not signed; `stockbook close` signs it" + ("" if month.is_over else "; it is not over yet"))
        page.fact("Known", month.known)
    else:
        page.fact("Signed by", close.closed_by)
        page.fact("Signed at", f"{close.closed_at:%Y-%m-%d %H:%M:%S} UTC")
        page.fact("Close", close.close_id)
        if close.reason:
            page.fact("In place of an earlier", close.reason)
        if close.note:
            page.fact("Note", close.note)
        page.fact("Known", f"on {close.known_on}; ended {close.as_of:%Y-%m-%d %H:%M} {close.day_zone}")
        page.fact("Digest", close.digest)
        page.fact("Digest before", close.previous_digest or "none: the first of this account")
    page.fact("Headline", f"{month.method}, {month.basis} cost, in {month.currency}")
    page.fact("Made of", f"run {month.run_id}, {month.known}, Stockbook {month.version}")
