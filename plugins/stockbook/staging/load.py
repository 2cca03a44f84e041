"""
Load a night's landed listings into staging: all of them and their cursors in one transaction.

Either every complete listing of the night is in staging with its cursor, or nothing changed.
"""

from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.clock import Clock
from stockbook.declarations import Table, of_listing
from stockbook.errors import LandingDamaged
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import verify
from stockbook.progress import Progress
from stockbook.runs.context import RunContext
from stockbook.staging.listing_load import ListingLoad, drop_made_anew, has_table
from stockbook.staging.load_log import Loaded, LoadLog, write_undeclared
from stockbook.staging.merge import Stamp, count_of
from stockbook.warehouse import content_marks
from stockbook.warehouse.connect import ROW_GROUP, spare_threads
from stockbook.warehouse.schema import create_all
from stockbook.warehouse.transaction import transaction

_REFUSED = "select count(*) from staging.quarantine"


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
    if sum(manifest.rows for manifest, _ in landed) <= ROW_GROUP:
        spare_threads(con)
    loaded: list[Loaded] = []
    log = LoadLog(run)
    with transaction(con):
        create_all(con, tables)
        refused = count_of(con, _REFUSED)
        for manifest, folder in landed:
            name = f"load {manifest.account} {manifest.listing}"
            progress.start(name, manifest.rows)
            stamp = Stamp(run.run_id, run.as_of, clock.utc().replace(tzinfo=None, microsecond=0))
            fed = of_listing(tables, manifest.api, manifest.listing)
            if not fed:
                raise LandingDamaged(
                    f"No staging table is fed by {manifest.api}.{manifest.listing}, which {folder} holds."
                )
            result = ListingLoad(con, run, manifest, folder, fed, stamp, quarantine_share).load()
            log.add(result, has_table(fed))
            write_undeclared(con, run, manifest)
            loaded += result
            base = result[0].counts
            progress.finish(
                name,
                f"{base.new:,} new, {base.changed:,} changed, {base.unchanged:,} unchanged, {base.gone:,} gone"
                + (f", {base.quarantined:,} quarantined" if base.quarantined else ""),
            )
        drop_made_anew(con)
        log.write(con)
        content_marks.renew(con, run.run_id, tables, _changed(con, loaded, refused))
    return loaded


def _changed(con: duckdb.DuckDBPyConnection, loaded: list[Loaded], refused: int) -> set[str]:
    """The tables whose rows are others than before; ``refused`` is how many were in quarantine then."""
    changed = {f"staging.{table}" for _, table, counts in loaded if counts.new or counts.changed or counts.gone}
    if count_of(con, _REFUSED) != refused or any(counts.quarantined for _, _, counts in loaded):
        changed.add(content_marks.QUARANTINE)
    return changed
