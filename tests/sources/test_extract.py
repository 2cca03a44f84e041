"""Reading an account end to end: real HTTP on loopback, real landing, the project's own declarations."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from checkout import PROJECT
from loopback import BASE, TOKEN, Answer, Request, Shop, account_at, as_json, movement, order, serving, stock_level

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.errors import BadAnswer, ConfigError, ListingIncomplete, Unauthorized
from stockbook.landing.manifest import Manifest, read_manifest
from stockbook.landing.pages import lines_of, read_page
from stockbook.progress import Silent
from stockbook.projection.undeclared_names import Names
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan

KEY = b"a key of at least sixteen"
TABLES = declaration_files.load(PROJECT / "include" / "sql")


def plan(**changes: Any) -> AccountPlan:
    usual = AccountPlan(
        api="fulfillment_cz",
        account="main",
        as_of=datetime(2025, 3, 3, 8, 0),
        zone="Europe/Prague",
        orders_from=date(2025, 3, 1),
        orders_to=date(2025, 3, 3),
    )
    return msgspec.structs.replace(usual, **changes)


def shop(**changes: Any) -> Shop:
    rows = {
        "warehouse-variants": [stock_level(number) for number in range(1, 251)],
        "warehouse-movements": [movement(number) for number in range(400, 0, -1)],
        "orders": [order(number, f"2025-03-0{1 + number % 3} 09:00:00") for number in range(200)],
        "warehouse-preloads": [],
        "products": [{"id": n, "category_id": 1, "name": "Mug", "variants": []} for n in range(1, 130)],
        "product-categories": [{"id": 1, "parent": 0, "name": "Kitchen"}],
        "deliveries": [{"id": 1, "name": "PPL", "has_place": 0}, {"id": 2, "name": "Box", "has_place": 1}],
        "delivery-places": [{"id": n, "place": f"Place {n}", "zipcode": "602 00"} for n in range(90)],
        "warehouse-requests": [{"id": n, "variant_id": 5, "quantity": 1} for n in range(3)],
        "transformation-replenishment": [
            {"variant_ext_code": code, "mastercase_code": "DS1-C10", "mastercase_quantity": 10} for code in ("007", "8")
        ],
    }
    return Shop(rows={**rows, **changes.pop("rows", {})}, **changes)


def read(
    base_url: str, folder: Path, wanted: AccountPlan | None = None, source: str = "fulfillment_cz", **account: Any
) -> dict[str, Manifest]:
    clock = ManualClock(datetime(2025, 3, 3, 7, tzinfo=UTC))
    manifests = extract(
        account_at(base_url, source, **account), wanted or plan(), folder / "night", TABLES, KEY, clock, Silent()
    )
    return {manifest.listing: manifest for manifest in manifests}


def rows(folder: Path, manifest: Manifest) -> list[Any]:
    place = folder / "night" / "main" / f"{manifest.api}.{manifest.listing}"
    return [json.loads(line) for line in lines_of(place, manifest.pages)]


def test_every_listing_lands_whole(tmp_path: Path) -> None:
    """Each listing of the account lands every row once, with the total its source promised."""
    with serving(shop(cap=70)) as url:
        manifests = read(url, tmp_path)

    assert {name: manifest.distinct_keys for name, manifest in manifests.items()} == {
        "stock_levels": 250,
        "movements": 400,
        "orders": 200,
        "receivings": 0,
        "products": 129,
        "inactive_products": 129,  # this server ignores the filter
        "categories": 1,
        "deliveries": 2,
        "delivery_places": 90,
        "stock_requests": 3,
        "replenishment_rules": 2,
    }
    assert sorted(row["id"] for row in rows(tmp_path, manifests["movements"])) == list(range(1, 401))
    assert (
        len({row["id"] for row in rows(tmp_path, manifests["orders"])})
        == len(rows(tmp_path, manifests["orders"]))
        == 200
    )


def test_answers_that_are_odd_in_every_listing_lose_no_row(tmp_path: Path) -> None:
    """
    A mark before each body, all of them zipped; the first row of each page again at its end; a text that is none and a
    row that is none in each listing: every row received has landed, or came before.
    """
    served = shop(cap=70)
    for name in ("orders", "warehouse-movements", "products"):
        served.rows[name][3] |= {"number": "Brno @", "movement": "Brno @", "name": "Brno @"}
    served.rows["deliveries"][1]["has_place"] = {"maybe": 1}

    def odd(request: Request) -> Answer:
        sent = served(request)
        body = json.loads(sent.body)
        if len(body["data"]) > 1:
            body["data"].append(body["data"][0])
        sent.body = gzip.compress(b"\xef\xbb\xbf" + json.dumps(body).encode().replace(b"@", rb"\ud83d"))
        sent.headers["Content-Encoding"] = "gzip"
        return sent

    with serving(odd) as url:
        manifests = read(url, tmp_path)

    assert manifests["movements"].distinct_keys == 400
    assert manifests["delivery_places"].distinct_keys == 90
    assert manifests["movements"].mended >= 1
    assert [row["_refused"] for row in rows(tmp_path, manifests["deliveries"]) if "_refused" in row] == [
        "has_place: expected a value, got object"
    ]
    for manifest in manifests.values():
        landed = sum(page.rows for page in manifest.pages)
        assert manifest.rows == landed + manifest.repeated + manifest.waiting + manifest.passed
        assert landed == manifest.distinct_keys


class Told(Silent):
    """Keeps what it is told of one piece of work: what it began with, how far it came, its last line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began: list[tuple[int | None, str]] = []
        self.steps: list[int] = []
        self.ended: list[str] = []

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if name == self.name:
            self.began.append((total, unit))

    def advance(self, name: str, rows: int, total: int | None = None, bytes_: int = 0) -> None:
        if name == self.name:
            self.steps.append(rows)

    def finish(self, name: str, summary: str) -> None:
        if name == self.name:
            self.ended.append(summary)


def test_reading_empty_days_moves(tmp_path: Path) -> None:
    """Of a hundred days two hold orders: every day that was read is told, whatever it holds."""
    served = shop(rows={"orders": [order(1, "2024-11-24 09:00:00"), order(2, "2025-03-03 07:00:00")]})
    wanted = plan(orders_from=date(2024, 11, 24))

    def reading() -> Told:
        progress = Told("fulfillment_cz.orders, by day of creation")
        clock = ManualClock(datetime(2025, 3, 3, 7, tzinfo=UTC))
        extract(account_at(url, "fulfillment_cz"), wanted, tmp_path / "night", TABLES, KEY, clock, progress)
        return progress

    with serving(served) as url:
        first = reading()

    assert first.began == [(100, "days")]
    assert (first.steps[0], len(first.steps), sum(first.steps)) == (0, 101, 100)
    assert first.ended == ["100 days read"]


def test_prices_land_against_their_count(tmp_path: Path) -> None:
    """FlickRocket prices are proved by count.json."""
    prices = [{"id": n, "title": "T", "valid": 1, "currencies": [{"currency": "eur", "price": 100}]} for n in range(3)]
    with serving(Shop(prices=prices)) as url:
        manifests = read(url, tmp_path, plan(api="flickrocket"), source="flickrocket")

    assert (manifests["prices"].distinct_keys, manifests["prices"].promised_total, manifests["prices"].proof) == (
        3,
        3,
        "count.json",
    )


def test_orders_are_read_by_day_and_then_by_what_the_ledger_names(tmp_path: Path) -> None:
    """Old orders that the plan or a movement names are read by id; one that is gone is recorded, not an error."""
    old = [order(number, "2024-01-01 08:00:00") for number in range(1000, 1100)]
    served = shop()
    served.rows["orders"] += old
    served.rows["warehouse-movements"][0]["fulfillment_order_id"] = old[7]["id"]
    served.rows["warehouse-movements"][1]["fulfillment_order_id"] = served.rows["orders"][3]["id"]
    gone = "00000000-0000-4000-8000-999999999999"
    open_ids = [row["id"] for row in old[50:]] + [gone]
    with serving(served) as url:
        manifest = read(url, tmp_path, plan(open_order_ids=open_ids))["orders"]

    read_ids = {row["id"] for row in rows(tmp_path, manifest)}
    assert read_ids == {row["id"] for row in served.rows["orders"][:200]} | {row["id"] for row in old[50:]} | {
        old[7]["id"]
    }
    assert set(manifest.asked_ids) - read_ids == {gone}
    assert (manifest.window_from, manifest.window_to) == ("2025-03-01", "2025-03-03")
    assert manifest.distinct_keys == manifest.promised_total == len(read_ids)


def test_the_first_day_with_orders_is_found_when_the_plan_names_none(tmp_path: Path) -> None:
    """A first night reads everything the API still serves."""
    served = shop()
    served.rows["orders"].append(order(5000, "2023-06-05 08:00:00"))
    with serving(served) as url:
        manifest = read(url, tmp_path, plan(orders_from=None))["orders"]

    assert (manifest.window_from, manifest.distinct_keys) == ("2023-06-05", 201)


def test_a_shop_without_orders_is_complete(tmp_path: Path) -> None:
    """No orders at all is a complete listing of none."""
    with serving(shop(rows={"orders": []})) as url:
        manifest = read(url, tmp_path, plan(orders_from=None))["orders"]

    assert (manifest.complete, manifest.distinct_keys, manifest.promised_total) == (True, 0, 0)


def test_only_the_ledger_above_the_floor_is_read(tmp_path: Path) -> None:
    """The floor bounds what lands whether the server counts idFrom in or not."""
    for inclusive in (True, False):
        with serving(shop(ids_from_inclusive=inclusive, cap=20)) as url:
            manifest = read(url, tmp_path / str(inclusive), plan(movements_floor=300))["movements"]
        assert (manifest.floor, manifest.ceiling, manifest.distinct_keys) == (300, 400, 100)
        assert [row["id"] for row in rows(tmp_path / str(inclusive), manifest)] == list(range(400, 300, -1))


def test_a_run_dated_in_the_past_reads_no_snapshot(tmp_path: Path) -> None:
    """Stock, catalogue and receivings of now say nothing about then."""
    served = shop()
    with serving(served) as url:
        manifests = read(url, tmp_path, plan(takes_snapshot=False))

    assert set(manifests) == {"movements", "orders"}
    assert not served.asked[f"{BASE}warehouse-variants"]


def test_stock_is_read_before_the_ledger(tmp_path: Path) -> None:
    """The snapshot is compared with the ledger as of the moment it was read."""
    served = shop()
    with serving(served) as url:
        manifests = read(url, tmp_path)

    assert served.log[0].path == f"{BASE}warehouse-variants"
    assert manifests["stock_levels"].read_at == "2025-03-03 08:00:00"


def test_an_observation_is_dated_by_the_clock_on_a_real_account(tmp_path: Path) -> None:
    """The sandbox's clock is the run's; on a real account reading began when it began, in local time."""
    with serving(shop()) as url:
        manifests = read(url, tmp_path, plan(as_of=datetime(2025, 3, 3, 5)), sandbox=False)

    assert manifests["stock_levels"].read_at == "2025-03-03 08:00:00"


def test_no_byte_of_a_person_or_token_lands(tmp_path: Path) -> None:
    """Every file of the night, decompressed, holds nothing that was secret on the wire."""
    with serving(shop()) as url:
        manifests = read(url, tmp_path)

    texts = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    for manifest in manifests.values():
        place = tmp_path / "night" / "main" / f"{manifest.api}.{manifest.listing}"
        texts += [read_page(place, page) for page in manifest.pages]
    assert len(texts) > 20
    assert not any(b"secret" in text.lower() or TOKEN.encode() in text for text in texts)


def test_a_second_reading_of_the_same_night_asks_nothing(tmp_path: Path) -> None:
    """Complete listings are taken as they lie; another night reads them again."""
    served = shop()
    with serving(served) as url:
        first = read(url, tmp_path)
        served.asked.clear()
        second = read(url, tmp_path)
        assert not served.asked
        read(url, tmp_path, plan(movements_floor=200))

    assert first == second
    assert set(served.asked) == {f"{BASE}warehouse-movements", f"{BASE}orders"}


def test_a_killed_reading_repeats_only_what_was_not_complete(tmp_path: Path) -> None:
    """After a failure on the third day, the days and listings that were complete are not asked for again."""
    served = shop()

    def fail(request: Request) -> Answer | None:
        return (
            Answer(status=404) if request.text("created_from") == request.text("created_to") == "2025-03-03" else None
        )

    served.before = fail
    with serving(served) as url:
        with pytest.raises(BadAnswer):
            read(url, tmp_path, max_connections=1)
        served.before = lambda request: None
        served.log.clear()
        manifests = read(url, tmp_path, max_connections=1)

    days = [
        request.text("created_from")
        for request in served.log
        if request.text("created_from") == request.text("created_to")
    ]
    assert set(days) == {"2025-03-03"}
    assert f"{BASE}warehouse-movements" not in {request.path for request in served.log}
    assert manifests["orders"].distinct_keys == 200
    assert len(rows(tmp_path, manifests["orders"])) == 200


def test_one_bad_listing_leaves_the_others_landed(tmp_path: Path) -> None:
    """The error names the bad listing; stock, read before, stays complete on disk; the bad one has no manifest."""
    served = shop()
    served.before = lambda request: Answer(status=404) if request.path.endswith("product-categories") else None
    with serving(served) as url, pytest.raises(BadAnswer, match="product-categories"):
        read(url, tmp_path)

    account = tmp_path / "night" / "main"
    stock = read_manifest(account / "fulfillment_cz.stock_levels")
    assert stock is not None
    assert stock.complete
    assert read_manifest(account / "fulfillment_cz.categories") is None


def test_a_wrong_token_is_told_at_once(tmp_path: Path) -> None:
    """One request is enough to know."""
    served = shop()
    served.before = lambda request: Answer(status=401)
    with serving(served) as url, pytest.raises(Unauthorized, match="connection fulfillment_cz"):
        read(url, tmp_path)

    assert sum(served.asked.values()) == 1


def test_a_listing_that_ends_short_is_incomplete(tmp_path: Path) -> None:
    """A total of 130 with 129 products behind it is read twice and then refused."""

    def promise_more(request: Request) -> Answer | None:
        if not request.path.endswith("/products"):
            return None
        start = request.number("offset", 0)
        page = [{"id": n, "category_id": 1, "name": "Mug", "variants": []} for n in range(129)][start : start + 100]
        return as_json({"code": 200, "message": "", "totalCount": 130, "data": page})

    served = shop()
    served.before = promise_more
    with serving(served) as url, pytest.raises(ListingIncomplete, match=r"products.*129 distinct rows came, 130"):
        read(url, tmp_path)


def test_days_that_do_not_add_up_to_the_window_are_incomplete(tmp_path: Path) -> None:
    """Were the upper day of the filter exclusive, every slice would be empty: the window's own total tells."""

    def exclusive(request: Request) -> Answer | None:
        if request.text("created_from") is not None and request.text("created_from") == request.text("created_to"):
            return as_json({"code": 200, "message": "", "totalCount": 0, "data": []})
        return None

    served = shop()
    served.before = exclusive
    with (
        serving(served) as url,
        pytest.raises(ListingIncomplete, match="its days hold 0 rows, the whole window promised 200"),
    ):
        read(url, tmp_path)


def test_undeclared_fields_and_refused_rows_are_counted_in_the_manifest(tmp_path: Path) -> None:
    """Path, type and number of rows are told; a row that is not right lands as its key and the reason."""
    levels = [stock_level(1, colour="red"), stock_level(2, colour="blue"), {"variant_id": 3, "quantity": {"a": 1}}]
    with serving(shop(rows={"warehouse-variants": levels})) as url:
        manifest = read(url, tmp_path)["stock_levels"]

    assert [(field.path, field.json_type, field.rows) for field in manifest.undeclared] == [
        (Names(KEY).hidden("", "colour"), "string", 2)
    ]
    assert [(row.reason, row.path, row.rows) for row in manifest.refused] == [
        ("expected a value, got object", "quantity", 1)
    ]
    assert [row["variant_id"] for row in rows(tmp_path, manifest)] == [1, 2, 3]
    assert rows(tmp_path, manifest)[2] == {"variant_id": 3, "_refused": "quantity: expected a value, got object"}


def test_two_accounts_land_side_by_side(tmp_path: Path) -> None:
    """The same ids of two accounts lie in two folders."""
    with serving(shop()) as url:
        read(url, tmp_path)
        read(url, tmp_path, account="shop2", conn_id="fulfillment_cz__shop2")

    assert sorted(path.name for path in (tmp_path / "night").iterdir()) == ["main", "shop2"]


def test_without_a_hash_key_nothing_is_read(tmp_path: Path) -> None:
    """No key, no reading: personal data would land in clear or be lost."""
    served = shop()
    with serving(served) as url, pytest.raises(ConfigError, match="STOCKBOOK_HASH_KEY"):
        extract(account_at(url), plan(), tmp_path, TABLES, b"", ManualClock(datetime(2025, 3, 3, tzinfo=UTC)), Silent())

    assert not served.asked


@pytest.mark.parametrize("share", [5])
def test_a_night_among_faults_lands_the_same(tmp_path: Path, share: int) -> None:
    """One answer in five is an error page, cut off, or says to wait: the landed rows are those of a quiet night."""
    quiet, rough = shop(cap=50), shop(cap=50)
    faults = [
        Answer(status=503, headers={"Retry-After": "3"}),
        Answer(b"<html></html>", kind="text/html"),
        as_json({"code": 500, "message": "no"}),
        Answer(b'{"code":200,"data":[{"id":', cut=9),
    ]
    turns = iter(range(10**6))

    def sometimes(request: Request) -> Answer | None:
        turn = next(turns)
        return faults[turn // share % len(faults)] if turn % share == 0 else None

    rough.before = sometimes
    with serving(quiet) as url:
        expected = read(url, tmp_path / "quiet")
    with serving(rough) as url:
        manifests = read(url, tmp_path / "rough")

    for name, manifest in expected.items():
        before = sorted(rows(tmp_path / "quiet", manifest), key=repr)
        assert sorted(rows(tmp_path / "rough", manifests[name]), key=repr) == before
