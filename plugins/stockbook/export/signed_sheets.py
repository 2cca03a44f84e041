"""The sheets of a month that never change once it is signed: its statement, cost of goods and write-down."""

from collections.abc import Mapping

from stockbook.cost_methods import FIGURES, text_of
from stockbook.export import month_sheet
from stockbook.export.month_sheet import NAMES, NAMES_OF_VARIANT, NO_CATEGORY
from stockbook.export.month_source import Source
from stockbook.export.workbook import Book, Column

FLOWS = {
    "opening": "Opening",
    "receipts": "Receipts",
    "returns": "Returns",
    "transformations_in": "Made",
    "issues": "Issues",
    "transformations_out": "Used up",
    "settlements": "Settlements",
    "corrections": "Corrections",
    "closing": "Closing",
}
VALUES = {f"{flow}_value": text for flow, text in FLOWS.items()}
PIECES = {f"{flow}_quantity": text for flow, text in FLOWS.items() if flow != "settlements"}
CLOSING = {"closing_quantity": "Pieces", "closing_value": "Value"} | {f"{f}_closing": text_of(f) for f in FIGURES}
COGS = {"cogs": "Cost of goods"} | {f"{figure}_cogs": text_of(figure) for figure in FIGURES}
_MONTHLY = "reports.stock_movements_monthly"
_LINES = "marts.fct_period_close_line"


def write(workbook: Book, source: Source) -> None:
    """Write the statement and the cost of goods."""
    _statement(workbook, source, "Value", CLOSING)
    _statement(workbook, source, "Movements", VALUES)
    _statement(workbook, source, "Pieces", PIECES)
    _cost_of_goods(workbook, source)


def _statement(workbook: Book, source: Source, name: str, figures: Mapping[str, str]) -> None:
    """A sheet by category and one by variant of the monthly statement."""
    month = source.month
    columns = {
        figure: Column(
            text,
            "pieces" if figure.endswith("_quantity") else "money",
            is_sparse=not ("opening" in figure or "closing" in figure),
        )
        for figure, text in figures.items()
    }
    by = ["category_path", "pool"]
    cuts = source.figures(list(figures), by)
    (total,) = source.figures(list(figures)).values()
    totals = list(total.values())
    says = f"in {month.currency}" if name != "Pieces" else "pieces"
    rows = ([key[0] or NO_CATEGORY, key[1], *cut.values()] for key, cut in cuts.items())
    of_category = [*(NAMES[cut] for cut in by), *columns.values()]
    month_sheet.write(workbook, month, f"{name} by category", says, of_category, rows, [None] * 2 + totals)
    of_variant = NAMES | columns
    rest = f"from {_MONTHLY} where account = ? and month = ? order by category_path nulls last, code, variant_id, pool"
    rows_of_variants = source.rows(of_variant, rest, month.account, month.first)
    totals = [None] * len(NAMES) + totals
    month_sheet.write(workbook, month, f"{name} by variant", says, [*of_variant.values()], rows_of_variants, totals)


def _cost_of_goods(workbook: Book, source: Source) -> None:
    month, figures = source.month, list(COGS)
    columns = {figure: Column(text, "money") for figure, text in COGS.items()}
    says = f"in {month.currency}: dispatches less returns, with settlements in the month they came"
    (total,) = source.figures(figures).values()
    totals = list(total.values())
    cuts = source.figures(figures, ["category_path"])
    rows = ([key[0] or NO_CATEGORY, *cut.values()] for key, cut in cuts.items())
    of_category = [NAMES["category_path"], *columns.values()]
    month_sheet.write(workbook, month, "Cost of goods by category", says, of_category, rows, [None, *totals])
    values: tuple[object, ...]
    if month.close:
        names, relation, where, values = NAMES, _LINES, "close_id = ?", (month.close.close_id,)
    else:
        names, relation = NAMES_OF_VARIANT, "reports.cogs_monthly"
        where, values = "account = ? and month = ?", (month.account, month.first)
    rest = (
        f"from {relation} where {where} and ({' or '.join(f'{figure} <> 0' for figure in figures)}) "
        "order by category_path nulls last, code, variant_id"
    )
    month_sheet.write(
        workbook,
        month,
        "Cost of goods by variant",
        says,
        [*names.values(), *columns.values()],
        source.rows(names | columns, rest, *values),
        [None] * len(names) + totals,
    )


def write_down(workbook: Book, source: Source) -> None:
    """Write what rules take off, beside the cost."""
    month = source.month
    measured = [Column("Pieces", "pieces"), Column("Cost", "money")]
    measured += [Column("Net realisable value", "money"), Column("Write-down", "money")]
    if month.close:
        says = f"in {month.currency}, as signed; values elsewhere stay at cost"
        names = ("closing_quantity", "closing_value", "closing_value - write_down", "write_down")
        columns = NAMES | dict(zip(names, measured, strict=True))
        rest = f"from {_LINES} where close_id = ? and write_down <> 0 order by write_down desc, variant_id"
        rows = source.rows(columns, rest, month.close.close_id)
    else:
        says = f"in {month.currency}, {month.known}; values elsewhere stay at cost"
        names = ("quantity", "cost", "net_realisable_value", "write_down")
        columns = NAMES | dict(zip(names, measured, strict=True)) | {"rule": Column("Rules")}
        rest = (
            "from reports.stock_write_down where account = ? and write_down <> 0 order by write_down desc, variant_id"
        )
        rows = source.rows(columns, rest, month.account)
    totals = [None] * 9 + [source.written_down] + [None] * (len(columns) - 10)
    month_sheet.write(workbook, month, "Write-down", says, [*columns.values()], rows, totals)
