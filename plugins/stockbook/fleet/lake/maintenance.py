"""
Keeping a lake small: old snapshots forgotten, files removed that no snapshot has, and those that nobody committed.

Nothing is to be merged: an account has one file of a table, and it goes by itself when the account is published next.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.fleet.lake import catalog
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.sql_text import quoted
from stockbook.warehouse.lake import NAME, attach_lake, beside_lake, unavailable

# how long a file stays that a reader may still be reading, and one that is being prepared
GRACE = timedelta(days=1)


class Maintained(NamedTuple):
    """What went."""

    snapshots: int
    files: int
    orphans: int


def maintain(
    url: LakeUrl,
    data_path: str,
    scratch: Path,
    now: datetime,
    keep: timedelta = timedelta(days=7),
    grace: timedelta = GRACE,
) -> Maintained:
    """
    Forget snapshots older than ``keep`` and remove files that have been nobody's for ``grace``.

    Publishers wait only while snapshots are forgotten. Raises LakeUnavailable.
    """
    with beside_lake(url, data_path, scratch, Limits()) as con:
        attach_lake(con, url, data_path)
        try:
            with catalog.locked(url):
                snapshots = _call(con, "ducklake_expire_snapshots", now - keep)
            files = _call(con, "ducklake_cleanup_old_files", now - grace)
            return Maintained(snapshots, files, _call(con, "ducklake_delete_orphaned_files", now - grace))
        except duckdb.Error as error:
            raise unavailable(url, error) from None


def forget_past(url: LakeUrl, data_path: str, scratch: Path, now: datetime) -> Maintained:
    """
    Forget every snapshot but the newest and remove at once the files that only earlier ones had.

    For what nobody may see any more: a reader who is in the midst of a question about an earlier snapshot gets an error
    and asks again. What the catalog says of columns of whole tables goes too, which may quote a value. Raises
    LakeUnavailable.
    """
    with catalog.connected(url) as pg:
        if not catalog.is_there(pg):
            return Maintained(0, 0, 0)
    with beside_lake(url, data_path, scratch, Limits()) as con:
        attach_lake(con, url, data_path)
        try:
            with catalog.locked(url) as pg:
                # the newest one always stays; the catalog's clock may be before ours
                snapshots = _call(con, "ducklake_expire_snapshots", now + GRACE)
                pg.execute(
                    "update public.ducklake_table_column_stats set min_value = null, max_value = null "
                    "where min_value is not null or max_value is not null"
                )
            files = len(con.execute(f"call ducklake_cleanup_old_files('{NAME}', cleanup_all => true)").fetchall())
            return Maintained(snapshots, files, 0)
        except duckdb.Error as error:
            raise unavailable(url, error) from None


def _call(con: duckdb.DuckDBPyConnection, function: str, older_than: datetime) -> int:
    moment = quoted(older_than.astimezone(UTC).isoformat())
    return len(con.execute(f"call {function}('{NAME}', older_than => timestamptz {moment})").fetchall())
