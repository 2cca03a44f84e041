"""
The format of the writer's file: which one a file has, and the numbered steps that bring an older file to this one.

``meta.file_format`` says the number of the last step and which version of Stockbook wrote the file last. A file without
it is of version 0.1 (format 0), or empty. Columns and tables that are new need no statement: ``schema.create_all`` adds
what is declared. They need a step all the same, so that a version that does not know them refuses the file and does not
fail in the middle of its night. Before a step is done the file is copied: there is no way back from a format but that
copy.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.atomic_files import sync_folder
from stockbook.errors import ConfigError, DiskRefused
from stockbook.version import VERSION
from stockbook.warehouse import meta, meta_listings

TABLE = "meta.file_format"


class Migration(NamedTuple):
    """One step: what it does, in a sentence, and its statements."""

    sentence: str
    run: Callable[[duckdb.DuckDBPyConnection], object]


def _forget_names(con: duckdb.DuckDBPyConnection) -> None:
    """Version 0.1 told the name of every undeclared field, also those that may be somebody's."""
    if con.execute("from duckdb_tables() where schema_name = 'meta' and table_name = 'undeclared_field'").fetchall():
        columns = con.execute("describe meta.undeclared_field").fetchall()
        if "is_told" not in {name for name, *_ in columns}:
            meta_listings.forget_undeclared_fields(con)


def _is_declared(_: duckdb.DuckDBPyConnection) -> None:
    """What is new is declared: a night adds it."""


def _add_parent_key(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("alter table if exists staging.quarantine add column if not exists parent_key varchar")


# in order, from format 0 on; a step that was released is never changed
MIGRATIONS = (
    Migration("names of undeclared fields are forgotten, where all of them were told", _forget_names),
    Migration("a refused row says whose child it is", _add_parent_key),
    Migration("tables and columns are there that version 0.2 cannot write", _is_declared),
)
FORMAT = len(MIGRATIONS)


class FileFormat(NamedTuple):
    """The format of a file, and the version of Stockbook that wrote it last."""

    number: int
    written_by: str


def read_format(con: duckdb.DuckDBPyConnection) -> FileFormat | None:
    """The format of an open file, the writer's or a published one; None of a file that has no tables yet."""
    # asked before the catalogue, which takes ten times as long, and a night opens its file ten times
    with suppress(duckdb.CatalogException):
        number, written_by = con.execute(f"select number, written_by from {TABLE}").fetchall()[0]
        return FileFormat(int(number), str(written_by))
    tables = "select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'meta'"
    return FileFormat(0, "0.1") if con.execute(tables).fetchall() else None


def lag(con: duckdb.DuckDBPyConnection) -> str:
    """A sentence where an open file is of an earlier version, which may lack what is asked of it; else nothing."""
    present = read_format(con)
    if present is None or present.number >= FORMAT:
        return ""
    return (
        f"It is as Stockbook {present.written_by} left it and this is {VERSION}: once a night has run it has all that "
        "this version asks for."
    )


def copy_of(file: Path, present: FileFormat) -> Path:
    """Where the copy of a file in an earlier format is kept."""
    return file.with_name(f"{file.stem}-format-{present.number}{file.suffix}")


def keep_copy(file: Path, present: FileFormat) -> Path:
    """
    Copy a closed file, before it is migrated: the copy is there whole or not at all. Returns where it is.

    Raises DiskRefused, before anything is written, when there is no room for the copy and as much for the steps;
    OSError.
    """
    needed, free = 2 * file.stat().st_size, shutil.disk_usage(file.parent).free
    if free < needed:
        raise DiskRefused(
            f"{file} is to be brought to format {FORMAT}. Its copy and the steps need {needed >> 20} MB in "
            f"{file.parent}, and {free >> 20} MB are free. Make room, then run it again; the file is as it was."
        )
    copy = copy_of(file, present)
    temporary = copy.with_name(f".{copy.name}.tmp")
    shutil.copyfile(file, temporary)
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    os.replace(temporary, copy)
    sync_folder(copy.parent)
    return copy


def migrate(con: duckdb.DuckDBPyConnection, present: FileFormat | None, file: str) -> list[str]:
    """
    Bring an open file of format ``present`` to ``FORMAT`` in one transaction; returns a sentence for each step done.

    Raises ConfigError for a file of a newer version, which is left as it is.
    """
    if present is None:
        return []
    if present.number > FORMAT:
        raise ConfigError(
            f"{file} was written by Stockbook {present.written_by} (format {present.number}); this is {VERSION}, which "
            f"knows formats up to {FORMAT}: install the newer version again, or bring back a copy of the file."
        )
    if present.number == FORMAT:
        return []
    con.execute("begin transaction")
    try:
        for migration in MIGRATIONS[present.number :]:
            migration.run(con)
        meta.write_file_format(con, FORMAT)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return [
        f"{file}: format {number} of {FORMAT}, {migration.sentence}"
        for number, migration in enumerate(MIGRATIONS[present.number :], present.number + 1)
    ]
