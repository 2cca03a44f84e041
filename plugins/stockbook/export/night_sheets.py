"""The sheets of a month that the published night made: ages, slow movers, what changed since the close, checks."""

from collections.abc import Mapping

from stockbook.export import month_sheet
from stockbook.export.figures import asked
from stockbook.export.month_sheet import NAMES, NAMES_OF_VARIANT, NO_CATEGORY
from stockbook.export.month_source import Source
from stockbook.export.workbook import Book, Column

_SLOW = {
    "quantity": Column("Pieces", "pieces"),
    "stock_value": Column("Value", "money"),
    "last_receipt_date": Column("Last receipt", "day"),
    "last_dispatch_date": Column("Last dispatch", "day"),
    "issued_quantity_28d": Column("Issued in 28 days", "pieces"),
    "days_on_hand": Column("Lasts days", "pieces"),
    "turnover": Column("Turnover", "number"),
}
_DIFFERENCE = {
    "quantity_signed": Column("Pieces signed", "pieces"),
    "quantity_now": Column("Pieces now", "pieces"),
    "quantity_difference": Column("Pieces more", "pieces"),
    "value_signed": Column("Value signed", "money"),
    "value_now": Column("Value now", "money"),
    "value_difference": Column("Value more", "money"),
}
_CAUSE = {
    "known_at": Column("Seen by the night", "time"),
    "cause": Column("Cause", widest=16),
    "movement_id": Column("Movement", "id"),
    "receiving_id": Column("Receiving", "id"),
    "transformation_id": Column("Transformation", "id"),
}
_CHANGE = {"quantity_change": Column("Pieces more", "pieces"), "value_change": Column("Value more", "money")}
_RESULT = "case when success then 'holds' when success is null then 'nothing to check' else 'does not hold' end"
_CHECK = {
    _RESULT: Column("Result", widest=16),
    "severity": Column("Severity"),
    "suite": Column("Table", widest=40),
    "expectation": Column("Expected", widest=60),
    "observed": Column("Observed", widest=40),
}


def ageing(workbook: Book, source: Source) -> None:
    """Write where value lies, by age and category."""
    month = source.month
    by = ["bucket_no", "age_bucket", "category_path", "pool"]
    cuts = asked(source.con, source.metrics, ["layer_pieces", "layer_value"], by, only=source.of_account)
    totals = asked(source.con, source.metrics, ["layer_pieces", "layer_value"], only=source.of_account)
    columns = [Column("Age", widest=20), NAMES["category_path"], NAMES["pool"]]
    columns += [Column("Pieces", "pieces"), Column("Value", "money")]
    rows = ([key[1], key[2] or NO_CATEGORY, key[3], *cut.values()] for key, cut in cuts.items())
    says = f"days since the pieces came in, {month.known}; value in {month.currency} at cost"
    month_sheet.write(workbook, month, "Ageing", says, columns, rows, [None] * 3 + list(totals[()].values()))


def slow_movers(workbook: Book, source: Source) -> None:
    """Write what does not sell."""
    says = f"slowest first, {source.month.known}; no number of days: none was issued in the last 28"
    rest = (
        "from reports.slow_movers where account = ? and quantity > 0 "
        "order by days_on_hand desc nulls first, stock_value desc, variant_id"
    )
    _rows_alone(workbook, source, "Slow movers", says, NAMES_OF_VARIANT | _SLOW, rest, source.month.account)


def differences(workbook: Book, source: Source) -> None:
    """Write what changed since the close, and why; a draft has none."""
    month = source.month
    if month.close is None:
        return
    close_id = month.close.close_id
    figures = ["changed_since_close_quantity", "changed_since_close_value"]
    (total,) = asked(source.con, source.metrics, figures, only={"close_id": close_id}).values()
    quantity, value = total.values()
    columns = NAMES | _DIFFERENCE
    rest = "from reports.close_difference where close_id = ? order by abs(value_difference) desc, variant_id, pool"
    says = f"what is known now less what was signed, {month.known}, in {month.currency}"
    totals = [*[None] * 8, quantity, None, None, value]
    rows = source.rows(columns, rest, close_id)
    month_sheet.write(workbook, month, "Differences since", says, [*columns.values()], rows, totals)
    columns = _CAUSE | NAMES | _CHANGE
    rest = (
        "from reports.close_difference_cause where close_id = ? order by known_at, cause, movement_id, variant_id, pool"
    )
    says = f"each with what it alone changed, one after the other, {month.known}"
    totals = [*[None] * (len(columns) - 2), quantity, value]
    rows = source.rows(columns, rest, close_id)
    month_sheet.write(workbook, month, "Causes", says, [*columns.values()], rows, totals)


def checks(workbook: Book, source: Source) -> None:
    """Write every rule of the night, those that do not hold first."""
    says = f"every rule of the published night, {source.month.known}; those that do not hold first"
    rest = "from meta.check_result where run_id = ? order by success nulls last, severity, suite, expectation"
    _rows_alone(workbook, source, "Checks", says, _CHECK, rest, source.month.run_id)


def _rows_alone(
    workbook: Book, source: Source, name: str, says: str, columns: Mapping[str, Column], rest: str, value: object
) -> None:
    rows = source.rows(columns, rest, value)
    month_sheet.write(workbook, source.month, name, says, [*columns.values()], rows)
