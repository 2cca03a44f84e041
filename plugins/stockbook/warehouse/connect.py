"""
Opening the writer's DuckDB file, for a night and for questions about it, with errors a reader understands.

Who asks the published file opens it by ``readers``. Nothing else in this project opens a DuckDB file.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from stockbook.limits import Limits
from stockbook.settings import Settings
from stockbook.warehouse.file_errors import error_about, explained
from stockbook.warehouse.migrations import FORMAT, FileFormat, keep_copy, migrate, read_format
from stockbook.warehouse.spared_pandas import spare_pandas

# rows of a row group of DuckDB: whole ones are written side by side and read by all threads
# (docs/decisions/valuation.md)
ROW_GROUP = 122_880
# how a new file is stored: DuckDB reads it from that version on. By default it would be what 1.0 reads, with 3 KB about
# the distinct values of every column, which every checkpoint and every opening converts: a fifth of a small shop's file
# and half the time of opening it
STORAGE = "v1.2.0"
# bytes of a block of a new file: of a small shop's tables each takes some blocks, and half of DuckDB's own 256 KB are
# enough for a large one's (docs/decisions/publishing.md)
BLOCK = 131_072
# FSST squeezes texts by a sixth of the file more and takes a quarter of the time of writing them
# (docs/decisions/models.md)
WRITES_FAST = "set disabled_compression_methods = 'fsst,dict_fsst'"
# for models of millions of rows: memory is not given back after each and mapped anew for the next, row groups are not
# gathered by five, which left one of two threads waiting, and the file is checkpointed at the end
# (docs/decisions/models.md)
BUILDS_FAST = (
    "set block_allocator_memory = current_setting('memory_limit'); "
    "set write_buffer_row_group_count = 1; "
    "set wal_autocheckpoint = '1GB'"
)
# a name in SQL is a table, never a variable of Python that happens to be called so
NO_VARIABLES = "set python_enable_replacements = false"
# nothing but the opened file is in reach: no other file, no library, no variable of the program that asks
LOCKED: dict[str, Any] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}
_NO_LIMITS = Limits()
_LOG = logging.getLogger(__name__)
# a connection to each file that ``held_open`` keeps open, None until a step opened it
_HELD: dict[Path, duckdb.DuckDBPyConnection | None] = {}
# the files that are opened with nothing else in reach, and what is open of each
_ALONE: dict[Path, list[duckdb.DuckDBPyConnection]] = {}
# a name of its own beside the file, for the moment of opening
OPENING = ".open-"


@contextmanager
def writer(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    The writer's file, read-write, closed at the end.

    Raises RunLocked when another process has it open, ConfigError when the home cannot be written, DiskFull when it is
    full, WarehouseDamaged when the file is not what was written, also while it is in use. A file of an earlier version
    is copied and migrated first; one of a later version is refused with ConfigError.
    """
    path = settings.warehouse
    config: dict[str, Any] = {
        "memory_limit": settings.memory_limit,
        "threads": settings.threads,
        "storage_compatibility_version": STORAGE,
        "default_block_size": BLOCK,
        # not by a statement: it is refused once something was spilled, as by a step before this one
        "temp_directory": str(settings.home / "tmp"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        con, present = _connect(path, config)
        if present is not None and present.number < FORMAT:
            # closed, all that its log holds is in the file
            con.close()
            _LOG.info("%s as it was is kept in %s", path, keep_copy(path, present))
            con, present = _connect(path, config)
    except OSError as error:
        raise explained(error, path, is_opening=True) from error
    except duckdb.Error as error:
        raise (error_about(path, error, is_opening=True) or error) from error
    try:
        spare_pandas(con)
        con.execute("set global TimeZone = 'UTC'")
        con.execute(WRITES_FAST)
        con.execute(NO_VARIABLES)
        for sentence in migrate(con, present, str(path)):
            _LOG.info("%s", sentence)
        if path in _HELD and _HELD[path] is None:
            # one of its own: a cursor is closed with its connection
            _HELD[path] = duckdb.connect(str(path), config=config)
        yield con
    except duckdb.Error as error:
        # one whose file is damaged cannot end in order
        with suppress(duckdb.Error):
            let_go(path)
        with suppress(duckdb.Error):
            con.close()
        file_error = error_about(path, error)
        if file_error is None:
            raise
        raise file_error from error
    finally:
        con.close()


def _connect(path: Path, config: dict[str, Any]) -> tuple[duckdb.DuckDBPyConnection, FileFormat | None]:
    kept_open = _HELD.get(path)
    if path not in _ALONE:
        con = duckdb.connect(str(path), config=config)
    else:
        # in this order, as for readers; and no setting of one that is open so can be given again
        _HELD[path] = kept_open = kept_open or duckdb.connect(str(path), config=LOCKED | config)
        con = kept_open.cursor()
    try:
        return con, read_format(con)
    except duckdb.Error:
        con.close()
        raise


def is_small(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether no table has more rows than a row group."""
    (rows,) = con.execute("select coalesce(max(estimated_size), 0) from duckdb_tables()").fetchall()[0]
    return bool(rows <= ROW_GROUP)


def spare_threads(con: duckdb.DuckDBPyConnection) -> None:
    """One thread for many questions to a small file: several would wait for each other longer than they work."""
    if is_small(con):
        con.execute("set threads = 1")


@contextmanager
def held_open(settings: Settings) -> Iterator[None]:
    """Keep the writer's file open between the steps within: the first opens it, the others at next to no cost."""
    _HELD[settings.warehouse] = None
    try:
        yield
    finally:
        let_go(settings.warehouse)
        del _HELD[settings.warehouse]


def let_go(path: Path) -> None:
    """Close a file that is kept open between steps, for who opens it in another way or copies it."""
    con = _HELD.get(path)
    if con is not None:
        _HELD[path] = None
        con.close()


@contextmanager
def held_alone(settings: Settings) -> Iterator[None]:
    """
    As ``held_open``, with nothing but the file in reach of what is asked within: no other file, no network.

    What ``for_questions`` opened within is interrupted once it took longer, in all, than a reader may.
    """
    path, is_held = settings.warehouse, settings.warehouse in _HELD
    let_go(path)
    _HELD[path], _ALONE[path] = None, []
    done = threading.Event()

    def interrupt() -> None:
        left = settings.limits.seconds
        while not done.wait(left):
            for con in [*_ALONE[path]]:
                with suppress(duckdb.Error):
                    con.interrupt()
            left = 1.0

    watch = threading.Thread(target=interrupt, name="stockbook-limit", daemon=True)
    if settings.limits.seconds:
        watch.start()
    try:
        yield
    finally:
        done.set()
        if settings.limits.seconds:
            watch.join()
        let_go(path)
        del _ALONE[path]
        if not is_held:
            del _HELD[path]


def for_questions(path: Path) -> duckdb.DuckDBPyConnection:
    """The writer's file for questions only, as it is kept open between steps, else read-only. The caller closes it."""
    con = _HELD.get(path)
    alone = _ALONE.get(path)
    if con is None:
        config = {} if alone is None else LOCKED
        con = duckdb.connect(str(path), read_only=True, config=config)
    else:
        con = con.cursor()
    if alone is not None:
        alone.append(con)
    return con


@contextmanager
def checkpointed_beside(path: Path) -> Iterator[None]:
    """
    Write what the log of a file that is held open has into the file, beside questions to it: publishing has less to do.

    If it cannot, publishing says why: it begins with the same.
    """
    kept_open = _HELD.get(path)
    if kept_open is None:
        yield
        return
    with kept_open.cursor() as cursor, ThreadPoolExecutor(1, "stockbook-checkpoint") as pool:
        pool.submit(cursor.execute, "checkpoint")
        yield


def log_of(path: Path) -> Path:
    """The write-ahead log of a DuckDB file: changes that DuckDB replays onto whatever file lies beside it."""
    return path.with_name(path.name + ".wal")
