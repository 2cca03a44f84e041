"""
The landing's folders, one per attempt to read a night.

A night that was killed before it was loaded is resumed in its folder: what landed is not read
again. Once loaded (or too old to be the same moment), the next attempt begins a new folder.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from stockbook.atomic_files import write_atomically
from stockbook.clock import Clock
from stockbook.errors import LandingDamaged
from stockbook.landing.manifest import Manifest
from stockbook.runs.context import Parameters, RunContext, read_sealed
from stockbook.runs.context import folder as folder_of
from stockbook.settings import Settings

# pages older than this are of another moment than the rest of the night would be
RESUMABLE = timedelta(hours=6)

_OPENED = "opened.json"
_MOMENT = "%Y%m%dT%H%M%S"
_LOADED = "loaded"
_REFUSED = "refused"


class Opened(msgspec.Struct):
    """When the first attempt opened the folder, UTC."""

    opened_at: datetime


def open_folder(settings: Settings, as_of: datetime, parameters: Parameters, clock: Clock) -> str:
    """Name of the folder to land in: the unfinished one of the same night and parameters, else a new one."""
    # the name has the moment already: a night begun without an as_of can be resumed with one
    undated = msgspec.structs.replace(parameters, as_of=None)
    digest = hashlib.sha256(msgspec.json.encode(undated)).hexdigest()[:8]
    stem = f"{as_of:{_MOMENT}}-{digest}"
    attempt = 1
    while (folder := settings.landing / f"{stem}-{attempt}").exists():
        if not _is_closed(folder) and clock.utc() - _opened_at(folder) <= RESUMABLE:
            return folder.name
        attempt += 1
    folder.mkdir(parents=True)
    write_atomically(folder / _OPENED, msgspec.json.encode(Opened(clock.utc())))
    return folder.name


def mark_loaded(settings: Settings, night: str) -> None:
    """What landed in the folder is in staging now."""
    write_atomically(settings.landing / night / _LOADED, b"")


def mark_refused(settings: Settings, night: str) -> None:
    """Staging refused what landed in the folder: another try reads the sources again, they may have healed."""
    write_atomically(settings.landing / night / _REFUSED, b"")


def note_landed(settings: Settings, run_id: str, conn_id: str, manifests: list[Manifest]) -> None:
    """Write down which listings a connection has landed in a run, for the load."""
    names = [f"{manifest.account}/{manifest.api}.{manifest.listing}" for manifest in manifests]
    write_atomically(folder_of(settings, run_id) / f"landed-{conn_id}.json", msgspec.json.encode(names))


def landed_folders(settings: Settings, run: RunContext) -> list[Path]:
    """The folders of the listings a run has landed. Raises LandingDamaged for a connection that was not read."""
    folders = []
    for conn_id in run.conn_ids:
        file = folder_of(settings, run.run_id) / f"landed-{conn_id}.json"
        if not file.exists():
            raise LandingDamaged(f"Connection {conn_id} has not been read in run {run.run_id}: extract it first.")
        folders += [settings.landing / run.night / name for name in read_sealed(file, list[str])]
    return folders


def _is_closed(folder: Path) -> bool:
    return (folder / _LOADED).exists() or (folder / _REFUSED).exists()


def loaded(landing: Path) -> list[tuple[str, datetime, datetime]]:
    """The folders whose pages were loaded, in the order in which they were opened: as_of (local), opening (UTC)."""
    folders = []
    for folder in landing.glob("*-*-*"):
        if (folder / _LOADED).exists():
            moment, _, attempt = folder.name.split("-")
            as_of = datetime.strptime(moment, _MOMENT)  # noqa: DTZ007  # a local wall clock
            folders.append((_opened_at(folder), as_of, int(attempt), folder.name))
    return [(name, as_of, opened_at) for opened_at, as_of, _, name in sorted(folders)]


def last_loaded(landing: Path) -> Path | None:
    """The folder that was opened last of those whose pages were loaded."""
    nights = loaded(landing)
    return landing / nights[-1][0] if nights else None


def opened_before(settings: Settings, before: datetime, keep: str = "") -> list[tuple[Path, datetime]]:
    """The folders opened before an instant, except ``keep``, and when; closes are no night and are not among them."""
    folders = [folder for folder in settings.landing.glob("*-*-*") if folder.is_dir() and folder.name != keep]
    opened = [(folder, _opened_at(folder)) for folder in sorted(folders)]
    return [(folder, at) for folder, at in opened if at < before]


def _opened_at(folder: Path) -> datetime:
    try:
        return msgspec.json.decode((folder / _OPENED).read_bytes(), type=Opened).opened_at
    except (FileNotFoundError, msgspec.DecodeError):
        return datetime.min.replace(tzinfo=UTC)  # killed while it was being opened: too old to resume
