"""Books made again from landed pages, night by night, with the steps of a night from there on."""

from pathlib import Path

import msgspec

from stockbook import hash_key
from stockbook.atomic_files import write_atomically
from stockbook.closing import chain, state
from stockbook.closing.landed import FOLDER, bring, read_all
from stockbook.errors import ConfigError
from stockbook.night import configuration, run_rows
from stockbook.night.landed_nights import LandedNight, loaded_nights
from stockbook.night.steps import Night, finish, settle
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.staging.load import load as load_landed
from stockbook.warehouse.connect import writer
from stockbook.warehouse.schema import create_all


def replay(night: Night, name: str, landing: Path) -> Report:
    """
    Make the books of an empty home from the landed pages of another (or of its own, when the warehouse is lost).

    Every night that is loaded again has a row in ``meta.run`` (status ``replayed``) besides the replay itself. Raises
    ConfigError when the home has books already, the landing holds no beginning or was hashed with another key than the
    setting's, LandingDamaged when pages are not as they were written.
    """
    run_id = runs.run_id_of(name)
    night.lock.take(run_id, whole_run_here=True)
    try:
        with night.lock.step(run_id, "open"):
            run, landed_nights, left_out = _open(night, run_id, landing)
        _load(night, run, landed_nights, left_out, landing)
        settle(night, run_id)
        return finish(night, run_id)
    finally:
        night.lock.release(run_id)


def _open(night: Night, run_id: str, landing: Path) -> tuple[RunContext, list[LandedNight], list[str]]:
    settings = night.settings
    configuration.require(settings)
    if settings.warehouse.exists() and not unfinished(settings).exists():
        raise ConfigError(
            f"A replay makes the books of an empty home; {settings.warehouse} exists: "
            "set STOCKBOOK_HOME to a new folder, or move the file away."
        )
    landed_nights, left_out = loaded_nights(landing, night.tables)
    last = landed_nights[-1]
    # what the last night's pages were hashed with; a replay hashes nothing
    keys = {listing.manifest.parameters.get("hash_key") for listing in last.listings}
    hash_key.remember(settings, next(iter(keys)) if len(keys) == 1 else None)
    run = RunContext(
        run_id=run_id,
        as_of=last.as_of,
        zone=settings.zone.key,
        started_at=night.clock.utc(),
        night=last.name,
        observes=True,
        full_refresh=False,
        backfill_from=None,
        backfill_to=None,
        conn_ids=(),
    )
    runs.save(settings, run)
    # a replay that was killed begins anew: nights must be loaded in their order
    write_atomically(unfinished(settings), b"")
    for file in (settings.warehouse, settings.warehouse.with_name(settings.warehouse.name + ".wal")):
        file.unlink(missing_ok=True)
    return run, landed_nights, left_out


def _load(night: Night, run: RunContext, landed_nights: list[LandedNight], left_out: list[str], landing: Path) -> None:
    tables = night.tables
    with night.at(run, "load") as done:
        done.notes += [f"left out: {text}" for text in left_out]
        done.notes += _bring_closes(night.settings, landing)
        with writer(night.settings) as con:
            create_all(con, tables)
            run_rows.insert(con, run, "running", run.started_at.replace(microsecond=0))
            for position, landed in enumerate(landed_nights):
                of_night = msgspec.structs.replace(
                    run,
                    run_id=landed.name,
                    as_of=landed.as_of,
                    night=landed.name,
                    full_refresh=landed.whole and position > 0,
                )
                # every row that was refused then is refused again: the night was green with it
                loaded = load_landed(con, of_night, landed.listings, tables, night.clock, night.progress, 1.0)
                opened_at = landed.opened_at.replace(microsecond=0)
                run_rows.insert(con, of_night, "replayed", opened_at, night.clock.utc())
                rows = sum(item.counts.new + item.counts.changed for item in loaded)
                done.notes.append(f"{landed.name}: {len(landed.listings)} listings, {rows:,} rows new or changed")
        unfinished(night.settings).unlink()


def _bring_closes(settings: Settings, landing: Path) -> list[str]:
    """Signed months come along; a state folder that knows of them keeps what it knows."""
    if not bring(landing / FOLDER, settings.closes):
        return []
    if not state.read(settings.state):
        state.write(settings.state, chain.newest(read_all(settings.closes)))
    closes = chain.require(settings)
    return [f"{len(closes)} signed months came along"]


def unfinished(settings: Settings) -> Path:
    """A mark in the home while a replay makes its books: those it left are no books."""
    return settings.home / "replay.unfinished"
