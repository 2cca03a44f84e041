"""What is written to ``meta``: by one module, and so that an attempt replaces an earlier one."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from stockbook import declaration_files
from stockbook.declarations import of_layer
from stockbook.warehouse import meta, meta_listings
from stockbook.warehouse.meta_listings import Cursor, ListingKey
from stockbook.warehouse.schema import declared_ddl

ROOT = Path(__file__).parents[2]
WRITES = re.compile(
    r"(?:\b(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from|merge\s+into)\s+|\b_put\(con, \")meta\.(\w+)",
    re.IGNORECASE,
)
ORDERS = ListingKey("main", "fulfillment_cz", "orders")
FIRST, SECOND = datetime(2026, 3, 1, 2, 15), datetime(2026, 3, 2, 2, 15)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema meta")
        for table in of_layer(declaration_files.load(ROOT / "include" / "sql"), "meta"):
            con.execute(declared_ddl(table))
        yield con


def test_each_table_of_meta_has_one_writer() -> None:
    """Two modules have all statements that write to ``meta``, and those of a table stand in one of them."""
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "include").rglob("*.sql")]
    tables = {file.relative_to(ROOT).as_posix(): set(WRITES.findall(file.read_text())) for file in files}
    writers = {file: written for file, written in tables.items() if written}

    assert set(writers) == {f"plugins/stockbook/warehouse/{name}.py" for name in ("meta", "meta_listings")}
    declared = [table.table for table in of_layer(declaration_files.load(ROOT / "include" / "sql"), "meta")]
    assert sorted(name for written in writers.values() for name in written) == sorted(declared)


def test_a_cursor_never_goes_back(con: duckdb.DuckDBPyConnection) -> None:
    """A load that read less far moves neither the number nor the day, and the first load stays the first."""
    movements = ORDERS._replace(listing="movements")
    read_first = [Cursor(ORDERS, 70, "2026-02-28"), Cursor(movements, None)]
    read_again = [Cursor(ORDERS, 60, "2026-02-01"), Cursor(ORDERS, 50)]
    meta_listings.advance_cursors(con, read_first, as_of=FIRST, run_id="night1")
    meta_listings.advance_cursors(con, read_again, as_of=SECOND, run_id="night2")

    assert con.execute("from meta.cursor order by listing").fetchall() == [
        (*movements, None, None, FIRST, FIRST, "night1"),
        (*ORDERS, 70, date(2026, 2, 28), FIRST, SECOND, "night2"),
    ]


def test_a_name_that_is_listed_takes_the_place_of_its_hash(con: duckdb.DuckDBPyConnection) -> None:
    """An undeclared field keeps the day it was first seen when its name may be listed at last."""
    meta_listings.write_undeclared_field(con, ORDERS, "#1f", "string", hidden=None, rows=3, as_of=FIRST)
    meta_listings.write_undeclared_field(con, ORDERS, "loyalty", "string", hidden="#1f", rows=5, as_of=SECOND)

    fields = con.execute("select path, rows_seen, first_seen_at, last_seen_at, is_told from meta.undeclared_field")
    assert fields.fetchall() == [("loyalty", 5, FIRST, SECOND, True)]


def test_results_of_a_second_attempt_replace_those_of_the_first(con: duckdb.DuckDBPyConnection) -> None:
    """Checks of a stage that is run again stand once."""
    for observed in ("2 of 9 rows", "0 of 9 rows"):
        result = meta.CheckRow("staging.orders", "ids are unique", "fail", True, observed, 0, "[]", None, SECOND)
        meta.write_check_results(con, "night1", "check_staging", [result])

    assert con.execute("select observed, checked_at from meta.check_result").fetchall() == [("0 of 9 rows", SECOND)]
