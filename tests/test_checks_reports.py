"""What a night asks of every report without anybody writing it down."""

import duckdb
import pytest

from stockbook.checks.rules import of_table
from stockbook.declarations import Column, Table


@pytest.fixture
def report() -> Table:
    """A report of one key and two measures, one of them required."""
    columns = {
        "account": Column("varchar", "Account.", required=True),
        "pieces": Column("bigint", "Pieces.", required=True),
        "price": Column("decimal(24, 12)", "Price."),
    }
    return Table("some_report", "A report.", columns, grain=["account"], layer="reports")


def test_required_columns_of_a_report_are_asked_for_together(report: Table) -> None:
    """One question names key and column of each row that lacks something it must have, and nothing else."""
    rules = {rule.name: rule for rule in of_table(report)}
    assert set(rules) == {"one row per account", "required columns are there"}
    query = rules["required columns are there"].query
    assert query is not None
    with duckdb.connect() as con:
        con.execute("create schema reports")
        con.execute("create table reports.some_report as select 'a' as account, 1 as pieces, null as price")
        assert con.execute(query).fetchall() == []
        con.execute("insert into reports.some_report values ('b', null, 1), (null, 2, 1)")
        assert sorted(con.execute(query).fetchall(), key=str) == [("b", "pieces"), (None, "account")]
