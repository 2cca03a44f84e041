"""
Publishing: the writer's file, copied, proven, and renamed into place.

The rename is the only moment readers can notice, and they notice nothing: a reader that has the
old file open keeps it, the next one opens the new. Copying the file was measured 20 to 100 times
faster than copying the database statement by statement (reference/stack.md).
"""

import os
import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from stockbook.durable import sync_folder
from stockbook.errors import PublishFailed
from stockbook.settings import Settings
from stockbook.warehouse.connect import reader, writer


def publish(settings: Settings, run_id: str) -> Path:
    """
    Make the writer's file of ``run_id`` what readers open next. Returns the published path.

    Raises PublishFailed when the copy is not the writer's file, table by table; readers keep the
    previous one. Whatever an earlier attempt left behind is removed.
    """
    with writer(settings) as con:
        con.execute("checkpoint")
        expected = _contents(con)
    if expected.get("run_id") != run_id:
        raise PublishFailed(
            f"The writer's file holds the figures of run {expected.get('run_id')!r}, not of {run_id!r}: "
            "build the models first."
        )
    if not expected.get("meta.cursor"):
        raise PublishFailed("No listing has ever been read into this home: empty books are not published.")
    target = settings.published
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob("*.tmp"):
            left.unlink()
        candidate = target.with_name(f"{run_id}.duckdb.tmp")
        shutil.copyfile(settings.warehouse, candidate)
        with open(candidate, "rb+") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise PublishFailed(
            f"The copy to publish could not be written in {target.parent}: {error.strerror}."
        ) from error
    with reader(candidate) as con:
        found = _contents(con)
    if found != expected:
        differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        candidate.unlink()
        raise PublishFailed(f"The copy to publish differs from the writer's file in {', '.join(differing[:5])}.")
    os.replace(candidate, target)
    sync_folder(target.parent)
    return target


def _contents(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    names = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where not temporary and schema_name in ('staging', 'marts', 'meta') order by 1"
    ).fetchall()
    found: dict[str, object] = {name: con.execute(f"select count(*) from {name}").fetchall()[0][0] for (name,) in names}
    if "meta.current_run" in found:
        current = con.execute("select run_id from meta.current_run").fetchall()
        found["run_id"] = current[0][0] if current else None
    return found


def published_as_of(settings: Settings) -> datetime | None:
    """``as_of`` of the published file (naive, local), or None when nothing was published."""
    if not settings.published.exists():
        return None
    with reader(settings.published) as con:
        found = con.execute("select as_of from meta.current_run").fetchall()
    return found[0][0] if found else None
