"""A night over the real order history, where the file is."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import same_figures
from checkout import PROJECT
from night_rig import Rig

from stockbook.cli.demo import differences
from stockbook.declarations import Table
from stockbook.metrics.files import load
from stockbook_sandbox import Running, Shop, running

FILE = Path(os.environ.get("STOCKBOOK_ORDERS") or PROJECT.parent / "shared" / "data" / "online_retail.parquet")
END = datetime(2011, 12, 10, 2, 15)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(
        not FILE.exists(),
        reason=f"{FILE.name} is not there: get Online Retail (doi.org/10.24432/C5BW33) and name it in STOCKBOOK_ORDERS",
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The real orders of a year, goods and dispatch invented."""
    with running(Shop(history=FILE), END) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One night over all of it."""
    night_rig = Rig(server, tmp_path_factory.mktemp("real"))
    night_rig.night(END)
    return night_rig


def test_a_year_of_real_orders_equals_the_truth(rig: Rig, server: Running) -> None:
    """Quantities of both pools for every variant and the status of every order are the sandbox's own."""
    truth = json.loads(json.dumps(server.shop.truth(END)))

    assert (len(truth["orders"]) > 19_000, len(truth["stock"]) > 3_000) == (True, True)
    assert differences(rig.settings.published, truth) == []


def test_a_figure_is_the_same_wherever_it_is_shown(rig: Rig, tables: dict[str, Table]) -> None:
    """Morning report, page, command, Python, charts and reports: to the last digit what the metric gives."""
    same_figures.of_the_morning(rig, END.date())
    same_figures.of_charts(rig, tables, load(PROJECT / "include" / "sql", tables))
    same_figures.of_reports(rig)


def test_the_value_of_every_day_is_the_sum_over_variants(rig: Rig) -> None:
    """For every day, all measures of reports.stock_value_on add up to stock_value_daily, to the last digit."""
    measures = [name for name, *_ in rig.rows("describe reports.stock_value_daily") if name not in ("account", "date")]
    daily = rig.rows(f"select date, {', '.join(measures)} from reports.stock_value_daily order by date")
    assert len(daily) > 365
    assert all(value is not None for row in daily for value in row)
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in measures)
    with duckdb.connect(str(rig.settings.published), read_only=True) as con:
        for day, *figures in daily:
            assert con.execute(f"select {sums} from reports.stock_value_on(date '{day}')").fetchall() == [
                tuple(figures)
            ], day


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
    assert len(closings) > 12
    for day, value in closings[:-1]:
        now = rig.rows(f"select sum(stock_value) from reports.stock_value_on(date '{day}')")
        as_known = f"select sum(stock_value) from reports.stock_value_on_as_known(date '{day}', date '{END.date()}')"
        assert [(value,)] == now == rig.rows(as_known), day
