"""Metrics: what may be declared, what may be asked, and what a question becomes."""

import re
from datetime import date
from itertools import product
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT

from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError, QuestionRefused
from stockbook.metrics.files import Metrics, load
from stockbook.metrics.question import Question

MODELS = PROJECT / "include" / "sql"
DAYS = """
    values
        ('main', date '2025-03-03', 'Courier', 4, 2, 1, 0, 1, 1),
        ('main', date '2025-03-10', 'Courier', 3, 3, 0, 0, 0, 0),
        ('other', date '2025-03-10', null, 5, 1, 2, 1, 1, 0)
"""


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """Those of the project."""
    return load(MODELS, tables)


@pytest.fixture
def days(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Three rows of orders due: 12 orders on two days of two accounts."""
    columns = "account, due_date, delivery_name, orders, on_time, late, overdue, perhaps_on_time, perhaps_late"
    con.execute(f"create or replace view reports.sla_daily_delivery_method as from ({DAYS}) as due({columns})")
    return con


def test_a_share_is_the_quotient_of_sums(days: duckdb.DuckDBPyConnection, metrics: Metrics) -> None:
    """6 of 10 decided orders left on time; at worst 6 of 11, at best 8 of 12: no mean of the rates of days."""
    answer = days.execute(Question(("on_time_rate",)).sql(metrics)).fetchall()

    assert answer == [(6 / 10, 6 / 11, 8 / 12)]


def test_figures_of_a_week_stand_beside_the_week_before(days: duckdb.DuckDBPyConnection, metrics: Metrics) -> None:
    """Eight orders were due in the second week, four in the first; a method that had none before is unknown there."""
    week = {"from_": date(2025, 3, 10), "to": date(2025, 3, 16), "is_compared": True}

    whole = days.execute(Question(("orders_due",), **week).sql(metrics)).fetchall()
    methods = days.execute(Question(("orders_due",), by=("delivery",), **week).sql(metrics)).fetchall()

    assert whole == [(8, 4, 4)]
    assert methods == [("Courier", 3, 4, -1), (None, 5, None, None)]


def test_a_balance_is_of_the_last_day_of_a_period(con: duckdb.DuckDBPyConnection, metrics: Metrics) -> None:
    """Pieces of a month are those of its last day, added over categories and never over days."""
    con.execute("""
        create or replace view reports.stock_value_daily_category as
        from (values
            ('main', 'A', date '2025-03-30', 9), ('main', 'A', date '2025-03-31', 5),
            ('main', 'B', date '2025-03-31', 2),
            ('main', 'A', date '2025-04-01', 1), ('main', 'B', date '2025-04-01', 2)
        ) as days(account, category_path, date, quantity)
    """)

    assert con.execute(Question(("pieces",)).sql(metrics)).fetchall() == [(3,)]
    assert con.execute(Question(("pieces",), ("month",)).sql(metrics)).fetchall() == [
        (date(2025, 3, 1), 7),
        (date(2025, 4, 1), 3),
    ]
    assert con.execute(Question(("pieces",), only={"category": "A"}, to=date(2025, 3, 31)).sql(metrics)).fetchall() == [
        (5,)
    ]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (
            Question(("stock_value",), ("carrier",)),
            "it cannot be cut by carrier; it can by account, category_path",
        ),
        (Question(("cogs",), ("week",)), "it cannot be cut by week"),
        (Question(("cogs",), from_=date(2025, 3, 2)), "it is known by the month"),
        (Question(("ordered_goods_value",)), "amounts of several currencies do not add up: cut by currency"),
        (Question(("click_to_ship_p90",), ("account",)), "values of several month do not add up"),
        (Question(("open_orders",), from_=date(2025, 3, 2)), "has no days to choose from"),
        (Question(("late",), from_=date(2025, 3, 2), to=date(2025, 3, 1)), "is after the last day"),
        (Question(("late",), is_compared=True), "only of a range with a first and a last day"),
        (Question(("late", "stock_value")), "of other rows than late"),
        (Question(("decided", "open_orders")), "of other rows than decided"),
        (
            Question(("late",), ("week",), date(2025, 3, 1), date(2025, 3, 7), is_compared=True),
            "cut by periods has no one range before",
        ),
        (Question(()), "Name a metric"),
    ],
)
def test_what_a_metric_cannot_answer_is_refused_with_the_reason(
    question: Question, reason: str, metrics: Metrics
) -> None:
    """A wrong number is never the answer."""
    with pytest.raises(QuestionRefused, match=re.escape(reason)):
        question.sql(metrics)


def test_a_metric_that_there_is_not_is_named(metrics: Metrics) -> None:
    """No figure comes of a name alone."""
    with pytest.raises(
        DeclarationError,
        match=r"There is no metric 'on_time_rate_sur'. Is on_time_rate .*meant\? .stockbook metric list",
    ):
        Question(("on_time_rate_sur",)).sql(metrics)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{says: A., sql: orders, colour: red}", "line 3, relations.reports.sla_daily.metrics.a.colour: unknown field"),
        ("{sql: orders}", "line 3, relations.reports.sla_daily.metrics.a: field says is missing"),
        ("{says: A., type: mean}", "line 3, relations.reports.sla_daily.metrics.a.type: expected one of sum, count"),
        ("{says: A., sql: parcels}", "a.sql: reports.sla_daily has no column parcels"),
        ("{says: A., sql: orders, by: [country]}", "a.by: reports.sla_daily has no column country"),
        ("{says: A., type: ratio, sql: late}", "a.over: a ratio needs over"),
        ("{says: A., type: range, sql: late, over: orders}", "a.sure: a range, and nothing else"),
        (
            "{says: A., type: percentile, sql: orders, at: 95}",
            "a.at: only a percentile has at, a number",
        ),
        ("{says: A., type: last, sql: orders}", "a.time: a last value needs the column of its day"),
        ("{says: A., sql: orders, not_over: [account]}", "a.not_over: account is none of its dimensions"),
        ("{says: A., sql: orders, currency: account}", "a.currency: account has to be one of its dimensions"),
    ],
)
def test_a_wrong_declaration_is_named_by_file_line_and_field(
    entry: str, said: str, tmp_path: Path, tables: dict[str, Table]
) -> None:
    """Whoever writes a metric reads where it is wrong."""
    (tmp_path / "metrics").mkdir()
    file = tmp_path / "metrics" / "promise.yml"
    file.write_text(f"relations:\n  reports.sla_daily:\n    metrics: {{a: {entry}}}\n")

    with pytest.raises(ConfigError, match=r"promise\.yml line") as raised:
        load(tmp_path / "sql", tables)
    assert said in str(raised.value)


def test_a_name_belongs_to_one_metric(tmp_path: Path, tables: dict[str, Table]) -> None:
    """In another file too; a relation that nobody declared has no metrics."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "a.yml").write_text(
        "relations: {reports.sla_daily: {metrics: {late_orders: {says: L., sql: late}}}}"
    )
    (tmp_path / "metrics" / "b.yml").write_text(
        "relations: {reports.sla_daily: {metrics: {late_orders: {says: L., sql: late}}}, "
        "staging.orders: {metrics: {x: {says: X.}}}}"
    )

    with pytest.raises(ConfigError, match="the name 'late_orders' is taken") as raised:
        load(tmp_path / "sql", tables)
    assert "staging.orders is no declared table or view of marts or reports" in str(raised.value)


def test_a_count_named_like_a_column_does_not_count_rows(tmp_path: Path, tables: dict[str, Table]) -> None:
    """A report may hold counts already: its rows are days, and their number is not what the column says."""

    def declared(name: str, sql: str) -> Path:
        (tmp_path / name / "metrics").mkdir(parents=True)
        relation = f"reports.sla_daily: {{metrics: {{late: {{says: L., type: count{sql}}}}}}}"
        (tmp_path / name / "metrics" / "a.yml").write_text(f"relations: {{{relation}}}")
        return tmp_path / name / "sql"

    assert load(declared("of the column", ", sql: late"), tables)["late"].sql == "late"
    with pytest.raises(ConfigError, match="a count without sql counts rows"):
        load(declared("of rows", ""), tables)


def test_every_metric_says_what_may_be_added(metrics: Metrics) -> None:
    """Shares and percentiles are never added, balances not over periods; what is not added has to be named."""
    for metric, name in ((m, name) for m in metrics.values() for name in (*m.by, *m.periods)):
        if metric.type in ("ratio", "range", "percentile") or name in metric.to_name:
            assert not metric.is_additive(name)
    pairs = list(product(metrics.values(), ("account",)))
    assert sum(metric.is_additive(name) for metric, name in pairs) > 15
