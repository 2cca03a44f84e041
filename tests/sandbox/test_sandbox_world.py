"""What a shop is made of beside orders and movements: batches, channels, parcels, edits, and the truth about them."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest
import requests

from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.listings import Readings
from stockbook_sandbox.localtime import DAY, local_of, utc_of
from stockbook_sandbox.shares import Shares

CLOCK = datetime(2025, 11, 20, 2, 15)
NIGHTS = [datetime(2025, 9, 10, 2, 15), datetime(2025, 10, 26, 3, 30), CLOCK, datetime(2026, 3, 1)]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """A small shop in which more is edited, damaged and late than usual."""
    shares = Shares(waiting=0.2, problem=0.2, price_edit=0.2, null_price=0.1, damaged_sale=0.02, ticket=0.1)
    return Shop.small(seed=3, variants=150, orders=900, shares=shares)


@pytest.fixture(scope="module")
def served(shop: Shop) -> Iterator[Running]:
    """That shop, served."""
    with running(shop, CLOCK) as server:
        yield server


def get(served: Running, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """Rows of a fulfillment answer."""
    address, headers = f"{served.url}/v2/fulfillment/{path}", {"Authorization": served.token}
    rows: list[dict[str, Any]] = requests.get(address, params=parameters, headers=headers, timeout=10).json()["data"]
    return rows


def orders_at(shop: Shop, clock: datetime | int) -> list[dict[str, Any]]:
    """All orders as the API shows them."""
    render, now = Renderer(shop), shop.instant(clock)
    return [json.loads(render.order(n, now)) for n in range(shop.visible_orders(now))]


def receivings_at(shop: Shop, clock: datetime | int) -> list[dict[str, Any]]:
    """All receivings as the API shows them."""
    render, now = Renderer(shop), shop.instant(clock)
    announced = int(np.searchsorted(shop.receivings.announced_at, now, side="right"))
    return [json.loads(render.receiving(n, now)) for n in range(announced)]


def label_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a batch of a row of stock."""
    return tuple(row[name] for name in ("variant_id", "expiration", "batch_number", "lot_id", "quality"))


@pytest.mark.parametrize("night", NIGHTS)
def test_batches_hold_what_documents_say(shop: Shop, night: datetime) -> None:
    """What the truth calls received and taken is the sum over the documents, batch by batch; none is overdrawn."""
    received: Counter[tuple[Any, ...]] = Counter()
    taken: Counter[tuple[Any, ...]] = Counter()
    for row in (item for receiving in receivings_at(shop, night) for item in receiving["stock_items"]):
        received[label_of(row)] += row["received_quantity"]
    for order in orders_at(shop, night):
        for row in order["stock_items"]:
            taken[label_of(row)] += row["quantity"]

    batches = {label_of(row): row for row in shop.truth(night)["batches"]}

    labelled = [key for key in received | taken if any(key[1:4])]
    assert {
        key: (row["received"], row["taken"]) for key, row in batches.items() if row["received"] or row["taken"]
    } == {key: (received[key], taken[key]) for key in labelled}
    assert min((row["left"] for row in batches.values()), default=0) >= 0
    for row in batches.values():
        assert sum(row["orders"].values()) == row["taken"]


def test_batches_of_a_variant_are_its_stock(shop: Shop) -> None:
    """Once every row is written, the batches of a tracked variant with its pieces without a label are its stock."""
    end = shop.end + 400 * DAY
    left: Counter[tuple[int, int]] = Counter()
    for (variant, _, quality), (_, _, pieces) in shop.batches.balances(end).items():
        left[variant, quality] += pieces
    pools = shop.stock(end)

    assert shop.batches.tracked
    for variant in shop.batches.tracked:
        assert (left[variant, 0], left[variant, 1]) == (pools[1][variant], pools[0][variant])


def test_orders_take_what_expires_first(shop: Shop) -> None:
    """Of two batches of one variant in one order the first one taken expires no later; some lines take of two."""
    lines = [parts for parts in shop.batches.taken.values() if len(parts) > 1]

    assert lines
    for parts in lines:
        days = [label.expiration or "9999-12-31" for label, _ in parts if label != parts[-1][0]]
        assert days == sorted(days)


@pytest.mark.parametrize("night", NIGHTS)
def test_availability_is_what_the_listing_shows(served: Running, night: datetime) -> None:
    """Counted order by order, what is reserved, requested and free equals the listing of every variant."""
    served.set_clock(night)
    names = {"quantity": "on_hand"} | {f"{name}_quantity": name for name in ("reserved", "requested", "available")}
    listed = {
        str(row["variant_id"]): {name: row[field] for field, name in names.items()}
        for row in get(served, "warehouse-variants", limit=1000)
    }

    assert listed == served.truth()["availability"]


def test_orders_of_damaged_goods_take_damaged_pieces(shop: Shop) -> None:
    """They say so, hold damaged stock, and reserve nothing sellable while they wait."""
    orders = [order for order in orders_at(shop, shop.end) if order["damaged"]]

    assert orders
    assert {item["quality"] for order in orders for item in order["stock_items"]} == {0}
    truth = shop.truth(shop.end)["orders"]
    assert {order["id"] for order in orders} == {key for key, order in truth.items() if order["is_damaged_sale"]}


def test_the_catalogue_is_filtered_by_activity_and_sorted(served: Running, shop: Shop) -> None:
    """Active and inactive variants part the whole; where only active ones are shown unasked the others are found."""
    served.set_clock(CLOCK)

    def ids(**parameters: Any) -> list[int]:
        return [v["id"] for product in get(served, "products", **parameters) for v in product["variants"]]

    every, on, off = ids(), ids(active=1), ids(active=0)
    names = [product["name"] for product in get(served, "products", sort="-name")]

    assert sorted(on + off) == sorted(every)
    assert sorted(off) == sorted(set(shop.truth(CLOCK)["inactive"]) & set(every)) != []
    assert names == sorted((product["name"] for product in get(served, "products")), reverse=True)
    assert get(served, "products", sort="colour") == get(served, "products")
    with running(shop, CLOCK, readings=Readings(catalogue="active")) as other:
        unasked = [v["id"] for product in get(other, "products") for v in product["variants"]]
    assert unasked == on


def test_an_edited_price_is_seen_from_its_instant(shop: Shop) -> None:
    """A second before an edit the receiving shows the earlier price, then the new one; some change what stock cost."""
    edits = shop.truth(shop.end)["price_edits"]

    assert {edit["changes_cost"] for edit in edits} == {True, False}
    last = edits[-1]
    at = utc_of(datetime.fromisoformat(last["at"]))
    shown = [
        next(row for row in receivings_at(shop, now) if row["id"] == last["receiving_id"])["items"][last["line_no"] - 1]
        for now in (at - 1, at)
    ]
    assert [Decimal(str(item["price_per_unit"])) for item in shown] == [
        Decimal(last["price_before"]),
        Decimal(last["price"]),
    ]
    assert {item["variant_id"] for item in shown} == {last["variant_id"]}


def test_a_promise_of_a_receiving_is_put_off(shop: Shop) -> None:
    """Some receivings are promised for a later day than at first, before their goods come; never for an earlier one."""
    first: dict[int, str] = {}
    seen: dict[int, set[str]] = {}
    for day in range(-25, 92):
        now = shop.start + day * DAY
        for row in receivings_at(shop, now):
            first.setdefault(row["id"], row["date_of_delivery"])
            seen.setdefault(row["id"], set()).add(row["date_of_delivery"])
    truth = shop.truth(shop.end)["receivings"]

    assert any(len(days) > 1 for days in seen.values())
    for number, days in seen.items():
        row = truth[str(number)]
        # one that was put off within a day was shown with its second promise only
        assert row["first_promised"] <= first[number] <= row["promised"] == max(days)


def test_a_problem_is_answered_while_it_lasts(shop: Shop) -> None:
    """Without and with a solution, of more than one source, described or not, as the truth says."""
    shown = []
    for day in range(5, 90, 3):
        now = shop.start + day * DAY + 43_200
        truth = {key: order["problem"] for key, order in shop.truth(now)["orders"].items() if order["problem"]}
        problems = {
            order["id"]: order["expedition"]["problem"]
            for order in orders_at(shop, now)
            if order["expedition"]["problem"]
        }
        assert truth == {
            key: {"source": row["source"], "is_postponed": row["postponed"], "is_answered": row["solution"] is not None}
            for key, row in problems.items()
        }
        shown += problems.values()

    assert {row["solution"] is None for row in shown} == {row["postponed"] for row in shown} == {True, False}
    assert {row["description"] == "" for row in shown} == {True, False}
    assert len({row["source"] for row in shown}) > 3
    assert len({len(row["photos"]) for row in shown}) > 2


def test_parcels_are_what_orders_show(shop: Shop) -> None:
    """Each packed order's parcels with their pieces; some are in two, some parcels have no items, some bring labels."""
    truth, orders = shop.truth(CLOCK)["orders"], orders_at(shop, CLOCK)

    for order in orders:
        assert truth[order["id"]]["parcels"] == [
            {
                "parcel": package["id"],
                "lines": len(package["items"]),
                "pieces": sum(item["quantity"] for item in package["items"]),
            }
            for package in order["packages"]
        ]
        assert truth[order["id"]]["own_labels"] == len(order["tickets"])
    assert {0, 1, 2} <= {len(order["packages"]) for order in orders}
    assert any(not package["items"] for order in orders for package in order["packages"])
    assert {1, 2} <= {len(order["tickets"]) for order in orders}


def test_channels_and_the_warehouse_mean_the_same_orders(served: Running, shop: Shop) -> None:
    """What the truth says of FlickRocket's orders is what both listings show, joined by number; some of each differ."""
    served.set_clock(CLOCK)
    headers = {"Authorization": f"Bearer {served.token}"}
    rows = requests.get(f"{served.url}/api/fulfillments.json", headers=headers, timeout=10).json()["fulfillments"]
    by_number = {order["remote_number"]: order for order in orders_at(shop, CLOCK)}
    truth = shop.truth(CLOCK)["channel_orders"]

    assert truth["flickrocket"].keys() == {row["id"] for row in rows}
    for row in rows:
        order, true = by_number.get(row["id"]), truth["flickrocket"][row["id"]]
        pieces = sum(line["Quantity"] for line in row["line_items"])
        assert (true["pieces"], true["state"]) == (pieces, "shipped" if row["status"] else "open")
        assert true["order_id"] == (order and order["id"])
        assert true["parcels"] == len(row["tracking_number"].replace(",", " ").split())
        if order:
            own = sum(line["quantity"] for line in order["products"])
            assert ("quantity" in true["differences"]) == (own != pieces)
    for orders in truth.values():
        kinds = {kind for row in orders.values() for kind in row["differences"]}
        assert {"missing", "quantity"} <= kinds
        assert sum(not row["differences"] for row in orders.values()) > len(orders) // 2


def test_most_products_are_known_to_the_warehouse_by_their_number(served: Running, shop: Shop) -> None:
    """FlickRocket's numbers are those of the same goods in the warehouse; some products name none or an unknown one."""
    eans = {f"859{number:010d}" for number in shop.catalogue.variant_id.tolist()}
    numbers = [number for number in shop.flickrocket.product_gtin if number]

    assert 0 < sum(number not in eans for number in numbers) < len(numbers) // 4
    assert None in shop.flickrocket.product_gtin


def test_whole_bodies_tell_of_holds_requests_windows_and_places(shop: Shop) -> None:
    """Bodies of fulfillment orders carry what the page documents: each field somewhere, times with an offset."""
    bodies = [m.body["fulfillment_order"] for m in shop.shopline.messages if m.topic.endswith(("create", "update"))
              and "fulfillment_order" in m.body]  # fmt: skip
    holds = [hold for body in bodies for hold in body["fulfillment_holds"]]
    wishes = [request for body in bodies for request in body.get("merchant_requests", [])]
    windows = [body["delivery_method"] for body in bodies if "min_delivery_date_time" in body["delivery_method"]]

    assert {"reason", "reason_note"} == set(holds[0])
    assert {request["kind"] for request in wishes} == {"fulfillment_request", "cancellation_request"}
    assert all(datetime.fromisoformat(request["send_at"]).utcoffset() for request in wishes)
    assert 0 < len(windows) < len(bodies)
    for window in windows:
        early, late = (datetime.fromisoformat(window[f"{end}_delivery_date_time"]) for end in ("min", "max"))
        assert early < late
    assert {body["assigned_location"]["city"] for body in bodies} == {"Köln", "Jeneč"}
    assert {"release_hold"} <= {
        body["supported_actions"] for body in bodies if body["supported_actions"].__class__ is str
    }
    assert any("delivery_store_code" in body["destination"] for body in bodies)


def test_turnover_is_goods_value_by_the_rate_of_the_day(served: Running, shop: Shop) -> None:
    """Half up to four places per order, then added up, of orders that are not cancelled, day by day."""
    days: dict[str, Decimal] = {}
    for order in orders_at(shop, CLOCK):
        if order["status"] == "cancelled":
            continue
        day = order["created"][:10]
        rates = {
            row["currency"]: Decimal(str(row["rate_to_eur"]))
            for row in shop.flickrocket.rates(utc_of(datetime.fromisoformat(f"{day} 12:00")))
        } | {"EUR": Decimal(1)}
        amount = Decimal(str(order["delivery"]["value"])) * rates["CZK"] / rates[order["currency_id"]]
        days[day] = days.get(day, Decimal(0)) + amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    truth = shop.truth(CLOCK)["turnover"]

    assert {day: Decimal(row["amount"]) for day, row in truth.items() if row["orders"]} == days


def test_a_find_of_what_was_never_bought_has_no_cost() -> None:
    """Its variant has neither a receipt nor a purchase price, and every other row of the ledger keeps its id."""
    shop = Shop.small(seed=3)
    m, r = shop.movements, shop.receivings
    variant = int(np.flatnonzero(shop.catalogue.is_unpriced)[0])
    prices = shop.catalogue.prices_at(shop.end)

    assert variant not in r.item_variant
    assert (m.variant == variant).sum() == 1
    assert Renderer(shop).variant(variant, prices)["price_purchase"] is None
    assert (np.diff(m.id) > 0).all()
    assert local_of(int(m.created[m.variant == variant][0])).date() == datetime(2025, 11, 26).date()
