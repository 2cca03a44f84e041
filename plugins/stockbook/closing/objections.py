"""What speaks against signing a month now, in sentences; none of it forbids it."""

from datetime import date, timedelta

import duckdb

from stockbook.closing.drafts import Draft
from stockbook.closing.landed import Close
from stockbook.counted import counted

_SHOWN = 5
# what was restated in these last days before the night may be restated again
_LATELY = timedelta(days=7)


def objections(con: duckdb.DuckDBPyConnection, draft: Draft) -> list[str]:
    """The sentences for one draft, over the published file it was made from."""
    close = draft.close
    return [
        *_reconciliation(con, close),
        *_missing_costs(draft),
        *_owed(draft),
        *_not_written_down(draft),
        *_checks(con, close),
        *_nights(con, close),
        *_restated(con, close),
    ]


def _reconciliation(con: duckdb.DuckDBPyConnection, close: Close) -> list[str]:
    variants, pieces, last = con.execute(
        "select count(distinct variant_id), sum(abs(quantity_diff)), max(snapshot_date) "
        "from reports.stock_reconciliation_open where account = ?",
        [close.account],
    ).fetchall()[0]
    if not variants:
        return []
    return [
        f"Other than the warehouse's own count of {last}: {counted(variants, 'variant')}, by "
        f"{counted(pieces, 'piece')}; reports.stock_reconciliation_open has them."
    ]


def _missing_costs(draft: Draft) -> list[str]:
    rows = draft.lines.select(["missing_cost_quantity", "average_missing_cost_quantity"]).to_pylist()
    missing = [max(row.values()) for row in rows if any(row.values())]
    if not missing:
        return []
    return [
        f"Worth nothing, for no cost is known: {counted(sum(missing), 'piece')} of {counted(len(missing), 'line')}; "
        "reports.missing_costs says which movements."
    ]


def _owed(draft: Draft) -> list[str]:
    owed = [quantity for quantity in draft.lines.column("closing_quantity").to_pylist() if quantity < 0]
    if not owed:
        return []
    below = f"{counted(len(owed), 'line')}, by {counted(-sum(owed), 'piece')}"
    return [f"Below zero at the end of the month: {below}; more left than ever came in."]


def _not_written_down(draft: Draft) -> list[str]:
    unknown = draft.lines.column("write_down").null_count
    if not unknown:
        return []
    return [f"The write-down of {counted(unknown, 'line')} is not known, for no cost is: it is signed as unknown."]


def _checks(con: duckdb.DuckDBPyConnection, close: Close) -> list[str]:
    broken = con.execute(
        "select suite, expectation, failing_rows from meta.check_result where run_id = ? and success = false "
        "order by suite, expectation",
        [close.run_id],
    ).fetchall()
    shown = [f"{suite}: {expectation} ({counted(rows, 'row')})" for suite, expectation, rows in broken[:_SHOWN]]
    more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return [f"Warnings of the night, {counted(len(broken), 'check')}: {'; '.join(shown)}{more}."] if broken else []


def _nights(con: duckdb.DuckDBPyConnection, close: Close) -> list[str]:
    """Days of the month, and from its end to the night, on which no night was published."""
    nights = {
        day
        for (day,) in con.execute(
            "select cast(as_of as date) from meta.run where observes and status in ('published', 'replayed')"
        ).fetchall()
    }
    first = max(close.month, min(nights, default=close.known_on))
    missing = [day for day in _days(first, close.known_on) if day not in nights]
    if not missing:
        return []
    shown = ", ".join(str(day) for day in missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
    days = counted(len(missing), "day")
    return [f"Without a published night, from {first} to {close.known_on}, {days}: {shown}."]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _restated(con: duckdb.DuckDBPyConnection, close: Close) -> list[str]:
    """What nights of the last days did to the month's end after it had passed."""
    end = close.as_of.date() - timedelta(days=1)
    rows, variants, quantity = con.execute(
        "select count(*), count(distinct variant_id), sum(abs(quantity_change)) from marts.fct_stock_revision "
        "where account = $account and valid_from <= $end and known_from > $since and known_from <= $known_on",
        {
            "account": close.account,
            "end": end,
            "since": max(close.known_on - _LATELY, end),
            "known_on": close.known_on,
        },
    ).fetchall()[0]
    if not rows:
        return []
    return [
        f"In the last {_LATELY.days} days nights restated the end of the month: {counted(rows, 'revision')} of "
        f"{counted(variants, 'variant')}, {counted(quantity or 0, 'piece')}; more may come. "
        "reports.restatement_on says why."
    ]
