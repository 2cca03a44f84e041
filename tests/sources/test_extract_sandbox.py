"""Reading the sandbox: what lands is what the sandbox shows, also while it misbehaves."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from loopback import account_at

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.errors import SourceError, Unauthorized
from stockbook.landing.manifest import Manifest
from stockbook.landing.pages import lines_of
from stockbook.progress import Silent
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan
from stockbook_sandbox.serving import Running, running
from stockbook_sandbox.shop import Shop

TABLES = declaration_files.load(PROJECT / "include" / "sql")
KEYS = {"stock_levels": "variant_id", "replenishment_rules": "mastercase_code", "currency_rates": "currency"}
NOW = datetime(2026, 2, 10, 2, 15)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(variants=120, orders=600, first=date(2025, 11, 1), last=date(2026, 2, 28))


@pytest.fixture
def sandbox(shop: Shop) -> Iterator[Running]:
    with running(shop, NOW) as served:
        yield served


def read(sandbox: Running, folder: Path, source: str = "fulfillment_cz", **plan: Any) -> dict[str, Any]:
    """Landed rows by listing and key, and the manifests under ``manifests``."""
    wanted = AccountPlan(
        **{
            "api": source,
            "account": "main",
            "as_of": NOW,
            "zone": "Europe/Prague",
            "orders_to": NOW.date(),
            **plan,
        }
    )
    account = account_at(sandbox.url, source, password=sandbox.token)
    manifests = extract(
        account,
        wanted,
        folder,
        TABLES,
        b"a key of at least sixteen",
        ManualClock(datetime(2026, 2, 10, tzinfo=UTC)),
        Silent(),
    )
    landed: dict[str, Any] = {"manifests": {manifest.listing: manifest for manifest in manifests}}
    for manifest in manifests:
        place = folder / "main" / f"{manifest.api}.{manifest.listing}"
        rows = [json.loads(line) for line in lines_of(place, manifest.pages)]
        landed[manifest.listing] = {row[KEYS.get(manifest.listing, "id")]: row for row in rows}
        assert len(landed[manifest.listing]) == len(rows) == manifest.distinct_keys
    return landed


def manifest_of(landed: dict[str, Any], listing: str) -> Manifest:
    manifest: Manifest = landed["manifests"][listing]
    return manifest


def test_everything_the_sandbox_shows_lands(sandbox: Running, tmp_path: Path) -> None:
    """Stock and orders are those of the sandbox's truth, and no field of it is undeclared or refused."""
    landed = read(sandbox, tmp_path)
    truth = sandbox.truth()

    assert set(landed["orders"]) == set(truth["orders"])
    assert {
        variant: {"quantity": row["quantity"], "damaged_quantity": row["damaged_quantity"]}
        for variant, row in landed["stock_levels"].items()
    } == {int(variant): pieces for variant, pieces in truth["stock"].items()}
    assert all(not manifest.undeclared and not manifest.refused for manifest in landed["manifests"].values())
    assert read(sandbox, tmp_path / "fr", "flickrocket")["prices"]


def test_a_second_night_reads_only_what_may_have_changed(sandbox: Running, tmp_path: Path) -> None:
    """The ledger is read down to its floor, and orders of the window and those the ledger names."""
    first = read(sandbox, tmp_path / "1")
    later = NOW + timedelta(days=1)
    sandbox.set_clock(later)
    ceiling = manifest_of(first, "movements").ceiling
    assert ceiling is not None
    second = read(
        sandbox,
        tmp_path / "2",
        as_of=later,
        orders_from=later.date() - timedelta(days=7),
        orders_to=later.date(),
        movements_floor=ceiling - 50,
    )

    whole = read(sandbox, tmp_path / "3", as_of=later, orders_to=later.date())
    assert second["movements"] == {key: row for key, row in whole["movements"].items() if key > ceiling - 50}
    named = {row["fulfillment_order_id"] for row in second["movements"].values()} - {None}
    assert named <= set(second["orders"])
    assert all(second["orders"][key] == whole["orders"][key] for key in second["orders"])


FAULTS = {
    "overload": [{"kind": "status", "status": 429, "retry_after": "3", "probability": 0.2}],
    "failures": [{"kind": "status", "probability": 0.2}],
    "html": [{"kind": "html", "probability": 0.2}],
    "body code": [{"kind": "body_code", "probability": 0.2}],
    "cut off": [{"kind": "truncated", "probability": 0.2}],
    "wrong type": [{"kind": "content_type", "probability": 0.2}],
    "dropped": [{"kind": "drop", "probability": 0.2}],
    "short pages": [{"kind": "short_page", "rows": 7}],
    "pages of one row": [{"kind": "short_page", "path": "*/warehouse-preloads"}],
    "repeated rows": [{"kind": "repeat_row"}],
    "a total that is wrong once": [{"kind": "wrong_total", "path": "*/products", "nth": 1}],
    "a lost row": [{"kind": "lost_row", "path": "*/warehouse-variants", "nth": 1}],
    "all together": [
        {"kind": kind, "probability": 0.05, "seed": seed}
        for seed, kind in enumerate(("status", "html", "body_code", "truncated", "content_type", "drop", "short_page"))
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_nothing_that_lands(sandbox: Running, tmp_path: Path, fault: str) -> None:
    """Under each fault the landed rows are those of an undisturbed reading."""
    window = {"orders_from": NOW.date() - timedelta(days=40)}
    quiet = read(sandbox, tmp_path / "quiet", **window)
    sandbox.faults(FAULTS[fault])
    rough = read(sandbox, tmp_path / "rough", **window)

    assert sum(rule["hits"] for rule in sandbox.fault_hits()) > 0
    del quiet["manifests"], rough["manifests"]
    assert rough == quiet


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "wrong_total", "path": "*/products"}, "products"),
        ({"kind": "lost_row", "path": "*/warehouse-movements"}, "movements"),
        ({"kind": "status", "status": 404, "path": "*/orders"}, "orders"),
    ],
)
def test_a_fault_that_stays_is_red_and_named(
    sandbox: Running, tmp_path: Path, rule: dict[str, Any], message: str
) -> None:
    """What no second reading mends is an error that names the listing."""
    sandbox.faults([rule])
    with pytest.raises(SourceError, match=message):
        read(sandbox, tmp_path, orders_from=NOW.date() - timedelta(days=5))


def test_a_wrong_token_is_refused(sandbox: Running, tmp_path: Path) -> None:
    """The sandbox refuses it as the API would, and the message names the connection."""
    sandbox.token = "wrong"
    with pytest.raises(Unauthorized, match="connection fulfillment_cz"):
        read(sandbox, tmp_path)
