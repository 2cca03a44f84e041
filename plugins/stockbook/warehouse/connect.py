"""Opening DuckDB files, with errors a reader understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stockbook.errors import ConfigError, RunLocked
from stockbook.settings import Settings

# rows of a row group of DuckDB: whole ones are written side by side and read by all threads (docs/decisions.md)
ROW_GROUP = 122_880
# FSST squeezes texts by a sixth of the file more and takes a quarter of the time of writing them (docs/decisions.md)
WRITES_FAST = "set disabled_compression_methods = 'fsst,dict_fsst'"
# for models of millions of rows: memory is not given back after each and mapped anew for the next, row groups are not
# gathered by five, which left one of two threads waiting, and the file is checkpointed at the end (docs/decisions.md)
BUILDS_FAST = (
    "set block_allocator_memory = current_setting('memory_limit'); "
    "set write_buffer_row_group_count = 1; "
    "set wal_autocheckpoint = '1GB'"
)


@contextmanager
def writer(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    The writer's file, read-write, closed at the end.

    Raises RunLocked when another process has it open, ConfigError when the home cannot be written
    or the file is no database of this version.
    """
    path = settings.warehouse
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        con = duckdb.connect(str(path), config={"memory_limit": settings.memory_limit, "threads": settings.threads})
    except OSError as error:
        raise ConfigError(
            f"STOCKBOOK_HOME must be a folder that can be written; {path.parent} cannot: {error.strerror}."
        ) from error
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise RunLocked(
                f"Another process has {path} open for writing: only one run at a time may. Wait for it, or stop it."
            ) from error
        raise ConfigError(f"{path} cannot be opened as a DuckDB database: {_first_line(error)}") from error
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(WRITES_FAST)
        con.execute(f"set temp_directory = '{settings.home / 'tmp'}'")
        yield con
    finally:
        con.close()


@contextmanager
def reader(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file, read-only, closed at the end. Raises ConfigError when there is none."""
    if not path.exists():
        raise ConfigError(f"Nothing has been published yet: expected {path}. Run a night first.")
    con = duckdb.connect(str(path), read_only=True)
    try:
        con.execute("set TimeZone = 'UTC'")
        yield con
    finally:
        con.close()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def query_error(error: duckdb.Error) -> str:
    """What DuckDB says of a query in one line, its proposals (*Did you mean*) included, without the query itself."""
    return " ".join(str(error).partition("\nLINE ")[0].split())
