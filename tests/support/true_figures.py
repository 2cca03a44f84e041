"""Each function compares one figure of a published file with what the sandbox calls true, to the last digit."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from stockbook_sandbox import Shop
from stockbook_sandbox.sales_truth import channel_orders

Truth = dict[str, Any]
Row = dict[str, Any]

GRACE = timedelta(hours=24)
"""Younger differences between channels and the warehouse are none (include/policy/channels.yml)."""
DIFFERENCES = {"missing": "missing_in_warehouse", "quantity": "differing_quantity", "state": "differing_state"}


def rows(con: duckdb.DuckDBPyConnection, query: str, *arguments: Any) -> list[Row]:
    """Rows of a query by the names of their columns."""
    answer = con.execute(query, list(arguments))
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def availability(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Pieces on hand, reserved, requested and free of the night."""
    published = {
        str(row.pop("variant_id")): row
        for row in rows(
            con,
            """
            select variant_id, on_hand_quantity as on_hand, reserved_quantity as reserved,
                requested_quantity as requested, available_quantity as available
            from marts.fct_stock_level
            where snapshot_date = (select cast(as_of as date) from meta.current_run)
            """,
        )
    }

    assert published == truth["availability"]
    assert any(row["reserved"] for row in published.values())


def inactive_variants(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Those that are switched off are known as such and keep their names."""
    off = rows(con, "select variant_id, product_name from marts.dim_variant where is_current and not is_active")

    assert sorted(row["variant_id"] for row in off) == sorted(truth["inactive"]) != []
    assert all(row["product_name"] for row in off)


def label_of(row: Row) -> tuple[Any, ...]:
    """What makes a batch."""
    expires = row["expiration"]
    day = expires.isoformat() if isinstance(expires, date) else expires
    return row["variant_id"], day, row["batch_number"], row["lot_id"], row["quality"]


def batches(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Received and taken are true; what is left is true where it is said to be exact, else within its range."""
    query = (
        "from marts.fct_stock_batch where coalesce(cast(expiration as varchar), batch_number, lot_id) is not null "
        "and received_quantity + taken_quantity > 0"
    )
    published = {label_of(row): row for row in rows(con, query)}
    true = {label_of(row): row for row in truth["batches"] if row["received"] or row["taken"]}

    assert {key: (row["received_quantity"], row["taken_quantity"]) for key, row in published.items()} == {
        key: (row["received"], row["taken"]) for key, row in true.items()
    }
    exact = [key for key, row in published.items() if row["is_exact"]]
    assert exact
    assert {key: published[key]["left_quantity_least"] for key in exact} == {key: true[key]["left"] for key in exact}
    for key, row in published.items():
        assert row["left_quantity_least"] <= true[key]["left"] <= row["left_quantity_most"]


def recall(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Each order that got pieces of a batch is told with as many, and no other is told to have got any."""
    true = {label_of(row): row["orders"] for row in truth["batches"] if row["batch_number"] and row["orders"]}
    assert true
    query = """
        select r.* from (select distinct batch_number from marts.fct_stock_batch where batch_number is not null) as b,
            lateral (from reports.recall(b.batch_number)) as r
        where r.part = 'taken'
    """
    published: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in rows(con, query):
        published.setdefault(label_of(row), {})[row["order_id"]] = row["pieces_least"]

    assert published == true


def parcels(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """The warehouse's parcels with their pieces, those of which nobody says what is in them too, and FlickRocket's."""
    published: dict[str, dict[str, list[Any]]] = {"fulfillment_cz": {}, "flickrocket": {}}
    for row in rows(con, "from marts.fct_parcel where system <> 'shopline' order by parcel_no"):
        published[row["system"]].setdefault(row["order_id"], []).append(
            (row["package_id"], row["pieces"]) if row["system"] == "fulfillment_cz" else row["parcel_no"]
        )

    assert published["fulfillment_cz"] == {
        key: [(parcel["parcel"], parcel["pieces"] or None) for parcel in order["parcels"]]
        for key, order in truth["orders"].items()
        if order["parcels"]
    }
    assert {key: len(parcels) for key, parcels in published["flickrocket"].items()} == {
        key: order["parcels"] for key, order in truth["channel_orders"]["flickrocket"].items() if order["parcels"]
    }


def orders(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """What stands on an order beside its status: damaged goods, labels of its own, the source of its problem."""
    published = {
        row["order_id"]: (row["is_damaged_sale"], row["has_own_label"], row["problem_source"])
        for row in rows(con, "from marts.fct_order")
    }

    assert published == {
        key: (order["is_damaged_sale"], order["own_labels"] > 0, order["problem"] and order["problem"]["source"])
        for key, order in truth["orders"].items()
    }


def receivings(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """The day each document is promised for now, and the day its last goods came."""
    published = {
        str(row["receiving_id"]): (row["planned_date"].isoformat(), row["received_date"] and str(row["received_date"]))
        for row in rows(con, "select receiving_id, planned_date, received_date from marts.fct_receiving")
    }

    assert published == {key: (row["promised"], row["last_came"]) for key, row in truth["receivings"].items()}


def edited_prices(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """A line of a receiving has the price of its latest edit."""
    true = {(edit["receiving_id"], edit["line_no"]): Decimal(edit["price"]) for edit in truth["price_edits"]}
    assert true
    published = {
        (row["receiving_id"], row["line_no"]): row["price_per_unit"]
        for row in rows(con, "select receiving_id, line_no, price_per_unit from marts.fct_receiving_line")
    }

    assert {key: published[key] for key in true} == true


def turnover(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Of every day and currency in koruny; what was charged in another on a day without a rate is in none."""
    published = {
        (row["created_date"].isoformat(), row["currency"]): row for row in rows(con, "from reports.sales_daily")
    }
    true: dict[tuple[str, str], Decimal] = {}
    for order in truth["orders"].values():
        if order["status"] != "cancelled":
            key = order["created"][:10], order["currency"]
            true[key] = true.get(key, Decimal(0)) + Decimal(order["reporting_value"])

    assert all(key[1] != "CZK" for key, row in published.items() if row["orders_without_rate"])
    assert {key: row["turnover_reporting"] for key, row in published.items() if not row["orders_without_rate"]} == {
        key: true.get(key) for key, row in published.items() if not row["orders_without_rate"]
    }
    assert true.keys() <= published.keys()


ALL: dict[str, Callable[[duckdb.DuckDBPyConnection, Truth], None]] = {
    function.__name__: function
    for function in (
        availability, inactive_variants, batches, recall, parcels, orders, receivings, turnover,
    )
}  # fmt: skip


def flickrocket(con: duckdb.DuckDBPyConnection, truth: Truth, shop: Shop, now: Any) -> None:
    """Its orders are joined to those of the warehouse; what differs for more than a day is told, and nothing else."""
    true = truth["channel_orders"]["flickrocket"]
    joined = {
        row["order_id"]: row["joined_order_id"]
        for row in rows(con, "from marts.fct_channel_order where system = 'flickrocket'")
    }
    published = {(row["order_id"], row["difference"]) for row in rows(con, "from reports.channel_reconciliation")}
    differing = {(key, DIFFERENCES[kind]) for key, order in true.items() for kind in order["differences"]}
    earlier = channel_orders(shop, shop.instant(now - GRACE))["flickrocket"]
    # since when states differ a first night cannot know
    old = {
        (key, DIFFERENCES[kind])
        for key, order in earlier.items()
        for kind in set(order["differences"]) & set(true[key]["differences"]) - {"state"}
    }

    assert joined == {key: order["order_id"] for key, order in true.items()}
    # SHOPLINE, which a home without its events does not know, is missed by nobody
    assert published <= differing
    assert old <= published != set()
