"""Arrow tables under a name of a connection: read in place, let go at their end, and nothing else is taken for one."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from stockbook.settings import Settings
from stockbook.warehouse.arrow_view import ArrowView
from stockbook.warehouse.connect import writer


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The writer's file, as a night opens it."""
    with writer(Settings.load({"STOCKBOOK_HOME": str(tmp_path)})) as con:
        yield con


def test_a_table_is_let_go_before_the_transaction_ends(con: duckdb.DuckDBPyConnection) -> None:
    """An Arrow table is read in place, and its memory is free again when the view ends."""
    table = pa.table({"a": [1, 2, 3]})
    reference = weakref.ref(table)
    con.execute("begin")
    with ArrowView(con, "numbers", table):
        del table
        assert con.execute("select sum(a) from numbers").fetchall() == [(6,)]
    gc.collect()

    assert reference() is None
    con.execute("commit")


def test_a_view_ends_with_a_query_that_fails(con: duckdb.DuckDBPyConnection) -> None:
    """The error is the query's own, and after the rollback the name is free."""
    con.execute("begin")
    with (
        pytest.raises(duckdb.InvalidInputException, match="no such luck"),
        ArrowView(con, "numbers", pa.table({"a": [1]})),
    ):
        con.execute("select error('no such luck') from numbers")
    con.execute("rollback")

    with pytest.raises(duckdb.CatalogException, match="numbers"):
        con.execute("select a from numbers")


def test_no_variable_is_taken_for_a_table(con: duckdb.DuckDBPyConnection) -> None:
    """A table of Arrow in a variable is no table of the warehouse, whatever it is called."""
    stock = pa.table({"a": [1]})

    with pytest.raises(duckdb.CatalogException, match="stock"):
        con.execute("select a from stock")
    with ArrowView(con, "stock", stock):
        assert con.execute("select a from stock").fetchall() == [(1,)]
