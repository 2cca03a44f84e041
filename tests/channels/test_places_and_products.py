"""Pick-up places, warehouses and products without a price: rows of staging in, lists out."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from uuid import UUID

from model_runner import POLICY, run, warehouse
from order_rows import Orders, Seen, at


def test_orders_whose_place_nobody_knows_are_listed() -> None:
    """An id its method does not have, a closed place of an open order, none where one is needed."""
    orders = Orders()
    orders.con.execute("""
        insert into staging.deliveries (account, delivery_id, name, needs_place)
        values ('main', 2, 'Box', true), ('main', 3, 'Courier', false)
    """)
    orders.con.execute("""
        insert into staging.delivery_places (account, delivery_id, place_id, ext_id, _deleted_at)
        values ('main', 2, 10, 'Z-10', null), ('main', 2, 11, 'Z-11', '2025-03-01')
    """)
    places = {
        "known": (2, 10, None),
        "known-outside": (2, None, "z-10\u00a0"),
        "unknown": (2, 99, None),
        "other-method": (3, 10, None),
        "closed": (2, 11, None),
        "none": (2, None, None),
        "courier": (3, None, None),
        "cancelled": (2, 99, None),
    }
    for name, (delivery, place, ext_id) in places.items():
        status = "cancelled" if name == "cancelled" else "in_expedition"
        orders.order(name, "2025-03-04 09:00", Seen(status, "2025-03-05 02:15"), delivery_id=delivery)
        orders.con.execute(
            "update staging.orders set place_id = ?, place_ext_id = ? where order_id = ?", [place, ext_id, name]
        )
    orders.build("2025-03-05 02:15", "reports.orders_without_place")
    listed = {row["order_id"]: row["place_state"] for row in orders.rows("reports.orders_without_place")}

    assert listed == {
        "unknown": "unknown_place", "other-method": "unknown_place", "closed": "closed_place", "none": "no_place",
    }  # fmt: skip
    orders.con.execute("update staging.orders set place_id = null, place_ext_id = null")
    orders.build("2025-03-05 02:15", "reports.orders_without_place")
    assert orders.rows("reports.orders_without_place") == []


def test_a_warehouse_is_what_the_order_or_its_latest_event_says() -> None:
    """
    The order's own word comes first; an event's id is read like an order's, and one that names none is none.

    The latest is the one that happened last, not the one that came last.
    """
    orders = Orders()
    for name in ("a", "b", "c"):
        orders.order(name, "2025-03-04 09:00")
    orders.con.execute("update staging.orders set warehouse_id = 'w1' where order_id = 'a'")
    orders.webhooks("a", ("OrderCreated", "2025-03-04 09:00"))
    orders.webhooks("b", ("OrderCreated", "2025-03-04 09:00"), ("OrderUpdated", "2025-03-04 10:00"))
    orders.event("b", "OrderUpdated", "2025-03-04 09:30", received="2025-03-04 12:00")
    orders.con.execute("""
        update staging.webhook_events
        set payload
            = json_object('data', json_object('id', subject_id, 'warehouse_id', 'w' || (received_no + 1) || chr(160)))
    """)
    orders.webhooks("b", ("OrderUpdated", "2025-03-04 11:00"))
    orders.con.execute(f"""
        update staging.webhook_events
        set payload = json_object('warehouse_id', '{UUID(int=0)}', 'data', json_object('warehouse_id', 'null'))
        where received_no = 5
    """)
    orders.build("2025-03-05 02:15", "marts.dim_warehouse")

    assert [tuple(row.values()) for row in orders.rows("marts.dim_warehouse", "warehouse_id")] == [
        ("main", "w1", date(2025, 3, 4), date(2025, 3, 4), 1),
        ("main", "w4", date(2025, 3, 4), date(2025, 3, 4), 1),
    ]


def test_hundredths_of_a_currency_that_has_none_are_doubtful(tmp_path: Path) -> None:
    """The amount is what the source documents, and said to be doubtful, until money.yml says that it is whole."""
    con = warehouse()
    con.execute("""
        insert into staging.flickrocket_prices_history (account, price_id, market_type, market_code, amount_minor,
            is_valid, _version, _valid_from)
        values ('main', 1, 'currency', 'jpy', 1999, true, 1, '2025-01-01'),
            ('main', 1, 'currency', 'eur', 1999, true, 1, '2025-01-01'),
            ('main', 1, 'country', 'JP', 1999, true, 1, '2025-01-01')
    """)
    folder = Path(copytree(POLICY, tmp_path / "policy"))
    (folder / "money.yml").write_text("whole_currencies: [JPY]")
    shown = "select market_code, amount, is_amount_doubtful from marts.fct_price order by market_code"

    run(con, "marts.fct_price", at("2025-06-01"))
    assert con.execute(shown).fetchall() == [
        ("EUR", Decimal("19.99"), False), ("JP", Decimal("19.99"), False), ("JPY", Decimal("19.99"), True),
    ]  # fmt: skip
    run(con, "marts.fct_price", at("2025-06-01"), policy_dir=folder)
    assert con.execute(shown).fetchall()[2] == ("JPY", Decimal(1999), False)


def test_products_without_a_valid_price_are_listed() -> None:
    """No price model, none that is valid, a price of zero; an invalid product is on no offer."""
    con = warehouse()
    con.execute("""
        insert into staging.flickrocket_products (account, product_number, product_type, is_valid) values
            ('main', 1, 6, true), ('main', 2, 6, true), ('main', 3, 1, true), ('main', 4, 6, false),
            ('main', 5, 6, true)
    """)
    con.execute("""
        insert into staging.flickrocket_product_prices (account, product_number, binding_no, price_id)
        values ('main', 1, 1, 100), ('main', 1, 2, 101), ('main', 2, 1, 101), ('main', 5, 1, 102)
    """)
    con.execute("""
        insert into staging.flickrocket_prices_history (account, price_id, market_type, market_code, amount_minor,
            is_valid, _version, _valid_from)
        values ('main', 100, 'currency', 'eur', 1999, true, 1, '2025-01-01'),
            ('main', 101, 'currency', 'eur', 1999, false, 1, '2025-01-01'),
            ('main', 102, 'currency', 'eur', 0, true, 1, '2025-01-01')
    """)
    con.execute("""
        insert into staging.variants_history (account, variant_id, product_id, price_retail, _version, _valid_from)
        values ('main', 1, 1, 9, 1, '2025-01-01'), ('main', 2, 1, null, 1, '2025-01-01'),
            ('main', 3, 1, 0, 1, '2025-01-01')
    """)
    run(con, "reports.unsellable_products", at("2025-06-01"))

    assert con.execute("select system, product, reason from reports.unsellable_products order by all").fetchall() == [
        ("flickrocket", "2", "no_valid_price"),
        ("flickrocket", "3", "no_price"),
        ("flickrocket", "5", "no_valid_price"),
        ("fulfillment_cz", "2", "no_price"),
        ("fulfillment_cz", "3", "price_of_zero"),
    ]


def test_a_gtin_is_an_ean_without_its_zeros() -> None:
    """Matches and misses of both sides; an EAN of two variants names neither."""
    con = warehouse()
    con.execute("""
        insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_text, created_at, created_at_utc,
            status)
        values ('main', '1', '', '2025-03-01', '2025-03-01', 0)
    """)
    con.execute("""
        insert into staging.flickrocket_fulfillment_lines (account, fulfillment_id, line_no, product_number, gtin,
            quantity)
        values ('main', '1', 1, 7, '08590000000011', 2), ('main', '1', 2, 8, '8590000000028', 1),
            ('main', '1', 3, 9, null, 1), ('main', '1', 4, 10, '999', 1)
    """)
    con.execute("""
        insert into staging.variants_history (account, variant_id, product_id, ean, _version, _valid_from)
        values ('main', 1, 1, '8590000000011', 1, '2025-01-01'), ('main', 2, 1, '8590000000028', 1, '2025-01-01'),
            ('main', 3, 1, '8590000000028', 1, '2025-01-01'), ('main', 4, 1, '4000', 1, '2025-01-01')
    """)
    run(con, "reports.gtin_matches", at("2025-06-01"))

    assert con.execute("select number, match_state, variant_id from reports.gtin_matches order by all").fetchall() == [
        ("4000", "not_in_flickrocket", 4),
        ("8590000000011", "matched", 1),
        ("8590000000028", "several_variants", None),
        ("999", "not_in_catalogue", None),
        ("article 9", "no_gtin", None),
    ]
