"""The reports that hold the ledger against what else the warehouse tells: given rows of staging, the differences."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from test_valuation_program import POLICY, Shop, with_settings

REPORTS = (
    "reports.missing_costs",
    "reports.list_price_margin",
    "reports.average_cost_difference",
    "reports.receiving_cost_residual",
    "reports.movements_during_read",
    "reports.inventory_accuracy",
    "reports.assumption_fit",
    "marts.fct_receiving_line",
)
READ_AT = datetime(2025, 3, 10, 2, 15)


def opened(policy_dir: Path = POLICY, also: tuple[str, ...] = ()) -> Shop:
    return Shop(policy_dir, (*REPORTS, *also))


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = opened()
    yield shop
    shop.con.close()


def test_missing_costs_name_the_movements(shop: Shop) -> None:
    """Three came without any price, one left: both movements are listed, and two pieces on hand."""
    shop.move(1, 7, "in", 3, "2025-03-01 09:00:00", receiving=4)
    shop.move(2, 7, "out", 1, "2025-03-02 09:00:00", order="a")
    shop.move(3, 8, "in", 1, "2025-03-02 09:00:00", price="0")
    shop.build()
    assert shop.ask("""
        select movement_id, kind, receiving_id, quantity, missing_on_hand_quantity from reports.missing_costs order by 1
    """) == [(1, "receiving", 4, 3, 2), (2, "dispatch", None, 1, 2)]


def test_there_is_no_margin_while_a_cost_is_not_known(shop: Shop) -> None:
    """
    Ten without any cost and ten for 60.00, ten left; one that has no cost at all; one whose cost was known again.

    No cost and no margin of the first two, and pieces that say why; five came for 4.00 once the pool was empty.
    """
    for variant in (7, 8, 9):
        shop.price(variant, None)
        shop.con.execute("update staging.variants_history set price_retail = 100 where variant_id = ?", [variant])
    shop.move(1, 7, "in", 10, "2025-03-01 09:00:00")
    shop.move(2, 7, "in", 10, "2025-03-02 09:00:00", price="60")
    shop.move(3, 7, "out", 10, "2025-03-03 09:00:00", order="a")
    shop.move(4, 8, "in", 1, "2025-03-01 09:00:00")
    shop.move(5, 9, "in", 1, "2025-03-01 09:00:00")
    shop.move(6, 9, "out", 1, "2025-03-02 09:00:00", order="a")
    shop.move(7, 9, "in", 5, "2025-03-03 09:00:00", price="4")
    shop.stock(7, 10, datetime(2025, 3, 4, 2, 15), price="60")
    shop.build(datetime(2025, 3, 4, 2, 15))
    assert shop.ask("""
        select variant_id, average_landed_unit_cost, list_price_margin_bare, list_price_margin_landed_share,
            average_missing_cost_quantity
        from reports.list_price_margin order by 1
    """) == [(7, None, None, None, 5), (8, None, None, None, 1), (9, 4, 96, 0.96, 0)]
    # an average of which half is unknown is not compared with the warehouse's price either
    assert shop.ask("select count(*) from reports.average_cost_difference") == [(0,)]
    assert shop.ask("""
        select movement_id, missing_on_hand_quantity, average_missing_on_hand_quantity
        from reports.missing_costs order by 1
    """) == [(1, 0, 5), (3, 0, 5), (4, 1, 1), (5, 0, 0), (6, 0, 0)]


def test_list_price_margin_is_retail_less_average(shop: Shop) -> None:
    """
    Retail 10.00, average 4.00 and 4.50: 6.00 and 5.50. Sold out: the last average.

    Never there or free: no share. A price below zero is none.
    """
    for variant, retail in ((7, "10"), (8, "3"), (9, "5"), (10, "0"), (11, "-5")):
        shop.price(variant, "1")
        shop.con.execute("update staging.variants_history set price_retail = ? where variant_id = ?", [retail, variant])
    shop.move(1, 7, "in", 2, "2025-03-01 09:00:00", price="4", extra="0.5")
    shop.move(2, 8, "in", 1, "2025-03-01 09:00:00", price="4")
    shop.move(3, 8, "out", 1, "2025-03-02 09:00:00")
    shop.move(4, 10, "in", 1, "2025-03-02 09:00:00", price="1")
    shop.move(5, 11, "in", 1, "2025-03-02 09:00:00", price="1")
    shop.build()
    assert shop.ask("""
        select variant_id, quantity, cost_date, list_price_margin_bare, list_price_margin_landed,
            list_price_margin_bare_share
        from reports.list_price_margin order by 1
    """) == [
        (7, 2, date(2025, 3, 1), 6, Decimal("5.5"), 0.6),
        (8, 0, date(2025, 3, 1), -1, -1, -1 / 3),
        (9, 0, None, None, None, None),
        (10, 1, date(2025, 3, 2), -1, -1, None),
        (11, 1, date(2025, 3, 2), None, None, None),
    ]


def test_our_average_stands_beside_the_price_of_the_warehouse(shop: Shop) -> None:
    """Their 4.50 is our landed average, their 6.00 both, their 9.99 neither."""
    shop.move(1, 7, "in", 2, "2025-03-01 09:00:00", price="4", extra="0.5")
    shop.move(2, 8, "in", 2, "2025-03-01 09:00:00", price="6")
    shop.move(3, 9, "in", 2, "2025-03-01 09:00:00", price="9")
    for variant, price in ((7, "4.5"), (8, "6"), (9, "9.99")):
        shop.stock(variant, 2, READ_AT, price=price)
    shop.build()
    assert shop.ask("""
        select variant_id, bare_diff, landed_diff, agrees_with from reports.average_cost_difference order by 1
    """) == [
        (7, Decimal("0.5"), 0, "landed"),
        (8, 0, 0, "both"),
        (9, Decimal("0.99"), Decimal("0.99"), "neither"),
    ]


def test_extra_cost_of_a_receiving_is_traced_to_its_movements(shop: Shop) -> None:
    """A head of 10.00 of which 8.00 came in leaves 2.00; a receiving only movements know owes what they carried."""
    shop.insert(
        "staging.receivings", {"account": "main", "receiving_id": 1, "is_closed": True, "extra_cost": Decimal(10)}
    )
    shop.insert("staging.receivings", {"account": "main", "receiving_id": 2, "is_closed": False, "extra_cost": 5})
    line = {"account": "main", "receiving_id": 1, "line_no": 1, "variant_id": 7}
    shop.insert("staging.receiving_lines", line | {"received_quantity": 3, "damaged_quantity": 1})
    shop.move(1, 7, "in", 3, "2025-03-01 09:00:00", price="4", extra="2", damaged=1, receiving=1)
    shop.move(2, 7, "in", 1, "2025-03-01 09:00:00", price="4", extra="1", receiving=9)
    shop.build()
    assert shop.ask("""
        select receiving_id, is_listed, received_quantity, moved_quantity, damaged_quantity, moved_damaged_quantity,
            extra_cost, moved_extra_cost, extra_cost_residual
        from reports.receiving_cost_residual order by 1
    """) == [(1, True, 3, 3, 1, 1, 10, 8, 2), (9, False, 0, 1, 0, 0, 0, 1, -1)]


def order(shop: Shop, order_id: str, status: str, **pieces: int) -> None:
    """An order of pieces by code; variant 7 has code DS7."""
    row = {"account": "main", "order_id": order_id, "created_at": READ_AT, "created_at_utc": READ_AT}
    shop.insert("staging.orders", row | {"source_status": status})
    for number, (code, quantity) in enumerate(pieces.items(), start=1):
        shop.insert(
            "staging.order_lines",
            {"account": "main", "order_id": order_id, "line_no": number, "code": code, "quantity": quantity},
        )


def test_orders_are_held_against_what_left_for_them() -> None:
    """
    Too few, too many, another thing, nothing, and from a cancelled order; complete and restored orders are right.

    A set is held to what the warehouse took for it.
    """
    shop = opened(also=("reports.order_issue_difference",))
    for variant in (7, 8):
        shop.insert("staging.variants", {"account": "main", "variant_id": variant, "code": f"DS{variant}"})
    at = "2025-03-02 09:00:00"
    order(shop, "complete", "delivered", DS7=2)
    shop.move(1, 7, "out", 2, at, order="complete")
    order(shop, "few", "delivered", DS7=2)
    shop.move(2, 7, "out", 1, at, order="few")
    order(shop, "else", "delivered", DS7=1)
    shop.move(3, 8, "out", 1, at, order="else")
    order(shop, "restored", "delivered", DS7=1)
    shop.move(4, 7, "out", 1, at, order="restored")
    shop.move(5, 7, "in", 1, at, order="restored")
    shop.move(6, 7, "out", 1, at, order="restored")
    order(shop, "cancelled", "cancelled", DS7=1)
    shop.move(7, 7, "out", 1, at, order="cancelled")
    order(shop, "waits", "in_expedition", DS7=5, DS8=1)
    shop.move(8, 8, "out", 3, at, order="waits")
    order(shop, "set", "delivered", SET=1)
    shop.insert(
        "staging.order_stock_items",
        {"account": "main", "order_id": "set", "item_no": 1, "variant_id": 7, "quantity": 2},
    )
    shop.move(9, 7, "out", 2, at, order="set")
    shop.move(10, 7, "out", 1, at, order="nobody's")
    shop.build()
    assert shop.ask("""
        select order_id, variant_id, ordered_quantity, issued_quantity, difference, reason
        from reports.order_issue_difference order by order_id, variant_id
    """) == [
        ("cancelled", 7, 1, 1, 1, "left a cancelled order"),
        ("else", 7, 1, 0, -1, "never left"),
        ("else", 8, 0, 1, 1, "not ordered"),
        ("few", 7, 2, 1, -1, "too few"),
        ("nobody's", 7, 0, 1, 1, "order not known"),
        ("waits", 8, 1, 3, 2, "too many"),
    ]
    shop.con.close()


def test_movements_after_the_count_stand_beside_it(shop: Shop) -> None:
    """What left while the stock was being read is no difference, and is listed; accuracy counts the rest."""
    shop.move(1, 7, "in", 10, "2025-03-01 09:00:00", price="1")
    shop.move(2, 7, "out", 4, "2025-03-10 02:16:00")
    shop.stock(7, 10, READ_AT)
    shop.stock(8, 10, READ_AT)
    shop.build(READ_AT)
    assert shop.ask("select movement_id, snapshot_at, quantity from reports.movements_during_read") == [(2, READ_AT, 4)]
    assert shop.ask("""
        select pool, variants, differing_variants, snapshot_quantity, absolute_difference, inventory_accuracy
        from reports.inventory_accuracy order by pool
    """) == [("damaged", 2, 0, 0, 0, None), ("sellable", 2, 1, 20, 10, 0.5)]


def fits(shop: Shop, assumption: str) -> list[tuple[object, ...]]:
    return shop.ask(f"""
        select reading, is_in_force, compared, agreeing, fits_best from reports.assumption_fit
        where assumption = '{assumption}' order by reading
    """)


def test_a_count_has_what_moved_until_its_moment(shop: Shop) -> None:
    """Before the first count a whole day; between the two what came with it, left a minute later and at night."""
    shop.move(1, 7, "in", 5, "2025-03-08 09:00:00", price="4")
    shop.move(2, 7, "out", 1, "2025-03-08 10:00:00", order="a")
    shop.move(3, 7, "in", 2, "2025-03-09 02:15:00", price="4")
    shop.move(4, 7, "out", 1, "2025-03-09 02:16:00", order="b")
    shop.move(5, 7, "out", 1, "2025-03-09 20:00:00", order="c")
    shop.stock(7, 6, datetime(2025, 3, 9, 2, 15))
    shop.stock(7, 4, READ_AT)
    shop.build(READ_AT)
    assert shop.ask("""
        select snapshot_date, ledger_quantity, quantity_diff
        from marts.fct_stock_reconciliation
        where pool = 'sellable' order by 1
    """) == [(date(2025, 3, 9), 6, 0), (date(2025, 3, 10), 4, 0)]


def test_the_reading_of_damaged_pieces_that_fits_is_told(shop: Shop, tmp_path: Path) -> None:
    """Five with two of them damaged, and the warehouse counts three good ones: part of quantity, whatever is set."""
    fitting = []
    for reading in (shop, opened(with_settings(tmp_path, "damaged_quantity_is_additive: false"))):
        reading.move(1, 7, "in", 5, "2025-03-01 09:00:00", damaged=2, price="1")
        reading.move(2, 8, "in", 5, "2025-03-01 09:00:00", price="1")
        reading.stock(7, 3, READ_AT, damaged=2)
        reading.stock(8, 5, READ_AT)
        reading.build(READ_AT)
        fitting.append(fits(reading, "damaged_quantity"))
    assert fitting == [
        [("on top of quantity", True, 1, 0, False), ("part of quantity", False, 1, 1, True)],
        [("on top of quantity", False, 1, 0, False), ("part of quantity", True, 1, 1, True)],
    ]
    assert [check.name for check in shop.tables["reports.assumption_fit"].checks if shop.ask(check.rows or "")] == [
        "readings in force fit best"
    ]


def test_the_zone_of_movements_is_told_by_counts_they_stand_near(shop: Shop) -> None:
    """Moved at 01:40 and the count of 02:15 does not have it: that clock was UTC. Far from a count nothing is told."""
    shop.move(1, 7, "in", 5, "2025-03-01 09:00:00", price="1")
    shop.move(2, 7, "out", 1, "2025-03-10 01:40:00")
    shop.move(3, 8, "in", 5, "2025-03-01 09:00:00", price="1")
    shop.stock(7, 5, READ_AT)
    shop.stock(8, 5, READ_AT)
    shop.build(READ_AT)
    assert fits(shop, "zone of created") == [("Europe/Prague", True, 1, 0, False), ("UTC", False, 1, 1, True)]


def test_prices_of_the_warehouse_are_told_apart_by_method_and_basis(shop: Shop) -> None:
    """One at 4.00 + 1.00, one at 6.00 + 1.00, one left: FIFO has 6.00 and 7.00 on hand, the average 5.00 and 6.00."""
    shop.move(1, 7, "in", 1, "2025-03-01 09:00:00", price="4", extra="1")
    shop.move(2, 7, "in", 1, "2025-03-02 09:00:00", price="6", extra="1")
    shop.move(3, 7, "out", 1, "2025-03-03 09:00:00", price="5")
    shop.stock(7, 1, READ_AT, price="7")
    shop.build(READ_AT)
    assert [(reading, agreeing) for reading, _, _, agreeing, _ in fits(shop, "price_per_unit of the stock list")] == [
        ("average, bare", 0),
        ("average, landed", 0),
        ("fifo, bare", 0),
        ("fifo, landed", 1),
    ]
    assert [(reading, agreeing) for reading, _, _, agreeing, _ in fits(shop, "price_per_unit of issues")] == [
        ("average, bare", 1),
        ("average, landed", 0),
        ("fifo, bare", 0),
        ("fifo, landed", 1),
    ]


def test_late_ids_and_rewritten_rows_are_counted(shop: Shop) -> None:
    """One of three rows lies behind a smaller id in time, one is gone."""
    shop.move(1, 7, "in", 5, "2025-03-02 09:00:00", price="1")
    shop.move(2, 7, "in", 5, "2025-03-01 09:00:00", price="1")
    shop.move(3, 7, "in", 5, "2025-03-03 09:00:00", price="1")
    shop.move(4, 7, "in", 5, "2025-03-03 09:00:00", price="1", deleted=READ_AT)
    shop.build()
    assert fits(shop, "order of ids") == [("ids ascend in time", None, 3, 2, True)]
    assert fits(shop, "past movements") == [("never rewritten or deleted", None, 3, 2, True)]
