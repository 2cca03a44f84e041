"""
Opening DuckDB files, each kind of use in one way, with errors a reader understands.

``writer`` is the night's; ``reader`` and ``open_published`` are for everybody who asks the published file, and
``beside_published`` for figures worked out anew over it. Nothing else in this project opens a DuckDB file. A lake is
opened for readers by the same rules (``lake.py``).
"""

import logging
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from stockbook.errors import ConfigError, LakeUnavailable, StockbookError
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.file_errors import error_about, explained, first_line, is_of_file, opened_elsewhere
from stockbook.warehouse.migrations import FORMAT, FileFormat, keep_copy, migrate, read_format
from stockbook.warehouse.spared_pandas import spare_pandas

# rows of a row group of DuckDB: whole ones are written side by side and read by all threads
# (docs/decisions/valuation.md)
ROW_GROUP = 122_880
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


@contextmanager
def reader(path: Path | LakeUrl, limits: Limits = _NO_LIMITS) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    A published file, or a lake, as readers have it: see ``open_published``. Closed at the end.

    Raises ConfigError when there is none, or for what DuckDB says of a query; LakeUnavailable.
    """
    con = opened(path, limits)
    try:
        with interrupted_after(con, limits.seconds):
            yield con
    except duckdb.Error as error:
        if isinstance(path, LakeUrl):
            raise _error_of_lake(path, error) from None
        raise (
            error_about(path, error, con) or ConfigError(f"{path} cannot be asked this: {query_error(error)}")
        ) from error
    finally:
        con.close()


def _error_of_lake(url: LakeUrl, error: duckdb.Error) -> StockbookError:
    text = url.without_secrets(query_error(error))
    if is_of_file(error) or isinstance(error, duckdb.HTTPException):
        return LakeUnavailable(f"The lake does not answer: {text}")
    return ConfigError(f"The lake cannot be asked this: {text}")


def opened(path: Path | LakeUrl, limits: Limits = _NO_LIMITS) -> duckdb.DuckDBPyConnection:
    """Open what readers ask, a published file or a lake. The caller closes it. Raises as ``reader``."""
    if isinstance(path, LakeUrl):
        from stockbook.warehouse.lake import open_lake

        return open_lake(path, limits)
    return open_published(path, limits)


def open_published(path: Path, limits: Limits = _NO_LIMITS) -> duckdb.DuckDBPyConnection:
    """
    Open a published file: read-only, nothing else within reach, settings locked. The caller closes it.

    It is opened under a name of its own that is gone a moment later. So a write-ahead log that somebody left beside the
    file is not replayed onto it, and no statement can name the file, not even to copy something over it.
    Raises ConfigError when there is none or somebody writes to it, WarehouseDamaged when it is not what was published.
    """
    if not path.exists():
        raise ConfigError(f"Nothing has been published yet: expected {path}. Run a night first.")
    try:
        with _name_of_its_own(path) as name:
            con = duckdb.connect(str(name), read_only=True, config=LOCKED | limited(limits))
    except duckdb.Error as error:
        if opened_elsewhere(path):
            raise ConfigError(
                f"Another program has {path} open for writing: close it there, readers open it read-only."
            ) from error
        raise (error_about(path, error, is_opening=True) or error) from error
    # given when opening, DuckDB 1.5 shows this setting and does not hold to it
    con.execute(f"set global max_temp_directory_size = {quoted(limits.disk)}")
    spare_pandas(con)
    lock(con)
    return con


def limited(limits: Limits) -> dict[str, Any]:
    """What DuckDB is opened with for a reader of these limits."""
    spill = limits.spill or Path(tempfile.gettempdir())
    with suppress(OSError):  # a query too large for memory says so
        spill.mkdir(parents=True, exist_ok=True)
    return {
        "memory_limit": limits.memory,
        "threads": limits.threads,
        # one for each opening: two processes that spill to one folder overwrite each other's
        "temp_directory": str(spill / f"stockbook-{os.getpid()}-{secrets.token_hex(8)}"),
    }


def lock(con: duckdb.DuckDBPyConnection) -> None:
    """Set the zone of times, draw no progress into the output, and allow no further change of any setting."""
    con.execute("set global TimeZone = 'UTC'")
    con.execute("set enable_progress_bar_print = false")
    con.execute("set lock_configuration = true")


@contextmanager
def beside_published(settings: Settings, file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    A warehouse in memory with the published ``file`` attached as ``published``, and nothing else in reach.

    Raises as ``open_published`` does.
    """
    with reader(file, settings.limits):
        pass  # says what is wrong with it
    with tempfile.TemporaryDirectory(prefix="stockbook-") as folder, duckdb.connect() as con:
        con.execute(f"set memory_limit = {quoted(settings.memory_limit)}")
        con.execute(f"set threads = {settings.threads}")
        con.execute(f"set temp_directory = {quoted(folder)}")
        try:
            attach(con, file, "published")
            for setting, value in LOCKED.items():
                con.execute(f"set {setting} = {str(value).lower()}")
            lock(con)
            yield con
        except duckdb.Error as error:
            raise (error_about(file, error, con) or error) from error


def attach(con: duckdb.DuckDBPyConnection, file: Path, name: str) -> None:
    """
    Attach ``file`` read-only as ``name``, without what stands in a write-ahead log beside it.

    Raises DuckDB's error when somebody writes to it or it is damaged, ConfigError as ``open_published`` does.
    """
    with _name_of_its_own(file) as alias:
        con.execute(f"attach if not exists {quoted(str(alias))} as {name} (read_only)")


@contextmanager
def _name_of_its_own(path: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{OPENING}{os.getpid()}-", dir=path.parent))
    except OSError:
        yield _as_it_is(path)
        return
    try:
        name = folder / path.name
        try:
            os.link(path, name)
        except OSError:
            name = _as_it_is(path)
        yield name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_it_is(path: Path) -> Path:
    """The file under its own name, for a reader who may not write beside it."""
    log = log_of(path)
    if log.exists():
        raise ConfigError(
            f"Somebody opened {path} for writing and left {log.name} beside it: readers would see those changes. "
            "Remove it, or run a night."
        )
    return path


def log_of(path: Path) -> Path:
    """The write-ahead log of a DuckDB file: changes that DuckDB replays onto whatever file lies beside it."""
    return path.with_name(path.name + ".wal")


@contextmanager
def interrupted_after(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what runs on a connection from so many seconds on; 0 is never."""
    done = threading.Event()

    def interrupt() -> None:
        left = seconds
        while not done.wait(left):
            con.interrupt()
            left = 1.0

    watch = threading.Thread(target=interrupt, name="stockbook-limit", daemon=True)
    if seconds:
        watch.start()
    try:
        yield
    finally:
        done.set()
        if seconds:
            watch.join()


@contextmanager
def asked(what: str) -> Iterator[None]:
    """
    What DuckDB says of a query within is a ConfigError that begins with ``what``.

    What it says of its file goes on to who opened it, who knows the way back.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_of_file(error):
            raise
        raise ConfigError(f"{what}: {query_error(error)}") from error


def query_error(error: duckdb.Error) -> str:
    """What DuckDB says of a query in one line, its proposals (*Did you mean*) included, without the query itself."""
    if isinstance(error, duckdb.InterruptException):
        return "it took longer than STOCKBOOK_READER_SECONDS allows and was interrupted."
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"it needs more than STOCKBOOK_READER_MEMORY and STOCKBOOK_READER_DISK allow ({first_line(error)})."
    text = " ".join(str(error).partition("\nLINE ")[0].split())
    return text if len(text) <= 1_000 else f"{text[:1_000]}…"
