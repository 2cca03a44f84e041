"""
The workbook of a month: a cover to be signed, and the figures behind it, one sheet each.

What was signed is signed: value, movements, cost of goods and write-down of a closed month never change. Ages, slow
movers, differences and checks are those of the published night, and each sheet says of which.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockbook.cost_methods import FIGURES, text_of
from stockbook.export import cover
from stockbook.export.figures import Figures, asked
from stockbook.export.month import Month
from stockbook.export.workbook import Book, Column, Kind, book, exact_text
from stockbook.metrics.files import Metrics

if TYPE_CHECKING:
    import duckdb

_NO_CATEGORY = "(no category)"
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
_NAMES = {
    "code": Column("Code", widest=14),
    "ext_code": Column("Shop's code", widest=14),
    "product_name": Column("Product", widest=28),
    "variant_name": Column("Variant", widest=14),
    "category_path": Column("Category", widest=24),
    "pool": Column("Pool", widest=9),
}
_VARIANT = tuple(_NAMES)
_MONTHLY = "reports.stock_movements_monthly"


@dataclass(frozen=True)
class Source:
    """Where the sheets of a month are from."""

    con: "duckdb.DuckDBPyConnection"
    metrics: Metrics
    month: Month

    def figures(self, names: Sequence[str], by: Sequence[str] = ()) -> dict[tuple[Any, ...], Figures]:
        """Figures of the month: of the close where they were signed, else of the account."""
        days = (self.month.first, self.month.last)
        close = self.month.close
        signed = [name for name in names if close and f"signed_{name}" in self.metrics]
        cuts = asked(self.con, self.metrics, [n for n in names if n not in signed], by, days, self.of_account)
        if close and signed:
            stored = [f"signed_{name}" for name in signed]
            for key, of_cut in asked(self.con, self.metrics, stored, by, only={"close_id": close.close_id}).items():
                cut = cuts.setdefault(key, dict.fromkeys(names))
                cut.update({name.removeprefix("signed_"): value for name, value in of_cut.items()})
        return cuts

    @property
    def written_down(self) -> Any:
        """What the stock is written down by: at the month's end as signed, of a draft by the newest night."""
        close = self.month.close
        name, only = ("signed_write_down", {"close_id": close.close_id}) if close else ("write_down", self.of_account)
        (total,) = asked(self.con, self.metrics, [name], only=only).values()
        return total[name]

    @property
    def of_account(self) -> Mapping[str, str]:
        """The account, as a question chooses it."""
        return {"account": self.month.account}

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query answers."""
        return self.con.execute(query, list(values)).fetchall()


def write(con: "duckdb.DuckDBPyConnection", metrics: Metrics, month: Month, file: Path) -> None:
    """Write the workbook. Raises OSError."""
    source = Source(con, metrics, month)
    mark = "" if month.close else "DRAFT: nobody has signed this month"
    with book(file, mark, f"Stock, {month.title}, {month.account}") as workbook:
        cover.write(workbook, month, _facts(source))
        _statement(workbook, source, "Value", CLOSING)
        _statement(workbook, source, "Movements", VALUES)
        _statement(workbook, source, "Pieces", PIECES)
        _cost_of_goods(workbook, source)
        _ageing(workbook, source)
        _write_down(workbook, source)
        _slow_movers(workbook, source)
        _differences(workbook, source)
        _checks(workbook, source)
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


def _statement(workbook: Book, source: Source, name: str, figures: Mapping[str, str]) -> None:
    """A sheet by category and one by variant of the monthly statement."""
    columns = [
        Column(
            text,
            "pieces" if figure.endswith("_quantity") else "money",
            is_sparse=not ("opening" in figure or "closing" in figure),
        )
        for figure, text in figures.items()
    ]
    by = ["category_path", "pool"]
    cuts = source.figures(list(figures), by)
    (total,) = source.figures(list(figures)).values()
    totals = list(total.values())
    says = f"in {source.month.currency}" if name != "Pieces" else "pieces"
    rows = ([key[0] or _NO_CATEGORY, key[1], *cut.values()] for key, cut in cuts.items())
    _table(workbook, source.month, f"{name} by category", says, [*_columns(by), *columns], rows, [None] * 2 + totals)
    names = [*_VARIANT, *figures]
    query = (
        f"select {', '.join(names)} from {_MONTHLY} where account = ? and month = ? "
        "order by category_path nulls last, code, variant_id, pool"
    )
    rows_of_variants = source.rows(query, source.month.account, source.month.first)
    blanks = [None] * len(_VARIANT)
    _table(
        workbook,
        source.month,
        f"{name} by variant",
        says,
        [*_columns(_VARIANT), *columns],
        rows_of_variants,
        blanks + totals,
    )


COGS = {"cogs": "Cost of goods"} | {f"{figure}_cogs": text_of(figure) for figure in FIGURES}


def _cost_of_goods(workbook: Book, source: Source) -> None:
    month, figures = source.month, list(COGS)
    columns = [Column(text, "money") for text in COGS.values()]
    says = f"in {month.currency}: dispatches less returns, with settlements in the month they came"
    (total,) = source.figures(figures).values()
    cuts = source.figures(figures, ["category_path"])
    rows = ([key[0] or _NO_CATEGORY, *cut.values()] for key, cut in cuts.items())
    totals = [None, *total.values()]
    _table(workbook, month, "Cost of goods by category", says, [*_columns(["category_path"]), *columns], rows, totals)
    relation, where, value = "reports.cogs_monthly", "account = ? and month = ?", (month.account, month.first)
    names = [name for name in _VARIANT if name != "pool"]
    if month.close:
        relation, where, value = "marts.fct_period_close_line", "close_id = ?", (month.close.close_id,)  # type: ignore[assignment]
        names = [*_VARIANT]
    query = (
        f"select {', '.join([*names, *figures])} from {relation} where {where} and "
        f"({' or '.join(f'{figure} <> 0' for figure in figures)}) order by category_path nulls last, code, variant_id"
    )
    _table(
        workbook,
        month,
        "Cost of goods by variant",
        says,
        [*_columns(names), *columns],
        source.rows(query, *value),
        [None] * len(names) + list(total.values()),
    )


def _ageing(workbook: Book, source: Source) -> None:
    month = source.month
    by = ["bucket_no", "age_bucket", "category_path", "pool"]
    cuts = asked(source.con, source.metrics, ["layer_pieces", "layer_value"], by, only=source.of_account)
    totals = asked(source.con, source.metrics, ["layer_pieces", "layer_value"], only=source.of_account)
    columns = [Column("Age", widest=20), *_columns(["category_path", "pool"])]
    columns += [Column("Pieces", "pieces"), Column("Value", "money")]
    rows = ([key[1], key[2] or _NO_CATEGORY, key[3], *cut.values()] for key, cut in cuts.items())
    says = f"days since the pieces came in, {month.known}; value in {month.currency} at cost"
    _table(workbook, month, "Ageing", says, columns, rows, [None] * 3 + list(totals[()].values()))


def _write_down(workbook: Book, source: Source) -> None:
    month = source.month
    columns = [*_columns(_VARIANT), Column("Pieces", "pieces"), Column("Cost", "money")]
    columns += [Column("Net realisable value", "money"), Column("Write-down", "money")]
    if month.close:
        says = f"in {month.currency}, as signed; values elsewhere stay at cost"
        query = (
            f"select {', '.join(_VARIANT)}, closing_quantity, closing_value, closing_value - write_down, write_down "
            "from marts.fct_period_close_line where close_id = ? and write_down <> 0 "
            "order by write_down desc, variant_id"
        )
        rows = source.rows(query, month.close.close_id)
    else:
        says = f"in {month.currency}, {month.known}; values elsewhere stay at cost"
        columns.append(Column("Rules"))
        query = (
            f"select {', '.join(_VARIANT)}, quantity, cost, net_realisable_value, write_down, rule "
            "from reports.stock_write_down where account = ? and write_down <> 0 order by write_down desc, variant_id"
        )
        rows = source.rows(query, month.account)
    total = source.written_down
    totals = [None] * 9 + [total] + [None] * (len(columns) - 10)
    _table(workbook, month, "Write-down", says, columns, rows, totals)


def _differences(workbook: Book, source: Source) -> None:
    """What changed since the close, and why; a draft has none."""
    month = source.month
    if month.close is None:
        return
    close_id = month.close.close_id
    measured: dict[str, tuple[str, Kind]] = {
        "quantity_signed": ("Pieces signed", "pieces"),
        "quantity_now": ("Pieces now", "pieces"),
        "quantity_difference": ("Pieces more", "pieces"),
        "value_signed": ("Value signed", "money"),
        "value_now": ("Value now", "money"),
        "value_difference": ("Value more", "money"),
    }
    query = (
        f"select {', '.join([*_VARIANT, *measured])} from reports.close_difference where close_id = ? "
        "order by abs(value_difference) desc, variant_id, pool"
    )
    figures = ["changed_since_close_quantity", "changed_since_close_value"]
    (total,) = asked(source.con, source.metrics, figures, only={"close_id": close_id}).values()
    quantity, value = total.values()
    columns = [*_columns(_VARIANT), *(Column(*heading) for heading in measured.values())]
    totals = [*[None] * 8, quantity, None, None, value]
    says = f"what is known now less what was signed, {month.known}, in {month.currency}"
    _table(workbook, month, "Differences since", says, columns, source.rows(query, close_id), totals)
    of_cause: dict[str, Column] = {
        "known_at": Column("Seen by the night", "time"),
        "cause": Column("Cause", widest=16),
        "movement_id": Column("Movement", "id"),
        "receiving_id": Column("Receiving", "id"),
        "transformation_id": Column("Transformation", "id"),
    }
    changes = {"quantity_change": Column("Pieces more", "pieces"), "value_change": Column("Value more", "money")}
    query = (
        f"select {', '.join([*of_cause, *_VARIANT, *changes])} from reports.close_difference_cause where close_id = ? "
        "order by known_at, cause, movement_id, variant_id, pool"
    )
    columns = [*of_cause.values(), *_columns(_VARIANT), *changes.values()]
    totals = [*[None] * (len(columns) - 2), quantity, value]
    says = f"each with what it alone changed, one after the other, {month.known}"
    _table(workbook, month, "Causes", says, columns, source.rows(query, close_id), totals)


def _slow_movers(workbook: Book, source: Source) -> None:
    month = source.month
    measured: dict[str, tuple[str, Kind]] = {
        "quantity": ("Pieces", "pieces"),
        "stock_value": ("Value", "money"),
        "last_receipt_date": ("Last receipt", "day"),
        "last_dispatch_date": ("Last dispatch", "day"),
        "issued_quantity_28d": ("Issued in 28 days", "pieces"),
        "days_on_hand": ("Lasts days", "pieces"),
        "turnover": ("Turnover", "number"),
    }
    names = [name for name in _VARIANT if name != "pool"]
    query = (
        f"select {', '.join([*names, *measured])} from reports.slow_movers where account = ? and quantity > 0 "
        "order by days_on_hand desc nulls first, stock_value desc, variant_id"
    )
    columns = [*_columns(names), *(Column(*heading) for heading in measured.values())]
    says = f"slowest first, {month.known}; no number of days: none was issued in the last 28"
    _table(workbook, month, "Slow movers", says, columns, source.rows(query, month.account))


def _checks(workbook: Book, source: Source) -> None:
    month = source.month
    query = (
        "select case when success then 'holds' when success is null then 'nothing to check' else 'does not hold' end, "
        "severity, suite, expectation, observed from meta.check_result where run_id = ? "
        "order by success nulls last, severity, suite, expectation"
    )
    columns = [Column("Result", widest=16), Column("Severity"), Column("Table", widest=40)]
    columns += [Column("Expected", widest=60), Column("Observed", widest=40)]
    says = f"every rule of the published night, {month.known}; those that do not hold first"
    _table(workbook, month, "Checks", says, columns, source.rows(query, month.run_id))


def _settings(workbook: Book, month: Month) -> None:
    if month.close is None:
        return
    settings = json.loads(month.close.settings)
    rows = [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1))
        for name, value in settings.items()
    ]
    columns = [Column("Setting", widest=30), Column("As it was when the month was signed", widest=110)]
    _table(workbook, month, "Settings", "policies and settings in force", columns, rows)


def _columns(names: Iterable[str]) -> list[Column]:
    return [_NAMES[name] for name in names]


def _table(
    workbook: Book,
    month: Month,
    name: str,
    says: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    totals: Sequence[object] = (),
) -> None:
    """A sheet with its title, its total, as a number and to the last digit, and its rows."""
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
