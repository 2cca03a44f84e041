"""Backfills: a window read again besides the normal one, and the overlap of the ledger."""

import random
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import proof_size
import pytest
from loopback import Shop as Rows
from loopback import movement, order, serving
from night_rig import Rig, nights_before
from observed import same_marts
from test_extract import plan, read, rows

from stockbook import connections
from stockbook.landing.manifest import Manifest
from stockbook.night.steps import open_run
from stockbook.runs import context
from stockbook.sources import day_windows
from stockbook.sources.plan import AccountPlan
from stockbook_sandbox import Running, Shop, running

NARROW = {
    "STOCKBOOK_ORDERS_WINDOW_DAYS": "7",
    "STOCKBOOK_MOVEMENTS_OVERLAP": "20",
    "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS": "1",
}
SEPTEMBER = (date(2025, 9, 1), date(2025, 9, 30))
OCTOBER = (date(2025, 10, 1), date(2025, 10, 31))
NOVEMBER = (date(2025, 11, 1), date(2025, 11, 30))
MONTHS = [SEPTEMBER, OCTOBER, NOVEMBER]
ACROSS_MONTHS = (date(2025, 10, 20), date(2025, 11, 13))
# what each night behind the first one reads again, in an order that is drawn; None is a night as any other
READ_AGAIN = [*MONTHS, *MONTHS, ACROSS_MONTHS, None]
NIGHTS = nights_before(datetime(2025, 11, 20, 2, 15), 1 + len(READ_AGAIN))
LAST = NIGHTS[-1]


def test_windows_that_touch_are_one() -> None:
    """Days are read once, whatever windows ask for them."""
    first, second, third = date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 3)

    assert day_windows.joined([(third, third), (first, first)]) == [(first, first), (third, third)]
    assert day_windows.joined([(second, third), (first, first)]) == [(first, third)]
    assert day_windows.joined([(first, third), (second, second)]) == [(first, third)]


def backfilled(folder: Path, **changes: Any) -> tuple[dict[str, Manifest], Rows]:
    """A reading of orders of a year and 400 movements with a backfill of two days in February."""
    served = Rows(
        rows={
            "orders": [order(at, f"{date(2025, 1, 1) + timedelta(days=at % 62)} 09:00:00") for at in range(124)],
            "warehouse-movements": [
                movement(at, created=f"{date(2025, 1, 1) + timedelta(days=at // 7)} 10:00:00")
                for at in range(400, 0, -1)
            ],
        },
        cap=20,
    )
    fields = {"orders_from": date(2025, 3, 1), "movements_floor": 390, "backfill": (date(2025, 2, 3), date(2025, 2, 4))}
    with serving(served) as url:
        return read(url, folder, plan(**(fields | changes))), served


def test_a_backfill_reads_its_days_and_the_normal_window(tmp_path: Path) -> None:
    """Nothing between the two is asked for, and no row lands twice."""
    manifests, served = backfilled(tmp_path)

    orders, movements = manifests["orders"], manifests["movements"]
    assert {row["created"][:10] for row in rows(tmp_path, orders)} == {
        "2025-02-03", "2025-02-04", "2025-03-01", "2025-03-02", "2025-03-03",
    }  # fmt: skip
    assert (orders.window_from, orders.window_to) == ("2025-03-01", "2025-03-03")
    assert (orders.backfill_from, orders.backfill_to) == ("2025-02-03", "2025-02-04")
    assert sorted(row["id"] for row in rows(tmp_path, movements)) == [*range(231, 245), *range(391, 401)]
    assert (movements.floor, movements.ceiling, movements.distinct_keys) == (390, 400, 24)
    asked_days = {request.text("created_from") for request in served.log if request.text("limit") == "100"} - {None}
    assert asked_days == {"2025-02-03", "2025-02-04", "2025-03-01", "2025-03-02", "2025-03-03"}


def test_a_backfill_of_the_ledger_leaves_out_what_the_normal_reading_has(tmp_path: Path) -> None:
    """Where both hold a row it lands once."""
    manifests, _ = backfilled(tmp_path, movements_floor=235)

    ids = [row["id"] for row in rows(tmp_path, manifests["movements"])]
    assert sorted(ids) == list(range(231, 401))
    assert manifests["movements"].distinct_keys == len(ids) == len(set(ids))


def test_a_first_reading_needs_no_backfill(tmp_path: Path) -> None:
    """It reads everything anyway."""
    manifests, _ = backfilled(tmp_path, orders_from=None, movements_floor=0)

    assert (manifests["orders"].window_from, manifests["orders"].backfill_from) == ("2025-01-01", None)
    assert (manifests["movements"].distinct_keys, manifests["movements"].backfill_from) == (400, None)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop of three months."""
    with running(Shop.small(seed=13), NIGHTS[0]) as served:
        yield served


@pytest.fixture(scope="module")
def fresh(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Everything read at the last clock."""
    rig = Rig(server, tmp_path_factory.mktemp("fresh"))
    rig.books(LAST, full_refresh=True)
    return rig


@pytest.fixture(scope="module")
def after_first(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose first night read everything: copied, never written."""
    rig = Rig(server, tmp_path_factory.mktemp("after_first") / "home", NARROW)
    rig.books(NIGHTS[0], name="first", build=False)
    return rig.home


def ask(rig: Rig, query: str) -> list[tuple[Any, ...]]:
    """A query on the writer's file."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def lose(rig: Rig, first: date, last: date) -> int:
    """Take what was created in a window out of staging, as if a source had never shown it. Returns the rows lost."""
    lost = 0
    with duckdb.connect(str(rig.settings.warehouse)) as con:
        window = f"created_at::date between date '{first}' and date '{last}'"
        ids = f"order_id in (select order_id from staging.orders where {window})"
        for table in ("order_lines", "order_packages", "order_stock_items", "orders_history"):
            con.execute(f"delete from staging.{table} where {ids}")
        gone = f"movement_id in (select movement_id from staging.movements where {window})"
        con.execute(f"delete from staging.movements_history where {gone}")
        for table in ("orders", "movements"):
            lost += con.execute(f"delete from staging.{table} where {window}").fetchall()[0][0]
    return lost


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(proof_size.of(ci=1, proof=20)))
def test_every_month_backfilled_twice_in_any_order_with_nights_between_is_a_full_refresh(
    server: Running, fresh: Rig, after_first: Path, tmp_path: Path, seed: int
) -> None:
    """A month is lost just before its first backfill and back after it; the second one changes nothing of that."""
    order = random.Random(seed).sample(READ_AGAIN, len(READ_AGAIN))
    rig = Rig(server, Path(shutil.copytree(after_first, tmp_path / "home")), NARROW)
    lost: dict[tuple[date, date], int] = {}
    for as_of, window in zip(NIGHTS[1:], order, strict=True):
        if window in MONTHS and window not in lost:
            lost[window] = lose(rig, *window)
        backfill = {"backfill_from": str(window[0]), "backfill_to": str(window[1])} if window else {}
        rig.books(as_of, build=as_of == LAST, **backfill)

    staged = fresh.current(LAST)
    assert all(lost[month] > 100 for month in MONTHS)
    assert all(staged[name] for name in ("orders", "order_lines", "movements", "receivings", "stock_levels"))
    assert rig.current(LAST) == staged
    same_marts(rig, fresh)


@pytest.mark.slow
def test_a_month_that_is_not_backfilled_stays_lost(
    server: Running, fresh: Rig, after_first: Path, tmp_path: Path
) -> None:
    """The comparison above would notice."""
    rig = Rig(server, Path(shutil.copytree(after_first, tmp_path / "home")), NARROW)
    lose(rig, *SEPTEMBER)
    rig.books(LAST)

    with pytest.raises(AssertionError):
        same_marts(rig, fresh)


def planned(rig: Rig, run_id: str) -> AccountPlan:
    """What the fulfillment account was asked in a run."""
    file = context.folder(rig.settings, run_id) / "plan-fulfillment_cz.json"
    return msgspec.json.decode(file.read_bytes(), type=AccountPlan)


@pytest.mark.slow
@pytest.mark.parametrize(("ids", "hours"), [("5", "0"), ("0", "100"), ("100000", "1")])
def test_the_overlap_is_in_ids_and_in_hours_whichever_reaches_lower(
    server: Running, after_first: Path, tmp_path: Path, ids: str, hours: str
) -> None:
    """Hours count back from the latest load, also when nights were missed. Opened only: all is decided there."""
    changes = {"STOCKBOOK_MOVEMENTS_OVERLAP": ids, "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS": hours}
    rig = Rig(server, Path(shutil.copytree(after_first, tmp_path / "home")), changes)
    conn_ids = connections.conn_ids_in_environment(rig.environ)
    open_run(rig.tonight(), "later", {"as_of": LAST.isoformat()}, conn_ids)

    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        by_id, by_hours = con.execute(
            "select max(movement_id) - $ids, coalesce(min(movement_id) filter (created_at >= $since), 1e9) - 1 "
            "from staging.movements",
            {"ids": int(ids), "since": NIGHTS[0] - timedelta(hours=int(hours))},
        ).fetchall()[0]
    assert planned(rig, "first").movements_floor == 0
    assert planned(rig, "later").movements_floor == max(0, min(by_id, by_hours))


@pytest.mark.slow
def test_a_movement_that_shows_up_under_a_higher_id_is_found_by_the_overlap(
    server: Running, after_first: Path, tmp_path: Path
) -> None:
    """Ids that staging had not seen when a higher one was committed are there after the next night."""
    rig = Rig(server, Path(shutil.copytree(after_first, tmp_path / "home")), NARROW)
    with duckdb.connect(str(rig.settings.warehouse)) as con:
        late = con.execute("select movement_id from staging.movements order by 1 desc limit 3 offset 1").fetchall()
        for table in ("movements", "movements_history"):
            con.execute(f"delete from staging.{table} where movement_id in {tuple(key for (key,) in late)}")
    rig.books(LAST, build=False)

    count = ask(rig, f"select count(*) from staging.movements where movement_id in {tuple(key for (key,) in late)}")
    assert count == [(3,)]
