"""The sandbox over HTTP: paths, auth, envelopes, caps, orders and quirks that docs/apis tells."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests

from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.flickrocket import Bucket
from stockbook_sandbox.listings import Readings
from stockbook_sandbox.query import Query
from stockbook_sandbox.shares import Shares

CLOCK = datetime(2025, 11, 20, 2, 15)
LISTINGS = [
    "products",
    "product-categories",
    "warehouse-preloads",
    "transformation-replenishment",
    "orders",
    "warehouse-variants",
    "warehouse-requests",
    "warehouse-movements",
]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """A small shop in which goods are late often and every quirk occurs."""
    return Shop.small(
        seed=2, variants=150, orders=500, shares=Shares(waiting=0.3, invoice=0.2, ticket=0.1, backdated=0.02)
    )


@pytest.fixture(scope="module")
def served(shop: Shop) -> Iterator[Running]:
    """That shop, served."""
    with running(shop, CLOCK) as server:
        yield server


@pytest.fixture(autouse=True)
def _same_clock(served: Running) -> None:
    served.set_clock(CLOCK)
    served.faults([])
    served.reset_requests()


def get(served: Running, path: str, **parameters: Any) -> Any:
    """A fulfillment answer."""
    address = f"{served.url}/v2/fulfillment/{path}"
    return requests.get(address, params=parameters, headers={"Authorization": served.token}, timeout=10).json()


def rocket(served: Running, path: str, **parameters: Any) -> Any:
    """A FlickRocket answer."""
    headers = {"Authorization": f"Bearer {served.token}"}
    return requests.get(f"{served.url}/api/{path}", params=parameters, headers=headers, timeout=10).json()


def everything(served: Running, path: str, limit: int, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of a listing, by offset."""
    rows: list[dict[str, Any]] = []
    while page := get(served, path, limit=limit, offset=len(rows), **parameters)["data"]:
        rows += page
    return rows


@pytest.mark.parametrize("path", LISTINGS)
def test_lists_come_in_the_envelope(served: Running, path: str) -> None:
    """Code 200, an empty message, a total and an array."""
    answer = get(served, path)

    assert (answer["code"], answer["message"]) == (200, "")
    assert answer["totalCount"] >= len(answer["data"])


@pytest.mark.parametrize(("path", "query"), [("deliveries", {}), ("delivery-places", {"deliveryId": 2})])
def test_two_lists_name_no_total(served: Running, path: str, query: dict[str, Any]) -> None:
    """Deliveries and delivery-places lack totalCount, as in the samples."""
    assert get(served, path, **query).keys() == {"code", "message", "data"}


@pytest.mark.parametrize(
    ("path", "default", "most"),
    [
        ("products", 100, 100),
        ("orders", 30, 100),
        ("warehouse-movements", 100, 1000),
        ("warehouse-variants", 100, 1000),
    ],
)
def test_limits_have_defaults_and_are_lowered_to_the_maximum(
    served: Running, path: str, default: int, most: int
) -> None:
    """A page without a limit has the default, one with a huge limit the maximum."""
    total = get(served, path)["totalCount"]

    assert len(get(served, path)["data"]) == min(default, total)
    assert len(get(served, path, limit=100_000)["data"]) == min(most, total)


def test_delivery_places_have_no_maximum_and_need_a_method(served: Running) -> None:
    """Thirty by default, all on demand, and 400 without deliveryId."""
    assert len(get(served, "delivery-places", deliveryId=2)["data"]) == 30
    assert len(get(served, "delivery-places", deliveryId=2, limit=5_000)["data"]) == 40
    assert get(served, "delivery-places")["code"] == 400


@pytest.mark.parametrize("header", [None, "wrong", "Bearer sandbox-token"])
def test_fulfillment_wants_the_raw_token(served: Running, header: str | None) -> None:
    """No token, another, or one behind Bearer is 401."""
    answer = requests.get(
        f"{served.url}/v2/fulfillment/orders", headers={"Authorization": header} if header else {}, timeout=10
    )

    assert (answer.status_code, answer.json()["code"]) == (401, 401)


@pytest.mark.parametrize("header", [None, "sandbox-token", "Bearer wrong"])
def test_flickrocket_wants_bearer(served: Running, header: str | None) -> None:
    """No token, a raw one or another is 401."""
    answer = requests.get(
        f"{served.url}/api/prices.json", headers={"Authorization": header} if header else {}, timeout=10
    )

    assert answer.status_code == 401


def test_unknown_parameters_are_ignored_and_broken_ones_refused(served: Running) -> None:
    """An unknown name changes nothing; text for a number or a date is 400; an unknown path 404."""
    assert get(served, "orders", colour="blue") == get(served, "orders")
    assert get(served, "orders", limit="many")["code"] == 400
    assert get(served, "warehouse-movements", dateFrom="yesterday")["code"] == 400
    assert get(served, "nowhere")["code"] == 404
    assert get(served, "products/1/variants")["code"] == 404


def test_movements_come_newest_first_once_each(served: Running, shop: Shop) -> None:
    """Paged to the end, every visible movement comes once, ids descending."""
    ids = [row["id"] for row in everything(served, "warehouse-movements", 1000)]

    assert ids == sorted(ids, reverse=True)
    assert ids[::-1] == shop.movements.id[shop.visible_movements(served.sandbox.now)].tolist()


def test_id_from_is_read_as_the_sandbox_is_told(served: Running, shop: Shop) -> None:
    """Inclusive by default; exclusive, and newest by created, on demand."""
    middle = int(shop.movements.id[500])
    assert min(row["id"] for row in everything(served, "warehouse-movements", 1000, idFrom=middle)) == middle

    with running(shop, CLOCK, readings=Readings(id_from="exclusive", movements_by="created")) as other:
        rows = everything(other, "warehouse-movements", 1000, idFrom=middle)

    assert min(row["id"] for row in rows) > middle
    created = [row["created"] for row in rows]
    assert sorted(created, reverse=True)[0] == created[0]
    assert [row["id"] for row in rows] != sorted((row["id"] for row in rows), reverse=True)


def test_day_filters_mean_whole_local_days(served: Running) -> None:
    """Both ends are included and days partition the listing."""
    for path, names in (("orders", ("created_from", "created_to")), ("warehouse-movements", ("dateFrom", "dateTo"))):
        rows = everything(served, path, 100)
        day = rows[len(rows) // 2]["created"][:10]
        of_day = everything(served, path, 100, **dict.fromkeys(names, day))
        assert [row["id"] for row in of_day] == [row["id"] for row in rows if row["created"][:10] == day]


def test_orders_are_found_by_ids_number_and_status(served: Running) -> None:
    """``ids[]`` repeats; a bare ``ids`` is no array; unknown ids are left out."""
    rows = everything(served, "orders", 100)
    wanted = [rows[n]["id"] for n in (3, 17, 40)]

    assert [row["id"] for row in get(served, "orders", **{"ids[]": [*wanted, "unknown"]})["data"]] == wanted
    assert get(served, "orders", ids=wanted[0])["totalCount"] == len(rows)
    assert [row["id"] for row in get(served, "orders", id=wanted[1])["data"]] == wanted[1:2]
    assert get(served, "orders", remote_number=rows[5]["remote_number"])["data"] == [rows[5]]
    delivered = everything(served, "orders", 100, status="delivered")
    assert [row["id"] for row in delivered] == [row["id"] for row in rows if row["status"] == "delivered"]
    assert everything(served, "orders", 100, sort="-created") == rows[::-1]


def test_what_the_api_shows_is_the_truth(served: Running) -> None:
    """At several clocks stock, orders, statuses and the sums of movements over HTTP equal the truth."""
    for clock in (datetime(2025, 9, 20, 13), datetime(2025, 10, 26, 2, 30), CLOCK, datetime(2026, 2, 1)):
        served.set_clock(clock)
        truth = served.truth()

        levels = {
            str(row["variant_id"]): {"quantity": row["quantity"], "damaged_quantity": row["damaged_quantity"]}
            for row in everything(served, "warehouse-variants", 1000)
        }
        orders = {row["id"]: (row["status"], row["on_hold"]) for row in everything(served, "orders", 100)}
        sums = {key: {"quantity": 0, "damaged_quantity": 0} for key in levels}
        for row in everything(served, "warehouse-movements", 1000):
            for pool in ("quantity", "damaged_quantity"):
                sums[str(row["variant_id"])][pool] += row[pool] if row["movement"] == "in" else -row[pool]

        assert levels == truth["stock"] == sums
        assert orders == {key: (order["status"], order["on_hold"]) for key, order in truth["orders"].items()}


def test_reserved_and_requested_pieces_follow_open_orders(served: Running, shop: Shop) -> None:
    """Reserved is what open orders hold, requested what waiting ones lack; availability is what remains."""
    waiting = int(shop.stock_ready.min()) - 60
    served.sandbox.set_clock(datetime.fromtimestamp(waiting).astimezone())
    rows = everything(served, "warehouse-variants", 1000)
    requested = everything(served, "warehouse-requests", 1000)

    assert sum(row["requested_quantity"] for row in rows) == sum(row["quantity"] for row in requested) > 0
    for row in rows:
        assert row["available_quantity"] == row["quantity"] - row["reserved_quantity"] - row["requested_quantity"]


def test_quirks_of_the_wire_occur(served: Running) -> None:
    """Codes as number, text and null, whole floats as integers, optional tracking, inventory as UUID and number."""
    orders = everything(served, "orders", 100)
    codes = [line["ext_code"] for order in orders for line in order["products"]]
    inventory = [item["inventory_id"] for order in orders for item in order["stock_items"]]
    variants = [variant for product in everything(served, "products", 100) for variant in product["variants"]]
    priced = [row["price_per_unit"] for row in everything(served, "warehouse-movements", 1000)]

    assert {type(code) for code in codes} == {str, int, type(None)}
    assert any(isinstance(code, str) and code.startswith("00") for code in codes)
    assert {type(number) for number in inventory} == {str, int}
    assert {"tracking" in variant for variant in variants} == {True, False}
    assert {type(price) for price in priced} == {int, float, type(None)}
    assert {type(order["invoice"]) for order in orders} == {str, type(None)}
    assert any("^XA" in ticket["data"] for order in orders for ticket in order["tickets"])
    assert {type(order["delivery"]["tracking_number"]) for order in orders} == {str, type(None)}
    assert 0 in [order["payment"]["price"] for order in orders]


def test_products_hold_the_variants_of_their_own_listing(served: Running) -> None:
    """The nested listing equals the product's variants, and filters mean variants."""
    product = next(row for row in everything(served, "products", 100) if len(row["variants"]) > 1)

    assert get(served, f"products/{product['id']}/variants")["data"] == product["variants"]
    chosen = product["variants"][1]
    assert get(served, "products", code=chosen["code"])["data"] == [{**product, "variants": [chosen]}]


def test_a_receiving_is_announced_then_counted_then_closed(served: Running, shop: Shop) -> None:
    """Before its goods come a receiving's counts are null; afterwards they equal its movements."""
    n = len(shop.receivings.id) // 2
    number = int(shop.receivings.id[n])
    served.sandbox.set_clock(datetime.fromtimestamp(int(shop.receivings.announced_at[n]) + 1).astimezone())
    before = get(served, "warehouse-preloads", **{"ids[]": [number]})["data"][0]
    served.sandbox.set_clock(datetime.fromtimestamp(int(shop.receivings.closed_at[n]) + 1).astimezone())
    after = get(served, "warehouse-preloads", id=number)["data"][0]
    rows = [row for row in everything(served, "warehouse-movements", 1000) if row["preload_id"] == number]

    assert {item["received_quantity"] for item in before["items"]} == {None}
    assert (before["closed"], before["received_at"], before["stock_items"]) == (False, None, [])
    assert after["closed"]
    counted = sorted((i["variant_id"], i["received_quantity"], i["damaged_quantity"]) for i in after["items"])
    assert counted == sorted((row["variant_id"], row["quantity"], row["damaged_quantity"]) for row in rows)


def test_the_catalogue_changes_over_time(served: Running) -> None:
    """Some prices and names in November are not those of September."""

    def seen(clock: datetime) -> dict[int, Any]:
        served.set_clock(clock)
        return {product["id"]: product for product in everything(served, "products", 100)}

    before, after = seen(datetime(2025, 9, 1, 1)), seen(CLOCK)
    common = before.keys() & after.keys()

    assert any(before[key]["name"] != after[key]["name"] for key in common)
    assert any(before[key]["variants"] != after[key]["variants"] for key in common)


def test_flickrocket_counts_lists_and_single_objects_agree(served: Running) -> None:
    """count.json is the length of the list, an object equals its row, prices change over time."""
    prices = rocket(served, "prices.json")["prices"]

    assert rocket(served, "prices/count.json") == {"count": len(prices)}
    assert rocket(served, f"prices/{prices[3]['id']}.json") == {"price": prices[3]}
    assert rocket(served, "prices.json", fields="id,title")["prices"][0].keys() == {"id", "title"}
    served.set_clock(datetime(2025, 9, 1, 1))
    assert rocket(served, "prices.json")["prices"] != prices


def test_flickrocket_products_are_paged_by_capital_page(served: Running) -> None:
    """Fifty a page; a lower-case ``page`` is ignored and gives the first one."""
    first = rocket(served, "products.json")["products"]
    second = rocket(served, "products.json", Page=2)["products"]

    assert (len(first), len(second)) == (50, 20)
    assert rocket(served, "products.json", page=2)["products"] == first
    assert rocket(served, "products.json", Page=3) == {"products": []}


def test_fulfillments_are_open_or_complete_and_filtered_by_order_date(served: Running) -> None:
    """Open and complete partition all; the limits mean the order's date; one is found by its order id."""
    rows = rocket(served, "fulfillments.json")["fulfillments"]
    parts = [rocket(served, f"fulfillments/{part}.json") for part in ("open", "complete")]
    both = [row for part in parts for row in part.get("fulfillments", [part.get("fulfillment")])]

    assert sorted(row["id"] for row in both) == sorted(row["id"] for row in rows)
    assert rocket(served, "fulfillments/count.json") == {"count": len(rows)}
    limits = {"created_at_min": rows[5]["created_at"], "created_at_max": rows[9]["created_at"]}
    assert rocket(served, "fulfillments.json", **limits)["fulfillments"] == rows[5:10]
    assert rocket(served, f"fulfillments/{rows[7]['id']}.json") == {"fulfillment": rows[7]}
    assert "Quantity" in rows[0]["line_items"][0]


def test_a_list_of_one_comes_under_the_singular_key(served: Running) -> None:
    """Exactly one fulfillment is an object under ``fulfillment``."""
    row = rocket(served, "fulfillments.json")["fulfillments"][3]

    answer = rocket(served, "fulfillments.json", created_at_min=row["created_at"], created_at_max=row["created_at"])

    assert answer == {"fulfillment": row}


def test_a_refresh_token_can_be_spent_once(served: Running) -> None:
    """The pair it gives works, the spent one is invalid_grant, and the expiry stands under ``.expires``."""

    def renew(token: str) -> requests.Response:
        form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token}
        return requests.post(f"{served.url}/oauth2/token", data=form, timeout=10)

    pair = renew(f"{served.token}-refresh").json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}

    assert ".expires" in pair
    assert requests.get(f"{served.url}/api/prices.json", headers=headers, timeout=10).status_code == 200
    spent = renew(f"{served.token}-refresh")
    assert (spent.status_code, spent.json()) == (400, {"error": "invalid_grant"})
    assert renew(pair["refresh_token"]).status_code == 200


def test_the_bucket_refuses_the_call_that_does_not_fit(shop: Shop) -> None:
    """Three calls fit a bucket of three that does not leak; the fourth is 429 with Retry-After."""
    with running(shop, CLOCK, bucket=Bucket(size=3, leak=0.0)) as served:
        headers = {"Authorization": f"Bearer {served.token}"}
        answers = [requests.get(f"{served.url}/api/prices.json", headers=headers, timeout=10) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["Retry-After"] == "1"


def test_the_bucket_is_set_over_a_control_route(served: Running) -> None:
    """Another bucket is in force at once, and a size that is none is one sentence."""
    control = f"{served.url}/_sandbox/bucket"
    headers = {"Authorization": f"Bearer {served.token}"}
    assert requests.get(control, timeout=10).json() == {"size": 0, "leak": 2.0}
    assert requests.post(control, json={"size": 1, "leak": 0}, timeout=10).json() == {"size": 1, "leak": 0.0}
    answers = [requests.get(f"{served.url}/api/prices.json", headers=headers, timeout=10) for _ in range(2)]
    refused = requests.post(control, json={"size": "many"}, timeout=10)
    requests.post(control, json={"size": 0}, timeout=10)

    assert [answer.status_code for answer in answers] == [200, 429]
    assert (refused.status_code, "size (calls, 0 = no limit)" in refused.json()["error"]) == (400, True)


def test_known_movements_are_rewritten_over_a_control_route(served: Running) -> None:
    """One with other fields, one not at all; the rest to the byte as before, and everything again without changes."""
    control = f"{served.url}/_sandbox/movements"

    def ledger() -> dict[int, Any]:
        answer = get(served, "warehouse-movements", limit=1000, idFrom=floor)
        assert answer["totalCount"] == len(answer["data"])
        return {row["id"]: row for row in answer["data"]}

    floor = int(served.shop.movements.id[-200])
    before = ledger()
    changed, gone, *_ = sorted(before)
    requests.post(control, json={str(changed): {"price_per_unit": 77.25}, str(gone): None}, timeout=10)
    meanwhile = ledger()
    unknown = requests.post(control, json={"1": None}, timeout=10)
    strange = requests.post(control, json={str(changed): {"id": 5}}, timeout=10)
    requests.delete(control, timeout=10)

    assert meanwhile == {
        number: row | ({"price_per_unit": 77.25} if number == changed else {})
        for number, row in before.items()
        if number != gone
    }
    assert (unknown.status_code, "no movement '1'" in unknown.json()["error"]) == (400, True)
    assert (strange.status_code, "must be null or an object of created" in strange.json()["error"]) == (400, True)
    assert ledger() == before


def test_the_control_routes_move_the_clock_and_count(served: Running) -> None:
    """The clock is local, requests are counted per path with numbers taken out, and a bad time is one sentence."""
    control = f"{served.url}/_sandbox"
    assert requests.post(f"{control}/clock", json={"now": "2025-10-01T02:15:00"}, timeout=10).json()["now"] == (
        "2025-10-01T02:15:00"
    )
    assert requests.get(f"{control}/truth", timeout=10).json() == served.truth(datetime(2025, 10, 1, 2, 15))
    get(served, "orders")
    get(served, "products/20001/variants")
    counted = requests.get(f"{control}/requests", timeout=10).json()["requests"]
    assert counted == {"GET /v2/fulfillment/orders": 1, "GET /v2/fulfillment/products/<id>/variants": 1}
    refused = requests.post(f"{control}/clock", json={"now": "soon"}, timeout=10)
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "A local time like 2025-06-01T02:15:00 was expected; got 'soon'.",
    )


def test_a_clock_that_moves_with_requests_inserts_rows_while_paging(served: Running) -> None:
    """With an hour per request, totals grow from page to page."""
    requests.post(
        f"{served.url}/_sandbox/clock", json={"now": "2025-10-13T08:00:00", "seconds_per_request": 3600}, timeout=10
    )

    totals = [get(served, "warehouse-movements")["totalCount"] for _ in range(8)]

    requests.post(f"{served.url}/_sandbox/clock", json={"seconds_per_request": 0}, timeout=10)
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


def test_arrays_are_read_as_php_reads_them() -> None:
    """Brackets make an array, with or without an index; the last bare value wins."""
    query = Query("ids[]=a&ids%5B1%5D=b&limit=5&limit=7&empty=")

    assert query.texts("ids") == ["a", "b"]
    assert query.number("limit") == 7
    assert (query.text("empty"), query.texts("limit")) == (None, None)


def test_an_overlong_query_is_refused(served: Running) -> None:
    """Hundreds of ids in one URL are 414, as common servers answer."""
    assert get(served, "orders", **{"ids[]": ["x" * 36] * 300})["code"] == 414
