"""
A home as it is at one moment, in a folder beside it: what changed since the last backup, linked or copied.

The home's lock is held meanwhile, which takes parts of a second: no run writes, a night that begins waits, and a drain
leaves its work to the next. What follows (reading, packing, sending) needs no lock. The inbox, which receivers write at
any time, is copied by SQLite itself.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from stockbook.atomic_files import refused_by_disk
from stockbook.backup.contents import INBOX, WAREHOUSE, files_of
from stockbook.backup.manifest import Entry
from stockbook.clock import Clock
from stockbook.errors import ConfigError, RunLocked
from stockbook.progress import Progress
from stockbook.runs.lock import BACKUP, RunLock
from stockbook.settings import Settings
from stockbook.sqlite_errors import is_damaged, reason

# how long a night may be waited for, and how often it is looked whether it has ended
_WAIT_SECONDS, _LOOK_SECONDS = 3_600, 5
# written once or replaced as a whole: another name for the same file is its content for ever
_NEVER_ALTERED = ("landing/", "published/")


class Snapshot(NamedTuple):
    """Entries that are as in the backup before, and of all other files a copy with the time it was written."""

    same: dict[str, Entry]
    copies: dict[str, tuple[Path, int]]


@contextmanager
def at_rest(settings: Settings, clock: Clock, progress: Progress, run_id: str, step: str = BACKUP) -> Iterator[None]:
    """Hold the home's lock for a step, once whoever has it is done. Raises RunLocked after an hour."""
    lock = RunLock(settings.lock, clock, settings.lock_lease_seconds)
    waited = 0
    while True:
        try:
            # a night between two steps keeps its lock
            lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
            break
        except RunLocked as busy:
            if waited >= _WAIT_SECONDS:
                raise
            if not waited:
                progress.note(f"Waiting, an hour at most: {busy}")
        clock.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
    try:
        with lock.step(run_id, step):
            yield
    finally:
        lock.release(run_id)


def snapshot(settings: Settings, folder: Path, before: Mapping[str, Entry]) -> Snapshot:
    """
    Put what is not as in ``before`` into a folder. The home must be at rest.

    Raises WarehouseDamaged and ConfigError for a writer's file or an inbox that is not what was written, DiskRefused.
    """
    _settle(settings)
    same: dict[str, Entry] = {}
    copies: dict[str, tuple[Path, int]] = {}
    for path, file in files_of(settings).items():
        state, earlier = file.stat(), before.get(path)
        if earlier is not None and (earlier.bytes, earlier.modified) == (state.st_size, state.st_mtime_ns):
            same[path] = earlier
            continue
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (path.startswith(_NEVER_ALTERED) and _linked(file, target)):
                shutil.copyfile(file, target)
        except OSError as error:
            raise refused_by_disk(error, target) from error
        copies[path] = target, state.st_mtime_ns
    inbox = settings.home / INBOX
    if not settings.inbox_database and inbox.exists():
        copies[INBOX] = _copy_of_inbox(inbox, folder / INBOX), inbox.stat().st_mtime_ns
    return Snapshot(same, copies)


def _settle(settings: Settings) -> None:
    """Bring what a killed run left in the log of the writer's file into the file. Raises as ``writer`` does."""
    from stockbook.warehouse.connect import log_of, writer
    from stockbook.warehouse.file_errors import opened_elsewhere

    if log_of(settings.warehouse).exists():
        with writer(settings) as con:
            con.execute("checkpoint")
    if opened_elsewhere(settings.warehouse):
        raise RunLocked(f"Another program has {WAREHOUSE} open for writing: end it, then take the backup again.")


def _linked(file: Path, target: Path) -> bool:
    with suppress(OSError):  # a disk that cannot name a file twice
        os.link(file, target)
        return True
    return False


def _copy_of_inbox(inbox: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(inbox, timeout=30)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            sound = copy.execute("pragma integrity_check").fetchone() == ("ok",)
    except sqlite3.Error as error:
        if not is_damaged(error):
            raise ConfigError(f"The inbox could not be copied: {reason(error)}.") from None
        sound = False
    if not sound:
        raise ConfigError(
            f"{inbox.name} is damaged and was not backed up: the backups before stay. Move it away with its -wal and "
            "-shm, receivers make a new one; then `stockbook hooks reread` and the backup again."
        )
    return target
