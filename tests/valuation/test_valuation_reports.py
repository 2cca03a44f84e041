"""The reports of stock: rows of staging in, the rows finance reads out."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from test_valuation_program import Shop, with_settings

REPORTS = (
    "reports.stock_movements_monthly",
    "reports.stock_movements_monthly_category",
    "reports.stock_movements_monthly_total",
    "reports.stock_ageing",
    "reports.cogs_monthly",
    "reports.slow_movers",
)


@pytest.fixture(scope="module")
def quarter() -> Iterator[Shop]:
    """A quarter of a variant with everything that moves stock, and of one that only lies there, seen on 2 April."""
    shop = Shop(also=REPORTS)
    shop.price(7, "4")
    shop.move(1, 7, "in", 10, "2025-01-05 09:00:00", price="4", extra="0.5", receiving=1)
    shop.move(2, 7, "out", 4, "2025-01-20 09:00:00", order="a")
    shop.move(3, 7, "in", 1, "2025-02-03 09:00:00", order="a", extra="2")
    shop.move(4, 7, "out", 9, "2025-02-10 09:00:00", order="b")
    shop.move(5, 7, "in", 6, "2025-03-04 09:00:00", price="6", receiving=2, damaged=1)
    shop.move(6, 7, "out", 1, "2025-03-05 09:00:00")
    shop.move(7, 7, "out", 2, "2025-03-06 09:00:00", transformation=3)
    shop.move(8, 8, "in", 4, "2025-03-06 09:00:00", transformation=3)
    shop.move(9, 9, "in", 5, "2025-01-31 23:59:00", price="2")
    shop.build(datetime(2025, 4, 2, 2, 15))
    yield shop
    shop.con.close()


def test_every_check_of_the_reports_holds(quarter: Shop) -> None:
    """The checks that a night runs find no row here."""
    assert quarter.broken() == {}


def test_a_month_leads_from_opening_to_closing(quarter: Shop) -> None:
    """Ten at 4.50; four leave, one comes back, nine leave of which two are short at 4.50 and settled at 6.00."""
    rows = quarter.ask("""
        select month, opening_quantity, receipts_quantity, returns_quantity, issues_quantity,
            transformations_out_quantity, closing_quantity, opening_value, receipts_value, returns_value, issues_value,
            transformations_out_value, settlements_value, closing_value
        from reports.stock_movements_monthly where variant_id = 7 and pool = 'sellable' order by month
    """)

    assert rows == [
        (date(2025, 1, 1), 0, 10, 0, 4, 0, 6, 0, 45, 0, 18, 0, 0, 27),
        (date(2025, 2, 1), 6, 0, 1, 9, 0, -2, 27, 0, Decimal("4.5"), Decimal("40.5"), 0, 0, -9),
        (date(2025, 3, 1), -2, 6, 0, 1, 2, 1, -9, 36, 0, 6, 12, 3, 6),
        (date(2025, 4, 1), 1, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 6),
    ]


def test_stock_that_only_lies_there_has_its_months(quarter: Shop) -> None:
    """Stock that did not move opens and closes every month alike, from the local day it came in."""
    assert quarter.ask("""
        select month, opening_quantity, receipts_quantity, closing_quantity, closing_value
        from reports.stock_movements_monthly where variant_id = 9 order by month
    """) == [
        (date(2025, 1, 1), 0, 5, 5, 10),
        (date(2025, 2, 1), 5, 0, 5, 10),
        (date(2025, 3, 1), 5, 0, 5, 10),
        (date(2025, 4, 1), 5, 0, 5, 10),
    ]


def test_categories_and_the_total_add_up_from_variants(quarter: Shop) -> None:
    """What one variant gave to another is in and out of the total, and changes nothing of it."""
    assert quarter.ask("""
        select month, pool, opening_value, receipts_value, transformations_in_value, transformations_out_value,
            closing_value
        from reports.stock_movements_monthly_total where month = '2025-03-01' order by pool
    """) == [
        (date(2025, 3, 1), "damaged", 0, 6, 0, 0, 6),
        (date(2025, 3, 1), "sellable", 1, 36, 12, 12, 28),
    ]
    assert quarter.ask("select sum(closing_value) from reports.stock_movements_monthly_category") == quarter.ask(
        "select sum(closing_value) from reports.stock_movements_monthly_total"
    )


def test_cost_of_goods_stands_in_the_month_it_was_booked(quarter: Shop) -> None:
    """A February dispatch settled in March: settlement in March, final cost in February; write-offs apart."""
    assert quarter.ask("""
        select month, dispatched_quantity, returned_quantity, dispatched_cost, settlement, returned_cost, cogs,
            cogs_final, written_off_quantity, written_off_cost, return_extra_cost
        from reports.cogs_monthly where variant_id = 7 order by month
    """) == [
        (date(2025, 1, 1), 4, 0, 18, 0, 0, 18, 18, 0, 0, 0),
        (date(2025, 2, 1), 9, 1, Decimal("40.5"), 0, Decimal("4.5"), 36, Decimal("43.5"), 0, 0, 2),
        (date(2025, 3, 1), 0, 0, 0, 3, 0, 3, 0, 1, 6, 0),
    ]


def test_ages_tie_to_the_balance_under_both_methods() -> None:
    """Three at 1.00 bought long ago and five at 2.00 of last week, one gone: FIFO 2 + 10, average 8.125 + 3.25."""
    shop = Shop(also=REPORTS)
    shop.move(1, 7, "in", 3, "2024-01-01 09:00:00", price="1")
    shop.move(2, 7, "in", 5, "2025-03-01 09:00:00", price="2")
    shop.move(3, 7, "out", 1, "2025-03-02 09:00:00")
    shop.move(4, 8, "out", 2, "2025-03-02 09:00:00")
    shop.move(5, 7, "in", 0, "2025-01-01 09:00:00", price="1", damaged=1)
    shop.build(datetime(2025, 3, 31, 2, 15))

    assert shop.ask("""
        select variant_id, pool, age_bucket, oldest_date, quantity, fifo_bare_value, average_bare_value
        from reports.stock_ageing order by variant_id, pool, bucket_no
    """) == [
        (7, "damaged", "61 to 90 days", date(2025, 1, 1), 1, 1, 1),
        (7, "sellable", "0 to 30 days", date(2025, 3, 1), 5, 10, Decimal("8.125")),
        (7, "sellable", "over 365 days", date(2024, 1, 1), 2, 2, Decimal("3.25")),
        (8, "sellable", "owed", None, -2, 0, 0),
    ]
    assert shop.broken() == {}
    shop.con.close()


def test_slow_movers_have_pace_and_turnover() -> None:
    """
    Ten at 2.00 on 1 March, four leave on the 11th, seen on the 21st: 6 on hand at 4 in 28 days last 42 days.

    Daily value 20 for ten days, 12 for ten: a mean of 16, and 8 of cost turned it half. What nobody buys has no pace.
    What is sold out is there too: a piece worth 1.00 for one day of twenty turned twenty times.
    """
    shop = Shop(also=REPORTS)
    shop.move(1, 7, "in", 10, "2025-03-01 09:00:00", price="2")
    shop.move(2, 7, "out", 4, "2025-03-11 09:00:00", order="a")
    shop.move(3, 8, "in", 3, "2025-03-16 09:00:00", price="1")
    shop.move(4, 9, "in", 1, "2025-03-16 09:00:00", price="1")
    shop.move(5, 9, "out", 1, "2025-03-17 09:00:00", order="b")
    shop.build(datetime(2025, 3, 21, 2, 15))

    rows = shop.ask("""
        select variant_id, quantity, stock_value, last_dispatch_date, days_since_dispatch, issued_quantity_28d,
            round(days_on_hand, 6), period_days, cogs_final, mean_daily_stock_value, turnover
        from reports.slow_movers order by variant_id
    """)

    assert rows == [
        (7, 6, 12, date(2025, 3, 11), 10, 4, 42.0, 20, 8, 16, 0.5),
        (8, 3, 3, None, None, 0, None, 20, 0, Decimal("0.75"), 0.0),
        (9, 0, 0, date(2025, 3, 17), 4, 1, 0.0, 20, 1, Decimal("0.05"), 20.0),
    ]
    assert shop.broken() == {}
    shop.con.close()


def test_cost_of_goods_counts_pieces_without_a_cost(tmp_path: Path) -> None:
    """Two of four have no cost and two are lost; an order takes one of the rest: FIFO has its cost, the average not."""
    shop = Shop(also=REPORTS)
    shop.move(1, 7, "in", 2, "2025-03-01 09:00:00")
    shop.move(2, 7, "in", 2, "2025-03-01 10:00:00", price="6")
    shop.move(3, 7, "out", 2, "2025-03-02 09:00:00")
    shop.move(4, 7, "out", 1, "2025-03-03 09:00:00", order="a")
    dispatches = """
        select cogs, missing_cost_quantity, average_missing_cost_quantity, headline_missing_cost_quantity
        from reports.cogs_monthly
    """
    shop.build(datetime(2025, 3, 21, 2, 15))
    assert shop.ask(f"{dispatches} where dispatched_quantity = 1") == [(3, 0, 1, 1)]
    shop.policy_dir = with_settings(tmp_path, "headline: {method: fifo}")
    shop.build(datetime(2025, 3, 21, 2, 15))
    assert shop.ask(f"{dispatches} where dispatched_quantity = 1") == [(6, 0, 1, 0)]
    shop.con.close()


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (
            "update reports.stock_movements_monthly set average_bare_issues = average_bare_issues + 0.000000000001",
            "opening and what moved is closing",
        ),
        ("update reports.stock_movements_monthly set fifo_bare_receipts = null", "opening and what moved is closing"),
        (
            "update reports.stock_movements_monthly set closing_value = closing_value + 1, opening_value = null "
            "where month = '2025-02-01'",
            "closing is the stock of the month's last day",
        ),
        ("delete from reports.stock_ageing where variant_id = 9", "ages add up to the balance"),
        (
            "update reports.cogs_monthly set fifo_bare_settlement = fifo_bare_settlement + 1 "
            "where month = '2025-03-01'",
            "booked and settled is final",
        ),
        (
            "update reports.cogs_monthly set average_bare_dispatched = 0, average_bare_cogs_final = 0",
            "dispatches cost what the issues did",
        ),
        ("delete from reports.slow_movers where variant_id = 9", "every variant is listed at its value"),
    ],
)
def test_a_broken_identity_of_a_report_is_found(quarter: Shop, damage: str, check: str) -> None:
    """Each check of the reports finds rows once its identity is broken on purpose."""
    quarter.con.execute("begin")
    try:
        quarter.con.execute(damage)
        assert check in quarter.broken()
    finally:
        quarter.con.execute("rollback")
