"""A home comes back as it was, whole or file by file, and never half."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backed_up import LISTING, NIGHT, NOW, back_up, flip, nobody, settings_of, small_home, tree
from forked import forks
from night_rig import Rig
from shared_home import SECOND, copy_of, small_shop
from typer.testing import CliRunner

from stockbook.backup.events import digests_of_events
from stockbook.backup.manifest import PIECES
from stockbook.backup.restore import bring_back, restore
from stockbook.backup.store import Folder, open_store
from stockbook.backup.verify import verify
from stockbook.cli.main import app
from stockbook.clock import ManualClock, SystemClock
from stockbook.errors import ConfigError, DiskRefused, RunLocked, StockbookError, StoreDamaged
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.runs.lock import RunLock
from stockbook.settings import Settings
from stockbook_sandbox import running

if TYPE_CHECKING:
    from seaweed import Seaweed

CLOCK = ManualClock(NOW)
TWO = b'{"kind": "person", "mark": "two"}\n'


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A small home with one backup."""
    home = small_home(tmp_path)
    back_up(home, Folder(tmp_path / "store"))
    return home


@pytest.fixture
def store(home: Settings, tmp_path: Path) -> Folder:
    """The store with that backup."""
    return Folder(tmp_path / "store")


def empty(home: Settings, name: str = "new") -> Settings:
    """The settings of another home."""
    return settings_of(home.home.with_name(name), home.policy_dir)


def test_a_home_comes_back_byte_for_byte(home: Settings, store: Folder) -> None:
    """Every file with its content and time, the events, and no token; twice into two homes, never into one."""
    for name in ("new", "another"):
        new = empty(home, name)
        sentences = restore(new, store, CLOCK, nobody)
        assert tree(new.home) == tree(home.home)
        assert not (new.state / "state.db").exists()
        assert digests_of_events(new.state / "inbox.db") == digests_of_events(home.state / "inbox.db")
        assert sorted(file.name for file in new.home.iterdir()) == [
            "erasures.jsonl", "landing", "published", "run.lock", "runs", "state", "warehouse.duckdb",
        ]  # fmt: skip
        assert "books as of 2026-11-27 02:15:00" in sentences[0]
        with pytest.raises(ConfigError, match=r"is not empty, it has warehouse\.duckdb"):
            restore(new, store, CLOCK, nobody)
    # and a backup of the restored home has nothing new
    assert back_up(new, store, NOW + timedelta(days=1)).new_pieces == 0


def test_a_restore_says_that_the_key_is_missing(
    home: Settings, store: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a new machine there is none: the books come back, and nobody learns only from a red night where it belongs."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    keyless = settings_of(empty(home, "keyless").home, home.policy_dir, STOCKBOOK_HASH_KEY="")
    sentences = restore(keyless, store, CLOCK, nobody)

    assert sum("begun with a key that is not here" in sentence for sentence in sentences) == 1
    assert any(f"or put it into {tmp_path / 'airflow' / 'hash-key'}" in sentence for sentence in sentences)
    assert not any(
        "a key that is not here" in sentence for sentence in restore(empty(home, "keyed"), store, CLOCK, nobody)
    )


def test_a_store_without_backups_is_no_empty_list(tmp_path: Path) -> None:
    """A misspelt address has none."""
    listed = CliRunner().invoke(app, ["backup", "list", "--from", str(tmp_path / "nowhere")])

    assert listed.exit_code == 1
    assert "is the address right?" in str(listed.exception)


def test_a_night_goes_on_after_a_restore(home_after_a_night: Path, tmp_path: Path) -> None:
    """A real home: the next night of the restored one is green, and nothing is read anew."""
    with running(small_shop(), SECOND) as server:
        before = Rig(server, tmp_path / "home")
        copy_of(home_after_a_night, before.home)
        store = Folder(tmp_path / "store")
        back_up(before.settings, store, SystemClock().utc())
        after = Rig(server, tmp_path / "restored")
        restore(after.settings, store, SystemClock(), nobody)
        assert tree(after.home) == tree(before.home)
        report = after.night(SECOND)

    assert report.status == "published"
    loaded = [listing for step in report.steps if step.name == "load" for listing in step.listings]
    assert any(listing.unchanged for listing in loaded)
    assert not any(listing.listing == "products" and listing.new for listing in loaded)


def test_s3(home: Settings, s3: "Seaweed", tmp_path: Path) -> None:
    """The same over an object store, through fsspec: taken twice, verified, restored; one that is away is an error."""
    store = open_store(f"s3://books/{tmp_path.name}/backups")
    assert back_up(home, store).new_pieces > 10
    again = back_up(home, store, NOW + timedelta(days=1))
    assert again.new_pieces == 0
    assert verify(store, everything=True).problems == []
    new = empty(home)
    restore(new, store, CLOCK, nobody, date(2026, 11, 27))
    assert tree(new.home) == tree(home.home)
    store.delete([f"{PIECES}/{digest}" for digest in again.backup.pieces])
    assert store.sizes(PIECES) == {}
    assert len(store.sizes("backups")) == 2
    with pytest.raises(StoreDamaged, match="is not in the store"):
        restore(empty(home, "third"), store, CLOCK, nobody)


def test_what_a_restore_refuses(home: Settings, store: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home in use, another key, an empty store, no room, a damaged piece: nothing is in place afterwards."""
    new = empty(home)
    run = RunLock(new.lock, ManualClock(NOW), 300)
    run.take("night", whole_run_here=True)
    with pytest.raises(RunLocked), run.step("night", "load"):
        restore(new, store, CLOCK, nobody)
    run.release("night")
    strange = settings_of(new.home, home.policy_dir, STOCKBOOK_HASH_KEY="another key, long enough")
    with pytest.raises(ConfigError, match="begun with another key"):
        restore(strange, store, CLOCK, nobody)
    with pytest.raises(ConfigError, match="no finished backup"):
        restore(new, Folder(store.path / "nowhere"), CLOCK, nobody)
    with pytest.raises(ConfigError, match="the oldest is of 2026-11-27"):
        restore(new, store, CLOCK, nobody, date(2026, 11, 26))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
        with pytest.raises(DiskRefused, match="make room"):
            restore(new, store, CLOCK, nobody)
    flip(store.path / PIECES / max(store.sizes(PIECES)))
    with pytest.raises(StoreDamaged):
        restore(new, store, CLOCK, nobody)
    assert not new.warehouse.exists()
    assert not new.published.exists()
    with pytest.raises(ConfigError, match="begun and not finished"):
        Night(new, CLOCK, Silent())


def test_a_killed_restore_is_run_again(home: Settings, store: Folder) -> None:
    """At the first file, in the middle, and at each move: no night begins until it was, and then all is there."""
    with forks("killed_backup.py") as fork:
        for what, nth in (("restore", 0), ("restore", 9), *(("move", nth) for nth in range(2, 30, 3))):
            new = empty(home, f"{what}-{nth}")
            ended = fork(what=what, home=str(new.home), policy=str(home.policy_dir), store=str(store.path), nth=nth)
            if ended == 0:
                break
            assert ended == -9
            with pytest.raises(ConfigError, match="begun and not finished"):
                Night(new, CLOCK, Silent())
            restore(new, store, CLOCK, nobody)
            assert tree(new.home) == tree(home.home)
            Night(new, CLOCK, Silent())
        assert nth > 2


def test_a_receiver_that_began_too_early(home: Settings, store: Folder) -> None:
    """What it wrote into the home is not overwritten; moved away, the restore ends."""
    new = empty(home)

    def received(_: Settings) -> None:
        new.state.mkdir()
        (new.state / "inbox.db").write_bytes(b"an event")

    with pytest.raises(ConfigError, match="appeared while the home was restored"):
        restore(new, store, CLOCK, received)
    assert (new.state / "inbox.db").read_bytes() == b"an event"
    shutil.rmtree(new.state)
    restore(new, store, CLOCK, nobody)
    assert tree(new.home) == tree(home.home)


def test_a_backup_of_a_day(home: Settings, store: Folder) -> None:
    """The newest by the end of the day, in the zone of the shop."""
    (home.runs / "r1" / "later.json").write_text("2")
    back_up(home, store, datetime.fromisoformat("2026-11-28T22:59:00+00:00"))
    (home.runs / "r1" / "last.json").write_text("3")
    back_up(home, store, datetime.fromisoformat("2026-11-28T23:01:00+00:00"))
    for day, files in ((27, 1), (28, 2), (29, 3), (30, 3)):
        new = empty(home, f"of-{day}")
        restore(new, store, CLOCK, nobody, date(2026, 11, day))
        assert len(list((new.runs / "r1").iterdir())) == files


def test_whoever_was_erased_since_stays_erased(home: Settings, store: Folder) -> None:
    """An older backup gets the newest list and is erased by it before it is in place."""
    list_ = home.home / "erasures.jsonl"
    first = list_.read_bytes()
    list_.write_bytes(first + TWO)
    back_up(home, store, NOW + timedelta(days=1))
    new, seen = empty(home), []

    def erase(settings: Settings) -> None:
        seen.append((settings.home.name, settings.home.joinpath("erasures.jsonl").read_bytes(), new.published.exists()))
        settings.published.write_bytes(b"erased")

    def refuse(_: Settings) -> None:
        raise ConfigError("the key is not there")

    with pytest.raises(ConfigError, match="the key is not there"):
        restore(new, store, CLOCK, refuse, date(2026, 11, 27))
    assert not new.published.exists()
    sentences = restore(new, store, CLOCK, erase, date(2026, 11, 27))
    assert seen == [("restoring", first + TWO, False)]
    assert new.published.read_bytes() == b"erased"
    assert "2 lines of the list of erasures were applied to it." in sentences

    # single files of before: pages are erased again, published ones refused
    with pytest.raises(ConfigError, match="stockbook publish"):
        bring_back(new, store, CLOCK, "published/warehouse.duckdb", erase, date(2026, 11, 27))
    bring_back(new, store, CLOCK, f"{LISTING}/page-00001.ndjson.zst", erase, date(2026, 11, 27))
    assert len(seen) == 2
    # a lost list comes back with every line
    (new.home / "erasures.jsonl").unlink()
    bring_back(new, store, CLOCK, "erasures.jsonl", erase, date(2026, 11, 27))
    assert (new.home / "erasures.jsonl").read_bytes() == first + TWO


def test_policies_that_differ_are_laid_beside(home: Settings, store: Folder) -> None:
    """Those in force are the operator's: nothing is written over them."""
    (home.policy_dir / "sla.yml").write_text("a: 3\n")
    new = empty(home)
    sentences = restore(new, store, CLOCK, nobody)
    assert (new.home / "policy-of-backup" / "sla.yml").read_text() == "a: 1\n"
    assert (home.policy_dir / "sla.yml").read_text() == "a: 3\n"
    assert any("1 policies differ" in sentence for sentence in sentences)


@pytest.mark.parametrize("wanted", ["warehouse.duckdb", "state/inbox.db", "landing", "", "no/such.file", "../x"])
def test_what_does_not_come_back_alone(home: Settings, store: Folder, wanted: str) -> None:
    """The files of one moment, and what no backup has."""
    with pytest.raises(StockbookError):
        bring_back(home, store, CLOCK, wanted, nobody)


def test_a_folder_comes_back(home: Settings, store: Folder) -> None:
    """A whole night that is gone."""
    before = tree(home.home)
    shutil.rmtree(home.landing / NIGHT)
    assert len(bring_back(home, store, CLOCK, f"landing/{NIGHT}/", nobody)) == 6
    assert tree(home.home) == before
