"""Reading FlickRocket end to end: fulfillments followed until shipped, rates, numbered pages, names nobody printed."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from loopback import TOKEN, Request, Shop, account_at, fulfillment, serving

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.errors import BadAnswer, ListingIncomplete
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import lines_of
from stockbook.progress import Silent
from stockbook.projection import personal
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan
from stockbook_sandbox import Shop as SandboxShop
from stockbook_sandbox import running
from stockbook_sandbox.flickrocket import Bucket

TABLES = declaration_files.load(PROJECT / "include" / "sql")
OLD = [fulfillment(n, "2025-01-01T10:00:00", 0 if n < 3 else 100) for n in range(60)]
NEW = [fulfillment(n, f"2025-03-0{n % 3 + 1}T10:00:00") for n in range(100, 110)]
WINDOW: dict[str, Any] = {
    "orders_from": date(2025, 3, 1),
    "open_fulfillment_ids": ["0", "1", "2"],
    "fulfillments_before": 60,
}
ONE = "/api/fulfillments/"


def read(url: str, folder: Path, **plan: Any) -> dict[str, Manifest]:
    wanted = AccountPlan(
        **{
            "api": "flickrocket",
            "account": "main",
            "as_of": datetime(2025, 3, 3, 8),
            "zone": "Europe/Prague",
            "orders_to": date(2025, 3, 3),
            **plan,
        }
    )
    clock = ManualClock(datetime(2025, 3, 3, 7, tzinfo=UTC))
    manifests = extract(account_at(url, "flickrocket"), wanted, folder / "night", TABLES, b"k" * 16, clock, Silent())
    return {manifest.listing: manifest for manifest in manifests}


def rows(folder: Path, manifest: Manifest) -> list[Any]:
    place = folder / "night" / "main" / f"{manifest.api}.{manifest.listing}"
    return [json.loads(line) for line in lines_of(place, manifest.pages)]


def ids(folder: Path, manifest: Manifest) -> list[int]:
    return sorted(int(row["id"]) for row in rows(folder, manifest))


def test_a_first_night_reads_every_fulfillment_against_the_count(tmp_path: Path) -> None:
    """One call gives all, and count.json proves it."""
    with serving(Shop(rows={"fulfillments": OLD + NEW})) as url:
        manifest = read(url, tmp_path)["fulfillments"]

    assert (manifest.distinct_keys, manifest.promised_total, manifest.proof) == (70, 70, "count.json")
    assert (manifest.window_from, manifest.window_to) == (None, "2025-03-03")


def test_a_later_night_reads_the_window_and_follows_the_open_ones_by_id(tmp_path: Path) -> None:
    """What is shipped and older is not read: the window and what is known add up to the count."""
    served = Shop(rows={"fulfillments": OLD + NEW})
    with serving(served) as url:
        manifest = read(url, tmp_path, **WINDOW)["fulfillments"]

    assert ids(tmp_path, manifest) == [0, 1, 2, *range(100, 110)]
    assert (manifest.window_from, manifest.asked_ids) == ("2025-03-01", ["0", "1", "2"])
    assert {path for path in served.asked if path.startswith(ONE)} == {
        f"{ONE}{name}.json" for name in ("0", "1", "2", "count")
    }


@pytest.mark.parametrize(
    ("changes", "plan", "expected"),
    [
        ({"hears_dates": False}, {}, 70),
        ({}, {"fulfillments_before": 59}, 70),
        ({"rows": {"fulfillments": OLD[:1] + OLD[2:] + NEW}}, {"fulfillments_before": 60}, 69),
        (
            {"rows": {"fulfillments": [*OLD[:1], *OLD[2:], fulfillment(99, "2025-01-02T00:00:00", 100), *NEW]}},
            {},
            70,
        ),
    ],
    ids=["dates are not heard", "one came late", "one is gone", "one is gone and one came late"],
)
def test_a_window_that_does_not_add_up_is_no_proof(
    tmp_path: Path, changes: dict[str, Any], plan: dict[str, Any], expected: int
) -> None:
    """Everything is read then, nothing twice, and the count alone proves it."""
    with serving(Shop(**{"rows": {"fulfillments": OLD + NEW}, **changes})) as url:
        manifest = read(url, tmp_path, **(WINDOW | plan))["fulfillments"]

    assert len(ids(tmp_path, manifest)) == len(set(ids(tmp_path, manifest))) == expected == manifest.promised_total
    assert manifest.window_from is None
    assert not manifest.asked_ids


def test_a_list_cut_by_the_server_is_red(tmp_path: Path) -> None:
    """No paging of fulfillments is documented: fewer than the count is an error, not a short shop."""
    served = Shop(rows={"fulfillments": OLD + NEW})
    answer = served.__call__

    def cut(request: Request) -> Any:
        sent = answer(request)
        if request.path == "/api/fulfillments.json":
            sent.body = json.dumps({"fulfillments": (OLD + NEW)[:50]}).encode()
        return sent

    with serving(cut) as url, pytest.raises(ListingIncomplete, match=r"fulfillments.*50 distinct rows came, 70"):
        read(url, tmp_path)


def test_names_are_matched_without_regard_to_case(tmp_path: Path) -> None:
    """Whichever mapped name the source uses, the row lands under ours."""
    row = fulfillment(5, "2025-03-01T10:00:00", 100)
    row["Fulfillment_Status"] = row.pop("status")
    row["TRACKING_NUMBER"] = row.pop("tracking_number")
    row["line_items"][0]["quantity"] = row["line_items"][0].pop("Quantity")
    row["line_items"][0]["EAN"] = "0042"
    with serving(Shop(rows={"fulfillments": [row]})) as url:
        manifest = read(url, tmp_path)["fulfillments"]

    landed = rows(tmp_path, manifest)[0]
    assert (landed["status"], landed["line_items"][0]["Quantity"], landed["line_items"][0]["gtin"]) == (100, 2, "0042")
    assert len(landed["tracking_number"]) == 64
    assert not manifest.undeclared


def test_no_known_name_for_the_status_is_red_and_tells_the_fields_that_came(tmp_path: Path) -> None:
    """The message says which file to put the right name into, and holds no value."""
    rows = [fulfillment(number, "2025-03-01T10:00:00") for number in range(10)]
    for row in rows:
        row["how_far"] = row.pop("status")
    rows[0]["Jan_Novak_777123456"] = 1
    with (
        serving(Shop(rows={"fulfillments": rows})) as url,
        pytest.raises(BadAnswer, match=r"field for status.*how_far.*flickrocket_fields\.yml") as error,
    ):
        read(url, tmp_path)

    assert "secret" not in str(error.value).lower()
    assert "Novak" not in str(error.value)


def test_nothing_of_a_person_lands(tmp_path: Path) -> None:
    """Hashes, the province and the country are all that is left of a customer."""
    sent = fulfillment(5, "2025-03-01T10:00:00")
    with serving(Shop(rows={"fulfillments": [sent]})) as url:
        manifest = read(url, tmp_path)["fulfillments"]

    row = rows(tmp_path, manifest)[0]
    assert row["customer"] == {
        "id": personal.hashed(sent["customer"]["id"], b"k" * 16),
        "token": personal.hashed(sent["customer"]["token"], b"k" * 16),
        "province": sent["customer"]["province"],
        "province_code": sent["customer"]["province_code"],
        "country_code": "CZ",
    }
    assert "secret" not in json.dumps(row).lower()
    assert not any(TOKEN.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_rates_land_to_the_last_digit(tmp_path: Path) -> None:
    """The same currency on two days is two rows; digits come as text, as they were sent."""
    rates = [
        {"currency": "CZK", "date": "2025-03-02T00:00:00", "rate_to_eur": 25.1},
        {"currency": "CZK", "date": "2025-03-03T00:00:00", "rate_to_eur": 25.123456789012},
        {"currency": "AED", "date": "2025-03-03T00:00:00", "rate_to_eur": 4},
    ]
    with serving(Shop(rows={"currency_rates": rates})) as url:
        manifest = read(url, tmp_path)["currency_rates"]

    assert [row["rate_to_eur"] for row in rows(tmp_path, manifest)] == ["25.1", "25.123456789012", "4"]
    assert manifest.distinct_keys == 3


PRODUCTS = [{"id": n, "product_id": f"0001-{n:04d}", "price_license_binding": []} for n in range(130)]


@pytest.mark.parametrize("numbered", [True, False])
def test_products_come_in_numbered_pages(tmp_path: Path, numbered: bool) -> None:
    """Every page, or all at once where the page number is not heard; the count proves either."""
    with serving(Shop(rows={"products": PRODUCTS}, numbered_pages=numbered)) as url:
        manifest = read(url, tmp_path)["products"]

    assert ids(tmp_path, manifest) == list(range(130))
    assert (manifest.promised_total, manifest.proof) == (130, "count.json")


def test_products_need_not_be_served_but_do_not_vanish(tmp_path: Path) -> None:
    """An account without the right reads everything else; once they were read, their absence is an error."""
    with serving(Shop()) as url:
        assert "products" not in read(url, tmp_path)
        with pytest.raises(BadAnswer, match="products"):
            read(url, tmp_path / "later", read_before=["products"])


@pytest.mark.parametrize(
    ("extra", "refused"),
    [({"requests_per_second": 1.0, "bucket_size": 4}, False), ({"requests_per_second": 0.0}, True)],
    ids=["told", "not told"],
)
def test_the_leaky_bucket_is_kept_to(tmp_path: Path, extra: dict[str, Any], refused: bool) -> None:
    """
    A bucket of four calls that leaks one a second refuses nobody who was told so; who was not hears 429, waits
    and has everything in the end.
    """
    clock = ManualClock(datetime(2025, 11, 20, 1, 15, tzinfo=UTC))
    wanted = AccountPlan(
        api="flickrocket", account="main", as_of=datetime(2025, 11, 20, 2, 15), zone="Europe/Prague",
        orders_to=date(2025, 11, 20),
    )  # fmt: skip
    with running(SandboxShop.small(), wanted.as_of, bucket=Bucket(4, 1.0, clock)) as served:
        account = account_at(served.url, "flickrocket", password=served.token, **extra)
        manifests = extract(account, wanted, tmp_path / "night", TABLES, b"k" * 16, clock, Silent())
        answered = sum(served.requests().values())
        served.sandbox.bucket = Bucket()
        served.reset_requests()
        extract(account, wanted, tmp_path / "another", TABLES, b"k" * 16, clock, Silent())

        assert {manifest.listing for manifest in manifests} == {"prices", "currency_rates", "fulfillments", "products"}
        assert (answered > sum(served.requests().values())) == refused
        assert answered > 6
