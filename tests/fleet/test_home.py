"""A home that travels: what one worker saved another has, whole, and what was altered on the way is noticed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockbook.clock import ManualClock
from stockbook.errors import HoldingLost, StoreDamaged, StoreUnavailable
from stockbook.export.pack_files import SENT
from stockbook.fleet.control import Control
from stockbook.fleet.holding import hold
from stockbook.fleet.home import Home
from stockbook.fleet.store import Store
from stockbook.fleet.upkeep import prune
from stockbook.landing.earlier_pages import ANSWERED
from stockbook.landing.manifest import Manifest, read_manifest, write_manifest
from stockbook.landing.pages import verify, write_page
from stockbook.night import landings
from stockbook.runs.context import Parameters
from stockbook.settings import Settings

NOW = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
AS_OF = datetime(2026, 3, 1, 2, 15)
KEY = {"STOCKBOOK_HASH_KEY": "a key for tests, long enough"}

NIGHT = "20260301T021500-aaaaaaaa-1"


@pytest.fixture
def store(folder_store: str) -> Store:
    """A store in a folder."""
    return Store(folder_store)


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    """A name that no other test has."""
    return request.node.name.removeprefix("test_")[:40]


@contextmanager
def _at(disk: Path, account: str, control: Control, store: Store) -> Iterator[Home]:
    """The account on a worker with this disk."""
    settings = Settings.load(KEY | {"STOCKBOOK_HOME": str(disk / account)})
    with hold(control, account, "night", "books") as holding:
        home = Home(settings, store, holding, ManualClock(NOW))
        home.restore()
        yield home


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _listing(home: Home, night: str, rows: int = 3, listing: str = "orders") -> Path:
    """A complete listing of a night, two of whose pages every night has."""
    folder = home.settings.landing / night / "a" / f"fulfillment_cz.{listing}"
    folder.mkdir(parents=True, exist_ok=True)
    opened = {"opened_at": NOW.isoformat()}
    _write(folder.parent.parent / "opened.json", json.dumps(opened).encode())
    pages = [write_page(folder, at, b'{"id": %d}\n' % at, 1) for at in range(1, rows + 1)]
    _write(folder / ANSWERED, b"")
    facts = {"rows": rows, "distinct_keys": rows, "promised_total": rows, "proof": "total", "read_at": "now"}
    manifest = Manifest(
        api="fulfillment_cz", listing=listing, account="a", night=night, complete=True, pages=pages, **facts
    )  # type: ignore[arg-type]  # texts and numbers, each its own
    write_manifest(folder, manifest)
    return folder


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a listing."""
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def test_what_one_worker_saved_another_has(tmp_path: Path, account: str, control: Control, store: Store) -> None:
    """Book, published book, small files and the landing of the open night come along; the key is remembered."""
    with _at(tmp_path / "one", account, control, store) as home:
        _write(home.settings.warehouse, b"book 1")
        _write(home.settings.runs / "night" / "run.json", b"{}")
        _write(home.settings.runs / "night" / "steps" / "open.json", b"[]")
        home.save("night", "open")
        home._holding.publish(home.published_book, "night", home.generation, AS_OF)
        home.landed(_listing(home, NIGHT))
        _write(home.settings.warehouse, b"book two")
        home.save("night", "books")
        assert home.generation == 2

    with _at(tmp_path / "two", account, control, store) as home:
        assert home.settings.warehouse.read_bytes() == b"book two"
        assert home.settings.published.read_bytes() == b"book 1"
        assert (home.settings.runs / "night" / "steps" / "open.json").read_bytes() == b"[]"
        folder = home.settings.landing / NIGHT / "a" / "fulfillment_cz.orders"
        assert len(verify(folder, manifest_of(folder))) == 3
    assert control.books()[account].hash_key


def test_a_night_never_takes_the_pages_of_an_older_one(
    tmp_path: Path, account: str, control: Control, store: Store
) -> None:
    """The same as-of once more on an empty disk is read anew: its folder has a name that no night had before."""
    names = []
    for disk in ("one", "one", "two"):
        with _at(tmp_path / disk, account, control, store) as home:
            names.append(landings.open_folder(home.settings, AS_OF, Parameters(), ManualClock(NOW)))
            landings.mark_loaded(home.settings, names[-1])
            home.save("night", "books")
    assert [name.rpartition("-")[2] for name in names] == ["1", "2", "3"]


def test_a_disk_that_has_it_is_not_filled_again(tmp_path: Path, account: str, control: Control, store: Store) -> None:
    """A worker goes on with its own disk, with what was read of incomplete listings, as long as nobody saved since."""
    with _at(tmp_path / "one", account, control, store) as home:
        _write(home.settings.warehouse, b"book 1")
        home.save("night", "open")
        home.trust()
        _write(home.settings.landing / NIGHT / "half", b"read")
    with _at(tmp_path / "one", account, control, store) as home:
        assert (home.settings.landing / NIGHT / "half").exists()
        home.distrust()
    with _at(tmp_path / "one", account, control, store) as home:
        assert not (home.settings.landing / NIGHT / "half").exists()
        assert home.settings.warehouse.read_bytes() == b"book 1"
    with _at(tmp_path / "two", account, control, store) as home:
        _write(home.settings.warehouse, b"of two")
        home.save("night", "books")
    with _at(tmp_path / "one", account, control, store) as home:
        assert home.settings.warehouse.read_bytes() == b"of two"


def test_until_it_is_pointed_to_nothing_has_happened(
    tmp_path: Path, account: str, control: Control, store: Store
) -> None:
    """A holder that lost the account leaves objects nobody sees."""
    with _at(tmp_path / "one", account, control, store) as home:
        _write(home.settings.warehouse, b"book 1")
        home.save("night", "books")
        _write(home.settings.warehouse, b"never seen")
        control.cut(account)
        with pytest.raises(HoldingLost):
            home.save("night", "books")
    assert len(store.list(f"books/{account}/")) == 2
    with _at(tmp_path / "two", account, control, store) as home:
        assert home.settings.warehouse.read_bytes() == b"book 1"


@pytest.mark.parametrize("kind", ["books", "homes"])
def test_what_was_altered_is_noticed(tmp_path: Path, account: str, control: Control, store: Store, kind: str) -> None:
    """A store that lies: another content, or none, is an error that names the object; nothing is made of it."""
    with _at(tmp_path / "one", account, control, store) as home:
        _write(home.settings.warehouse, b"book 1")
        home.save("night", "books")
    (key,) = store.list(f"{kind}/{account}/")
    content = store.get(key)
    store.put(key, content[:-1] + bytes([content[-1] ^ 1]))
    with (
        pytest.raises(StoreDamaged, match="is not what was written to it"),
        _at(tmp_path / "two", account, control, store),
    ):
        pass
    store.delete([key])
    with pytest.raises(StoreDamaged, match="is not in the store"), _at(tmp_path / "two", account, control, store):
        pass
    store.put(key, content)
    with _at(tmp_path / "two", account, control, store) as home:
        assert home.settings.warehouse.read_bytes() == b"book 1"


def test_what_people_signed_stays_as_it_was_signed(
    tmp_path: Path, account: str, control: Control, store: Store
) -> None:
    """Closes and their packs come along for ever, once; what somebody changes on a disk does not."""
    close, pack = "landing/closes/a/2026-02.1.json", "published/packs/month-2026-02-a-1.xlsx"
    with _at(tmp_path / "one", account, control, store) as home:
        _write(home.settings.warehouse, b"book 1")
        _write(home.settings.published, b"book 1, amended")
        _write(home.settings.home / close, b"signed")
        _write(home.settings.home / pack, b"printed")
        _write(home.settings.published.parent / SENT, b"a/2026-02/1")
        home.save("close", "close", is_amended=True)
        home._holding.publish(home.published_book, "night", home.generation, AS_OF)
    with _at(tmp_path / "two", account, control, store) as home:
        assert home.settings.published.read_bytes() == b"book 1, amended"
        assert [(home.settings.home / path).read_bytes() for path in (close, pack)] == [b"signed", b"printed"]
        assert (home.settings.published.parent / SENT).read_bytes() == b"a/2026-02/1"
        _write(home.settings.home / close, b"changed")
        (home.settings.home / pack).unlink()
        home.save("night", "books")
        assert prune(store, home._holding.book(), NOW - timedelta(days=90), books=1) == 0
    with _at(tmp_path / "three", account, control, store) as home:
        assert [(home.settings.home / path).read_bytes() for path in (close, pack)] == [b"signed", b"printed"]
    [key, _] = sorted(store.list(f"kept/{account}/"), key=store.get, reverse=True)
    store.put(key, b"changed in the store")
    with (
        pytest.raises(StoreDamaged, match=f"{close} in the store is not what"),
        _at(tmp_path / "four", account, control, store),
    ):
        pass


def test_pages_travel_once(tmp_path: Path, account: str, control: Control, store: Store) -> None:
    """A page that came the night before is not stored again; a listing that a store missed is brought at the end."""
    with _at(tmp_path / "one", account, control, store) as home:
        home.landed(_listing(home, NIGHT))
        home.save("night", "extract")
    pages = store.list(f"pages/{account}/")
    with _at(tmp_path / "two", account, control, store) as home:
        store.delete(pages)  # would be seen, were one put again
        folder = _listing(home, NIGHT.replace("T02", "T03"), rows=4)
        missed = _listing(home, NIGHT.replace("T02", "T03"), rows=1, listing="movements")
        home.landed(folder)
        home.all_landed(folder.parent.parent.name)
        home.landed(missed)
    assert len(pages) == 3
    assert len(store.list(f"pages/{account}/")) == 1
    assert len(store.list(f"landing/{account}/")) == 6


def test_a_store_that_is_away_in_the_middle_of_reading(
    tmp_path: Path, account: str, control: Control, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not brought counts as not brought: it is brought by the next try."""
    with _at(tmp_path / "one", account, control, store) as home:
        folder = _listing(home, NIGHT)

        def away(*_: object) -> None:
            raise StoreUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(store, "put", away)
            with pytest.raises(StoreUnavailable):
                home.landed(folder)
        assert store.list(f"landing/{account}/") == {}
        home.all_landed(NIGHT)
        home.save("night", "extract")
    with _at(tmp_path / "two", account, control, store) as home:
        folder = home.settings.landing / NIGHT / "a" / "fulfillment_cz.orders"
        assert len(verify(folder, manifest_of(folder))) == 3


def test_what_nobody_needs_is_removed(tmp_path: Path, account: str, control: Control, store: Store) -> None:
    """Old nights, pages of no night, and books behind the newest go; what a restore needs stays."""
    later = NIGHT.replace("T02", "T03")
    with _at(tmp_path / "one", account, control, store) as home:
        for number, night in enumerate((NIGHT, later)):
            home.landed(_listing(home, night, rows=2 - number))
            _write(home.settings.landing / night / "loaded", b"")
            _write(home.settings.warehouse, b"book " * (number + 1))
            home.save("night", "books")
        _write(home.settings.landing / NIGHT / "opened.json", b'{"opened_at":"2025-01-01T00:00:00Z"}')
        home.save("night", "end")
        assert prune(store, home._holding.book(), NOW - timedelta(days=90), books=1) == 4
    assert len(store.list(f"pages/{account}/")) == 1
    assert len(store.list(f"books/{account}/")) == 1
    with _at(tmp_path / "two", account, control, store) as home:
        assert home.settings.warehouse.read_bytes() == b"book book "
        folder = home.settings.landing / later / "a" / "fulfillment_cz.orders"
        assert verify(folder, manifest_of(folder))
