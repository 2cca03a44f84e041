"""What is exported: a published table, view or macro by its name, or what a query answers."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook.errors import ConfigError
from stockbook.lake_url import LakeUrl
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.allowed_statements import readable
from stockbook.warehouse.read_published import source_of
from stockbook.warehouse.readers import asked, reader

if TYPE_CHECKING:
    import duckdb


@contextmanager
def opened(settings: Settings, published: Path | LakeUrl) -> Iterator["duckdb.DuckDBPyConnection"]:
    """
    What readers ask, opened as for any of them, but without an end to its seconds: a large file takes its time.

    DuckDB gets half of a reader's memory. The other half is for the rows on their way into the file.
    """
    size, unit = re.fullmatch(r"([\d.]+) ?(\w+)", settings.limits.memory).groups()  # type: ignore[union-attr]  # a size by the settings
    limits = dataclasses.replace(settings.limits, seconds=0, memory=f"{float(size) / 2:g}{unit}")
    with reader(published, limits) as con:
        yield con


def of_table(
    con: "duckdb.DuckDBPyConnection", name: str, parameters: Mapping[str, str], account: str = ""
) -> "duckdb.DuckDBPyRelation":
    """A table, view or macro whole, or the rows of one account. Raises ConfigError naming the nearest names."""
    where = f" where account = {quoted(account)}" if account else ""
    return _answer(con, f"select * from {source_of(con, name, parameters, quoted)}{where}")


def of_query(con: "duckdb.DuckDBPyConnection", text: str) -> "duckdb.DuckDBPyRelation":
    """What one query answers. Raises ConfigError for several, and for what readers may not ask."""
    with asked("The query cannot be answered"):
        statements = readable(con, text)
    if len(statements) != 1:
        raise ConfigError(f"One query is exported into one file; got {len(statements)}.")
    return _answer(con, statements[0].query)


def _answer(con: "duckdb.DuckDBPyConnection", query: str) -> "duckdb.DuckDBPyRelation":
    """A query that has not run yet: with values beside it, it would run at once, all of its rows in memory."""
    with asked("This cannot be exported"):
        answer = con.sql(query)
    if answer is None:
        raise ConfigError("This answers nothing that could be exported: a query does.")
    return answer
