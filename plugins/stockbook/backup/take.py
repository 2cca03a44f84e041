"""
Taking a backup: a snapshot, its new pieces, the list of the erased, and the manifest last.

Killed anywhere it leaves pieces without a manifest, which the next backup takes over. What the store says is not
believed: before the manifest is written every piece must be listed with its size, and the manifest is read back.
"""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from stockbook import hash_key
from stockbook.atomic_files import write_atomically
from stockbook.backup import rotation, suppression
from stockbook.backup.contents import INBOX, LAST, WAREHOUSE, gone
from stockbook.backup.events import digests_of_events
from stockbook.backup.manifest import (
    BACKUPS,
    PIECES,
    Backup,
    Entry,
    encoded,
    moment_of,
    name_of,
    names,
    read,
)
from stockbook.backup.sender import Sender
from stockbook.backup.snapshot import Snapshot, at_rest, snapshot
from stockbook.backup.store import Folder, Store
from stockbook.clock import Clock
from stockbook.errors import ConfigError, LandingDamaged, RunLocked, StoreDamaged, StoreUnavailable
from stockbook.landing.manifest import MANIFEST, read_manifest
from stockbook.landing.pages import verified
from stockbook.progress import Progress
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.settings import Settings
from stockbook.version import VERSION


class Taken(NamedTuple):
    """A finished backup, what it added to the store, and what there is to say."""

    backup: Backup
    new_pieces: int
    new_bytes: int
    dropped: list[str]
    notes: list[str]

    def sentences(self) -> list[str]:
        """What was done, for people."""
        backup = self.backup
        return [
            f"Backup {backup.name}: {len(backup.files):,} files, {backup.bytes / 1e6:,.1f} MB, books as of "
            f"{backup.as_of}; {self.new_pieces:,} pieces of {self.new_bytes / 1e6:,.1f} MB were new.",
            *([f"Went by rotation: {', '.join(self.dropped)}."] if self.dropped else []),
            *self.notes,
        ]


def take(settings: Settings, store: Store, clock: Clock, progress: Progress) -> Taken:
    """
    Take a backup of the home into a store.

    Raises ConfigError for a home or store that cannot be, RunLocked when a night does not end within an hour,
    WarehouseDamaged and LandingDamaged for a home that is not what was written (nothing is backed up then, and earlier
    backups stay), StoreUnavailable.
    """
    _refuse(settings, store)
    with _alone(settings) as folder:
        before, notes = _newest(store)
        key = _fingerprint(settings)
        if before is not None and before.hash_key and key and before.hash_key != key:
            raise ConfigError(
                "This store has backups of a home with another key of personal data: give each home a place of its own."
            )
        sender = Sender(store, before)
        earlier = sender.whole()
        name = _name(store, clock)
        with at_rest(settings, clock, progress, f"backup-{name}"):
            taken = snapshot(settings, folder, earlier)
            carried = [path for path in gone(settings, earlier, clock.utc()) if not path.startswith("policy/")]
            suppression.require_grown(settings.home / ERASURES, earlier.get(ERASURES))
        if carried:
            notes.append(
                f"warning: {len(carried)} files of the backup before are gone from the home and were carried over from "
                f"it ({', '.join(carried[:3])}{' …' * (len(carried) > 3)}): `stockbook doctor` names them."
            )
        as_of, file_format = _written(settings, taken, folder, before)
        files = {path: earlier[path] for path in carried} | taken.same
        for path, (copy, modified) in taken.copies.items():
            files[path] = Entry(copy.stat().st_size, modified, sender.send(copy))
        _refuse_damaged_pages(settings, folder, taken, files)
        backup = Backup(
            name=name,
            taken_at=clock.utc(),
            program=VERSION,
            file_format=file_format,
            as_of=as_of,
            hash_key=key,
            files=dict(sorted(files.items())),
            pieces=sender.sizes_of(files),
            carried=sorted(carried),
            events=digests_of_events(taken.copies[INBOX][0]) if INBOX in taken.copies else {},
        )
        suppression.keep(store, settings.home / ERASURES)
        backup, dropped, more = _finish(settings, store, backup, before)
        return Taken(backup, sender.new_pieces, sender.new_bytes, dropped, notes + more)


def _refuse(settings: Settings, store: Store) -> None:
    if settings.lake is not None:
        raise ConfigError("This machine works for a fleet, whose homes lie in its store: back up that (docs/fleet.md).")
    if not settings.warehouse.exists():
        raise ConfigError(f"There are no books in {settings.home} yet: nothing to back up.")
    if (settings.home / "replay.unfinished").exists():
        raise ConfigError(f"A replay of {settings.home} was not finished: run it again, then take the backup.")
    if isinstance(store, Folder) and store.path.resolve().is_relative_to(settings.home.resolve()):
        raise ConfigError(f"{store.path} lies in the home itself and would be lost with it: name another disk.")


def leftover(settings: Settings) -> str | None:
    """What a killed backup left under the home, in a sentence; None where there is nothing, or one is at work."""
    folder = _folder(settings)
    if not folder.exists():
        return None
    with suppress(OSError), _lock_of(folder).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{folder} is what a killed backup left, {size / 1e6:,.1f} MB: the next `stockbook backup` removes it"


def _folder(settings: Settings) -> Path:
    return settings.home / "tmp" / "backup"


def _lock_of(folder: Path) -> Path:
    return folder.parent / "backup.lock"


@contextmanager
def _alone(settings: Settings) -> Iterator[Path]:
    """A folder for the snapshot, empty, and removed at the end; whatever a killed backup left there is gone."""
    folder = _folder(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(folder).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLocked(f"Another backup of {settings.home} is under way: wait for it to end.") from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _newest(store: Store) -> tuple[Backup | None, list[str]]:
    listed = names(store)
    if not listed:
        return None, []
    try:
        return read(store, listed[-1]), []
    except StoreDamaged as error:
        return None, [f"warning: {error} Everything is read anew for this one; remove the damaged one."]


def _fingerprint(settings: Settings) -> str | None:
    """That of the key of the books. Raises ConfigError when the setting has another."""
    hash_key.require_same(settings)
    file = settings.state / "hash-key.fingerprint"
    if file.exists():
        return file.read_text().strip()
    return hash_key.fingerprint(settings.hash_key) if settings.hash_key else None


def _name(store: Store, clock: Clock) -> str:
    moment, taken = clock.utc(), set(names(store))
    while name_of(moment) in taken:
        moment += timedelta(seconds=1)
    if taken and name_of(moment) < max(taken):
        raise ConfigError(
            f"The newest backup of this store is of {moment_of(max(taken)):%Y-%m-%d %H:%M:%S} UTC and this machine's "
            "clock is before that: set the clock, or remove that backup if it is the one with the wrong time."
        )
    return name_of(moment)


def _written(settings: Settings, taken: Snapshot, folder: Path, before: Backup | None) -> tuple[datetime | None, int]:
    """The as_of and format of the writer's file, once every value of it was read. Raises WarehouseDamaged."""
    if WAREHOUSE not in taken.copies:
        return (before.as_of, before.file_format) if before is not None else (None, 0)
    from stockbook.warehouse.publish import read_whole

    return read_whole(folder / WAREHOUSE, settings.limits)


def _refuse_damaged_pages(settings: Settings, folder: Path, taken: Snapshot, files: Mapping[str, Entry]) -> None:
    """Pages of listings of which something is new must be what their manifests say. Raises LandingDamaged."""
    listings = {path.rpartition("/")[0] for path in taken.copies if path.startswith("landing/")}
    for listing in sorted(listings):
        is_copied = f"{listing}/{MANIFEST}" in taken.copies
        manifest = read_manifest((folder if is_copied else settings.home) / listing)
        for page in manifest.pages if manifest is not None else []:
            path = f"{listing}/{page.file}"
            entry = files.get(path)
            # a page of several pieces has a digest of its own: it is read as the load reads it
            if entry is None or (len(entry.pieces) > 1 and path in taken.copies):
                verified(folder / listing, page)
            elif len(entry.pieces) < 2 and entry.pieces != [page.sha256]:
                raise LandingDamaged(
                    f"{path} is not what its manifest says: nothing was backed up. See `stockbook doctor`."
                )


def _finish(
    settings: Settings, store: Store, backup: Backup, before: Backup | None
) -> tuple[Backup, list[str], list[str]]:
    """Write the manifest, and remove what need not stay; a backup is finished before anything is removed."""
    _require_pieces(store, backup)
    try:
        backup = msgspec.structs.replace(backup, leaving=sorted(rotation.unnamed(store) - backup.pieces.keys()))
        notes: list[str] = []
    except StoreDamaged as error:
        notes = [f"No piece is marked to go: {error}"]
    content, key = encoded(backup), f"{BACKUPS}/{backup.name}.json"
    store.put(key, content)
    try:
        is_there = store.get(key) == content
    except StoreDamaged:
        is_there = False
    if not is_there:
        # half a manifest would be the newest backup
        store.delete([key])
        raise StoreUnavailable(
            f"The store of the backups did not keep the manifest of {backup.name} as it was written."
        )
    settings.state.mkdir(exist_ok=True, mode=0o700)
    write_atomically(settings.state / LAST, content)
    dropped = rotation.drop_old(store, settings.backup_keep, settings.zone)
    if before is not None and before.leaving:
        notes += rotation.sweep(store, before.leaving)
    return backup, dropped, notes


def _require_pieces(store: Store, backup: Backup) -> None:
    there = store.sizes(PIECES)
    lost = [digest for digest, size in backup.pieces.items() if there.get(digest) != size]
    if lost:
        of = sorted(path for path, entry in backup.files.items() if set(lost).intersection(entry.pieces))
        raise StoreUnavailable(
            f"The store of the backups does not have {len(lost)} pieces that it said it took ({', '.join(of[:3])}"
            f"{' …' * (len(of) > 3)}): no backup was finished. Run it again; if it says so again, the store is broken."
        )
