"""Calculations that several models share: one macro a file, made before every build."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT

from stockbook.errors import DeclarationError
from stockbook.models.macros import create_macros


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse without models."""
    with duckdb.connect() as connection:
        connection.execute("create schema intermediate")
        yield connection


def with_macro(folder: Path, sql: str) -> Path:
    """A folder of models with one macro."""
    (folder / "macros").mkdir()
    (folder / "macros" / "twice.sql").write_text(sql)
    return folder


def test_a_file_becomes_a_macro_of_its_name(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A model may call what a file of the folder defines; a second build makes it anew."""
    models = with_macro(tmp_path, "-- Twice a number.\ncreate or replace macro intermediate.twice(n) as 2 * n\n")
    create_macros(con, models)
    create_macros(con, models)

    assert con.execute("select intermediate.twice(21)").fetchall() == [(42,)]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("create or replace macro intermediate.twice(n) as 2 * n", "must begin with a comment"),
        ("-- Twice.\ncreate or replace macro intermediate.double(n) as 2 * n", r"define intermediate\.twice"),
        ("-- Twice.\ncreate or replace macro intermediate.twice(n) as 2 *", "cannot be made: Parser Error"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str, reason: str
) -> None:
    """One without a comment, one of another name and one that is no SQL: the error names the file and says why."""
    with pytest.raises(DeclarationError, match=rf"macros/twice\.sql .*{reason}"):
        create_macros(con, with_macro(tmp_path, sql))


def test_a_project_without_macros_has_none(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """The folder may be missing."""
    create_macros(con, tmp_path)

    macros = con.execute("select function_name from duckdb_functions() where schema_name = 'intermediate'").fetchall()
    assert macros == []


@pytest.mark.parametrize(
    ("method", "figure"), [("fifo_landed", 1), ("fifo_bare", 2), ("average_landed", 3), ("average_bare", 4)]
)
def test_the_headline_is_the_figure_of_its_method(con: duckdb.DuckDBPyConnection, method: str, figure: int) -> None:
    """Of four figures of one amount each method and basis has its own; pieces are counted by the method alone."""
    create_macros(con, PROJECT / "include" / "sql")

    assert con.execute(
        "select intermediate.headline($1, 1, 2, 3, 4), intermediate.headline_quantity($1, 'by FIFO', 'by the average')",
        [method],
    ).fetchall() == [(figure, "by FIFO" if method.startswith("fifo") else "by the average")]
