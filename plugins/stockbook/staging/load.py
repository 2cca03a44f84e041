"""
Load a night's landed listings into staging: all of them and their cursors in one transaction.

Either every complete listing of the night is in staging with its cursor, or nothing changed.
"""

from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import Table, of_listing
from stockbook.errors import LandingDamaged, StagingRefused
from stockbook.landing.landed_shape import parent_of
from stockbook.landing.manifest import Manifest, PageFile
from stockbook.landing.pages import verify
from stockbook.progress import Progress
from stockbook.runs.context import RunContext
from stockbook.sql_text import quoted
from stockbook.staging.load_log import Loaded, is_counted, write_cursor, write_listing, write_undeclared
from stockbook.staging.merge import Counts, Stamp, keep_history, live_in, merge
from stockbook.staging.typed_rows import Incoming
from stockbook.staging.unchanged import Unchanged, find_unchanged, keep_only, may_stay, note_keys, remember
from stockbook.warehouse.schema import create_all
from stockbook.warehouse.transaction import transaction


class Landed(NamedTuple):
    """A complete listing on disk."""

    manifest: Manifest
    folder: Path


def load(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    landed: list[Landed],
    tables: dict[str, Table],
    clock: Clock,
    progress: Progress,
    quarantine_share: float,
) -> list[Loaded]:
    """
    Load complete listings as of the run.

    Raises LandingDamaged when a page or manifest is not what was written, StagingRefused when more
    than ``quarantine_share`` of a table's rows, or the share its declaration names, (and more than one) broke
    their declaration; staging is then as before.
    """
    for manifest, folder in landed:
        if not manifest.complete:
            raise LandingDamaged(f"{folder} holds a listing that is not complete: expected one that kept its proof.")
        verify(folder, manifest)
    loaded: list[Loaded] = []
    with transaction(con):
        create_all(con, tables)
        for manifest, folder in landed:
            name = f"load {manifest.account} {manifest.listing}"
            progress.start(name, manifest.rows)
            stamp = Stamp(run.run_id, run.as_of, clock.utc().replace(tzinfo=None, microsecond=0))
            result = _load_listing(con, run, manifest, folder, tables, stamp, quarantine_share)
            write_cursor(con, run, manifest, manifest.api, manifest.listing, manifest.ceiling)
            if (events_to := manifest.parameters.get("events_to")) is not None:
                # what these events named has been read again
                write_cursor(con, run, manifest, "inbox", manifest.api, int(events_to))
            write_listing(con, run, result, has_table=_has_table(of_listing(tables, manifest.api, manifest.listing)))
            write_undeclared(con, run, manifest)
            loaded += result
            base = result[0].counts
            progress.finish(
                name,
                f"{base.new:,} new, {base.changed:,} changed, {base.unchanged:,} unchanged, {base.gone:,} gone"
                + (f", {base.quarantined:,} quarantined" if base.quarantined else ""),
            )
    return loaded


def _load_listing(
    con: duckdb.DuckDBPyConnection,
    run: RunContext,
    manifest: Manifest,
    folder: Path,
    tables: dict[str, Table],
    stamp: Stamp,
    quarantine_share: float,
) -> list[Loaded]:
    fed = of_listing(tables, manifest.api, manifest.listing)
    if not fed:
        raise LandingDamaged(f"No staging table is fed by {manifest.api}.{manifest.listing}, which {folder} holds.")
    unchanged = None if run.full_refresh else find_unchanged(con, fed, manifest)
    pages = _to_read(manifest, unchanged)
    if unchanged is not None and not pages and not _has_gone(con, fed, manifest, unchanged, stamp):
        keep_only(con, manifest, unchanged)
        none = Counts(0, 0, 0, 0, 0)
        seen = [unchanged.seen(con, table, manifest.account, stamp, none) for table in fed]
        return [Loaded(manifest, table.table, counts) for table, counts in zip(fed, seen, strict=True)]
    with_reasons = is_counted(manifest) and bool(manifest.refused)
    incoming = Incoming(con, [folder / page.file for page in pages], fed, with_reasons)
    first_load = _is_first_load(con, run, manifest)
    loaded = []
    base: Table | None = None
    whole = all_tables = True
    for table in fed:
        all_accepted = incoming.split(table, manifest.account, run.zone, manifest.read_at)
        if table is fed[0] and unchanged is not None and unchanged.come_again(con):
            incoming.close()
            unchanged, pages = None, manifest.pages
            incoming = Incoming(con, [folder / page.file for page in pages], fed, with_reasons)
            all_accepted = incoming.split(table, manifest.account, run.zone, manifest.read_at)
        all_tables = all_tables and all_accepted
        if table is fed[0] and may_stay(fed):
            note_keys(con, table, pages)
        is_part = base is not None and table.kind == "parts"
        waiting = _keep_parts_of_accepted(incoming, base) if base is not None and is_part and not whole else 0
        spared = unchanged.spares if unchanged is not None else None
        scope = _gone_scope(table, base, manifest)
        if base is not None:
            scope = _less_refused(con, scope, table)
        looked_at = _looked_at(table, base)
        counts = merge(con, table, manifest.account, stamp, scope, spared, in_place=True, looked_at=looked_at)
        counts = counts._replace(**incoming.arrived._asdict(), waiting=waiting)
        if table is fed[0] and _has_table(fed):
            counts = counts._replace(received=sum(page.rows for page in pages))
        if table.history:
            keep_history(con, table, manifest.account, stamp, first_load)
        if unchanged is not None:
            counts = unchanged.seen(con, table, manifest.account, stamp, counts)
        _hold_threshold(con, table, counts, manifest, quarantine_share)
        if base is None and not (table.source and table.source.rows):
            base, whole = table, all_accepted
            con.execute(f"create or replace temp table base_rows as select {_keys(base)} from accepted")
            con.execute("create or replace temp table base_refused as select row_key from refused")
        loaded.append(Loaded(manifest, table.table, counts))
        _drop(con, ("merged",), ("merged_rows",))
        incoming.close()
    if may_stay(fed):
        remember(con, manifest, unchanged, all_accepted=all_tables and not incoming.came_twice)
    _drop(con, (), ("superseded", "refused", "gone", "base_rows", "base_refused", "unchanged_keys", "page_keys"))
    return loaded


def _to_read(manifest: Manifest, unchanged: Unchanged | None) -> list[PageFile]:
    spared = set() if unchanged is None else {page.file for page in unchanged.pages}
    return [page for page in manifest.pages if page.file not in spared]


def _has_gone(
    con: duckdb.DuckDBPyConnection, fed: list[Table], manifest: Manifest, unchanged: Unchanged, stamp: Stamp
) -> bool:
    """Whether a row is missing from a listing of which every page is as before, as where a whole page went."""
    base = fed[0]
    for table in fed:
        if table.kind == "parts" and base.kind != "snapshot":
            continue  # gone with their document only
        scope = _gone_scope(table, base, manifest)
        if scope is None:
            continue
        live = live_in(table, manifest.account, stamp, scope, unchanged.spares)
        if con.execute(f"{live} limit 1").fetchall():
            return True
    return False


def _drop(con: duckdb.DuckDBPyConnection, views: tuple[str, ...], tables: tuple[str, ...]) -> None:
    # as soon as they are not needed: the memory of a load is that of its largest table
    for name in views:
        con.execute(f"drop view if exists {name}")
    for name in tables:
        con.execute(f"drop table if exists {name}")


def _has_table(fed: list[Table]) -> bool:
    """Whether a listing has a table of its own rows besides those of their arrays."""
    return not (fed[0].source and fed[0].source.rows)


def _keep_parts_of_accepted(incoming: Incoming, base: Table) -> int:
    # lines of an order that was refused wait with it in quarantine
    keys = _keys(base)
    return incoming.delete(f"_reason = '' and ({keys}) not in (select ({keys}) from base_rows)")


def _less_refused(con: duckdb.DuckDBPyConnection, scope: str | None, table: Table) -> str | None:
    """The scope less what lies in rows that are set aside: that it did not come means nothing."""
    if scope is None or con.execute("select 1 from base_refused where row_key = '' limit 1").fetchall():
        return None
    return f"{scope} and cast(t.{parent_of(table)} as varchar) not in (select b.row_key from base_refused as b)"


def _looked_at(table: Table, base: Table | None) -> str:
    """The rows in quarantine that this listing shows again, if they are still there (``merge``)."""
    if table.kind == "snapshot" or (table.kind == "parts" and base is not None and base.kind == "snapshot"):
        return "true"
    # parts come with their row: those that were refused before and are none any more did not come
    if base is None or table.kind != "parts":
        return "false"
    key = " || '/' || ".join(f"cast({name} as varchar)" for name in base.grain if name != "account")
    return f"parent_key in (select {key} from base_rows)"


def _keys(base: Table) -> str:
    return ", ".join(name for name in base.grain if name != "account")


def _gone_scope(table: Table, base: Table | None, manifest: Manifest) -> str | None:
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
        window = "false"
        if manifest.window_to:
            first = (
                f"cast(t.created_at as date) >= date {quoted(manifest.window_from)} and "
                if manifest.window_from
                else ""
            )
            window = f"{first}cast(t.created_at as date) <= date {quoted(manifest.window_to)}"
        if manifest.backfill_from and manifest.backfill_to:
            days = f"date {quoted(manifest.backfill_from)} and date {quoted(manifest.backfill_to)}"
            window += f" or cast(t.created_at as date) between {days}"
        key = next(name for name in table.grain if name != "account")
        return f"(({window}) or t.{key} in ({ids}))"
    if table.kind == "parts" and base is not None:
        if base.kind == "snapshot":
            return "true"
        keys = [name for name in base.grain if name != "account"]
        return f"({', '.join(f't.{key}' for key in keys)}) in (select ({', '.join(keys)}) from base_rows)"
    return None


def _hold_threshold(
    con: duckdb.DuckDBPyConnection, table: Table, counts: Counts, manifest: Manifest, share: float
) -> None:
    # a share of 1 lets everything pass, whatever a table declares: so a replay repeats what was green
    if table.quarantine_share is not None and share < 1:
        share = table.quarantine_share
    rows = counts.new + counts.changed + counts.unchanged + counts.quarantined
    refused = counts.quarantined
    if not (table.source and table.source.rows) and not is_counted(manifest):
        unreadable = sum(item.rows for item in manifest.refused)
        refused += unreadable
        rows += unreadable
    if refused > max(1.0, share * rows):
        raise StagingRefused(
            f"{refused:,} of {rows:,} rows of {table.table} (account {manifest.account}) broke their declaration, "
            f"more than the {share:.1%} allowed ({_reasons(con, table, manifest)}); nothing was loaded. "
            "Correct the declaration, or raise STOCKBOOK_QUARANTINE_SHARE (or the table's quarantine_share) for one "
            "night."
        )


def _reasons(con: duckdb.DuckDBPyConnection, table: Table, manifest: Manifest) -> str:
    """The commonest reasons; they name columns and types, no value."""
    rows = con.execute("select reason, count(*) from refused group by 1 order by 2 desc, 1 limit 3").fetchall()
    texts = [f"{reason}: {count:,} rows" for reason, count in rows]
    if not (table.source and table.source.rows) and not is_counted(manifest):
        texts += [f"{item.path}: {item.reason}: {item.rows:,} rows" for item in manifest.refused[:3]]
    return "; ".join(texts)


def _is_first_load(con: duckdb.DuckDBPyConnection, run: RunContext, manifest: Manifest) -> bool:
    cursors = con.execute(
        "select first_as_of from meta.cursor where account = ? and api = ? and listing = ?",
        [manifest.account, manifest.api, manifest.listing],
    ).fetchall()
    return not cursors or cursors[0][0] == run.as_of
