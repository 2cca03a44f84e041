"""
Pages that are to the byte what the last load of their listing read: nothing of them is merged again.

Their rows are in staging as they were sent; all there is to write is that they were seen once more. This is believed
only where it can be held: the last load accepted every row of the listing, under the same declarations, no key of
these pages came with another page too, and each is there and not deleted. Otherwise everything is loaded as it came.
"""

import hashlib
from collections.abc import Sequence
from itertools import accumulate

import duckdb

from stockbook.declarations import Table
from stockbook.landing.manifest import Manifest, PageFile
from stockbook.sql_text import quoted
from stockbook.staging.merge import Counts, Stamp
from stockbook.version import VERSION
from stockbook.warehouse import meta_listings
from stockbook.warehouse.meta_listings import ListingKey

# a ledger's pages shift with every new row, and what is observed each night is new each night
_KINDS = {"documents", "snapshot", "parts"}


class Unchanged:
    """The pages of a listing that need not be merged; their keys are the temporary table ``unchanged_keys``."""

    def __init__(self, base: Table, pages: list[PageFile]) -> None:
        """``pages`` feed ``base``, the table of the listing's own rows."""
        self.pages = pages
        self._base = base
        self._key = key_of(base)
        self._same = f"u.{self._key} = t.{self._key}"
        self.spares = f"exists (select 1 from unchanged_keys as u where {self._same})"

    def come_again(self, con: duckdb.DuckDBPyConnection) -> bool:
        """Whether a row of ``accepted`` or ``refused`` has a key of these pages: then order of arrival decides."""
        return bool(
            con.execute(f"""
                select 1
                from (select {self._key} from accepted union all select {self._key} from refused) as t
                where {self.spares}
                limit 1
            """).fetchall()
        )

    def seen(self, con: duckdb.DuckDBPyConnection, table: Table, account: str, stamp: Stamp, counts: Counts) -> Counts:
        """Note that the rows of these pages were seen, in a table and its history; gives the counts with them."""
        at = f"timestamp {quoted(stamp.observed_at.isoformat())}"
        rows = con.execute(f"""
            update {table.name} as t
            set _last_seen_at = greatest(t._last_seen_at, {at})
            from unchanged_keys as u
            where t.account = {quoted(account)} and {self._same} and t._deleted_at is null
        """).fetchall()[0][0]
        if table.history:
            con.execute(f"""
                update {table.name}_history as t
                set _last_seen_at = {at}
                from unchanged_keys as u
                where t.account = {quoted(account)} and {self._same} and t._valid_to is null
            """)
        # what rows of arrays these pages hold was counted when they were read
        received = sum(page.rows for page in self.pages) if table is self._base else rows
        return counts._replace(unchanged=counts.unchanged + rows, received=counts.received + received)


def find_unchanged(con: duckdb.DuckDBPyConnection, fed: Sequence[Table], manifest: Manifest) -> Unchanged | None:
    """The pages of a landed listing that its last load read too; None where there are none, or it cannot be held."""
    base = fed[0]
    if not may_stay(fed):
        return None
    digests = {
        digest
        for (digest,) in con.execute(
            f"select sha256 from meta.loaded_page where {_of(manifest)} and read_as = {quoted(_read_as(manifest))}"
        ).fetchall()
    }
    pages = [page for page in manifest.pages if page.sha256 in digests]
    if not pages:
        return None
    key = key_of(base)
    con.execute(f"""
        create or replace temp table unchanged_keys as
        select cast(unnest(keys) as {base.columns[key].type}) as {key}
        from meta.loaded_page
        where {_of(manifest)} and sha256 in ({", ".join(quoted(page.sha256) for page in pages)})
    """)
    unchanged = Unchanged(base, pages)
    rows, distinct, there = con.execute(f"""
        select
            (select count(*) from unchanged_keys),
            (select count(*) from (select distinct * from unchanged_keys)),
            (
                select count(*) from {base.name} as t
                where t.account = {quoted(manifest.account)} and t._deleted_at is null and {unchanged.spares}
            )
    """).fetchall()[0]
    return unchanged if rows == distinct == there else None


def note_keys(con: duckdb.DuckDBPyConnection, base: Table, pages: Sequence[PageFile]) -> None:
    """Make the temporary table ``page_keys`` (sha256, keys) of pages that were just read into ``typed``."""
    firsts = list(accumulate((page.rows for page in pages), initial=0))
    digests = ", ".join(quoted(page.sha256) for page in pages)
    con.execute(f"""
        create or replace temp table page_keys as
        with

        pages as (
            select
                unnest([{digests}]::varchar[]) as sha256,
                unnest({firsts[:-1]}::bigint[]) as first_row,
                unnest({firsts[1:]}::bigint[]) as next_row
        ),

        rows as (
            select
                cast({key_of(base)} as varchar) as key,
                row_number() over (order by _row) - 1 as position
            from typed
        )

        select
            p.sha256,
            list(r.key order by r.position) as keys
        from pages as p
        inner join rows as r on r.position >= p.first_row and r.position < p.next_row
        group by p.sha256
    """)


def remember(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, unchanged: Unchanged | None, all_accepted: bool
) -> None:
    """Write down which pages this load has read (``page_keys``, and those that stayed), if all they sent was taken."""
    keep_only(con, manifest, unchanged if all_accepted and not manifest.refused else None)
    if not all_accepted or manifest.refused:
        return
    meta_listings.write_loaded_pages(con, _listing(manifest), _read_as(manifest))


def keep_only(con: duckdb.DuckDBPyConnection, manifest: Manifest, unchanged: Unchanged | None) -> None:
    """Forget the pages of earlier loads but those that came again."""
    stayed = [page.sha256 for page in unchanged.pages] if unchanged is not None else []
    meta_listings.forget_loaded_pages(con, _listing(manifest), stayed)


def may_stay(fed: Sequence[Table]) -> bool:
    """Whether pages of a listing that feeds these tables may be left alone when they come again."""
    base = fed[0]
    if base.source is None or base.source.rows or len(_keys(base)) != 1:
        return False
    return all(_is_still(table) and key_of(base) in table.columns for table in fed)


def _is_still(table: Table) -> bool:
    return table.kind in _KINDS and not any(column.observed for column in table.columns.values())


def key_of(base: Table) -> str:
    """The column that names a row within its account."""
    return _keys(base)[0]


def _keys(base: Table) -> list[str]:
    return [name for name in base.grain if name != "account"]


def _listing(manifest: Manifest) -> ListingKey:
    return ListingKey(manifest.account, manifest.api, manifest.listing)


def _of(manifest: Manifest) -> str:
    return (
        f"account = {quoted(manifest.account)} and api = {quoted(manifest.api)} "
        f"and listing = {quoted(manifest.listing)}"
    )


def _read_as(manifest: Manifest) -> str:
    """By which declarations and by which version pages are read; another key makes other pages."""
    versions = [manifest.parameters.get("declarations", ""), VERSION]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]
