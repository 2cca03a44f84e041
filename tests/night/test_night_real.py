"""A night over the real order history, where the file is: over its first months, and as a proof over all of it."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
import same_figures
import true_figures
from checkout import PROJECT
from day_rates import policies_with_rates
from night_rig import Rig
from real_orders import FILE, NEEDED
from trial_balance import assert_tied

from stockbook.cli.demo import differences
from stockbook.closing import posting
from stockbook.declaration_files import load as load_tables
from stockbook.declarations import Table
from stockbook.metrics.files import load
from stockbook.models.programs import BuildContext
from stockbook_sandbox import Running, Shop, running

POLICY = PROJECT / "include" / "policy"
# the history begins on 1 December 2010; in spring its clocks change, too
DAYS = proof_size.of(ci=125, proof=365)
END = datetime(2010, 12, 10, 2, 15) + timedelta(days=DAYS)

pytestmark = NEEDED


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """Real orders, goods and dispatch invented."""
    with running(Shop(history=FILE), END) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One night over all of it, which knows the rate of every day."""
    policy = policies_with_rates(server.shop, END, tmp_path_factory.mktemp("policy"))
    night_rig = Rig(server, tmp_path_factory.mktemp("real"), {"STOCKBOOK_POLICY_DIR": str(policy)})
    night_rig.night(END)
    return night_rig


@pytest.fixture(scope="module")
def truth(server: Running) -> dict[str, Any]:
    """What the sandbox calls true of them."""
    return server.shop.truth(END)


@pytest.fixture
def con(rig: Rig) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file."""
    with duckdb.connect(str(rig.settings.published), read_only=True) as opened:
        yield opened


def test_real_orders_equal_the_truth(rig: Rig, truth: dict[str, Any]) -> None:
    """Quantities of both pools for every variant and the status of every order are the sandbox's own."""
    assert len(truth["orders"]) > proof_size.of(ci=5_000, proof=19_000)
    assert len(truth["stock"]) > proof_size.of(ci=2_000, proof=3_000)
    assert differences(rig.settings.published, json.loads(json.dumps(truth))) == []


@pytest.mark.parametrize("name", true_figures.ALL)
def test_a_figure_is_the_truth(con: duckdb.DuckDBPyConnection, truth: dict[str, Any], name: str) -> None:
    """Of every variant, batch, order, document and day of the real history, to the last digit."""
    true_figures.ALL[name](con, truth)


def test_what_goods_cost_is_what_their_documents_say_since_they_were_edited(
    con: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    """A first night sees no edit, and the price of the latest one on every line that had any."""
    true_figures.edited_prices(con, truth)


def test_turnover_of_every_day_is_in_koruny(con: duckdb.DuckDBPyConnection, truth: dict[str, Any]) -> None:
    """What was charged in pounds has the rate of its day: no order is left out."""
    without = con.execute("select sum(orders_without_rate) from reports.sales_daily").fetchall()
    published = con.execute(
        "select cast(created_date as varchar), sum(turnover_reporting) from reports.sales_daily "
        "where turnover_reporting is not null group by all"
    ).fetchall()

    assert without == [(0,)]
    assert dict(published) == {day: Decimal(row["amount"]) for day, row in truth["turnover"].items() if row["orders"]}


def test_orders_of_flickrocket_and_how_they_differ(
    con: duckdb.DuckDBPyConnection, server: Running, truth: dict[str, Any]
) -> None:
    """Real orders of which a channel tells, too: each is joined, and what differs for more than a day is told."""
    true_figures.flickrocket(con, truth, server.shop, END)


def test_a_figure_is_the_same_wherever_it_is_shown(rig: Rig, tables: dict[str, Table]) -> None:
    """Morning report, page, command, Python, charts and reports: to the last digit what the metric gives."""
    same_figures.of_the_morning(rig, END.date())
    same_figures.of_charts(rig, tables, load(PROJECT / "include" / "sql", tables))
    same_figures.of_reports(rig)


def test_the_value_of_every_day_is_the_sum_over_variants(rig: Rig) -> None:
    """For every day, all measures of reports.stock_value_on add up to stock_value_daily, to the last digit."""
    measures = [name for name, *_ in rig.rows("describe reports.stock_value_daily") if name not in ("account", "date")]
    daily = rig.rows(f"select date, {', '.join(measures)} from reports.stock_value_daily order by date")
    assert len(daily) > DAYS
    assert all(value is not None for row in daily for value in row)
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in measures)
    with duckdb.connect(str(rig.settings.published), read_only=True) as con:
        for day, *figures in daily:
            assert con.execute(f"select {sums} from reports.stock_value_on(date '{day}')").fetchall() == [
                tuple(figures)
            ], day


def test_the_trial_balance_of_the_journal_is_the_value_of_stock_every_day(rig: Rig, tmp_path: Path) -> None:
    """By the accounts that ship and by way B of the same file: both pools, all four figures, to the last digit."""
    copy = tmp_path / "books.duckdb"
    shutil.copyfile(rig.settings.published, copy)
    policy = rig.settings.policy_dir
    with duckdb.connect(str(copy)) as con:
        for chart, way in ((policy / "accounts.yml", "A"), (POLICY / "examples" / "accounts_czech_b.yml", "B")):
            rules = tmp_path / way
            rules.mkdir()
            shutil.copyfile(chart, rules / "accounts.yml")
            posting.build(con, BuildContext(END, "run", rig.settings.zone, rules, load_tables(rig.settings.models_dir)))
            assert assert_tied(lambda sql: con.execute(sql).fetchall(), way) > 8 * DAYS
            assert (
                con.execute("select count(*) from reports.journal where debit + credit > 0").fetchall()[0][0]
                > 2 * DAYS - 50
            )


def test_layers_and_ages_are_the_balance(rig: Rig) -> None:
    """FIFO layers less what is owed, and the ages of both methods, are the stock of the last day."""
    balance = rig.rows("""
        select sum(quantity), sum(fifo_landed_value), sum(fifo_bare_value), sum(average_landed_value),
            sum(average_bare_value)
        from marts.fct_stock_balance where valid_to is null
    """)[0]
    layers = rig.rows("""
        select sum(quantity), sum(landed_value), sum(bare_value) from (
            select quantity_left as quantity, landed_value, bare_value from marts.fct_stock_layer
            union all
            select -quantity, -landed_cost, -bare_cost from marts.fct_cost_allocation where receipt_id is null
        )
    """)[0]
    ages = rig.rows("""
        select sum(quantity), sum(fifo_landed_value), sum(fifo_bare_value), sum(average_landed_value),
            sum(average_bare_value)
        from reports.stock_ageing
    """)[0]
    assert balance[0] > 10_000
    assert (layers, ages) == (balance[:3], balance)


def test_months_and_what_was_known_agree_with_the_days(rig: Rig) -> None:
    """Each month's closing is its last day's stock, and what is known today is what is known."""
    closings = rig.rows(
        "select last_day(month), sum(closing_value) from reports.stock_movements_monthly where pool = 'sellable' "
        "group by 1 order by 1"
    )
    assert len(closings) > DAYS // 31
    for day, value in closings[:-1]:
        now = rig.rows(f"select sum(stock_value) from reports.stock_value_on(date '{day}')")
        as_known = f"select sum(stock_value) from reports.stock_value_on_as_known(date '{day}', date '{END.date()}')"
        assert [(value,)] == now == rig.rows(as_known), day
