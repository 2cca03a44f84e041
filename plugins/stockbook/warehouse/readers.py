"""
Opening what readers ask: read-only, nothing else within reach, settings locked, with errors a reader understands.

``reader`` and ``open_published`` are for everybody who asks the published file, and ``beside_published`` for figures
worked out anew over it. A lake is opened by the same rules (``lake.py``).
"""

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from stockbook import project
from stockbook.errors import ConfigError, LakeUnavailable, StockbookError, first_line
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import LOCKED, OPENING, log_of
from stockbook.warehouse.file_errors import error_about, is_of_file, opened_elsewhere
from stockbook.warehouse.migrations import lag
from stockbook.warehouse.spared_pandas import spare_pandas

# how DuckDB says that a table or column is not there
LACKING = (duckdb.CatalogException, duckdb.BinderException)
_NO_LIMITS = Limits()


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
        raise (error_about(path, error, con) or ConfigError(_unasked(path, error, con))) from error
    finally:
        con.close()


def _unasked(path: Path, error: duckdb.Error, con: duckdb.DuckDBPyConnection) -> str:
    text = f"{path} cannot be asked this: {query_error(error)}"
    return f"{text} {lag(con)}".rstrip() if isinstance(error, LACKING) else text


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
        demo = project.demo_home()
        of_demo = (
            f" The demo's books are read with STOCKBOOK_HOME={demo}." if demo and (demo / "published").exists() else ""
        )
        raise ConfigError(
            f"Nothing has been published yet: expected {path}. Run a night first (`stockbook run`), or name the folder "
            f"of other books with STOCKBOOK_HOME.{of_demo}"
        )
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
