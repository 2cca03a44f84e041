"""Alerts: rules are read or refused, figures raise them, and each stands once until it clears."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from model_runner import MODELS, POLICY, PRAGUE
from order_rows import Orders, Seen, at
from typer.testing import CliRunner

from stockbook.alerts import outbox, program, rules
from stockbook.alerts.rules import Figure, Rule
from stockbook.cli.main import app
from stockbook.declaration_files import load
from stockbook.errors import ConfigError
from stockbook.models.programs import BuildContext
from stockbook.warehouse.schema import declared_ddl

MONDAY, TUESDAY, WEDNESDAY = (datetime(2025, 3, day, 2, 15) for day in (3, 4, 5))


def folder(tmp_path: Path, text: str) -> Path:
    """A policy folder with this alerts.yml."""
    (tmp_path / "alerts.yml").write_text(text)
    return tmp_path


def test_the_projects_own_rules_are_valid() -> None:
    """The file that is shipped is read; a folder without one has no rules."""
    shipped = rules.read(POLICY)

    assert len(shipped) >= 5
    assert {rule.measure for rule in shipped} >= {"on_time_rate", "unmapped_status", "price_change", "quarantine_rows"}
    assert rules.read(MODELS) == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("- {rule: a, measure: on_time, below: 0.9}", "alerts.yml line 2, rules[0].measure: expected one of"),
        ("- {rule: a, measure: overdue_orders, over: 3}", "alerts.yml line 2, rules[0].over: unknown field"),
        ("- {measure: overdue_orders, above: 3}", "rules[0]: field rule is missing"),
        ("- {rule: a, measure: overdue_orders}", "rules[0]: rule 'a' needs either above or below; it has neither"),
        ("- {rule: a, measure: overdue_orders, above: 1, below: 2}", "needs either above or below; it has both"),
        ("- {rule: a, measure: overdue_orders, above: many}", "rules[0].above: expected a number, got"),
        ("- {rule: a, measure: overdue_orders, above: nan}", "rules[0].above: expected a number of at least 0"),
        ("- {rule: a, measure: overdue_orders, above: -1}", "rules[0].above: expected a number of at least 0, got -1"),
        (
            "- {rule: a, measure: on_time_rate, below: 95}",
            "rules[0].below: on_time_rate is a share: expected a number from 0 to 1 (0.95 for 95 %), got 95",
        ),
        ("- {rule: a, measure: overdue_orders, below: 0}", "rules[0].below: no overdue_orders is ever below 0"),
        ("- {rule: a, measure: price_change, above: 0.1, within_hours: 0}", "within_hours: expected more than 0"),
        ("- {rule: a, measure: overdue_orders, above: 1, at_least: -2}", "at_least: expected a number of at least 0"),
        ("- {rule: a, measure: missing_orders, subject: Day, above: 0.9}", "rules[0].subject: expected one of day, "),
        ("- {rule: a, measure: overdue_orders, above: 1, severity: red}", "severity: expected one of info, warning, "),
        (
            "- {rule: a, measure: overdue_orders, above: 1}\n  - {rule: a, measure: quarantine_rows, above: 1}",
            "alerts.yml line 3, rules[1].rule: the name 'a' is taken by an earlier rule",
        ),
        ("- {rule: a", "alerts.yml line"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_by_line_and_field(tmp_path: Path, written: str, said: str) -> None:
    """The message names file, line and field, what was expected and what came."""
    with pytest.raises(ConfigError) as refused:
        rules.read(folder(tmp_path, f"rules:\n  {written}\n"))

    assert said in str(refused.value)


def test_a_threshold_is_crossed_not_touched() -> None:
    """Equal does not raise; too small a basis, another account or subject, and what is long past do not either."""
    figure = Figure("main", "overdue_orders", "", "", 20, 20, 50)

    def raises(**fields: Any) -> bool:
        return rules.crosses(Rule(rule="r", measure="overdue_orders", **fields), figure)

    assert raises(above=19.5)
    assert not raises(above=20)
    assert raises(below=20.5)
    assert not raises(below=20)
    assert raises(above=1, at_least=20)
    assert not raises(above=1, at_least=21)
    assert raises(above=1, account="main")
    assert not raises(above=1, account="second")
    assert not raises(above=1, subject="orders")
    assert raises(above=1, within_hours=50)
    assert not raises(above=1, within_hours=49)
    assert not rules.crosses(Rule(rule="r", measure="quarantine_rows", above=1), figure)


@pytest.mark.parametrize("measure", rules.Measure.__args__)  # type: ignore[attr-defined]  # the names of a Literal
def test_every_measure_has_a_sentence(measure: rules.Measure) -> None:
    """A message says the figure and the threshold, in words a person reads."""
    rule = Rule(rule="r", measure=measure, above=0.5)

    text = rules.message(rule, Figure("main", measure, "orders", "2025-03-03", 0.75, 8, 12), TUESDAY)

    assert text.endswith(f"(above {'50.0%' if measure in rules.SHARES else '0.5'}; as of 2025-03-04 02:15).")
    assert text[0] == text[0].upper()
    assert len(text) > 30


def measured(con: duckdb.DuckDBPyConnection, *figures: tuple[str, str, float]) -> None:
    """Measures of a night: (measure, subject, value)."""
    con.execute("create or replace table reports.alert_measures (account varchar, measure varchar, subject varchar, "
                "detail varchar, value double, basis bigint, age_hours double, usual double)")  # fmt: skip
    for figure in figures:
        con.execute("insert into reports.alert_measures values ('main', ?, ?, '', ?, 100, 1, null)", figure)


def night(
    con: duckdb.DuckDBPyConnection,
    policy: Path,
    as_of: datetime,
    *figures: tuple[str, str, float],
    observes: bool = True,
) -> list[tuple[Any, ...]]:
    """The alerts of a night: rule, subject, value, raised, cleared, is it new."""
    con.execute("delete from meta.run where run_id = 'r'")
    con.execute("insert into meta.run (run_id, as_of, observes) values ('r', ?, ?)", [as_of, observes])
    measured(con, *figures)
    program.build(con, BuildContext(as_of, "r", PRAGUE, policy, load(MODELS)))
    return con.execute(
        "select rule, subject, value, raised_as_of, cleared_as_of, is_new from reports.alerts "
        "order by raised_as_of, rule, subject"
    ).fetchall()


RULES = """
rules:
  - {rule: overdue, measure: overdue_orders, above: 10}
  - {rule: aside, measure: quarantine_rows, above: 0, severity: critical}
"""


def test_an_alert_is_raised_once_until_it_clears(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """It keeps its night while it stands, clears on the first night it does not hold, and is raised anew after that."""
    policy = folder(tmp_path, RULES)
    overdue = ("overdue_orders", "", 12.0)

    assert night(con, policy, MONDAY, overdue) == [("overdue", "", 12, MONDAY, None, True)]
    assert night(con, policy, TUESDAY, ("overdue_orders", "", 15.0)) == [("overdue", "", 15, MONDAY, None, False)]
    assert night(con, policy, WEDNESDAY, ("overdue_orders", "", 3.0)) == [("overdue", "", 15, MONDAY, WEDNESDAY, False)]
    later = datetime(2025, 3, 6, 2, 15)
    assert night(con, policy, later, overdue) == [
        ("overdue", "", 15, MONDAY, WEDNESDAY, False),
        ("overdue", "", 12, later, None, True),
    ]


def test_an_alert_that_stands_says_which_night_its_figure_is_of(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Raised on Monday, with Tuesday's figure on Tuesday; cleared on Wednesday it keeps what it said last."""
    policy = folder(tmp_path, RULES)
    messages = []
    for as_of, orders in ((MONDAY, 12.0), (TUESDAY, 15.0), (WEDNESDAY, 3.0)):
        night(con, policy, as_of, ("overdue_orders", "", orders))
        messages += con.execute("select raised_as_of, message from reports.alerts").fetchall()

    assert messages == [
        (MONDAY, "12 orders are overdue, the oldest created 1 h ago (above 10; as of 2025-03-03 02:15)."),
        (MONDAY, "15 orders are overdue, the oldest created 1 h ago (above 10; as of 2025-03-04 02:15)."),
        (MONDAY, "15 orders are overdue, the oldest created 1 h ago (above 10; as of 2025-03-04 02:15)."),
    ]


def test_no_rule_of_the_project_is_named_after_a_day() -> None:
    """A name is read for as long as its alert stands."""
    relative = ("yesterday", "today", "tonight", "now")
    assert [rule.rule for rule in rules.read(POLICY) if any(word in rule.rule.split() for word in relative)] == []


def test_subjects_and_rules_that_go_stand_apart(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Each table in quarantine is an alert of its own; a rule taken out of the file clears what it raised."""
    policy = folder(tmp_path, RULES)
    orders, prices = ("quarantine_rows", "orders", 2.0), ("quarantine_rows", "prices", 1.0)

    night(con, policy, MONDAY, orders)
    assert night(con, policy, TUESDAY, prices) == [
        ("aside", "orders", 2, MONDAY, TUESDAY, False),
        ("aside", "prices", 1, TUESDAY, None, True),
    ]
    folder(tmp_path, "rules: []\n")
    assert [row[4] for row in night(con, policy, WEDNESDAY, prices)] == [TUESDAY, WEDNESDAY]


def test_the_same_night_again_raises_nothing_twice(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Built again it is the same, what was sent stays sent; what no longer holds is gone unless somebody was told."""
    policy = folder(tmp_path, RULES)
    overdue, aside = ("overdue_orders", "", 12.0), ("quarantine_rows", "orders", 2.0)
    night(con, policy, MONDAY, aside)
    first = night(con, policy, TUESDAY, overdue)
    outbox.mark_sent(con, outbox.unsent(con, TUESDAY), datetime(2025, 3, 4, 1, 30))

    assert night(con, policy, TUESDAY, overdue) == first
    assert outbox.unsent(con, TUESDAY) == []
    # repeated with other rows: the alert of Monday never cleared, the one that was told of clears at once
    assert night(con, policy, TUESDAY, aside) == [
        ("aside", "orders", 2, MONDAY, None, False),
        ("overdue", "", 12, TUESDAY, TUESDAY, True),
    ]
    assert night(con, policy, TUESDAY, overdue) == first
    assert outbox.unsent(con, TUESDAY) == []


def test_an_unsent_alert_that_was_a_mistake_leaves_no_trace(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A red night's alerts, never told, vanish when an earlier night is run again instead."""
    policy = folder(tmp_path, RULES)
    night(con, policy, WEDNESDAY, ("overdue_orders", "", 12.0))

    assert night(con, policy, TUESDAY, ("overdue_orders", "", 1.0)) == []


def test_a_run_dated_in_the_past_rewrites_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """It shows what stood then, whatever its own figures are."""
    policy = folder(tmp_path, RULES)
    overdue = ("overdue_orders", "", 12.0)
    night(con, policy, MONDAY, overdue)
    night(con, policy, WEDNESDAY)

    assert night(con, policy, TUESDAY, ("quarantine_rows", "orders", 2.0), observes=False) == [
        ("overdue", "", 12, MONDAY, None, False)
    ]
    assert night(con, policy, WEDNESDAY) == [("overdue", "", 12, MONDAY, WEDNESDAY, False)]


def test_only_what_stands_is_sent_the_worst_first(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """What cleared before anybody was told is not sent; critical ones come first."""
    policy = folder(tmp_path, RULES)
    night(con, policy, MONDAY, ("quarantine_rows", "prices", 1.0))
    night(con, policy, TUESDAY, ("overdue_orders", "", 12.0), ("quarantine_rows", "orders", 1.0))

    assert [(alert.rule, alert.subject) for alert in outbox.unsent(con, TUESDAY)] == [
        ("aside", "orders"),
        ("overdue", ""),
    ]


def test_a_rule_for_an_account_nobody_has_is_told(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A misspelt account raises nothing; the report names the rule and the accounts there are."""
    measured(con, ("overdue_orders", "", 12.0))
    text = "rules:\n  - {rule: a, measure: overdue_orders, above: 1, account: mian}\n"

    assert outbox.rules_of_unknown_accounts(con, folder(tmp_path, text)) == [
        "rule 'a' of alerts.yml is for account 'mian', which has no figures; accounts are main."
    ]
    assert outbox.rules_of_unknown_accounts(con, folder(tmp_path, text.replace("mian", "main"))) == []


def test_figures_come_from_the_reports_of_the_night() -> None:
    """Given orders, prices, stock, quarantine and listings in, the measures rules are asked of come out."""
    orders = Orders()
    as_of = at("2025-03-10 02:15")  # a Monday night: promises last ran out on Friday
    orders.order("in time", "2025-03-07 09:00", Seen("in_expedition", "2025-03-10 02:15"), out="2025-03-07 10:00")
    orders.order("late", "2025-03-07 09:00", Seen("in_expedition", "2025-03-10 02:15"), out="2025-03-08 10:00")
    orders.order("overdue", "2025-03-05 09:00", Seen("problem_in_expedition", "2025-03-07 02:15", "2025-03-10 02:15"))
    solved = Seen("problem_in_expedition", "2025-03-07 02:15", "2025-03-10 02:15", solved=True)
    orders.order("answered", "2025-03-07 01:00", solved, dispatch_date="2025-03-20")
    orders.order("odd", "2025-03-10 01:00", Seen("teleported", "2025-03-10 02:15"))
    con = orders.con
    con.execute(
        "insert into staging.quarantine (account, table_name, row_key, reason, _run_id) "
        "select 'main', 'orders', unnest(['a', 'b']), 'no date', 'r'"
    )
    con.execute(
        "insert into staging.flickrocket_prices_history (account, price_id, market_type, market_code, amount_minor, "
        "is_valid, _version, _valid_from, _valid_to) values ('main', 1, 'currency', 'EUR', 1000, true, 1, ?, ?), "
        "('main', 1, 'currency', 'EUR', 1250, true, 2, ?, null), "
        "('main', 2, 'currency', 'EUR', 0, true, 1, ?, ?), ('main', 2, 'currency', 'EUR', 900, true, 2, ?, null)",
        [at("2025-03-01"), at("2025-03-09"), at("2025-03-09")] * 2,
    )
    con.execute(
        "insert into staging.stock_levels (account, variant_id, snapshot_date, snapshot_at, quantity, "
        "damaged_quantity, unit_price) values ('main', 1, ?, ?, 3, 0, 12.5), ('main', 2, ?, ?, 0, 0, 99), "
        "('main', 3, ?, ?, 2, 0, null)",
        [as_of, as_of] * 3,
    )
    for table in load(MODELS).values():
        if table.program == "valuation":  # an empty ledger: all that is counted is a difference
            con.execute(declared_ddl(table))

    orders.build(as_of.isoformat(), "reports.alert_measures")
    figures = {
        (row["measure"], row["subject"]): (row["value"], row["basis"], row["detail"])
        for row in orders.rows("reports.alert_measures")
    }

    assert figures["on_time_rate", ""] == (0.5, 2, "2025-03-07")
    assert figures["overdue_orders", ""][:2] == (1, 1)
    assert figures["long_overdue_orders", ""][:2] == (1, 1)
    assert figures["unmapped_status", "teleported"][:2] == (1, 1)
    assert figures["quarantine_rows", "orders"][:2] == (2, 2)
    assert figures["reconciliation_pieces", ""][:2] == (5, 2)
    # of the two pieces of variant 3 nobody knows a cost: they are told, not counted as worth nothing
    assert figures["reconciliation_value", ""] == (37.5, 2, "2")
    assert figures["price_change", "FlickRocket price 1 EUR, version 2"] == (0.25, 1, "10.00 to 12.50")
    free = "FlickRocket price 2 EUR, version 2"
    assert figures["price_change", free] == (math.inf, 1, "0.00 to 9.00")
    jumped = Rule(rule="jumped", measure="price_change", above=0.3)
    assert rules.message(jumped, Figure("main", "price_change", free, "0.00 to 9.00", math.inf, 1, 26), TUESDAY) == (
        "FlickRocket price 2 EUR, version 2 changed without bound, from 0.00 to 9.00 "
        "(above 30.0%; as of 2025-03-04 02:15)."
    )
    assert figures["problem_hours", "order overdue"][0] == 72
    assert figures["answered_problem_hours", "order answered"][0] == 72
    assert figures["listing_age_hours", "orders"][0] == 0


def test_the_command_lists_what_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stockbook alerts` prints the standing ones; `--test` without a notifier says what is missing."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("STOCKBOOK_ALERT_NOTIFIER", raising=False)
    published = tmp_path / "published" / "warehouse.duckdb"
    published.parent.mkdir()
    with duckdb.connect(str(published)) as con:
        con.execute("create schema reports")
        con.execute(declared_ddl(load(MODELS)["reports.alerts"]))
        for rule, cleared in (("stands", None), ("cleared", TUESDAY)):
            con.execute(
                "insert into reports.alerts values ('main', ?, '', 'warning', 'It is so.', 1, 0, ?, ?, false)",
                [rule, MONDAY, cleared],
            )

    listed = CliRunner().invoke(app, ["alerts"])
    tested = CliRunner().invoke(app, ["alerts", "--test"])

    assert listed.output == "since 2025-03-03 02:15 warning: stands (account main): It is so.\n"
    assert str(tested.exception) == "STOCKBOOK_ALERT_NOTIFIER is not set: nobody is told of alerts."
