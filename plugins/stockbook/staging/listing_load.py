"""The load of one landed listing into the staging tables it feeds."""

from pathlib import Path

import duckdb

from stockbook.declarations import Table
from stockbook.errors import StagingRefused
from stockbook.landing.manifest import Manifest
from stockbook.runs.context import RunContext
from stockbook.staging.absence import gone_scope, key_columns, less_refused, looked_at
from stockbook.staging.history import keep_history
from stockbook.staging.load_log import Loaded, is_counted
from stockbook.staging.merge import Counts, Stamp, live_in, merge
from stockbook.staging.typed_rows import Incoming
from stockbook.staging.unchanged import find_unchanged, keep_only, may_stay, note_keys, remember

_MADE_ANEW = (
    "landed_rows",
    "superseded",
    "disputed",
    "refused",
    "gone",
    "base_rows",
    "base_refused",
    "unchanged_keys",
    "page_keys",
)


def drop_made_anew(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables that every listing replaces before it reads them, at the end of a load."""
    for name in _MADE_ANEW:
        con.execute(f"drop table if exists {name}")


class ListingLoad:
    """
    One listing, table by table: its own first, then those of its arrays.

    ``base`` is the table of the listing's own rows once it is loaded; the temporary tables ``base_rows`` and
    ``base_refused`` then hold the keys of its rows.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        run: RunContext,
        manifest: Manifest,
        folder: Path,
        fed: list[Table],
        stamp: Stamp,
        quarantine_share: float,
    ) -> None:
        """``fed`` are the tables that the listing feeds."""
        self.con, self.run, self.manifest, self.folder, self.fed = con, run, manifest, folder, fed
        self.stamp, self.quarantine_share = stamp, quarantine_share
        self.unchanged = None if run.full_refresh else find_unchanged(con, fed, manifest)
        unread = set() if self.unchanged is None else {page.file for page in self.unchanged.pages}
        self.pages = [page for page in manifest.pages if page.file not in unread]
        self.base: Table | None = None
        self.base_is_whole = self.is_whole = True

    def load(self) -> list[Loaded]:
        """Merge every table. Raises StagingRefused."""
        if self.unchanged is not None and not self.pages and not self._has_gone():
            return self._seen_again()
        self.is_first_load = _is_first_load(self.con, self.run, self.manifest)
        self.incoming = self._incoming()
        loaded = [Loaded(self.manifest, table.table, self._load_table(table)) for table in self.fed]
        if may_stay(self.fed):
            all_accepted = self.is_whole and not self.incoming.came_twice
            remember(self.con, self.manifest, self.unchanged, all_accepted=all_accepted)
        return loaded

    def _seen_again(self) -> list[Loaded]:
        """Note that every row was seen, where every page is as before."""
        keep_only(self.con, self.manifest, self.unchanged)
        return [
            Loaded(self.manifest, table.table, self._with_unchanged(table, Counts(0, 0, 0, 0, 0))) for table in self.fed
        ]

    def _with_unchanged(self, table: Table, counts: Counts) -> Counts:
        if self.unchanged is None:
            return counts
        return self.unchanged.seen(self.con, table, self.manifest.account, self.stamp, counts)

    def _incoming(self) -> Incoming:
        with_reasons = is_counted(self.manifest) and bool(self.manifest.refused)
        files, rows = [self.folder / page.file for page in self.pages], [page.rows for page in self.pages]
        return Incoming(self.con, files, self.fed, with_reasons, rows)

    def _load_table(self, table: Table) -> Counts:
        is_own = table is self.fed[0]
        all_accepted = self._split(table)
        self.is_whole = self.is_whole and all_accepted
        if is_own and may_stay(self.fed):
            note_keys(self.con, table, self.pages)
        counts = self._merge(table)
        if is_own and has_table(self.fed):
            counts = counts._replace(received=sum(page.rows for page in self.pages))
        if table.history:
            keep_history(self.con, table, self.manifest.account, self.stamp, counts.gone, self.is_first_load)
        counts = self._with_unchanged(table, counts)
        _hold_threshold(self.con, table, counts, self.manifest, self.quarantine_share)
        if self.base is None and not (table.source and table.source.rows):
            self.base, self.base_is_whole = table, all_accepted
            self.con.execute(f"create or replace temp table base_rows as select {key_columns(table)} from accepted")
            self.con.execute("create or replace temp table base_refused as select row_key from refused")
        # as soon as they are not needed: the memory of a load is that of its largest table
        self.con.execute("drop view if exists merged")
        self.con.execute("drop table if exists merged_rows")
        self.incoming.close()
        return counts

    def _split(self, table: Table) -> bool:
        """Make ``accepted`` and ``refused`` of the table's rows; whether all were accepted."""
        manifest, zone = self.manifest, self.run.zone
        all_accepted = self.incoming.split(table, manifest.account, zone, manifest.read_at)
        if table is self.fed[0] and self.unchanged is not None and self.unchanged.come_again(self.con):
            self.incoming.close()
            self.unchanged, self.pages = None, manifest.pages
            self.incoming = self._incoming()
            all_accepted = self.incoming.split(table, manifest.account, zone, manifest.read_at)
        return all_accepted

    def _merge(self, table: Table) -> Counts:
        waiting = 0
        if self.base is not None and table.kind == "parts" and not self.base_is_whole:
            # lines of an order that was refused wait with it in quarantine
            keys = key_columns(self.base)
            waiting = self.incoming.delete(f"_reason = '' and ({keys}) not in (select ({keys}) from base_rows)")
        scope = gone_scope(table, self.base, self.manifest)
        if self.base is not None:
            scope = less_refused(self.con, scope, table)
        counts = merge(
            self.con,
            table,
            self.manifest.account,
            self.stamp,
            scope,
            self.unchanged.spares if self.unchanged is not None else None,
            in_place=True,
            looked_at=looked_at(table, self.base),
        )
        return counts._replace(**self.incoming.arrived._asdict(), waiting=waiting)

    def _has_gone(self) -> bool:
        """Whether a row is missing from a listing of which every page is as before, as where a whole page went."""
        base = self.fed[0]
        for table in self.fed:
            if self.unchanged is None or (table.kind == "parts" and base.kind != "snapshot"):
                continue  # gone with their document only
            scope = gone_scope(table, base, self.manifest)
            if scope is None:
                continue
            live = live_in(table, self.manifest.account, self.stamp, scope, self.unchanged.spares)
            if self.con.execute(f"{live} limit 1").fetchall():
                return True
        return False


def has_table(fed: list[Table]) -> bool:
    """Whether a listing has a table of its own rows besides those of their arrays."""
    return not (fed[0].source and fed[0].source.rows)


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
