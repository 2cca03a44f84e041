"""Where absence from a listing means that a row is gone, and which rows in quarantine a listing shows again."""

import duckdb

from stockbook.declarations import Table
from stockbook.landing.landed_shape import parent_of
from stockbook.landing.manifest import Manifest
from stockbook.sql_text import quoted
from stockbook.staging.load_log import is_counted


def gone_scope(table: Table, base: Table | None, manifest: Manifest) -> str | None:
    """Where absence from this listing means that a row is gone (alias ``t``); None: nowhere."""
    if manifest.refused and not is_counted(manifest):
        return None  # rows that could not even be projected are at the source and did not land: absence proves nothing
    if table.kind == "snapshot":
        return "true"
    if table.kind == "daily":
        return f"t.snapshot_date = cast(timestamp {quoted(manifest.read_at)} as date)"
    if table.kind == "ledger":
        # the days of a backfill are no scope: which day of a late row the source's filter means is not documented
        return f"t.movement_id > {manifest.floor or 0} and t.movement_id <= {manifest.ceiling or 0}"
    if table.kind == "documents":
        ids = ", ".join(quoted(document_id) for document_id in manifest.asked_ids) or "''"
        windows = []
        if manifest.window_to:
            windows.append(_created_between(table, manifest.window_from, manifest.window_to))
        if manifest.backfill_from and manifest.backfill_to:
            windows.append(_created_between(table, manifest.backfill_from, manifest.backfill_to))
        key = next(name for name in table.grain if name != "account")
        return f"({' or '.join([*windows, f't.{key} in ({ids})'])})"
    if table.kind == "parts" and base is not None:
        if base.kind == "snapshot":
            return "true"
        keys = [name for name in base.grain if name != "account"]
        return f"({', '.join(f't.{key}' for key in keys)}) in (select ({', '.join(keys)}) from base_rows)"
    return None


def _created_between(table: Table, first: str | None, last: str) -> str:
    """
    Where a row was made on one of these days, by our day and by the one that stands in its time as sent.

    A time with an offset may be of another day than here, and by which of them the source filters nobody documents.
    """
    day = "cast(t.created_at as date)"
    as_sent = f"coalesce(try_cast(left(trim(t.created_text), 10) as date), {day})"
    bounds = [f"<= date {quoted(last)}", *([f">= date {quoted(first)}"] if first else [])]
    days = [day, as_sent] if "created_text" in table.columns else [day]
    return "(" + " and ".join(f"{of_row} {bound}" for of_row in days for bound in bounds) + ")"


def less_refused(con: duckdb.DuckDBPyConnection, scope: str | None, table: Table) -> str | None:
    """The scope less what lies in rows that are set aside: that it did not come means nothing."""
    if scope is None or con.execute("select 1 from base_refused where row_key = '' limit 1").fetchall():
        return None
    return f"{scope} and cast(t.{parent_of(table)} as varchar) not in (select b.row_key from base_refused as b)"


def looked_at(table: Table, base: Table | None) -> str:
    """The rows in quarantine that this listing shows again, if they are still there (``merge``)."""
    if table.kind == "snapshot" or (table.kind == "parts" and base is not None and base.kind == "snapshot"):
        return "true"
    # parts come with their row: those that were refused before and are none any more did not come
    if base is None or table.kind != "parts":
        return "false"
    key = " || '/' || ".join(f"cast({name} as varchar)" for name in base.grain if name != "account")
    return f"parent_key in (select {key} from base_rows)"


def key_columns(base: Table) -> str:
    """The columns that name a row within its account, as a list in SQL."""
    return ", ".join(name for name in base.grain if name != "account")
