"""
Publishing: the writer's file is copied, compared, and renamed into place.

The rename is the only moment readers can notice, and they notice nothing: a reader that has the
old file open keeps it, the next one opens the new. Copying the file was measured 20 to 100 times
faster than copying the database statement by statement (docs/stack.md).
"""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import psutil

from stockbook.atomic_files import sync_folder
from stockbook.errors import PublishFailed, StockbookError, WarehouseDamaged
from stockbook.limits import Limits
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse import meta
from stockbook.warehouse.connect import OPENING, let_go, log_of, writer
from stockbook.warehouse.content_marks import BUILD
from stockbook.warehouse.file_errors import WAY_BACK, damage_in, damaged, explained
from stockbook.warehouse.migrations import read_format
from stockbook.warehouse.readers import reader


class Published(NamedTuple):
    """What readers open from now on, and what there is to say of it."""

    path: Path
    notes: list[str]


def _do_nothing(_: Path) -> None:
    pass


def publish(
    settings: Settings, run_id: str, at: datetime | None = None, once_copied: Callable[[Path], None] = _do_nothing
) -> Published:
    """
    Make the writer's file of ``run_id`` what readers open next; ``at``, if given, stands in ``meta.run`` as its end.

    ``once_copied`` is told of the copy before it is compared; it has another name once it is published, or is gone.
    Raises PublishFailed when the copy is not the writer's file, table by table, WarehouseDamaged when a value of it
    cannot be read, DiskRefused when there is no room; readers keep the previous one. Whatever an earlier attempt left
    behind is removed, and a write-ahead log beside the published file is set aside: it belongs to the file that goes.
    """
    with writer(settings) as con:
        if at is not None:
            meta.write_published(con, run_id, at)
        con.execute("checkpoint")
        expected = _contents(con)
    # the copy ends the kernel's lock on a file that this process has open
    let_go(settings.warehouse)
    if expected.get("run_id") != run_id:
        owner = f"run {expected['run_id']!r}" if expected.get("run_id") else "a build that did not end"
        raise PublishFailed(
            f"The writer's file holds the figures of {owner}, not of run {run_id!r}: build the models first."
        )
    if not expected.get("meta.cursor"):
        raise PublishFailed("No listing has ever been read into this home: empty books are not published.")
    if log_of(settings.warehouse).exists():
        raise PublishFailed(
            f"{log_of(settings.warehouse).name} lies beside the writer's file after its checkpoint: another process "
            "writes to it. Stop that, then publish again."
        )
    target = settings.published
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_left(target.parent)
        candidate = target.with_name(f"{run_id}.duckdb.tmp")
        shutil.copyfile(settings.warehouse, candidate)
        once_copied(candidate)
        with ThreadPoolExecutor(1, "stockbook-sync") as pool:
            # the disk writes the copy while it is read from the kernel's memory
            synced = pool.submit(_sync, candidate)
            _compare(candidate, expected, settings)
            synced.result()
    except OSError as error:
        raise explained(error, settings.published) from error
    except StockbookError:
        candidate.unlink()
        raise
    notes = _set_aside(target)
    os.replace(candidate, target)
    sync_folder(target.parent)
    # a log that was begun between the two
    return Published(target, notes + _set_aside(target))


def amend(
    settings: Settings, change: Callable[[duckdb.DuckDBPyConnection], None], once_ready: Callable[[], None]
) -> list[str]:
    """
    Change a copy of the published file, and put it in its place; ``once_ready`` is called when only that is left to do.

    It stays the file of its night: nothing of the writer's file is looked at. Raises as ``writer`` does; readers keep
    the file they have, and ``once_ready`` was not called then. Returns what there is to say.
    """
    target = settings.published
    with copy_beside(settings, target) as own:
        with writer(own) as con:
            change(con)
            con.execute("checkpoint")
        _sync(own.warehouse)
        once_ready()
        notes = _set_aside(target)
        os.replace(own.warehouse, target)
        sync_folder(target.parent)
        return notes + _set_aside(target)


def _sync(file: Path) -> None:
    with open(file, "rb+") as opened:
        os.fsync(opened.fileno())


@contextmanager
def copy_beside(settings: Settings, file: Path) -> Iterator[Settings]:
    """
    A home of its own beside a file, whose writer's file is a copy of it, removed at the end.

    Publishing removes what a killed process left of it. What the disk refuses within is raised as ``explained``.
    """
    remove_left(file.parent)
    home = Path(tempfile.mkdtemp(prefix=f"{OPENING}{os.getpid()}-", dir=file.parent))
    own = dataclasses.replace(settings, home=home)
    try:
        shutil.copyfile(file, own.warehouse)
        yield own
    except OSError as error:
        raise explained(error, file) from error
    finally:
        shutil.rmtree(home, ignore_errors=True)


def remove_left(folder: Path) -> None:
    """Remove what killed publications, erasures and readers left, but not the folder of a reader that still runs."""
    for left in folder.iterdir():
        if left.is_file() and ".duckdb.tmp" in left.name:
            left.unlink()
        elif left.name.startswith(OPENING) and not _is_alive(left.name.removeprefix(OPENING)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(owner: str) -> bool:
    number = owner.partition("-")[0]
    return number.isdigit() and psutil.pid_exists(int(number))


def _compare(candidate: Path, expected: dict[str, object], settings: Settings) -> None:
    with reader(candidate, dataclasses.replace(settings.limits, seconds=0)) as con:
        contents = _contents(con)
        damage = damage_in(con)
    if damage:
        raise WarehouseDamaged(
            f"The copy to publish cannot be read whole, the writer's file is damaged ({damage}): readers keep the file "
            f"of the night before. {WAY_BACK}"
        )
    if contents != expected:
        differing = sorted(
            name for name in expected.keys() | contents.keys() if expected.get(name) != contents.get(name)
        )
        raise PublishFailed(f"The copy to publish differs from the writer's file in {', '.join(differing[:5])}.")


def _set_aside(target: Path) -> list[str]:
    log = log_of(target)
    if not log.exists():
        return []
    aside = log.with_name(log.name + ".aside")
    os.replace(log, aside)
    return [
        f"warning: somebody opened {target} for writing since it was published; what was changed was never published "
        f"and is set aside in {aside.name}. Readers open the file read-only."
    ]


def _contents(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    names = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where not temporary and schema_name in ('staging', 'marts', 'extra', 'meta') order by 1"
    ).fetchall()
    counts = " union all ".join(f"select {quoted(name)}, count(*) from {name}" for (name,) in names)
    contents: dict[str, object] = dict(con.execute(counts or "select 1, 1 limit 0").fetchall())
    if "meta.current_run" in contents:
        current = con.execute(
            "select run_id from meta.current_run as c where not exists "
            f"(select 1 from meta.content_mark where table_name = {quoted(BUILD)} and mark <> c.run_id)"
        ).fetchall()
        contents["run_id"] = current[0][0] if current else None
    return contents


def read_whole(path: Path, limits: Limits) -> tuple[datetime | None, int]:
    """
    ``as_of`` of a copy of the writer's file (naive, local; None where no run was built) and its format, once every
    value of it was read. Raises WarehouseDamaged.
    """
    with reader(path, dataclasses.replace(limits, seconds=0)) as con:
        damage = damage_in(con)
        if damage:
            raise WarehouseDamaged(f"The writer's file is damaged ({damage}): nothing was copied from it. {WAY_BACK}")
        present = read_format(con)
        tables = "select 1 from duckdb_tables() where schema_name = 'meta' and table_name = 'current_run'"
        current = con.execute(tables).fetchall() and con.execute("select as_of from meta.current_run").fetchall()
    return (current[0][0] if current else None), (present.number if present else 0)


def published_as_of(settings: Settings) -> datetime | None:
    """``as_of`` of the published file (naive, local), or None when nothing was published. Raises as ``reader`` does."""
    if not settings.published.exists():
        return None
    with reader(settings.published, settings.limits) as con:
        current = con.execute("select as_of from meta.current_run").fetchall()
    return current[0][0] if current else None


def last_published(settings: Settings, con: duckdb.DuckDBPyConnection) -> datetime | None:
    """
    The same as the writer's file knows it.

    A night does not open the published file, which may be damaged or open elsewhere: it replaces it.
    """
    if not settings.published.exists():
        return None
    published = con.execute(
        "select as_of from meta.run where status = 'published' order by finished_at desc, started_at desc limit 1"
    ).fetchall()
    return published[0][0] if published else None


def last_observed(con: duckdb.DuckDBPyConnection) -> datetime | None:
    """``as_of`` of the latest published night that read the sources; a run dated in the past may be published since."""
    rows: list[tuple[datetime | None]] = con.execute(
        "select max(as_of) from meta.run where status = 'published' and coalesce(observes, true)"
    ).fetchall()
    return rows[0][0]


def state_of_files(settings: Settings, is_writing: bool) -> Iterator[tuple[bool, str]]:
    """Whether each file of the books can be read whole, in a sentence; a run that holds the lock keeps its own."""
    try:
        if is_writing or not settings.warehouse.exists():
            state = "not read while a run holds the lock" if is_writing else "none yet"
        else:
            with writer(settings) as con:
                damage = damage_in(con)
            if damage:
                raise damaged(settings.warehouse, damage)
            state = "every value can be read"
        yield True, f"writer's file: {state}"
    except StockbookError as error:
        yield False, f"writer's file: {error}"
    try:
        as_of = published_as_of(settings)
        if as_of is not None:
            with reader(settings.published, settings.limits) as con:
                damage = damage_in(con)
            if damage:
                raise damaged(settings.published, damage)
        yield True, f"published: as of {as_of}" if as_of else "published: nothing yet"
    except StockbookError as error:
        yield False, f"published: {error}"
    if log_of(settings.published).exists():
        yield (
            False,
            f"{log_of(settings.published)}: somebody opened the published file for writing; readers never see it",
        )
