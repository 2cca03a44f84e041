"""The loading step: what landed into staging, with its cursors, in one transaction."""

from typing import TYPE_CHECKING

from stockbook.errors import LandingDamaged, StagingRefused
from stockbook.night import landings
from stockbook.night.checking import prepare
from stockbook.night.erasing import finish_erasure
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.step_log import ListingDone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockbook.staging.load import Landed
    from stockbook.staging.load_log import Loaded


def load(night: Night, run_id: str) -> None:
    """Load all landed listings of the run."""
    from stockbook.night import findings
    from stockbook.sla.statuses import read as read_statuses
    from stockbook.staging.load import load as load_landed
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    prepare(run)
    with night.at(run, "load") as done:
        if not run.observes:
            return
        done.notes += finish_erasure(night)
        landed = _landed(night, run)
        with writer(night.settings) as con:
            try:
                loaded = load_landed(
                    con, run, landed, night.tables, night.clock, night.progress, night.settings.quarantine_share
                )
            except StagingRefused:
                landings.mark_refused(night.settings, run.night)
                raise
            statuses = read_statuses(night.settings.policy_dir / "statuses.yml")
            done.notes += findings.of_load(con, run, night.tables, statuses)
        done.listings = _listings(loaded)
        landings.mark_loaded(night.settings, run.night)


def _landed(night: Night, run: RunContext) -> "list[Landed]":
    from stockbook.landing.manifest import read_manifest
    from stockbook.staging.load import Landed

    landed = []
    for folder in landings.landed_folders(night.settings, run):
        manifest = read_manifest(folder)
        if manifest is None:
            raise LandingDamaged(f"{folder} has no manifest: expected a complete listing. Run the night again.")
        landed.append(Landed(manifest, folder))
    if not landed:
        raise LandingDamaged(f"Run {run.run_id} landed no listing: so there is nothing to load. Run the night again.")
    return landed


def _listings(loaded: "Iterable[Loaded]") -> list[ListingDone]:
    """One line of the report per listing: the counts of its own table, quarantined rows of its arrays too."""
    from stockbook.staging.load_log import is_counted

    by_listing: dict[str, ListingDone] = {}
    for manifest, _, counts in loaded:
        key = f"{manifest.account}/{manifest.api}.{manifest.listing}"
        item = by_listing.get(key)
        if item is None:
            item = by_listing[key] = ListingDone.of(manifest)
            item.new, item.changed, item.unchanged, item.gone = counts[:4]
            if not is_counted(manifest):
                item.quarantined = sum(refused.rows for refused in manifest.refused)
        item.quarantined += counts.quarantined
    return list(by_listing.values())
