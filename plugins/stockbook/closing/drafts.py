"""
What would be signed: which accounts, whether their month can be closed, and its lines.

Everything is read from the published file, which is what was known at the last published night. A month that cannot be
closed is refused with the next step; nothing is written here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import msgspec

from stockbook.closing import refusals
from stockbook.closing.digest import VERSION as DIGEST
from stockbook.closing.landed import Close
from stockbook.closing.program import LINES
from stockbook.closing.request import Request
from stockbook.declarations import Table
from stockbook.errors import CloseRefused
from stockbook.months import month_after
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa


class Draft(NamedTuple):
    """A close that is not signed yet (``closed_at`` and digests stand for nothing), and its lines."""

    close: Close
    lines: "pa.Table"


def drafts(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: dict[str, Table],
    request: Request,
    landed: Sequence[Close],
    now: datetime,
) -> list[Draft]:
    """The closes that the request asks for, over the published file ``con``; ``now`` is local. Raises CloseRefused."""
    refusals.require_words(request)
    published = refusals.published_night(con, settings)
    refusals.require_seen(request.month, published, now)
    accounts = refusals.accounts_of(con, request)
    own = {account: [close for close in landed if close.account == account] for account in accounts}
    for account in accounts:
        refusals.require_turn(request, account, own[account])
        refusals.require_read(con, account, request.month)
        refusals.require_same(con, settings, account, own[account], request)
        refusals.require_shown(con, own[account])
    policies = _settings_text(con, settings)
    setting = refusals.valuation_setting(con)
    signed_columns = ",".join(tables[LINES].columns)
    closes = []
    for account in accounts:
        newest = own[account][-1] if own[account] else None
        sequence = 1 + sum(close.month == request.month for close in own[account])
        close = Close(
            account=account,
            month=request.month,
            sequence=sequence,
            as_of=datetime.combine(month_after(request.month), datetime.min.time()),
            known_on=published.as_of.date(),
            known_at=published.as_of,
            run_id=published.run_id,
            closed_at=now,
            closed_by=request.by.strip(),
            note=(request.note or "").strip() or None,
            reason=(request.reason or "").strip() or None,
            valuation_currency=setting["valuation_currency"],
            day_zone=setting["day_zone"],
            settings=policies,
            signed_columns=signed_columns,
            line_count=0,
            lines_digest="",
            previous_digest=newest.digest if newest else None,
        )
        lines = _lines(con, tables[LINES], close)
        closes.append(Draft(msgspec.structs.replace(close, line_count=lines.num_rows), lines))
    return closes


def _settings_text(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    files = sorted(settings.policy_dir.glob("*.yml"), key=lambda file: file.name)
    said = {
        "stockbook": VERSION,
        "digest": DIGEST,
        "valuation": refusals.valuation_setting(con),
        "policy": {file.name: file.read_text() for file in files},
    }
    return msgspec.json.encode(said).decode()


def _lines(con: duckdb.DuckDBPyConnection, table: Table, close: Close) -> "pa.Table":
    ours = {"close_id": quoted(close.close_id), "sequence": str(close.sequence)}
    columns = ", ".join(
        f"cast({ours.get(name, name)} as {column.type}) as {name}" for name, column in table.columns.items()
    )
    month = f"intermediate.closable_month(date '{close.month}', {close.sequence > 1})"
    try:
        # with values beside it a relation keeps its rows and hands them over one by one
        lines = con.sql(
            f"select {columns} from {month} where account = {quoted(close.account)} order by variant_id, pool"
        )
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise CloseRefused(
            "What is published was written by another version of Stockbook: run a night, then close the month."
        ) from error
    return lines.to_arrow_table()
