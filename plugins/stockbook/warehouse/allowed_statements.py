"""
What readers may ask: statements that read, and those on temporary tables of their own.

DuckDB refuses files, extensions and settings itself once its configuration is locked. Its lock has holes: `copy`
may write to the folder it spills to, and some of its own table functions run text as SQL, write files, take
addresses of memory or end the process. They are refused here, before they run, by DuckDB's own reading of the text.
"""

from collections.abc import Sequence
from itertools import pairwise

import duckdb
from duckdb import StatementType

from stockbook.errors import ConfigError

_ALLOWED = {
    StatementType.SELECT,
    StatementType.EXPLAIN,
    StatementType.RELATION,
    StatementType.TRANSACTION,
    # settings themselves are locked; the schema and variables are the reader's own
    StatementType.SET,
    StatementType.VARIABLE_SET,
    # of temporary tables, views and macros: the file is open read-only
    StatementType.CREATE,
    StatementType.CREATE_FUNC,
    StatementType.INSERT,
    StatementType.UPDATE,
    StatementType.DELETE,
    StatementType.MERGE_INTO,
    StatementType.ALTER,
    StatementType.DROP,
}
# every other table function of DuckDB itself is refused, also those a later version brings
_HARMLESS = {
    *("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary"),
    *("icu_calendar_names", "pg_timezone_names", "pragma_show", "pragma_table_info", "pragma_version"),
    *("pragma_collations", "pragma_database_size", "pragma_platform", "test_all_types"),
}
# of who may ask only: no temporary tables, no variables, nothing that the next question would see
_QUESTIONS = {StatementType.SELECT, StatementType.EXPLAIN, StatementType.RELATION}
_OF_SECRETS = (StatementType.CREATE, StatementType.DROP)
_BEFORE_PIVOT = (["pivot"], ["select"], ["from"], ["with"])
_IN_EXPLAIN = ("analyze", "verbose")
# functions of the extensions that a lake needs, and its catalog by the name DuckDB gives it
_OF_LAKES = ("ducklake_", "postgres_", "read_postgres", "pg_clear")
_CATALOG = "__ducklake"
_refused: set[str] = set()


def readable(con: duckdb.DuckDBPyConnection, text: str) -> list[duckdb.Statement]:
    """The statements of a reader's text. Raises ConfigError for one a reader may not run, duckdb.Error for bad SQL."""
    statements = _statements(con, text)
    for statement in statements:
        _require_allowed(con, statement)
    return statements


def question(con: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement:
    """The only statement of a text, which asks and makes nothing. Raises as ``readable``, and for any other."""
    statements = _statements(con, text)
    if len(statements) != 1:
        raise ConfigError(
            f"Ask one query at a time, and name the values of a pivot (`on x in (…)`); got {len(statements)}."
        )
    _require_question(con, statements[0])
    return statements[0]


def _statements(con: duckdb.DuckDBPyConnection, text: str) -> list[duckdb.Statement]:
    """Of a text that calls nothing a reader may not call."""
    try:
        words = _words(text)
    except UnicodeError:
        raise ConfigError("The query cannot be answered: it is not a text in UTF-8.") from None
    called = {word for word, following in pairwise(words) if following == "("}
    refused = sorted(called & _refused_functions(con) | {word for word in called if word.startswith(_OF_LAKES)})
    if any(word.startswith(_CATALOG) for word in words):
        raise ConfigError("The lake's catalog is not for readers: only the published tables can be asked.")
    if refused:
        raise ConfigError(f"{refused[0]}() is not for readers: only the published tables can be asked.")
    return con.extract_statements(text)


def _require_question(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> None:
    kind = _kind(statement)
    if not (_is_question(statement) or kind in _QUESTIONS):
        raise ConfigError(f"{_words(statement.query)[0]!r} is no query.")
    if kind == StatementType.EXPLAIN:
        for inner in con.extract_statements(_explained(statement.query)):
            _require_question(con, inner)


def _is_question(statement: duckdb.Statement) -> bool:
    """Whether it is a query that DuckDB counts among other kinds; DuckDB 1 takes both for queries."""
    words, kind = _words(statement.query), _kind(statement)
    return (kind == StatementType.PRAGMA and f"pragma_{''.join(words[1:2])}" in _HARMLESS) or (
        kind == StatementType.MULTI and words[:1] in _BEFORE_PIVOT and "pivot" in words
    )


def _require_allowed(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> None:
    words = _words(statement.query)
    kind = _kind(statement)
    if not (_is_question(statement) or kind in _ALLOWED) or (kind in _OF_SECRETS and "secret" in words[1:4]):
        raise ConfigError(
            f"{words[0] if words else 'this'!r} is not for readers: queries, explain, describe, summarize, "
            "and temporary tables, views and macros are."
        )
    if kind == StatementType.EXPLAIN:
        for inner in con.extract_statements(_explained(statement.query)):
            _require_allowed(con, inner)


def _kind(statement: duckdb.Statement) -> StatementType | None:
    try:
        return statement.type
    except ValueError:  # DuckDB 2 has kinds that its Python has no name for
        return None


def _explained(text: str) -> str:
    """The statement an ``explain`` explains; with ``analyze`` it runs."""
    raw, tokens = text.encode(), duckdb.tokenize(text)
    place, depth = 1, 0
    while place < len(tokens):
        word = _word(raw, tokens, place)
        depth += (word == "(" and (place == 1 or depth > 0)) - (word == ")")
        if depth <= 0 and word not in (*_IN_EXPLAIN, ")"):
            break
        place += 1
    return raw[tokens[place][0] :].decode() if place < len(tokens) else ""


def _refused_functions(con: duckdb.DuckDBPyConnection) -> set[str]:
    if not _refused:  # the same for every file: they are DuckDB's own
        functions = con.execute(
            "select function_name from duckdb_functions() where function_type = 'table' and internal "
            "and not starts_with(function_name, 'duckdb_') and database_name = 'system'"
        ).fetchall()
        _refused.update({name for (name,) in functions} - _HARMLESS | {"duckdb_secrets", "duckdb_extensions"})
    return _refused


def _words(text: str) -> list[str]:
    raw, tokens = text.encode(), duckdb.tokenize(text)
    return [_word(raw, tokens, place) for place in range(len(tokens))]


def _word(raw: bytes, tokens: Sequence[tuple[int, object]], place: int) -> str:
    """A token in small letters, without quotes; of what stands for itself (``(``, ``::``) the first character."""
    start = tokens[place][0]
    end = tokens[place + 1][0] if place + 1 < len(tokens) else len(raw)
    piece = raw[start:end].decode()
    if piece.startswith('"'):
        return piece[1:].partition('"')[0].lower()
    if piece[:1].isalpha() or piece[:1] == "_":
        letters = [letter if letter.isalnum() or letter in "_$" else " " for letter in piece]
        return "".join(letters).partition(" ")[0].lower()
    return piece[:1]
