"""
Bringing a home back: whole into an empty one, or single files into one that lost them.

A whole restore is put together in the folder `restoring` of the home, proven piece by piece, and moved into place when
everything is there and everybody on the list of erasures is erased from it. Until then no night, drain or publication
begins in this home (``Night`` refuses), and there is nothing that readers could open.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from stockbook import hash_key
from stockbook.atomic_files import refused_by_disk, sync_folder, write_atomically
from stockbook.backup import suppression
from stockbook.backup.contents import INBOX, LAST, POLICY, TOP, WAREHOUSE, place_of
from stockbook.backup.manifest import Backup, Entry, chosen, digests, encoded, fetched, names, read
from stockbook.backup.store import Store
from stockbook.clock import Clock
from stockbook.errors import ConfigError, DiskRefused
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.runs.lock import RunLock
from stockbook.settings import Settings
from stockbook.version import VERSION
from stockbook.warehouse.migrations import FORMAT

Reapply = Callable[[Settings], object]
"""Erases everybody on the list of a home from all of its files; the lock is held meanwhile."""

OTHER_POLICY = "policy-of-backup"
_COMPLETE = "complete"
_SIDE_BY_SIDE = 8


def restore(settings: Settings, store: Store, clock: Clock, reapply: Reapply, as_of: date | None = None) -> list[str]:
    """
    Make an empty home what it was in the newest backup, or in the newest by the end of a local day; what was done.

    Killed half-way it begins anew, or ends what was complete, when it is run again. Raises ConfigError for a home that
    has books or is in use, for another key or a newer program's backup, StoreDamaged for a backup that is not what was
    written, DiskRefused where there is no room. Nothing is in place then.
    """
    with _locked(settings, clock):
        _refuse_books(settings)
        if (settings.restoring / _COMPLETE).exists():
            return [*_move(settings), "What an earlier restore had brought was put in place."]
        backup = chosen(store, as_of, settings.zone)
        _refuse(settings, backup)
        shutil.rmtree(settings.restoring, ignore_errors=True)
        settings.restoring.mkdir(mode=0o700)
        _require_room(settings.home, backup.bytes)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(lambda path: _bring(store, backup.files[path], settings.restoring / path), backup.files))
        own = dataclasses.replace(settings, home=settings.restoring)
        own.state.mkdir(exist_ok=True, mode=0o700)
        write_atomically(own.state / LAST, encoded(backup))
        erased = _erase(own, _unite(own, store, backup), reapply)
        policies = _policies(settings, own)
        write_atomically(settings.restoring / _COMPLETE, b"")
        return [
            f"Backup {backup.name} is restored into {settings.home}: {len(backup.files):,} files, "
            f"{backup.bytes / 1e6:,.1f} MB, books as of {backup.as_of}.",
            *erased,
            *policies,
            *_move(settings),
        ]


def bring_back(
    settings: Settings,
    store: Store,
    clock: Clock,
    wanted: str,
    reapply: Reapply,
    as_of: date | None = None,
) -> list[str]:
    """
    Bring one file, or all below a folder, from the newest backup that has it (by the end of a day) into this home.

    Raises ConfigError for what no backup has and for the writer's file and the inbox, which are of one moment with the
    rest, and as ``restore`` does.
    """
    wanted = wanted.strip("/")
    if wanted in (WAREHOUSE, INBOX, "", "state", POLICY, "landing", "runs", "published"):
        raise ConfigError(
            f"{wanted or 'Everything'} is brought back with the whole home only, of one moment with the rest: move the "
            "home away and run `stockbook restore`, or see docs/backup.md for the other ways."
        )
    with _locked(settings, clock):
        backup, paths = _having(store, wanted, as_of, settings)
        _refuse(settings, backup)
        is_behind = ERASURES in paths or _is_behind(store, backup)
        if is_behind and any(path.startswith("published/") for path in paths):
            raise ConfigError(
                f"Somebody was erased since backup {backup.name}: readers must not get files of then. Run `stockbook "
                "publish`, which writes them anew."
            )
        _require_room(settings.home, sum(backup.files[path].bytes for path in paths))
        for path in paths:
            if path != ERASURES:
                _bring(store, backup.files[path], place_of(settings, path))
        together = _unite(settings, store, backup) if is_behind else b""
        sentences = [f"{path} is as in backup {backup.name} again." for path in paths]
        return sentences + _erase(settings, together, reapply)


def _having(store: Store, wanted: str, as_of: date | None, settings: Settings) -> tuple[Backup, list[str]]:
    newest = chosen(store, as_of, settings.zone)
    for name in reversed([name for name in names(store) if name <= newest.name]):
        backup = newest if name == newest.name else read(store, name)
        paths = [path for path in backup.files if path == wanted or path.startswith(f"{wanted}/")]
        if paths:
            return backup, paths
    raise ConfigError(f"No backup has {wanted}: write it as `stockbook doctor` does, from the home on.")


@contextmanager
def _locked(settings: Settings, clock: Clock) -> Iterator[None]:
    lock = RunLock(settings.lock, clock, settings.lock_lease_seconds)
    run_id = f"restore-{os.getpid()}"
    lock.take(run_id, wait=False, whole_run_here=True)
    try:
        with lock.step(run_id, "restore"):
            yield
    except OSError as error:
        raise refused_by_disk(error, settings.home) from error
    finally:
        lock.release(run_id)


def _refuse_books(settings: Settings) -> None:
    if (settings.restoring / _COMPLETE).exists():
        return
    there = [name for name in (*TOP, OTHER_POLICY) if (settings.home / name).exists()]
    if there:
        raise ConfigError(
            f"{settings.home} is not empty, it has {', '.join(there)}: a restore needs an empty home. Set "
            "STOCKBOOK_HOME to a new folder, or move these away; a single file comes back with --only."
        )


def _refuse(settings: Settings, backup: Backup) -> None:
    if backup.file_format > FORMAT:
        raise ConfigError(
            f"Backup {backup.name} was taken by Stockbook {backup.program} (format {backup.file_format}); this is "
            f"{VERSION}, which knows formats up to {FORMAT}: install the newer version."
        )
    if settings.hash_key and backup.hash_key and hash_key.fingerprint(settings.hash_key) != backup.hash_key:
        raise ConfigError(
            f"The books of backup {backup.name} were begun with another key than STOCKBOOK_HASH_KEY (or the file "
            "hash-key in the Airflow home): put theirs back first."
        )


def _listed(store: Store, backup: Backup) -> bytes:
    """The list of erasures of a backup."""
    entry = backup.files.get(ERASURES)
    return b"".join(fetched(store, digest) for digest in entry.pieces) if entry is not None else b""


def _is_behind(store: Store, backup: Backup) -> bool:
    """Whether somebody was erased since a backup."""
    own = _listed(store, backup)
    return suppression.united(own, suppression.read(store)) != suppression.united(own)


def _require_room(home: Path, needed: int) -> None:
    free = shutil.disk_usage(home).free
    if free < needed:
        raise DiskRefused(
            f"{home} needs {needed / 1e6:,.0f} MB for this and its disk has {free / 1e6:,.0f}: make room."
        )


def _bring(store: Store, entry: Entry, file: Path) -> None:
    """Write a file from its pieces, each proven, and give it its time. Raises StoreDamaged, StoreUnavailable."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.tmp")
    with part.open("wb") as target:
        for digest in entry.pieces:
            target.write(fetched(store, digest))
        target.flush()
        os.fsync(target.fileno())
    os.utime(part, ns=(entry.modified, entry.modified))
    part.replace(file)
    sync_folder(file.parent)


def _unite(settings: Settings, store: Store, backup: Backup) -> bytes:
    """Give a home the newest list there is: the store's, the backup's, and what was added here since the backup."""
    file, entry = settings.home / ERASURES, backup.files.get(ERASURES)
    here = file.read_bytes() if file.exists() else b""
    added = here[entry.bytes if entry is not None else 0 :]
    together = suppression.united(suppression.read(store), _listed(store, backup), added)
    if together != here:
        write_atomically(file, together)
    return together


def _erase(settings: Settings, together: bytes, reapply: Reapply) -> list[str]:
    if not together:
        return []
    reapply(settings)
    return [f"{len(suppression.lines_of(together))} lines of the list of erasures were applied to it."]


def _policies(settings: Settings, own: Settings) -> list[str]:
    """Lay policies that differ from those in force beside the books; they are the operator's to choose."""
    brought = own.home / POLICY
    files = {file.relative_to(brought): file for file in brought.rglob("*") if file.is_file()}
    differing = [
        name
        for name, file in files.items()
        if not (settings.policy_dir / name).is_file() or digests(settings.policy_dir / name) != digests(file)
    ]
    if not differing:
        shutil.rmtree(brought, ignore_errors=True)
        return []
    brought.rename(own.home / OTHER_POLICY)
    return [
        f"{len(differing)} policies differ from those in force ({', '.join(sorted(map(str, differing))[:3])}): those "
        f"of the backup lie in {settings.home / OTHER_POLICY}; copy what you want to {settings.policy_dir}."
    ]


def _move(settings: Settings) -> list[str]:
    """Put what was restored in place, what readers open last."""
    for name in (OTHER_POLICY, *(name for name in TOP if name != "published"), "published"):
        if (settings.restoring / name).exists():
            if (settings.home / name).exists():
                raise ConfigError(
                    f"{settings.home / name} appeared while the home was restored: stop what writes there (a receiver),"
                    " move it away, then run `stockbook restore` again, which ends what it began."
                )
            (settings.restoring / name).rename(settings.home / name)
    sync_folder(settings.home)
    shutil.rmtree(settings.restoring)
    missing = []
    if settings.hash_key is None:
        try:
            hash_key.require_none(settings)
        except ConfigError as error:
            missing = [str(error)]
    return [
        *missing,
        "Keys and tokens are in no backup: an app of FlickRocket is authorised again (`stockbook hooks authorize`). "
        "Events that came since: `stockbook hooks reread`. Look with `stockbook doctor`, then run a night.",
    ]
