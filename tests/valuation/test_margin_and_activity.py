"""What an order leaves, and what the warehouse did: movements and orders in, margins and months out."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any

from test_valuation_program import POLICY, Shop


def shop(policy_dir: Path = POLICY) -> Shop:
    """Ten pieces of variant 1 at 100, and nobody knows what variant 2 cost."""
    books = Shop(policy_dir, also=("reports.order_margin",))
    books.move(1, 1, "in", 10, "2025-03-01 09:00", price="100")
    books.move(2, 2, "in", 10, "2025-03-01 09:00")
    return books


def order(books: Shop, order_id: str, value: str | None, currency: str = "CZK", status: str = "sent") -> None:
    """An order of 3 March."""
    created = "2025-03-03 09:00"
    books.insert(
        "staging.orders",
        {
            "account": "main",
            "order_id": order_id,
            "created_text": created,
            "created_at": datetime.fromisoformat(created),
            "created_at_utc": datetime.fromisoformat(created),
            "source_status": status,
            "currency": currency,
            "goods_value": value,
        },
    )


def margins(books: Shop) -> dict[str, tuple[Any, ...]]:
    """Order -> (state, cost of goods, margin)."""
    books.build()
    rows = books.ask("select order_id, margin_state, cost_of_goods, margin from reports.order_margin")
    return {row[0]: row[1:] for row in rows}


def test_a_margin_is_value_less_final_cost() -> None:
    """Settlements count, pieces that came back do not; without a cost, a rate or a sent order there is none."""
    books = shop()
    for number, name in enumerate(("plain", "part-back", "all-back", "open", "cancelled", "no-value", "foreign"), 10):
        value = None if name == "no-value" else "500"
        status = {"open": "in_expedition", "cancelled": "cancelled"}.get(name, "delivered")
        order(books, name, value, "EUR" if name == "foreign" else "CZK", status)
        books.move(number, 1, "out", 1, "2025-03-03 12:00", order=name)
    books.move(17, 1, "out", 1, "2025-03-03 12:00", order="part-back")
    books.move(18, 1, "in", 1, "2025-03-05 12:00", order="part-back")
    books.move(19, 1, "in", 1, "2025-03-05 12:00", order="all-back")
    order(books, "dear", "500")
    books.move(20, 2, "out", 1, "2025-03-03 12:00", order="dear")
    order(books, "short", "500")
    books.move(21, 3, "out", 1, "2025-03-03 12:00", order="short")
    books.move(22, 3, "in", 5, "2025-03-20 12:00", price="30")

    assert margins(books) == {
        "plain": ("known", Decimal(100), Decimal(400)),
        "part-back": ("known", Decimal(100), Decimal(400)),
        "all-back": ("all_back", Decimal(0), None),
        "open": ("not_sent", Decimal(100), None),
        "cancelled": ("cancelled", Decimal(100), None),
        "no-value": ("no_value", Decimal(100), None),
        "foreign": ("no_rate", Decimal(100), None),
        "dear": ("missing_cost", Decimal(0), None),
        "short": ("known", Decimal(30), Decimal(470)),
    }


def test_a_margin_in_another_currency_goes_by_the_rate_of_each_day(tmp_path: Path) -> None:
    """The value by the day of the order, the cost by that of the movement; VAT is taken off and the label says so."""
    folder = Path(copytree(POLICY, tmp_path / "policy"))
    (folder / "money.yml").write_text("reporting_currency: EUR\ngoods_value_vat: included\nvat_rate: 0.21")
    books = shop(folder)
    order(books, "a", "302.50")
    books.move(10, 1, "out", 1, "2025-03-04 12:00", order="a")
    for day, units in (("2025-03-03", "25"), ("2025-03-04", "40")):
        row = {"account": "main", "currency": "CZK", "rate_date": day, "units_per_eur": units}
        books.insert("staging.currency_rates", row)

    assert margins(books) == {"a": ("known", Decimal("2.5"), Decimal("7.5"))}
    assert books.ask("select distinct reporting_currency, vat_label, rate_date from reports.order_margin") == [
        ("EUR", "VAT of 21 % taken off", datetime(2025, 3, 3).date())  # a local day
    ]


def test_what_the_warehouse_did_is_counted_by_month_and_size() -> None:
    """Documents by the month of their first movement, pieces by size, storage for each piece and day it lay there."""
    books = Shop(also=("reports.warehouse_activity_monthly",))
    size = {"account": "main", "variant_id": 1, "product_id": 1, "size_id": "L"}
    books.insert("staging.variants", size)
    books.move(1, 1, "in", 10, "2025-01-30 09:00", price="1", receiving=5)
    books.move(2, 2, "in", 1, "2025-01-30 09:00", price="1", receiving=5)
    order(books, "a", "1")
    books.move(3, 1, "out", 4, "2025-02-01 09:00", order="a")
    books.move(4, 2, "out", 1, "2025-02-01 09:00", order="a")
    books.move(5, 1, "in", 1, "2025-02-03 09:00", order="a", damaged=1)
    for number, kind in enumerate(("package", "delivery_unit"), 1):
        unit = {"account": "main", "receiving_id": 5, "kind": kind, "unit_no": number, "size_id": "XL"}
        books.insert("staging.receiving_delivery_units", unit)
    books.build(datetime(2025, 2, 4, 2, 15))
    rows = books.ask("select month, activity, size_class, quantity from reports.warehouse_activity_monthly")
    january, february = date(2025, 1, 1), date(2025, 2, 1)

    assert set(rows) == {
        (january, "receivings", "all", 1),
        (january, "receiving_lines", "all", 2),
        (january, "packages", "all", 1),
        (january, "delivery_units", "XL", 1),
        (january, "pieces_received", "L", 10),
        (january, "pieces_received", "unknown", 1),
        (january, "storage_days", "L", 2 * 10),
        (january, "storage_days", "unknown", 2 * 1),
        (february, "orders", "all", 1),
        (february, "order_lines", "all", 2),
        (february, "pieces_picked", "L", 4),
        (february, "pieces_picked", "unknown", 1),
        (february, "returns", "all", 1),
        (february, "return_lines", "all", 1),
        (february, "pieces_returned", "L", 2),
        (february, "storage_days", "L", 6 + 6 + 8 + 8),
    }
