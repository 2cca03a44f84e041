"""The blank tables and views that a build fills: what they are, and which are laid."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from empty_warehouse import MODELS

from stockbook.declarations import Table, in_currency
from stockbook.models import blanks
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.orphans import drop_orphans
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import STORAGE
from stockbook.warehouse.schema import create_all

LEFT = f"select distinct table_name from duckdb_columns() where table_name like '%{blanks.BLANK}'"
# the columns that a select leaves out come in any order: its words are compared
SHAPES = r"""
select c.schema_name, c.table_name, c.column_index, c.column_name, c.data_type, c.comment, t.comment, t.words
from duckdb_columns() as c
join (
    select schema_name, table_name, comment, [] as words from duckdb_tables()
    union all
    select schema_name, view_name, comment, list_sort(regexp_extract_all(sql, '\w+')) from duckdb_views()
) as t using (schema_name, table_name)
where c.schema_name in ('intermediate', 'marts', 'reports')
order by all
"""


@pytest.fixture(scope="module")
def in_order(tables: dict[str, Table]) -> list[Step]:
    """Every step of the models that come with the program."""
    return steps(MODELS, tables)


@pytest.fixture
def file(tables: dict[str, Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new warehouse, with macros and no model."""
    with duckdb.connect() as con:
        create_all(con, tables)
        create_macros(con, MODELS)
        yield con


def shapes(con: duckdb.DuckDBPyConnection, place: Path) -> list[tuple[Any, ...]]:
    """Built tables and views as they stand in a file, where DuckDB writes a select in words of its own."""
    con.execute(f"attach {quoted(str(place))} as stored (storage_version {quoted(STORAGE)})")
    con.execute("copy from database memory to stored (schema)")
    con.execute("detach stored")
    with duckdb.connect(place, read_only=True) as stored:
        rows = stored.execute(SHAPES).fetchall()
    place.unlink()
    return rows


def laid(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], in_order: list[Step], stands: set[str] | None = None
) -> set[str]:
    """The steps whose blanks a build over crowns would lay."""
    return blanks.lay(con, MODELS, tables, in_order, stands or set(), "DKK")


def left(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of all blanks in a file."""
    return {name for (name,) in con.execute(LEFT).fetchall()}


def test_a_blank_is_what_is_made_by_its_own_statement(
    file: duckdb.DuckDBPyConnection, tables: dict[str, Table], in_order: list[Step], tmp_path: Path
) -> None:
    """Columns, types, selects of views and every comment, over an empty file and again over what stands."""
    place = tmp_path / "stored.duckdb"
    declared = in_currency(tables, "DKK")
    selected = [step for step in in_order if step.sql is not None]
    for step in in_order:
        for table in step.tables:
            blanks.create(file, table, step.sql or "")
    write_comments(file, {step.name: declared[step.name] for step in selected})
    own_statements = shapes(file, place)

    for _ in range(2):
        in_place = laid(file, tables, in_order)
        for step in selected:
            if step.name in in_place:
                blanks.put_in_place(file, step.tables[0])

        assert in_place == {step.name for step in selected if step.tables[0].kind != "macro"}
        assert shapes(file, place) == own_statements
        assert "Unit: DKK." in str(own_statements)


def test_what_stands_gets_none(file: duckdb.DuckDBPyConnection, tables: dict[str, Table], in_order: list[Step]) -> None:
    """Nothing is left over beside what a build leaves alone; and a few are made by themselves."""
    all_names = [step.name for step in in_order if step.sql is not None and step.tables[0].kind != "macro"]

    assert laid(file, tables, in_order, set(all_names[blanks.FEW :])) == set(all_names[: blanks.FEW])
    assert left(file) == {f"{tables[name].table}{blanks.BLANK}" for name in all_names[: blanks.FEW]}
    assert laid(file, tables, in_order, set(all_names[blanks.FEW - 1 :])) == set()


def test_blanks_of_a_build_that_was_killed_make_way(
    file: duckdb.DuckDBPyConnection, tables: dict[str, Table], in_order: list[Step]
) -> None:
    """The next build drops what nothing declares, and lays its own."""
    first = laid(file, tables, in_order)

    drop_orphans(file, tables)
    assert left(file) == set()
    assert laid(file, tables, in_order) == first


def test_without_a_place_for_their_file_none_are_laid(
    file: duckdb.DuckDBPyConnection,
    tables: dict[str, Table],
    in_order: list[Step],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without a folder for temporary files builds as ever, and takes longer."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))

    assert laid(file, tables, in_order) == set()
    assert left(file) == set()
