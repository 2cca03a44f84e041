"""
What it means that DuckDB could not open, read or write a file: in use elsewhere, a disk that refuses, damage.

DuckDB raises one kind of error for all of them, in words that change with its version. So the file itself is looked
at: its lock through the kernel, its blocks by reading them. Only the disk's refusal is read from the text, in the words
of the operating system.
"""

import errno
import fcntl
import os
from pathlib import Path

import duckdb

from stockbook.atomic_files import REFUSALS, refused_by_disk
from stockbook.errors import ConfigError, RunLocked, StockbookError, WarehouseDamaged, first_line

WAY_BACK = "`stockbook repair` sets the writer's file aside and makes the books again from the landed pages."
# what DuckDB raises about its file
_OF_FILE = (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
# and where a disk's refusal may stand, besides what is wrong with a query
_PERHAPS_OF_FILE = (duckdb.TransactionException, duckdb.OutOfMemoryException)


def is_of_file(error: duckdb.Error) -> bool:
    """Whether DuckDB speaks of its file and not of a query; DuckDB 2 has no class for a block with a wrong checksum."""
    return isinstance(error, _OF_FILE) or type(error) is duckdb.Error


def error_about(
    path: Path, error: duckdb.Error, con: duckdb.DuckDBPyConnection | None = None, is_opening: bool = False
) -> StockbookError | None:
    """
    The error to raise for what DuckDB raised about the file ``path``; None when it is about a query.

    ``con`` has it open; without one the file must be closed.
    """
    if not is_opening and not is_of_file(error) and not isinstance(error, _PERHAPS_OF_FILE):
        return None
    for code in REFUSALS:
        if os.strerror(code) in str(error):
            return explained(OSError(code, os.strerror(code)), path, is_opening)
    if is_opening:
        if opened_elsewhere(path):
            return RunLocked(
                f"Another process has {path} open for writing: only one run at a time may. Wait for it, or stop it."
            )
        return damaged(path, first_line(error))
    reason = damage(path) if con is None else damage_in(con)
    return damaged(path, reason) if reason else None


def explained(error: OSError, path: Path, is_opening: bool = False) -> StockbookError:
    """The error to raise for what the operating system raised about a file or its folder."""
    if is_opening and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return ConfigError(
            f"STOCKBOOK_HOME must be a folder that can be written; {path.parent} cannot: {error.strerror}."
        )
    return refused_by_disk(error, path)


def opened_elsewhere(path: Path) -> bool:
    """Whether another process holds the file for writing, as the kernel knows."""
    try:
        with path.open("rb") as file:
            # a look: DuckDB's locks are of this kind, shared for readers and exclusive for a writer
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def damage(path: Path) -> str | None:
    """Read every value of a DuckDB file; what DuckDB says of the first it cannot read, or None."""
    try:
        with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as con:
            return damage_in(con)
    except duckdb.Error as error:
        return None if opened_elsewhere(path) else first_line(error)


def damage_in(con: duckdb.DuckDBPyConnection) -> str | None:
    """As ``damage``, of a connection's own file."""
    names = con.execute(
        'select format(\'"{}"."{}"\', schema_name, table_name) from duckdb_tables() '
        "where not temporary and database_name = current_database() order by 1"
    ).fetchall()
    hashes = " union all ".join(f"select bit_xor(hash(t)) from {name} as t" for (name,) in names)
    try:
        con.execute(hashes or "select 1").fetchall()
    except duckdb.Error as error:
        return first_line(error)
    return None


def damaged(path: Path, what: str) -> WarehouseDamaged:
    """The error for a file of which DuckDB said ``what``, with the way back."""
    if path.parent.name == "published" or path.name.endswith(".tmp"):
        back = "`stockbook publish`, or the next night, writes it anew from the writer's file."
    else:
        back = f"Nothing was published from it. {WAY_BACK}"
    return WarehouseDamaged(f"{path} cannot be opened as a DuckDB database, it is damaged ({what}). {back}")
