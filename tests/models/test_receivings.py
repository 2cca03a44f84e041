"""Receivings by document, and prices that changed: rows of staging in, rows of the marts out."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from test_valuation_program import FIRST_LOAD, Shop

REPORTS = (
    "marts.fct_receiving_unit",
    "marts.fct_receiving_line",
    "reports.receiving_punctuality",
    "reports.price_changes",
)
TODAY = datetime(2025, 4, 1, 3)


class Goods(Shop):
    """A shop that announces goods; today is 1 April 2025."""

    def __init__(self) -> None:
        super().__init__(also=REPORTS)

    def announce(self, receiving: int, *planned: str | None, is_closed: bool = False, **other: Any) -> None:
        """A receiving with the days it was promised for: as first read, then one more each night from 2 March."""
        key = {"account": "main", "receiving_id": receiving}
        self.insert("staging.receivings", key | {"planned_date": planned[-1], "is_closed": is_closed} | other)
        for number, day in enumerate(planned, 1):
            stamp = {"_version": number, "_valid_from": datetime(2025, 3, number, 2, 15) if number > 1 else FIRST_LOAD}
            stamp |= {"_in_first_load": receiving == 1, "planned_date": day}
            self.insert("staging.receivings_history", key | stamp)

    def arrive(self, movement: int, receiving: int, day: str) -> None:
        self.move(movement, 7, "in", 5, f"{day} 10:00:00", receiving=receiving, price="1")


@pytest.fixture
def goods() -> Any:
    goods = Goods()
    yield goods
    goods.con.close()


def test_goods_are_judged_by_the_first_promise(goods: Goods) -> None:
    """
    Put off from 10 to 20 March and again to 25, and come on the 25th: 15 days late, in time by the last promise.

    A day that a later night names again is no other promise, and one that was there at first may have had one before.
    """
    goods.announce(1, "2025-03-10", "2025-03-20", "2025-03-20", "2025-03-25", is_closed=True)
    goods.announce(2, "2025-03-10", is_closed=True)
    goods.announce(3, None, "2025-03-10", is_closed=True)
    goods.arrive(1, 1, "2025-03-11")
    goods.arrive(2, 1, "2025-03-25")
    goods.arrive(3, 2, "2025-03-10")
    goods.build(TODAY)
    columns = (
        "receiving_id, first_promised_date, later_promised_dates, promises, is_first_promise_unsure, last_in_date, "
        "state, days_late, days_late_of_last_promise"
    )
    assert goods.ask(f"select {columns} from reports.receiving_punctuality order by 1") == [
        (1, date(2025, 3, 10), "2025-03-20, 2025-03-25", 3, True, date(2025, 3, 25), "late", 15, 0),
        (2, date(2025, 3, 10), None, 1, False, date(2025, 3, 10), "on_time", 0, 0),
        (3, date(2025, 3, 10), None, 1, False, None, "nothing_came", None, None),
    ]
    assert goods.broken() == {}


@pytest.mark.parametrize(
    ("planned", "came", "state", "days_late"),
    [
        ("2025-04-01", None, "pending", None),
        ("2025-03-31", None, "overdue", 1),
        ("2025-03-31", "2025-03-30", "overdue", 1),
        (None, "2025-03-30", "unknown", None),
    ],
)
def test_goods_that_may_still_come_are_not_judged(
    goods: Goods, planned: str | None, came: str | None, state: str, days_late: int | None
) -> None:
    """Until its day is past an open receiving is pending, then overdue even if some of it came."""
    goods.announce(2, planned)
    if came:
        goods.arrive(1, 2, came)
    goods.build(TODAY)
    assert goods.ask("select state, days_late from reports.receiving_punctuality") == [(state, days_late)]


def test_a_line_names_its_document_and_what_was_noted(goods: Goods) -> None:
    """The shop's number stands for the goods-received note, else its identifier; units and notes are counted."""
    goods.announce(1, "2025-03-10", ext_code=" GRN-1 ", ext_id="id", has_note=True, has_receiving_note=True)
    goods.announce(2, "2025-03-10", ext_code="", ext_id="id 2")
    for receiving in (1, 2):
        line = {"account": "main", "receiving_id": receiving, "line_no": 1, "variant_id": 7, "quantity": 1}
        goods.insert("staging.receiving_lines", line | {"photo_count": 2})
    for kind, number, is_closed in (("package", 1, None), ("delivery_unit", 1, True), ("delivery_unit", 2, None)):
        unit = {"account": "main", "receiving_id": 1, "kind": kind, "unit_no": number}
        goods.insert("staging.receiving_delivery_units", unit | {"is_closed": is_closed, "size_id": "A4"})
    for number, at in enumerate(("2025-03-11 10:00:00", "2025-03-12 10:00:00", "2025-04-02 10:00:00"), 1):
        note = {"account": "main", "receiving_id": 1, "note_no": number, "created_at": at}
        goods.insert("staging.receiving_notes", note)
    goods.build(TODAY)
    columns = "grn_number, receiving_ext_id, photo_count, has_note, receiving_note_count"
    assert goods.ask(f"select {columns} from marts.fct_receiving_line order by receiving_id") == [
        ("GRN-1", "id", 2, True, 3),
        ("id 2", "id 2", 2, None, 0),
    ]
    assert goods.ask("""
        select packages, delivery_units, open_delivery_units, first_note_at, last_note_at
        from marts.fct_receiving where receiving_id = 1
    """) == [(1, 2, 1, datetime(2025, 3, 11, 10), datetime(2025, 3, 12, 10))]
    assert goods.ask("select kind, unit_no, size_id, grn_number from marts.fct_receiving_unit order by all") == [
        ("delivery_unit", 1, "A4", "GRN-1"),
        ("delivery_unit", 2, "A4", "GRN-1"),
        ("package", 1, "A4", "GRN-1"),
    ]


def test_every_kind_of_price_tells_its_changes(goods: Goods) -> None:
    """What is asked, what the catalogue says and what a receiving's line says; a price that appears is no change."""
    nights = [datetime(2025, 1, 1, 2, 15), datetime(2025, 2, 1, 2, 15), datetime(2025, 3, 1, 2, 15)]
    prices = [(None, 4, 10), (2, 5, 10), (3, 5, 10)]
    for number, (night, (purchase, wholesale, retail)) in enumerate(zip(nights, prices, strict=True), 1):
        goods.insert(
            "staging.variants_history",
            {"account": "main", "variant_id": 7, "product_id": 1, "_version": number, "_valid_from": night}
            | {"price_purchase": purchase, "price_wholesale": wholesale, "price_retail": retail},
        )
    line = {"account": "main", "receiving_id": 3, "line_no": 2, "variant_id": 7}
    for number, (night, price) in enumerate(zip(nights, ("4", "4.5", "9"), strict=True), 1):
        stamp = {"_version": number, "_valid_from": night if number < 3 else datetime(2025, 5, 1, 2, 15)}
        goods.insert("staging.receiving_lines_history", line | {"price_per_unit": price} | stamp)
    amounts = {"account": "main", "price_id": 1, "market_code": "eur", "title": "Film", "is_valid": True}
    for kind in ("currency", "country"):
        for number, amount in enumerate((500, 450), 1):
            stamp = {"_version": number, "_valid_from": nights[number]}
            goods.insert(
                "staging.flickrocket_prices_history",
                amounts | {"market_type": kind, "market_code": kind[:3], "amount_minor": amount} | stamp,
            )
    goods.build(TODAY)
    columns = "kind, market_type, receiving_id, line_no, variant_id, currency, previous_price, price, difference"
    assert goods.ask(f"select {columns} from reports.price_changes order by all") == [
        ("asked", "country", None, None, None, None, 5, Decimal("4.5"), Decimal("-0.5")),
        ("asked", "currency", None, None, None, "CUR", 5, Decimal("4.5"), Decimal("-0.5")),
        ("purchase", None, None, None, 7, "CZK", 2, 3, 1),
        ("receiving", None, 3, 2, 7, "CZK", 4, Decimal("4.5"), Decimal("0.5")),
        ("wholesale", None, None, None, 7, "CZK", 4, 5, 1),
    ]
    assert goods.broken() == {}


def test_a_gap_hides_no_change_of_a_price(goods: Goods) -> None:
    """A night without a price, with one below zero, or with another variant on the line: the next is compared."""
    nights = [datetime(2025, 1, 1, 2, 15), datetime(2025, 2, 1, 2, 15), datetime(2025, 3, 1, 2, 15)]
    for variant, prices in {7: (3, None, 5), 8: (3, -1, 5), 9: (3, None, 3)}.items():
        for number, (night, price) in enumerate(zip(nights, prices, strict=True), 1):
            stamp = {"_version": number, "_valid_from": night, "price_purchase": price}
            goods.insert(
                "staging.variants_history", {"account": "main", "variant_id": variant, "product_id": 1} | stamp
            )
    line = {"account": "main", "receiving_id": 3, "line_no": 2}
    for number, (night, variant, price) in enumerate(zip(nights, (7, 8, 7), (5, 9, 6), strict=True), 1):
        stamp = {"_version": number, "_valid_from": night, "variant_id": variant, "price_per_unit": price}
        goods.insert("staging.receiving_lines_history", line | stamp)
    goods.build(TODAY)

    columns = "kind, variant_id, version_no, previous_price, price"
    assert goods.ask(f"select {columns} from reports.price_changes where price >= 0 order by all") == [
        ("purchase", 7, 3, 3, 5),
        ("purchase", 8, 3, 3, 5),
        ("receiving", 7, 3, 5, 6),
    ]


def test_lines_that_change_places_change_no_price(goods: Goods) -> None:
    """Two of one variant: they have the prices they had; beside a line whose price is new both are told."""
    first, second = datetime(2025, 1, 1, 2, 15), datetime(2025, 2, 1, 2, 15)
    for receiving, before, after in ((3, (5, 9), (9, 5)), (4, (5, 9), (9, 6)), (5, (5, 5), (9, 9))):
        for number, (night, prices) in enumerate(((first, before), (second, after)), 1):
            for line_no, price in enumerate(prices, 1):
                key = {"account": "main", "receiving_id": receiving, "line_no": line_no, "variant_id": 7}
                stamp = {"_version": number, "_valid_from": night, "price_per_unit": price}
                goods.insert("staging.receiving_lines_history", key | stamp)
    goods.build(TODAY)

    columns = "receiving_id, line_no, previous_price, price"
    assert goods.ask(f"select {columns} from reports.price_changes order by all") == [
        (4, 1, 5, 9), (4, 2, 9, 6), (5, 1, 5, 9), (5, 2, 5, 9),
    ]  # fmt: skip
