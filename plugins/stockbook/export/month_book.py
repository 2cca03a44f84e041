"""
The workbook of a month: a cover to be signed, and the figures behind it, one sheet each.

What was signed is signed: value, movements, cost of goods and write-down of a closed month never change. Ages, slow
movers, differences and checks are those of the published night, and each sheet says of which.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook.cost_methods import FIGURES, text_of
from stockbook.export import cover, month_sheet, night_sheets, signed_sheets
from stockbook.export.month import Month
from stockbook.export.month_source import Source
from stockbook.export.signed_sheets import CLOSING, COGS, FLOWS, PIECES, VALUES
from stockbook.export.workbook import Book, Column, book
from stockbook.metrics.files import Metrics

if TYPE_CHECKING:
    import duckdb


def write(con: "duckdb.DuckDBPyConnection", metrics: Metrics, month: Month, file: Path) -> None:
    """Write the workbook. Raises OSError."""
    source = Source(con, metrics, month)
    mark = "" if month.close else "DRAFT: nobody has signed this month"
    with book(file, mark, f"Stock, {month.title}, {month.account}") as workbook:
        cover.write(workbook, month, _facts(source))
        signed_sheets.write(workbook, source)
        night_sheets.ageing(workbook, source)
        signed_sheets.write_down(workbook, source)
        night_sheets.slow_movers(workbook, source)
        night_sheets.differences(workbook, source)
        night_sheets.checks(workbook, source)
        _settings(workbook, month)


def _facts(source: Source) -> cover.Facts:
    names = [*VALUES, *PIECES, *CLOSING, *COGS]
    (all_pools,) = source.figures(list(dict.fromkeys(names))).values()
    closing = source.figures(["closing_quantity", "closing_value"], ["pool"])
    return cover.Facts(
        [(text, all_pools.get(f"{flow}_quantity"), all_pools[f"{flow}_value"]) for flow, text in FLOWS.items()],
        [(str(pool), cut["closing_quantity"], cut["closing_value"]) for (pool,), cut in closing.items()],
        [(text_of(figure), all_pools[f"{figure}_closing"]) for figure in FIGURES],
        [("headline", all_pools["cogs"]), *((text_of(f), all_pools[f"{f}_cogs"]) for f in FIGURES)],
        source.written_down,
    )


def _settings(workbook: Book, month: Month) -> None:
    if month.close is None:
        return
    settings = json.loads(month.close.settings)
    rows = [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1))
        for name, value in settings.items()
    ]
    columns = [Column("Setting", widest=30), Column("As it was when the month was signed", widest=110)]
    month_sheet.write(workbook, month, "Settings", "policies and settings in force", columns, rows)
