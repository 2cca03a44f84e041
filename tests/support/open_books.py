"""
Files of books kept open between a test's questions: to open one reads its whole catalogue, a tenth of a second.

For files that are replaced, never written, as the published one: who writes to one elsewhere would find it locked.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stockbook.warehouse.connect import log_of

AT_ONCE = 3
# by what a file is and when it was written; the one asked last stands last
_OPEN: dict[tuple[int, ...], duckdb.DuckDBPyConnection] = {}


@contextmanager
def asked(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    A connection to a file as it is now: another one under its name, or one that was written to, is opened anew.

    It is opened under a name of its own that is gone a moment later, as readers do: so this process can open the file
    itself otherwise. One that cannot be linked, or that has a log, is opened as it is, and closed.
    """
    state = file.stat()
    content = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
    con = None if log_of(file).exists() else _OPEN.pop(content, None) or _opened(file)
    if con is None:
        with duckdb.connect(str(file), read_only=True) as con:
            yield con
        return
    _OPEN[content] = con
    while len(_OPEN) > AT_ONCE:
        _OPEN.pop(next(iter(_OPEN))).close()
    with con.cursor() as cursor:
        yield cursor


def _opened(file: Path) -> duckdb.DuckDBPyConnection | None:
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / file.name
        try:
            os.link(file, link)
        except OSError:
            return None
        # small files: a second thread takes more than it gives
        return duckdb.connect(str(link), read_only=True, config={"threads": 1})
