"""
One question to what is published, and its answer as JSON, within limits.

It runs in a process of its own (``worker.py``): some functions of DuckDB neither count the memory they take nor stop
when they are interrupted.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from stockbook.errors import ConfigError
from stockbook.lake_url import LakeUrl
from stockbook.limits import AnalystLimits

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

SAFE_INTEGER = 2**53
_AS_OF = "select * from meta.current_run"
_CURRENCIES = {
    "valuation currency": "select distinct valuation_currency from marts.dim_valuation_setting",
    "reporting currency": "select distinct reporting_currency from marts.dim_money_setting",
}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_AS_THEY_ARE = (*_WHOLE, *(f"U{kind}" for kind in _WHOLE), "BOOLEAN", "VARCHAR", "FLOAT", "DOUBLE")
_ALLOWED = (
    "Allowed is one query of the published tables (select, from, with, describe, summarize, explain): no files, no "
    "network, no settings, nothing that writes. list_tables says what there is."
)


class Wanted(msgspec.Struct):
    """A query, and how large its answer may be; without a query only what is known of the file is answered."""

    sql: str | None
    rows: int
    kilobytes: int


class Read(msgspec.Struct, omit_defaults=True):
    """
    An answer, or in ``error`` the sentence why there is none.

    ``current`` has a run for each account, ``currencies`` the code of each word for one where all accounts have one,
    ``tables`` the qualified names that the query read, each with kind and comment.
    """

    error: str = ""
    current: list[dict[str, str]] = []
    currencies: dict[str, str] = {}
    tables: dict[str, tuple[str, str]] = {}
    columns: list[tuple[str, str]] = []
    rows: list[list[Any]] = []
    more: str = ""


def read(source: "Path | LakeUrl", limits: AnalystLimits, wanted: Wanted) -> Read:
    """Open the newest that is published, ask it, and close it. Raises StockbookError for what it cannot answer."""
    import duckdb

    from stockbook.warehouse.file_errors import is_of_file
    from stockbook.warehouse.readers import query_error, reader

    with reader(source, limits.of_one) as con:
        answer = Read()
        answer.current = list(_current(con))
        answer.currencies = {
            word: code for word, query in _CURRENCIES.items() if (code := _only_value(con, query)) is not None
        }
        if wanted.sql is None:
            return answer
        try:
            _ask(con, answer, wanted.sql, wanted, limits)
        except duckdb.InterruptException:
            raise ConfigError(limits.too_long) from None
        except (duckdb.OutOfMemoryException, MemoryError):
            raise ConfigError(limits.too_large) from None
        except duckdb.Error as error:
            if is_of_file(error):
                raise
            raise ConfigError(f"The query cannot be answered: {query_error(error)} {_next_step(error)}") from error
        return answer


def _ask(con: "duckdb.DuckDBPyConnection", answer: Read, sql: str, wanted: Wanted, limits: AnalystLimits) -> None:
    from stockbook.warehouse.allowed_statements import question

    try:
        statement = question(con, sql)
    except ConfigError as error:
        raise ConfigError(f"{error} {_ALLOWED}") from error
    answer.tables = _tables_of(con, statement.query)
    relation = con.sql(statement)
    if relation is None:
        raise ConfigError(f"This answers no rows. {_ALLOWED}")
    named = relation.project("*")  # of two columns of one name the second is renamed
    answer.columns = [(name, str(kind)) for name, kind in zip(named.columns, named.types, strict=True)]
    written = ", ".join(
        quoted if kind in _AS_THEY_ARE else f"cast({quoted} as varchar) as {quoted}"
        for quoted, kind in (('"' + name.replace('"', '""') + '"', kind) for name, kind in answer.columns)
    )
    room = wanted.kilobytes * 1_000
    texts = named.limit(wanted.rows + 1).project(written)
    while row := texts.fetchone():
        if len(answer.rows) == wanted.rows:
            answer.more = f"There are more than {wanted.rows} rows: {_narrower(wanted.rows, limits.rows)}"
            return
        cells = [_as_json(value) for value in row]
        room -= len(msgspec.json.encode(cells))
        if room < 0 and not answer.rows:
            raise ConfigError(
                f"One row is larger than STOCKBOOK_MCP_KILOBYTES ({wanted.kilobytes}) allows: choose fewer columns, or "
                "left(column, 1000)."
            )
        if room < 0:
            answer.more = (
                f"The answer was cut after {len(answer.rows)} rows, at {wanted.kilobytes} KB "
                "(STOCKBOOK_MCP_KILOBYTES): choose fewer columns, add up more, or filter."
            )
            return
        answer.rows.append(cells)


def _next_step(error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        return "Only what is published can be asked: list_tables and describe_table say what there is."
    return _ALLOWED if isinstance(error, duckdb.PermissionException) else "Correct it, in DuckDB's SQL, and ask again."


def _narrower(wanted: int, most: int) -> str:
    if wanted < most:
        return f"ask for up to {most}, add up more, or filter."
    return "add up more, filter, or go on with order by and offset (STOCKBOOK_MCP_ROWS is the limit)."


def _as_json(value: Any) -> Any:
    """Numbers that JSON's readers would round are text, and those it has no word for."""
    if isinstance(value, int) and abs(value) > SAFE_INTEGER:
        return str(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124  # NaN
        return str(value)
    return value


def _current(con: "duckdb.DuckDBPyConnection") -> Iterator[dict[str, str]]:
    answer = con.execute(_AS_OF)
    names = [column[0] for column in answer.description or ()]
    for row in answer.fetchall():
        values = dict(zip(names, row, strict=True))
        yield {name: str(values[name]) for name in ("account", "run_id", "as_of", "zone") if name in values}


def _only_value(con: "duckdb.DuckDBPyConnection", query: str) -> str | None:
    import duckdb

    try:
        rows = con.execute(query).fetchall()
    except duckdb.CatalogException:  # published by an earlier version
        return None
    return str(rows[0][0]) if len(rows) == 1 and rows[0][0] else None


def _tables_of(con: "duckdb.DuckDBPyConnection", query: str) -> dict[str, tuple[str, str]]:
    """The published tables that a query names, with kind and comment; of a plan or a description none."""
    import duckdb

    from stockbook.sql_text import quoted
    from stockbook.warehouse.published_names import COMMENTS

    try:
        names = sorted(con.get_table_names(query, qualified=True))
    except duckdb.Error:
        return {}
    listed = ", ".join(quoted(name.removeprefix("lake.")) for name in names)
    if not listed:
        return {}
    rows = con.execute(
        f"select name, kind, comment from ({COMMENTS}) where name in ({listed}) order by name"
    ).fetchall()
    return {name: (kind, comment) for name, kind, comment in rows}
