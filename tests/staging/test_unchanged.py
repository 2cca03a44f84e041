"""What comes again as it came the night before: landed as the same page, seen and not merged again."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from night_rig import Rig, nights_before

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.landing.earlier_pages import earlier_answers
from stockbook.landing.folder import ListingFolder
from stockbook.landing.manifest import Manifest, PageFile, read_manifest
from stockbook.landing.pages import lines_of
from stockbook.progress import Silent
from stockbook.staging.load import Landed, Loaded, load
from stockbook.staging.merge import Counts
from stockbook_sandbox import Running, Shop, running

Land = Callable[..., Landed]
LoadAt = Callable[..., list[Loaded]]

FIRST = datetime(2026, 3, 1, 2, 15)


def order(order_id: str, **fields: Any) -> dict[str, Any]:
    """A landed order of one line."""
    created = {"created": "2026-02-01 09:00:00", "status": "created", "on_hold": False, "number": "FF1"}
    return {"id": order_id, "products": [{"code": "A", "quantity": 1}]} | created | fields


def category(number: int, name: str) -> dict[str, Any]:
    """A landed category."""
    return {"id": number, "name": name}


@pytest.fixture
def load_at(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock) -> LoadAt:
    """Loads landed listings as of so many nights after the first."""

    def loading(night: int, *landed: Landed, **run: Any) -> list[Loaded]:
        as_of = FIRST + timedelta(days=night)
        return load(con, a_run(as_of.isoformat(), f"r{night}", **run), list(landed), tables, clock, Silent(), 0.6)

    return loading


@pytest.fixture
def land_days(land: Land) -> Callable[..., Landed]:
    """Lands orders as pages of their own: ``land_days([rows], [rows])``."""

    def landing(*pages: list[dict[str, Any]], **fields: Any) -> Landed:
        window = {"window_from": "2026-01-01", "window_to": "2026-03-09"} | fields
        landed = [land("orders", rows, **window) for rows in pages]
        whole = landed[0]
        files: list[PageFile] = []
        for number, listing in enumerate(landed, start=1):
            page = listing.manifest.pages[0]
            name = f"page-{number:05d}.ndjson.zst"
            (listing.folder / page.file).rename(whole.folder / name)
            files.append(PageFile(name, page.rows, page.bytes, page.sha256))
        fields = {name: getattr(whole.manifest, name) for name in Manifest.__struct_fields__}
        return Landed(Manifest(**(fields | {"pages": files})), whole.folder)

    return landing


def remembered(con: duckdb.DuckDBPyConnection) -> list[Any]:
    """The keys of every page that would be left alone."""
    return con.execute("select keys from meta.loaded_page order by keys").fetchall()


def seen(con: duckdb.DuckDBPyConnection, table: str = "staging.orders") -> list[Any]:
    """When every order of a table was first and last seen, in nights after the first, and whether it is gone."""
    return con.execute(f"""
        select
            order_id,
            date_diff('day', timestamp '{FIRST}', _first_seen_at),
            date_diff('day', timestamp '{FIRST}', _last_seen_at),
            _deleted_at is not null
        from {table}
        order by all
    """).fetchall()


def test_a_page_that_came_again_is_seen_and_counted(
    con: duckdb.DuckDBPyConnection, load_at: LoadAt, land_days: Callable[..., Landed]
) -> None:
    """Its order, line and version move their last sight; the page beside it is merged as ever."""
    load_at(0, land_days([order("a")], [order("b")]))
    done = load_at(1, land_days([order("a")], [order("b", status="sent")]))

    assert {item.table: item.counts[:4] for item in done if item.table in ("orders", "order_lines")} == {
        "orders": (0, 1, 1, 0),
        "order_lines": (0, 0, 2, 0),
    }
    assert seen(con) == [("a", 0, 1, False), ("b", 0, 1, False)]
    assert seen(con, "staging.order_lines") == [("a", 0, 1, False), ("b", 0, 1, False)]
    versions = "select order_id, source_status, date_diff('day', _valid_from, _last_seen_at), _valid_to is null"
    assert con.execute(f"{versions} from staging.orders_history order by all").fetchall() == [
        ("a", "created", 1, True),
        ("b", "created", 0, False),
        ("b", "sent", 0, True),
    ]
    assert remembered(con) == [(["a"],), (["b"],)]


def test_nothing_but_pages_that_came_again(
    con: duckdb.DuckDBPyConnection, load_at: LoadAt, land_days: Callable[..., Landed]
) -> None:
    """A night with nothing new counts every row as unchanged; loading it twice changes nothing more."""
    for night in (0, 1, 1):
        done = load_at(night, land_days([order("a"), order("b")]))

    assert done[0].counts == Counts(0, 0, 2, 0, 0, received=2)
    assert seen(con) == [("a", 0, 1, False), ("b", 0, 1, False)]


def test_what_is_missing_beside_them_is_gone(
    con: duckdb.DuckDBPyConnection, load_at: LoadAt, land_days: Callable[..., Landed]
) -> None:
    """An order whose whole page stays away is deleted, and back when the page comes back."""
    load_at(0, land_days([order("a")], [order("b")]))
    gone = load_at(1, land_days([order("a")]))
    after_one = seen(con)
    back = load_at(2, land_days([order("a")], [order("b")]))

    assert (gone[0].counts.gone, back[0].counts.gone) == (1, 0)
    assert after_one == [("a", 0, 1, False), ("b", 0, 0, True)]
    assert seen(con) == [("a", 0, 2, False), ("b", 0, 2, False)]


def test_a_snapshot_keeps_the_rows_of_its_pages(con: duckdb.DuckDBPyConnection, load_at: LoadAt, land: Land) -> None:
    """Absence from a listing of pages that came again deletes what was not on them, and nothing else."""
    load_at(0, land("categories", [category(1, "Shoes"), category(2, "Hats")]))
    load_at(1, land("categories", [category(1, "Shoes"), category(2, "Hats")]))
    load_at(2, land("categories", [category(1, "Shoes")]))

    names = "select category_id, _deleted_at is not null from staging.categories order by all"
    assert con.execute(names).fetchall() == [(1, False), (2, True)]


@pytest.mark.parametrize(
    "doubt", ["a row was lost", "other declarations", "a whole refresh", "the key came with another page too"]
)
def test_a_doubt_loads_everything(
    con: duckdb.DuckDBPyConnection, load_at: LoadAt, land_days: Callable[..., Landed], doubt: str
) -> None:
    """Where a page cannot be believed to be in staging, it is loaded as it came, and staging heals."""
    load_at(0, land_days([order("a"), order("b")]))
    pages, fields, run = [[order("a"), order("b")]], {}, {}
    if doubt == "a row was lost":
        con.execute("delete from staging.orders where order_id = 'a'")
    elif doubt == "other declarations":
        con.execute("delete from staging.order_lines where order_id = 'a'")
        fields = {"parameters": {"declarations": "another"}}
    elif doubt == "a whole refresh":
        con.execute("delete from staging.order_lines where order_id = 'a'")
        run = {"full_refresh": True}
    else:
        pages.insert(0, [order("a", status="sent")])
    load_at(1, land_days(*pages, **fields), **run)

    # the page that stays away from doubt comes last: its rows win
    assert seen(con) == [("a", 1 if doubt == "a row was lost" else 0, 1, False), ("b", 0, 1, False)]
    assert con.execute("select order_id, source_status from staging.orders order by all").fetchall() == [
        ("a", "created"),
        ("b", "created"),
    ]
    assert [row[0] for row in seen(con, "staging.order_lines")] == ["a", "b"]


@pytest.mark.parametrize("bad", [order("b", created="soon"), order("a", status="sent")], ids=["refused", "came twice"])
def test_a_listing_that_was_not_taken_whole_is_not_remembered(
    con: duckdb.DuckDBPyConnection, load_at: LoadAt, land_days: Callable[..., Landed], bad: dict[str, Any]
) -> None:
    """A row in quarantine, or one that came twice, is looked at again the next night."""
    for night in (0, 1):
        done = load_at(night, land_days([order("a")], [bad]))

        assert remembered(con) == []
    assert done[0].counts.quarantined == (bad["id"] == "b")


def test_answers_are_known_only_to_who_reads_them_the_same(tmp_path: Path) -> None:
    """Another key or other declarations make other rows of the same answer; a folder that is gone knows nothing."""
    parameters = {"declarations": "d", "hash_key": "k", "as_of": "2026-03-01"}
    folder = tmp_path / "night" / "main" / "api.things"
    ListingFolder(folder, parameters, "2026-03-01 02:15:00").finish(api="api", listing="things", proof="totalCount")
    with (folder / "answered.ndjson").open("ab") as file:
        file.write(b'{"type":"answer","part":"whole","offset":0,"keys":[1],"total":1,"body":"digest"}\n')

    assert list(earlier_answers(folder, parameters | {"as_of": "2026-03-02"})) == ["digest"]
    assert earlier_answers(folder, parameters | {"declarations": "other"}) == {}
    assert earlier_answers(folder, parameters | {"hash_key": "other"}) == {}
    assert earlier_answers(tmp_path / "away", parameters) == {}


NIGHTS = nights_before(datetime(2025, 11, 20, 2, 15), proof_size.of(ci=3, proof=9))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(Shop.small(seed=11), NIGHTS[0]) as served:
        yield served


@pytest.fixture(scope="module")
def after_first(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose first night is in staging: copied, never written."""
    rig = Rig(server, tmp_path_factory.mktemp("first") / "home")
    rig.books(NIGHTS[0], name="first", build=False)
    return rig.home


def orders_of(rig: Rig, night: str) -> tuple[Path, Manifest]:
    """The folder and manifest of a night's orders."""
    folder = rig.settings.landing / night / "main" / "fulfillment_cz.orders"
    manifest = read_manifest(folder)
    assert manifest is not None
    return folder, manifest


def ids(folder: Path, pages: list[PageFile]) -> set[str]:
    """The orders on landed pages."""
    return {json.loads(line)["id"] for line in lines_of(folder, pages)}


def seen_again(rig: Rig) -> set[str]:
    """The orders that staging saw in the latest night."""
    query = "select order_id from staging.orders where _last_seen_at = (select max(_last_seen_at) from staging.orders)"
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return {order_id for (order_id,) in con.execute(query).fetchall()}


@pytest.mark.slow
def test_nights_that_know_the_last_one_make_the_same_books(server: Running, after_first: Path, tmp_path: Path) -> None:
    """Nights of a living shop equal nights that forget after each what they had read."""
    # before the first night there is nothing to know
    knowing, forgetting = (
        Rig(server, Path(shutil.copytree(after_first, tmp_path / name))) for name in ("knowing", "forgetting")
    )
    again = 0
    for night in NIGHTS[1:]:
        for folder in forgetting.settings.landing.iterdir():
            (folder / "loaded").unlink(missing_ok=True)
        with duckdb.connect(str(forgetting.settings.warehouse)) as con:
            con.execute("delete from meta.loaded_page")
        run = knowing.books(night, build=False)
        again += sum(file.stat().st_nlink > 1 for file in (knowing.settings.landing / run.night).rglob("page-*"))
        forgetting.books(night, build=False)

        assert knowing.staged() == forgetting.staged()
    assert again > 50  # pages that were not read again


@pytest.mark.slow
def test_a_damaged_page_of_the_last_night_is_read_again(server: Running, after_first: Path, tmp_path: Path) -> None:
    """What a disk lost of the night before is projected from tonight's answer."""
    rig = Rig(server, Path(shutil.copytree(after_first, tmp_path / "home")))
    (first,) = rig.settings.landing.iterdir()
    before, read = orders_of(rig, first.name)
    victim = max(read.pages, key=lambda page: page.rows)
    lost = ids(before, [victim])
    (before / victim.file).write_bytes(b"lost")
    second = rig.books(NIGHTS[0] + timedelta(minutes=1), build=False)

    folder, manifest = orders_of(rig, second.night)
    assert lost
    assert lost <= ids(folder, manifest.pages)
    assert seen_again(rig) == ids(folder, manifest.pages)
