"""
Great Expectations pushed down to DuckDB.

Great Expectations 1.24 has no DuckDB back end. Three things stand between it and the SQLAlchemy
dialect of DuckDB, each found by running (docs/stack.md):

1. ``execute_query`` leaves its connection before it fetches; the roll-back on close drops DuckDB's
   pending result. The dialect buffers it first. This leans on one private method of
   duckdb-sqlalchemy, whose version is pinned for it; ``tests/checks/test_checks.py`` holds the behaviour.
2. Great Expectations knows no ``duckdb`` and refuses regular expressions for it, so the dialect
   answers to ``postgresql``.
3. PostgreSQL's ``~`` matches a part, DuckDB's the whole: it is compiled to ``regexp_matches``.

URL: that of ``address``. Import this module before using it.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb_sqlalchemy
from sqlalchemy.dialects import registry

from stockbook.warehouse.connect import for_questions

SCHEME = "stockbookgx"


class Compiler(duckdb_sqlalchemy.Dialect.statement_compiler):  # type: ignore[misc]  # the base has no types
    """PostgreSQL's regular-expression operators in DuckDB's words."""

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        """``a ~ b`` and ``a !~ b`` as partial matches."""
        if operator.opstring not in ("~", "!~"):
            compiled: str = super().visit_custom_op_binary(element, operator, **kw)
            return compiled
        matches = f"regexp_matches({self.process(element.left, **kw)}, {self.process(element.right, **kw)})"
        return matches if operator.opstring == "~" else f"(not {matches})"


class Dialect(duckdb_sqlalchemy.Dialect):  # type: ignore[misc]  # the base has no types
    """The DuckDB dialect as Great Expectations needs it."""

    name = "postgresql"
    driver = "stockbook"
    supports_statement_cache = False
    statement_compiler = Compiler

    def connect(self, database: str, **_: Any) -> Any:
        """As ``warehouse/connect.py`` opens a file for questions: a file has one way in which it is open."""
        return duckdb_sqlalchemy.ConnectionWrapper(for_questions(Path(database)))

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Keep the pending result before rolling back."""
        getattr(dbapi_connection, "_buffer_pending_result", lambda: None)()
        super().do_rollback(dbapi_connection)


def address(database: Path) -> str:
    """The URL of a database file, percent-encoded: Great Expectations reads ``$`` in an address, SQLAlchemy ``?``."""
    return f"{SCHEME}:///{quote(str(database))}"


registry.register(SCHEME, __name__, "Dialect")
