"""What a warehouse must not send and may: each case has the outcome that docs/valuation.md gives it."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from test_staging import movement
from test_valuation_program import Shop, with_settings

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.errors import ConfigError, ModelFailed
from stockbook.progress import Silent
from stockbook.staging.load import Landed, load

BALANCES = (
    "select quantity, average_landed_value from marts.fct_stock_balance where variant_id = {} order by valid_from"
)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop(
        also=(
            "reports.stock_movements_monthly",
            "reports.stock_ageing",
            "reports.cogs_monthly",
            "reports.slow_movers",
            "reports.assumption_fit",
            "program known_stock",
        )
    )
    yield shop
    shop.con.close()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "four", "1e400", "?"])
@pytest.mark.parametrize("column", ["price_per_unit", "quantity"])
def test_prices_and_quantities_that_are_no_numbers_are_quarantined(
    con: duckdb.DuckDBPyConnection,
    land: Callable[..., Landed],
    tables: dict[str, Table],
    clock: ManualClock,
    column: str,
    text: str,
) -> None:
    """The row is set aside with its column as the reason; the others are loaded."""
    rows = [movement(1), movement(2, **{column: text})]
    load(con, a_run(), [land("movements", rows)], tables, clock, Silent(), 1.0)
    assert con.execute("select movement_id from staging.movements").fetchall() == [(1,)]
    (reason,) = con.execute("select reason from staging.quarantine").fetchall()[0]
    assert column in reason or {"price_per_unit": "unit_price"}.get(column, column) in reason


def test_a_negative_quantity_stops_the_build(shop: Shop) -> None:
    """Nobody guesses what less than nothing moved; the movement is named."""
    shop.move(1, 7, "in", 5, "2025-03-01 09:00:00", price="4")
    shop.move(2, 7, "out", -1, "2025-03-02 09:00:00")
    with pytest.raises(ModelFailed, match="Movement 2 of account main cannot be valued"):
        shop.build()


def test_absurd_quantities_and_prices_are_valued_exactly(shop: Shop) -> None:
    """Four thousand million pieces at seven million each, a third of them issued: to the last digit, identities too."""
    pieces, price = 2**32, Decimal("7000000.25")
    shop.move(1, 7, "in", pieces, "2025-03-01 09:00:00", price=price)
    shop.move(2, 7, "out", pieces // 3, "2025-03-02 09:00:00", order="a")
    shop.build()
    left = pieces - pieces // 3
    assert shop.ask(BALANCES.format(7)) == [(pieces, pieces * price), (left, left * price)]
    assert shop.broken() == {}


def test_a_figure_too_long_for_the_warehouse_stops_the_build(shop: Shop) -> None:
    """What 38 digits cannot hold is no figure: the build ends and says where to look."""
    shop.move(1, 7, "in", 9 * 10**18, "2025-03-01 09:00:00", price=Decimal("99999999999"))
    with pytest.raises(ModelFailed, match="more than 26 digits before the point"):
        shop.build()


def test_an_issue_of_a_variant_never_received_is_a_shortage(shop: Shop) -> None:
    """Owed at the purchase price where the catalogue has one, else at 0 and listed as missing."""
    shop.price(7, "3")
    shop.move(1, 7, "out", 2, "2025-03-01 09:00:00")
    shop.move(2, 8, "out", 2, "2025-03-01 09:00:00")
    shop.build()
    assert shop.ask("select movement_id, cost_source from marts.fct_stock_movement order by 1") == [
        (1, "provisional"),
        (2, "missing"),
    ]
    assert [shop.ask(BALANCES.format(variant)) for variant in (7, 8)] == [[(-2, -6)], [(-2, 0)]]
    assert shop.broken() == {}


def test_a_return_of_an_unknown_order_and_a_transformation_with_one_leg_are_valued(shop: Shop) -> None:
    """Both fall back to the prices there are, and no identity minds."""
    shop.move(1, 7, "in", 1, "2025-03-01 09:00:00", order="never shipped", price="5")
    shop.move(2, 8, "in", 2, "2025-03-01 09:00:00", transformation=4, price="6")
    shop.move(3, 9, "out", 1, "2025-03-01 09:00:00", transformation=5)
    shop.build()
    assert shop.ask("select movement_id, kind, cost_source from marts.fct_stock_movement order by 1") == [
        (1, "return", "price"),
        (2, "transformation", "price"),
        (3, "transformation", "missing"),
    ]
    assert shop.broken() == {}


def test_a_time_that_never_was_is_red(shop: Shop) -> None:
    """02:30 on 30 March 2025 is no time in Prague: the check of the ledger names the movement."""
    shop.move(1, 7, "in", 1, "2025-03-30 02:30:00", price="5")
    shop.build()
    assert shop.broken() == {"a movement happened at a time that exists": 1}


def test_bad_rows_change_no_other_variant() -> None:
    """With and without a neighbour of absurd, missing, negative and orphaned rows, a variant has the same figures."""
    results = []
    for is_crowded in (False, True):
        shop = Shop()
        shop.move(10, 7, "in", 5, "2025-03-01 09:00:00", price="4", extra="0.1")
        shop.move(11, 7, "out", 7, "2025-03-02 09:00:00", order="a")
        shop.move(12, 7, "in", 7, "2025-03-03 09:00:00", price="5")
        if is_crowded:
            shop.move(1, 8, "out", 3, "2025-03-01 09:00:00")
            shop.move(2, 8, "in", 2**33, "2025-03-04 09:00:00", price=Decimal("98765432.1"))
            shop.move(3, 8, "in", 1, "2025-03-02 09:00:00", order="a", price="-3")
            shop.move(4, 8, "out", 1, "2025-03-03 09:00:00", transformation=4)
            shop.move(99, 8, "in", 0, "2025-02-01 09:00:00", damaged=1)
        shop.build()
        results.append(
            [
                shop.ask(f"select * from {table} where variant_id = 7 order by all")
                for table in ("marts.fct_stock_movement", "marts.fct_stock_balance", "marts.fct_issue_cost")
            ]
        )
        shop.con.close()
    assert results[0] == results[1]
    assert results[0][1]


def test_a_day_ends_at_no_other_midnight_than_that_of_its_times(tmp_path: Path) -> None:
    """A day_zone that is not the run's is refused by name; nothing is built."""
    shop = Shop(with_settings(tmp_path, "day_zone: Europe/London"))
    with pytest.raises(ConfigError, match=r"valuation.yml line 1, day_zone: expected .*Europe/Prague.*Europe/London"):
        shop.build()
    shop.con.close()


def test_the_page_names_tests_that_exist() -> None:
    """Each outcome in the table of bad input names a test, and that test is there."""
    page = (PROJECT / "docs" / "valuation.md").read_text()
    table = page.split("## Bad input")[1].split("## Settings")[0]
    named = set(re.findall(r"`(test_\w+)`", table))
    there = "".join(file.read_text() for file in (PROJECT / "tests").rglob("test_*.py"))
    assert len(named) > 9
    assert {name for name in named if f"def {name}(" not in there} == set()
