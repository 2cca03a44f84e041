"""Backups are whole, small, rotated, and finished only when the store has all of them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from backed_up import (
    LISTING,
    NIGHT,
    NOW,
    TOKEN,
    Faulty,
    back_up,
    broken_off,
    flip,
    full,
    halved,
    lied,
    settings_of,
    small_home,
)
from forked import forks
from night_rig import KEY

from stockbook.backup import rotation
from stockbook.backup.manifest import BACKUPS, PIECES, chosen, fetched, names, read
from stockbook.backup.store import Folder, open_store
from stockbook.backup.take import take
from stockbook.backup.verify import verify
from stockbook.clock import ManualClock, SystemClock
from stockbook.erasure.spelling import Kind
from stockbook.errors import (
    ConfigError,
    LandingDamaged,
    RunLocked,
    StockbookError,
    StoreDamaged,
    StoreUnavailable,
    WarehouseDamaged,
)
from stockbook.progress import Silent
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.runs.lock import RunLock
from stockbook.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A small home."""
    return small_home(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    """An empty store."""
    return Folder(tmp_path / "store")


@pytest.fixture(scope="module")
def fork() -> Iterator[Callable[..., int]]:
    """Backups in forks of one process."""
    with forks("killed_backup.py") as fork:
        yield fork


def test_what_did_not_change_is_not_sent_again(home: Settings, store: Folder) -> None:
    """The second backup has the same files and no new piece; one new file is one new piece."""
    first = back_up(home, store)
    same = back_up(home, store, NOW + timedelta(days=1))
    (home.runs / "r1" / "report.json").write_text("new")
    third = back_up(home, store, NOW + timedelta(days=2))

    assert first.new_pieces > 10
    assert (same.new_pieces, same.backup.files) == (0, first.backup.files)
    assert third.new_pieces == 1
    assert third.backup.files.keys() - first.backup.files.keys() == {"runs/r1/report.json"}
    assert verify(store, everything=True).problems == []
    assert len(verify(store, everything=True).backups) == 3


def test_no_key_and_no_token_is_in_a_backup(home: Settings, store: Folder) -> None:
    """Every piece, unpacked, and every manifest."""
    backup = back_up(home, store).backup
    contents = [fetched(store, digest) for digest in backup.pieces]
    contents += [file.read_bytes() for file in (store.path / BACKUPS).iterdir()]

    assert not any(secret.encode() in content for content in contents for secret in (KEY, TOKEN))
    assert "state/hash-key.fingerprint" in backup.files
    assert not [path for path in backup.files if "state.db" in path]


def test_a_backup_waits_for_a_night(home: Settings, store: Folder) -> None:
    """It begins when the night lets go, holds its lock for the snapshot only, and gives up after an hour."""
    night = RunLock(home.lock, ManualClock(NOW), 300)
    night.take("night")

    class Ending(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            night.release("night")

    steps: list[str | None] = []

    class Looking(Folder):
        def sizes(self, folder: str) -> dict[str, int]:
            holder = night.holder()
            steps.append(holder.step if holder else None)
            return super().sizes(folder)

    taken = take(home, Looking(store.path), Ending(NOW), Silent())
    assert names(store) == [taken.backup.name]
    # nothing is asked of the store while the lock is held
    assert set(steps) == {None}
    assert night.holder() is None

    night.take("night")
    clock = ManualClock(NOW + timedelta(days=1))
    with pytest.raises(RunLocked, match="Run night is under way"):
        take(home, store, clock, Silent())
    assert clock.monotonic() == 3600


@pytest.mark.parametrize("fault", [broken_off, full, lied, halved])
@pytest.mark.parametrize("nth", [0, 7, 10_000])
def test_a_store_that_fails_finishes_no_backup(
    home: Settings, store: Folder, nth: int, fault: Callable[..., None]
) -> None:
    """Whatever object it is: an error, the backups before stay, and the next one is whole."""
    back_up(home, store)
    for number in range(20):
        (home.runs / "r1" / f"{number}.json").write_text(f"{number}")
    later = NOW + timedelta(days=1)
    # the last object is the manifest
    faulty = Faulty(store.path, min(nth, 20), fault)

    with pytest.raises(StoreUnavailable) as caught:
        back_up(home, faulty, later)
    assert str(store.path) not in str(caught.value)
    assert names(store) == ["20261127T033000Z"]

    taken = back_up(home, store, later + timedelta(hours=1))
    assert verify(store).problems == []
    assert len(taken.backup.files) == len(read(store, names(store)[0]).files) + 20


def test_a_backup_killed_anywhere_is_healed_by_the_next(
    home: Settings, store: Folder, fork: Callable[..., int]
) -> None:
    """Kill -9 at the first piece and later; what arrived is not sent again."""
    for nth in (0, 5, 10_000):
        ended = fork(what="backup", home=str(home.home), policy=str(home.policy_dir), store=str(store.path), nth=nth)
        if nth == 10_000:
            assert ended == 0
        else:
            assert ended == -9
            assert names(store) == []
            assert len(store.sizes(PIECES)) == nth

    assert names(store) == ["20261127T033000Z"]
    assert verify(store).problems == []
    assert not (home.home / "tmp" / "backup").exists()


def test_a_damaged_home_is_not_backed_up(home: Settings, store: Folder) -> None:
    """The writer's file, a page, the inbox, the list of erasures: a sentence each, and nothing is finished."""
    page = home.home / LISTING / "page-00001.ndjson.zst"
    before = page.read_bytes()
    flip(page)
    with pytest.raises(LandingDamaged, match="page-00001"):
        back_up(home, store)
    page.write_bytes(before)

    whole = home.warehouse.read_bytes()
    flip(home.warehouse, 12_288 + 100)
    with pytest.raises(WarehouseDamaged):
        back_up(home, store)
    home.warehouse.write_bytes(whole)

    inbox = home.state / "inbox.db"
    received = inbox.read_bytes()
    inbox.write_bytes(received[:100] + bytes(5_000) + received[5_100:])
    with pytest.raises(ConfigError, match=r"inbox\.db is damaged"):
        back_up(home, store)
    inbox.write_bytes(received)
    assert names(store) == []

    back_up(home, store)
    flip(home.home / "erasures.jsonl", 12)
    with pytest.raises(ConfigError, match=r"--only erasures\.jsonl"):
        back_up(home, store, NOW + timedelta(days=1))
    assert len(names(store)) == 1


def test_a_vanished_file_stays_in_the_backups(home: Settings, store: Folder) -> None:
    """It is carried from backup to backup and said; a policy that was removed is not, nor is a night that was old."""
    back_up(home, store)
    (home.home / LISTING / "page-00002.ndjson.zst").unlink()
    (home.policy_dir / "alerts.yml").unlink()
    taken = back_up(home, store, NOW + timedelta(days=1))
    again = back_up(home, store, NOW + timedelta(days=2))

    assert taken.backup.carried == again.backup.carried == [f"{LISTING}/page-00002.ndjson.zst"]
    assert "1 files of the backup before are gone" in " ".join(taken.sentences())
    assert "policy/alerts.yml" not in taken.backup.files


def test_books_and_stores_that_cannot_be(home: Settings, store: Folder, tmp_path: Path) -> None:
    """No books, an unfinished replay, a store in the home or of another, a clock that went back: a sentence each."""
    with pytest.raises(ConfigError, match="no books"):
        back_up(settings_of(tmp_path / "empty", home.policy_dir), store)
    with pytest.raises(ConfigError, match="lost with it"):
        back_up(home, Folder(home.home / "backups"))
    (home.home / "replay.unfinished").touch()
    with pytest.raises(ConfigError, match="replay"):
        back_up(home, store)
    (home.home / "replay.unfinished").unlink()
    back_up(home, store)
    with pytest.raises(ConfigError, match="set the clock"):
        back_up(home, store, NOW - timedelta(days=1))
    other = small_home(tmp_path / "other")
    (other.state / "hash-key.fingerprint").unlink()
    strange = settings_of(other.home, other.policy_dir, STOCKBOOK_HASH_KEY="another key, long enough")
    with pytest.raises(ConfigError, match="a place of its own"):
        back_up(strange, store, NOW + timedelta(days=1))
    for url, words in (("", "need a place"), ("gopher://x/y", "could not be opened"), ("sftp://nobody", "sftp://")):
        with pytest.raises(StockbookError, match=words):
            open_store(url).sizes(PIECES)


def test_an_open_writers_file_is_waited_for_by_a_person(
    home: Settings, store: Folder, fork: Callable[..., int]
) -> None:
    """Somebody has it open beside the lock: nothing is copied under their hands."""
    with duckdb.connect(str(home.warehouse)):
        ended = fork(what="backup", home=str(home.home), policy=str(home.policy_dir), store=str(store.path), nth=9_999)
    assert ended == 1
    assert names(store) == []


def test_which_backups_stay() -> None:
    """The newest of each of the last days, weeks and months that have one."""
    zone = ZoneInfo("Europe/Prague")
    daily = [f"{datetime(2025, 10, 1, 3, tzinfo=UTC) + timedelta(days=day):%Y%m%dT%H%M%SZ}" for day in range(423)]
    stay = sorted(rotation.staying(daily, (7, 5, 12), zone))
    days = [date.fromisoformat(name[:8]) for name in stay]

    assert days[-7:] == [date(2026, 11, 21) + timedelta(days=day) for day in range(7)]
    # the newest of each week is its Sunday, of each month its last day
    assert {date(2026, 11, 1), date(2026, 11, 8), date(2026, 11, 15)} < set(days)
    assert [day for day in days if (day + timedelta(days=1)).day == 1] == [
        date(2025, 12, 31), *(date(2026, month, 1) - timedelta(days=1) for month in range(2, 12)),
    ]  # fmt: skip
    assert len(days) == 7 + 3 + 11
    assert rotation.staying(daily, (0, 0, 0), zone) == {daily[-1]}
    # two of one day: the later; midnight is the zone's
    assert rotation.staying(["20261126T230000Z", "20261127T020000Z"], (1, 0, 0), zone) == {"20261127T020000Z"}


def test_rotation_removes_pieces_one_backup_later(home: Settings, store: Folder, tmp_path: Path) -> None:
    """Whoever began with the backup that went still has its pieces; no piece of another backup ever goes."""
    few = settings_of(home.home, home.policy_dir, STOCKBOOK_BACKUP_KEEP="1,0,0")
    report = home.runs / "r1" / "report.json"
    report.write_text("the first")
    first = back_up(few, store).backup
    (piece,) = first.files["runs/r1/report.json"].pieces
    report.write_text("the second")
    second = back_up(few, store, NOW + timedelta(days=1))
    assert second.dropped == [first.name]
    assert piece in store.sizes(PIECES)
    back_up(few, store, NOW + timedelta(days=2))
    assert piece in store.sizes(PIECES)
    last = back_up(few, store, NOW + timedelta(days=3)).backup
    assert piece not in store.sizes(PIECES)
    assert names(store) == [last.name]
    assert verify(store, everything=True).problems == []
    assert last.pieces.keys() <= store.sizes(PIECES).keys()


def test_what_rots_in_the_store_is_named_and_sent_again(home: Settings, store: Folder) -> None:
    """A flipped bit in a piece, a missing piece, a flipped bit in a manifest."""
    backup = back_up(home, store).backup
    digest = backup.files[f"{LISTING}/page-00001.ndjson.zst"].pieces[0]
    flip(store.path / PIECES / digest)
    problems = verify(store).problems
    assert [f"{LISTING}/page-00001.ndjson.zst" in problem for problem in problems] == [True]
    verify(store, repair=True)
    back_up(home, store, NOW + timedelta(days=1))
    assert verify(store, everything=True).problems == []

    flip(store.path / BACKUPS / f"{names(store)[-1]}.json")
    assert "is not what was written" in verify(store).problems[0]
    with pytest.raises(StoreDamaged, match="--as-of"):
        chosen(store, None, home.zone)
    assert chosen(store, date(2026, 11, 27), home.zone).name == backup.name
    taken = back_up(home, store, NOW + timedelta(days=2))
    assert "Everything is read anew" in " ".join(taken.notes)
    assert verify(store).problems == []


@pytest.mark.airflow
def test_the_task_in_airflow(home: Settings, store: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped without a place or before the first night, red where the books vanished, else a backup."""
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    from stockbook.orchestration import maintenance
    from stockbook.orchestration.maintenance import backup, verify

    for name, text in home.written.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(AirflowSkipException, match="STOCKBOOK_BACKUP_TO is not set"):
        backup({})
    monkeypatch.setenv("STOCKBOOK_BACKUP_TO", str(store.path))
    assert re.match(r"Backup \w+: \d+ files", backup({}))
    assert len(names(store)) == 1
    monkeypatch.setattr(maintenance, "local", lambda *_: datetime.fromisoformat("2026-11-28T04:30:00"))
    assert verify({}) == "Backups are verified on Sundays."
    monkeypatch.setattr(maintenance, "local", lambda *_: datetime.fromisoformat("2026-11-29T04:30:00"))
    assert verify({}) == f"Every piece of backup {names(store)[0]} is what was written."
    flip(store.path / PIECES / max(store.sizes(PIECES)))
    with pytest.raises(AirflowFailException, match=r"StoreDamaged: Backup .* cannot bring back"):
        verify({})
    home.warehouse.unlink()
    with pytest.raises(AirflowFailException, match="ConfigError: There are no books"):
        backup({})
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(AirflowSkipException, match="no books yet"):
        backup({})


@pytest.mark.airflow
def test_the_tasks_for_people_and_retention(home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A request is worked off, what is too old goes; before the first night there is nothing to do."""
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    from stockbook.erasure import requests
    from stockbook.orchestration.maintenance import compact, forget, retain

    for name, text in home.written.items():
        monkeypatch.setenv(name, text)
    (home.home / ERASURES).unlink()
    (home.landing / NIGHT / "opened.json").write_text('{"opened_at": "2020-01-01T00:00:00Z"}')
    assert forget({}) == "No request waits."
    requests.ask(home, SystemClock(), Kind.email, "anna@example.com")
    assert forget({}) == "Request 1: done, 0 rows; known to no order and no customer."
    assert "nights of landed pages" in retain({})
    assert retain({}) == "Nothing is older than it is kept."
    assert compact({}).endswith("free: nothing was done.")
    monkeypatch.setenv("STOCKBOOK_INBOX_DAYS", "3")
    (home.policy_dir / "retention.yml").write_text("inbox_days: 5")
    with pytest.raises(AirflowFailException, match=r"ConfigError: STOCKBOOK_INBOX_DAYS says 3 and inbox_days"):
        retain({})
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(AirflowSkipException, match="no books yet"):
        retain({})
    with pytest.raises(AirflowSkipException, match="no books yet"):
        compact({})
    monkeypatch.setenv("STOCKBOOK_CONTROL_URL", "postgresql://u@127.0.0.1:9/x")
    for task in (forget, compact):
        with pytest.raises(AirflowSkipException, match="works for a fleet"):
            task({})
    with pytest.raises(AirflowFailException, match="STOCKBOOK_STORE, STOCKBOOK_LAKE must be set too"):
        retain({})


@pytest.mark.airflow
def test_the_task_of_retention_in_a_fleet_is_tried_again_for_an_account_at_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others are done then, and it says which was not."""
    from stockbook.fleet import retaining
    from stockbook.fleet.work import Fleet
    from stockbook.orchestration.maintenance import retain
    from stockbook.orchestration.steps import Red

    places = {"HOME": str(tmp_path), "STORE": f"file://{tmp_path}", "LAKE": "postgres:dbname=lake"}
    for name, text in (places | {"CONTROL_URL": "postgresql://u@127.0.0.1:9/x"}).items():
        monkeypatch.setenv(f"STOCKBOOK_{name}", text)
    monkeypatch.setattr(Fleet, "here", lambda _: None)
    monkeypatch.setattr(retaining, "retain", lambda _: retaining.Retained(["main: said."], {"second": "is held."}))
    with pytest.raises(Red, match=r"1 account could not be done, and the others are\. second: is held\."):
        retain({})
    monkeypatch.setattr(retaining, "retain", lambda _: retaining.Retained(["main: said."], {}))
    assert retain({}) == "main: said."
