"""Batches, what expires and who got what: rows of staging in, rows of the marts out."""

from datetime import date, datetime
from typing import Any

import pytest
from test_valuation_program import Shop

REPORTS = ("marts.fct_stock_batch", "reports.expiring_stock", "reports.recall")
Item = tuple[str | None, str | None, int]


class Batches(Shop):
    """A shop whose receivings and orders say which batch they moved; today is 1 April 2025."""

    def __init__(self) -> None:
        super().__init__(also=REPORTS)

    def receive(self, receiving: int, variant: int, *items: Item, day: str = "2025-03-01", moved: int = 0) -> None:
        """A receiving of pieces by (batch, expiry, pieces); ``moved`` where the ledger says another number."""
        pieces = moved or sum(item[2] for item in items)
        self.move(receiving, variant, "in", pieces, f"{day} 10:00:00", receiving=receiving, price="2")
        self.insert("staging.receivings", {"account": "main", "receiving_id": receiving, "received_date": day})
        key = {"account": "main", "receiving_id": receiving, "variant_id": variant}
        for number, (batch, expiry, quantity) in enumerate(items, 1):
            row = key | {"item_no": number, "batch_number": batch, "expiration": expiry, "quality": 1}
            self.insert("staging.receiving_stock_items", row | {"received_quantity": quantity})

    def order(
        self, movement: int, order: str, variant: int, *items: Item, day: str = "2025-03-10", **other: Any
    ) -> None:
        """An order that left with pieces by (batch, expiry, pieces); ``out`` where the ledger says another number."""
        pieces = other.get("out", sum(item[2] for item in items))
        if pieces:
            self.move(movement, variant, "out", pieces, f"{day} 10:00:00", order=order)
        listed = self.ask(f"select 1 from staging.orders where order_id = '{order}'")
        if not listed:
            row = {"account": "main", "order_id": order, "number": f"FF-{order}", "recipient_key": f"key of {order}"}
            status = other.get("status", "sent")
            self.insert("staging.orders", row | {"created_at": "2025-03-09 10:00:00", "source_status": status})
        for number, (batch, expiry, quantity) in enumerate(items, 10 * variant):
            row = {"account": "main", "order_id": order, "variant_id": variant, "item_no": number, "quality": 1}
            self.insert(
                "staging.order_stock_items",
                row | {"batch_number": batch, "expiration": expiry, "quantity": quantity},
            )

    def today(self) -> None:
        self.build(datetime(2025, 4, 1, 3))

    def left(self) -> list[tuple[Any, ...]]:
        return self.ask("""
            select variant_id, batch_number, received_quantity, taken_quantity, left_quantity_least, left_quantity_most
            from marts.fct_stock_batch order by all
        """)


@pytest.fixture
def shop() -> Any:
    shop = Batches()
    yield shop
    shop.con.close()


def test_what_is_left_is_exact_where_every_piece_is_named(shop: Batches) -> None:
    """Two batches came with ten each; three of one and two of the other left. An order that only reserves took none."""
    shop.receive(1, 7, ("A", "2025-05-01", 10), ("B", None, 4))
    shop.receive(2, 7, ("B", None, 6))
    shop.order(10, "a", 7, ("A", "2025-05-01", 3), ("B", None, 1))
    shop.order(11, "b", 7, ("B", None, 1))
    shop.order(12, "waiting", 7, ("A", "2025-05-01", 5), out=0, status="in_expedition")
    shop.today()
    assert shop.left() == [(7, "A", 10, 3, 7, 7), (7, "B", 10, 2, 8, 8)]
    assert shop.broken() == {}


@pytest.mark.parametrize(("status", "taken"), [("packed", 4), ("delivered", 4), ("in_expedition", 0), ("cancelled", 0)])
def test_an_order_that_left_before_the_ledger_says_so_is_recalled(shop: Batches, status: str, taken: int) -> None:
    """A row of the ledger may be written days after the parcel left: the order's own word counts until then."""
    shop.receive(1, 7, ("A", None, 10))
    shop.order(10, "a", 7, ("A", None, 4), out=0, status=status)
    shop.today()
    assert shop.left() == [(7, "A", 10, taken, 10 - taken, 10 - taken)]
    named = shop.ask("select order_id, pieces_least from reports.recall('A') where part = 'taken'")
    assert named == ([("a", 4)] if taken else [])
    assert shop.broken() == {}


@pytest.mark.parametrize(
    ("why", "spoil"),
    [
        ("an order names fewer pieces than left", lambda shop: shop.order(20, "x", 7, ("A", None, 1), out=2)),
        ("an order names none", lambda shop: shop.order(20, "x", 7, out=1)),
        ("an order names pieces without a batch", lambda shop: shop.order(20, "x", 7, (None, None, 1))),
        ("a receiving names fewer pieces than came", lambda shop: shop.receive(2, 7, ("A", None, 1), moved=2)),
        ("a return says no batch", lambda shop: shop.move(20, 7, "in", 1, "2025-03-20 10:00:00", order="a")),
        ("a correction says no batch", lambda shop: shop.move(20, 7, "out", 1, "2025-03-20 10:00:00")),
        ("a find says no batch", lambda shop: shop.move(20, 7, "in", 2, "2025-03-20 10:00:00")),
        ("more is taken than came under the name", lambda shop: shop.order(20, "x", 7, ("a", None, 1))),
    ],
)
def test_what_cannot_be_told_apart_is_a_range(shop: Batches, why: str, spoil: Any) -> None:
    """From none to all that came, with what came without a name, of every batch of the variant; another stays exact."""
    shop.receive(1, 7, ("A", None, 10))
    shop.receive(3, 8, ("A", None, 10))
    shop.order(10, "a", 7, ("A", None, 3))
    spoil(shop)
    shop.today()
    left = {row[:2]: row[4:] for row in shop.left()}
    came = 12 if "receiving" in why or "find" in why else 10
    assert left[7, "A"] == (0, came)
    assert left[8, "A"] == (10, 10)
    assert shop.broken() == {}


def test_pieces_that_broke_are_of_no_known_batch(shop: Batches) -> None:
    """Two of ten broke: of the sound batch up to ten are left, of a damaged one what came so and the two."""
    shop.receive(1, 7, ("A", None, 10))
    shop.move(20, 7, "out", 2, "2025-03-20 10:00:00")
    shop.move(21, 7, "in", 0, "2025-03-20 10:00:00", damaged=2)
    shop.order(30, "a", 7, ("A", None, 1))
    shop.con.execute("update staging.order_stock_items set quality = 0")
    shop.today()
    assert shop.ask("""
        select quality, received_quantity, taken_quantity, nameless_quantity, left_quantity_least, left_quantity_most
        from marts.fct_stock_batch order by 1
    """) == [(0, 0, 1, 2, 0, 2), (1, 10, 0, 0, 0, 10)]


def test_a_variant_without_batches_has_none(shop: Batches) -> None:
    """Only variants whose items name one, or that the catalogue tracks, are told apart."""
    shop.receive(1, 7, (None, None, 10))
    shop.receive(2, 8, (None, None, 10))
    shop.insert("staging.variants", {"account": "main", "variant_id": 8, "product_id": 1, "tracks_batch": True})
    shop.today()
    # ten that came without a name may be any, of whatever batch there is
    assert shop.left() == [(8, None, 10, 0, 0, 20)]


def test_odd_dates_of_expiry_have_their_word(shop: Batches) -> None:
    """No date is unknown, the year 9999 never expires, and neither is in the list of what expires; a past day is."""
    dates = (None, "9999-12-31", "2025-03-31", "2025-04-01", "2025-06-30")
    shop.receive(1, 7, *((f"B{number}", day, 5) for number, day in enumerate(dates)))
    shop.today()
    assert shop.ask("select batch_number, expiry_state from marts.fct_stock_batch order by 1") == [
        ("B0", "unknown"),
        ("B1", "never"),
        ("B2", "expired"),
        ("B3", "ahead"),
        ("B4", "ahead"),
    ]
    assert shop.ask("""
        select batch_number, days_left, expiry_bucket, left_quantity_least, left_value_most
        from reports.expiring_stock order by expiration
    """) == [("B2", -1, "expired", 5, 10), ("B3", 0, "within 30 days", 5, 10), ("B4", 90, "within 90 days", 5, 10)]


def test_what_expires_is_of_goods_on_hand_and_its_value_a_range(shop: Batches) -> None:
    """Pieces nobody can tell apart are worth from nothing to all on hand; of a variant sold out nothing expires."""
    shop.receive(1, 7, ("A", "2025-04-20", 10))
    shop.order(10, "a", 7, out=4)
    shop.receive(2, 8, ("A", "2025-04-20", 3))
    shop.order(11, "b", 8, out=3)
    shop.today()
    assert shop.ask("""
        select variant_id, pool_quantity, left_quantity_least, left_quantity_most, left_value_least, left_value_most
        from reports.expiring_stock
    """) == [(7, 6, 0, 6, 0, 12)]


def test_upper_bounds_of_batches_add_up_to_what_is_on_hand(shop: Batches) -> None:
    """
    Ten and five came, twelve are left, and any of them may be of either batch: each has its own bound.

    To be added up, the batch that expires first counts all it can, and the next what is left of the twelve.
    """
    shop.receive(1, 7, ("A", "2025-04-20", 10), ("B", "2025-05-20", 5))
    shop.order(10, "a", 7, out=3)
    shop.today()
    assert shop.ask("""
        select batch_number, left_quantity_most, addable_quantity_most, left_value_most, addable_value_most
        from reports.expiring_stock order by expiration
    """) == [("A", 10, 10, 20, 20), ("B", 5, 2, 10, 4)]


def test_a_recall_names_who_got_it_and_who_may_have(shop: Batches) -> None:
    """
    Order a names the batch, b another, c none: c may have got some. What left before the batch came is no matter.

    Both lots of the number are recalled, with what is left of each within its range.
    """
    shop.receive(1, 7, ("OLD", "2025-04-20", 10), day="2025-02-01")
    shop.order(9, "before", 7, out=1, day="2025-02-10")
    shop.receive(2, 7, ("X", "2025-05-01", 6), ("X", "2025-06-01", 2))
    shop.order(10, "a", 7, ("X", "2025-05-01", 3))
    shop.order(11, "b", 7, ("OLD", "2025-04-20", 2))
    shop.order(12, "c", 7, ("OLD", "2025-04-20", 1), out=12)
    shop.today()
    assert shop.ask("""
        select part, order_id, recipient_key, expiration, pieces_least, pieces_most
        from reports.recall(' X') order by all
    """) == [
        ("left", None, None, date(2025, 5, 1), 0, 6),
        ("left", None, None, date(2025, 6, 1), 0, 2),
        ("perhaps", "c", "key of c", None, 0, 8),
        ("taken", "a", "key of a", date(2025, 5, 1), 3, 3),
    ]
    assert shop.ask("select count(*) from reports.recall('x')") == [(0,)]


def test_a_tracked_variant_shipped_without_its_batch_is_warned_of(shop: Batches) -> None:
    """The check names the order; one with the batch, and a variant that is not tracked, are right."""
    shop.insert("staging.variants", {"account": "main", "variant_id": 7, "product_id": 1, "tracks_batch": True})
    shop.receive(1, 7, ("A", "2025-05-01", 10))
    shop.receive(2, 8, ("A", "2025-05-01", 10))
    shop.order(10, "right", 7, ("A", "2025-05-01", 1))
    shop.order(11, "wrong", 7, (None, "2025-05-01", 1))
    shop.order(12, "untracked", 8, (None, "2025-05-01", 1))
    shop.today()
    [check] = [each for each in shop.tables["marts.fct_stock_batch"].checks if each.severity == "warn"]
    assert shop.ask(check.rows or "") == [("main", "wrong", 7, 1)]
