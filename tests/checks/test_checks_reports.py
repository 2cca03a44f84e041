"""The checks every report has without a declaration."""

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


def test_no_duration_of_any_table_is_negative(tables: dict[str, Table]) -> None:
    """Every column of hours is asked about, in whichever mart or report; a row below zero is named with its column."""
    durations = {
        name: [rule for rule in of_table(table) if rule.name == "no duration is negative"]
        for name, table in tables.items()
        if any(column.unit == "hours" for column in table.columns.values())
    }
    assert {len(rules) for rules in durations.values()} == {1}
    assert {"marts.fct_fulfillment", "reports.lead_time_percentiles", "reports.sla_late_orders"} <= set(durations)
    columns = {"account": Column("varchar", "Account."), "took": Column("double", "Time.", unit="hours")}
    (rule,) = of_table(Table("some_mart", "A mart.", columns, kind="view", grain=["account"], layer="marts"))
    assert (rule.severity, rule.query is not None) == ("fail", True)
    with duckdb.connect() as con:
        con.execute("create schema marts")
        con.execute("create table marts.some_mart (account varchar, took double)")
        con.execute("insert into marts.some_mart values ('a', 0), ('b', null), ('c', -0.1)")
        assert con.execute(rule.query or "").fetchall() == [("c", "took")]


def test_required_columns_of_a_report_are_one_check(report: Table) -> None:
    """One check names key and column of each row that lacks a required value, and no other row."""
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
