"""
A DuckDB file written anew after a change of it, so that nothing of what was changed stays in blocks it has freed.

The change is made in a copy; what is in the copy then is written to a new file, and that is renamed into place. Until
then the old file counts, and whoever is killed leaves it as it is.
"""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb

from stockbook.atomic_files import sync_folder
from stockbook.errors import PublishFailed
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import BLOCK, NO_VARIABLES, STORAGE, WRITES_FAST, let_go, log_of, writer
from stockbook.warehouse.publish import copy_beside

Change = Callable[[duckdb.DuckDBPyConnection], bool]
"""Changes an open file; whether there was anything to change."""


def rewrite(settings: Settings, file: Path, change: Change, before_writing: Callable[[], object]) -> bool:
    """
    Change a file that nobody writes, the writer's or the published one; whether there was anything to change.

    ``before_writing`` is called when only the exchange of the files is left to do. Raises as ``writer`` does,
    PublishFailed when the new file is not what was to be written; the old one then stays.
    """
    if file == settings.warehouse:
        with writer(settings) as con:
            con.execute("checkpoint")
        let_go(file)
    with copy_beside(settings, file) as own:
        with writer(own) as con:
            if not change(con):
                return False
            con.execute("checkpoint")
        fresh = own.home / "fresh.duckdb"
        _copy_content(settings, own.warehouse, fresh)
        with open(fresh, "rb+") as written:
            os.fsync(written.fileno())
        before_writing()
        log_of(file).unlink(missing_ok=True)
        os.replace(fresh, file)
        sync_folder(file.parent)
        return True


def _copy_content(settings: Settings, file: Path, fresh: Path) -> None:
    with duckdb.connect() as con:
        con.execute(f"set memory_limit = {quoted(settings.memory_limit)}")
        con.execute(f"set threads = {settings.threads}")
        con.execute(f"set temp_directory = {quoted(str(fresh.parent / 'spill'))}")
        con.execute("set preserve_insertion_order = true")
        con.execute(WRITES_FAST)
        con.execute(NO_VARIABLES)
        con.execute(f"attach {quoted(str(file))} as old (read_only)")
        con.execute(f"attach {quoted(str(fresh))} as fresh (storage_version {quoted(STORAGE)}, block_size {BLOCK})")
        con.execute("copy from database old to fresh")
        con.execute("checkpoint fresh")
        before, after = (_counts(con, name) for name in ("old", "fresh"))
    if before != after:
        raise PublishFailed(f"{file.name} could not be copied whole: nothing was changed. Run the command again.")


def _counts(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, int]:
    names = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = ? and not temporary",
        [database],
    ).fetchall()
    counts = " union all ".join(f"select {quoted(name)}, count(*) from {database}.{name}" for (name,) in names)
    return dict(con.execute(counts or "select '', 0 limit 0").fetchall())
