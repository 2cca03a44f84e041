"""A changed byte in any kind of file we keep is one sentence that says the way back, and nothing comes of it."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest
from cryptography.fernet import Fernet

from conftest import a_run
from stockbook import hash_key
from stockbook.declarations import Table
from stockbook.errors import (
    ConfigError,
    DiskRefused,
    LandingDamaged,
    PublishFailed,
    RunLocked,
    StockbookError,
    WarehouseDamaged,
)
from stockbook.inbox import Inbox
from stockbook.landing.manifest import read_manifest
from stockbook.landing.pages import verify
from stockbook.runs import context, report, step_log
from stockbook.settings import Settings
from stockbook.sources.plan import AccountPlan
from stockbook.sources.token_store import Pair, TokenStore
from stockbook.staging.load import Landed
from stockbook.warehouse.connect import BLOCK, log_of, writer
from stockbook.warehouse.publish import last_published, publish, published_as_of, state_of_files
from stockbook.warehouse.readers import reader
from stockbook.warehouse.schema import create_all

AS_OF = datetime(2026, 3, 1, 2, 15)
# places in a DuckDB file: the magic bytes, the version, the main header, the two headers of which one holds, the blocks
BLOCKS = 12_288
PLACES = [[8], [16], [60], [4_100, 8_196], [*range(BLOCKS, 40 * BLOCK, BLOCK)]]


def flip(file: Path, place: int, count: int = 1) -> None:
    """Change bytes of a file, counted from its end where the place is negative."""
    with file.open("r+b") as opened:
        opened.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
        there = opened.tell()
        content = opened.read(count)
        opened.seek(there)
        opened.write(bytes(byte ^ 0x10 for byte in content))


@pytest.fixture
def home(tmp_path: Path, tables: dict[str, Table]) -> Settings:
    """A home whose writer's file holds published run r1 and a mart of some blocks."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "home"), "STOCKBOOK_HASH_KEY": "a key for the tests"})
    with writer(settings) as con:
        create_all(con, {name: table for name, table in tables.items() if table.layer == "meta"})
        con.execute("insert into meta.current_run values ('r1', '2026-03-01 02:15', 'Europe/Prague')")
        con.execute(
            "insert into meta.run by name select 'r1' as run_id, timestamp '2026-03-01 02:15' as as_of, "
            "timestamp '2026-03-01 01:15' as started_at, 'published' as status, "
            "timestamp '2026-03-01 01:20' as finished_at, false as full_refresh, true as observes, 'v' as version"
        )
        con.execute("insert into meta.cursor by name select 'main' as account, 'orders' as listing")
        con.execute("create table marts.t as select range as n, hash(range) as h from range(150000)")
    publish(settings, "r1")
    return settings


def test_a_damaged_writers_file_is_red_and_never_taken_for_a_lock(home: Settings) -> None:
    """Each place of the file: the same kind of error, which says how the books are made again; readers keep theirs."""
    whole, published = home.warehouse.read_bytes(), home.published.read_bytes()
    for places in PLACES:
        home.warehouse.write_bytes(whole)
        for place in places:
            flip(home.warehouse, place, 16)
        with (
            pytest.raises(WarehouseDamaged, match=r"it is damaged .*stockbook repair"),
            writer(home) as con,
        ):
            con.execute("select sum(h) from marts.t").fetchall()
        with pytest.raises((WarehouseDamaged, PublishFailed)):
            publish(home, "r1")
    assert home.published.read_bytes() == published


def test_a_damaged_block_nobody_read_is_not_published(home: Settings) -> None:
    """The copy is read to its last value before readers get it; the night before stays published."""
    before = home.published.read_bytes()
    damaged = 0
    whole = home.warehouse.read_bytes()
    for place in range(BLOCKS + 100_000, len(whole), BLOCK):
        home.warehouse.write_bytes(whole)
        flip(home.warehouse, place)
        try:
            publish(home, "r1")
        except WarehouseDamaged:
            damaged += 1
            assert home.published.read_bytes() == before
            assert not list(home.published.parent.glob("*.tmp"))
        else:  # a block that holds nothing any more
            with reader(home.published) as con:
                assert con.execute("select count(*), sum(n) from marts.t").fetchall() == [(150000, 11249925000)]
            before = home.published.read_bytes()
    assert damaged


def test_a_copy_the_disk_did_not_take_is_not_published(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is asked beside the reading of the copy; its refusal counts as much, and the next attempt heals."""
    before = home.published.stat().st_ino

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(DiskRefused, match="could not be written: Input/output error"):
            publish(home, "r1")
    assert home.published.stat().st_ino == before
    publish(home, "r1")
    assert home.published.stat().st_ino != before
    assert not list(home.published.parent.glob("*.tmp"))


def test_a_damaged_log_of_the_writers_file_is_told(home: Settings) -> None:
    """What a killed night left behind it is replayed whole or the night is red."""
    program = (
        f"import duckdb, os; c = duckdb.connect({str(home.warehouse)!r}); "
        "c.execute('insert into marts.t select range, range from range(2000)'); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -signal.SIGKILL
    log = log_of(home.warehouse)
    flip(log, log.stat().st_size // 2, 8)

    with pytest.raises(WarehouseDamaged, match="stockbook repair"), writer(home):
        pytest.fail("a damaged log was replayed")


def test_a_file_that_is_open_elsewhere_is_a_lock_and_no_damage(home: Settings) -> None:
    """The kernel is asked who holds the file; a run that waits is told so, doctor waits too."""
    program = f"import duckdb, sys; c = duckdb.connect({str(home.warehouse)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(RunLocked), writer(home):
            pytest.fail("two writers had the file open")
        assert any("Another process" in text for good, text in state_of_files(home, is_writing=False) if not good)
        process.communicate(b"")


def test_doctor_names_the_damaged_file(home: Settings) -> None:
    """Every value is read: of the writer's file and of the published one."""
    assert all(good for good, _ in state_of_files(home, is_writing=False))
    for file in (home.warehouse, home.published):
        flip(file, BLOCKS + 100_000)
    problems = [what for good, what in state_of_files(home, is_writing=False) if not good]
    assert len(problems) == 2
    assert "writer's file" in problems[0]
    assert "stockbook repair" in problems[0]
    assert "stockbook publish" in problems[1]


def test_a_damaged_published_file_is_told_and_the_next_publication_replaces_it(home: Settings) -> None:
    """Readers get a sentence; a night needs no look into it."""
    for places in PLACES:
        for place in places:
            flip(home.published, place, 16)
        with pytest.raises(WarehouseDamaged, match="stockbook publish"), reader(home.published) as con:
            con.execute("select sum(h) from marts.t").fetchall()
        with writer(home) as con:
            assert last_published(home, con) == AS_OF
        publish(home, "r1")
        assert published_as_of(home) == AS_OF


def test_a_reader_of_a_damaged_block_is_told(home: Settings) -> None:
    """Also where the file opens and only a query meets the block."""
    import io

    from stockbook.cli.printing import Printer

    flip(home.published, BLOCKS + 100_000)
    with (
        pytest.raises(WarehouseDamaged, match="stockbook publish"),
        reader(home.published) as con,
    ):
        Printer(io.StringIO()).answer(con, "select sum(h) from marts.t")


def each_byte(file: Path, read: Callable[[], object], step: int = 1) -> int:
    """Change each byte of a file; what is read is the same or one of our errors. Returns how often it was an error."""
    whole = file.read_bytes()
    right, refused = read(), 0
    for place in range(0, len(whole), step):
        flip(file, place)
        try:
            assert read() == right, whole[max(0, place - 20) : place + 20]
        except StockbookError:
            refused += 1
        file.write_bytes(whole)
    return refused


def test_a_changed_byte_of_a_landed_listing_is_noticed(land: Callable[..., Landed]) -> None:
    """In every place of its manifest and its page."""
    landed = land("movements", [{"id": 1, "quantity": 3}, {"id": 2, "quantity": 4}])
    manifest = landed.folder / "manifest.json"
    page = landed.folder / landed.manifest.pages[0].file

    assert each_byte(manifest, lambda: read_manifest(landed.folder), step=3) > 150
    assert each_byte(page, lambda: verify(landed.folder, landed.manifest)) == page.stat().st_size
    flip(page, 3)
    with pytest.raises(LandingDamaged, match="run the night again"):
        verify(landed.folder, landed.manifest)


def test_a_changed_byte_of_what_steps_hand_on_is_noticed(home: Settings) -> None:
    """In every place of a run's context, of a plan, of a step's record."""
    run = a_run()
    context.save(home, run)
    folder = context.folder(home, run.run_id)
    plan = folder / "plan-fulfillment_cz.json"
    account_plan = AccountPlan(
        api="fulfillment_cz", account="main", as_of=AS_OF, zone="Europe/Prague", orders_to=AS_OF.date()
    )
    plan.write_bytes(context.sealed(msgspec.json.format(msgspec.json.encode(account_plan))))

    assert each_byte(folder / "run.json", lambda: context.read(home, run.run_id), step=3) > 60
    assert each_byte(plan, lambda: context.read_sealed(plan, AccountPlan), step=3) > 60

    from stockbook.clock import ManualClock

    with step_log.recorded(folder, "publish", ManualClock(datetime(2026, 3, 1, 1, 15, tzinfo=UTC))):
        pass
    assert report.make(folder, run, datetime(2026, 3, 1, 1, 16, tzinfo=UTC)).status == "published"
    flip(folder / "steps" / "publish.json", 20)
    broken = report.make(folder, run, datetime(2026, 3, 1, 1, 16, tzinfo=UTC))
    assert broken.status == "failed"
    assert "is not as the step wrote it" in str(broken.reason)


def test_a_changed_byte_of_the_keys_fingerprint_is_noticed(home: Settings) -> None:
    """It is told as damage or as another key; a night is refused either way."""
    hash_key.remember(home)
    file = home.state / "hash-key.fingerprint"

    assert each_byte(file, lambda: hash_key.require_same(home)) == 16
    file.write_bytes(b"\xff" * 16)
    with pytest.raises(ConfigError, match=r"is damaged.*backup"):
        hash_key.require_same(home)


@pytest.fixture
def tokens(tmp_path: Path) -> Callable[[], TokenStore]:
    """Opens a store of tokens that holds one pair."""
    key = Fernet.generate_key()

    def store() -> TokenStore:
        return TokenStore(tmp_path / "state", (key,))

    store().keep("flickrocket", "o", Pair("access", "refresh"), datetime(2026, 3, 1, tzinfo=UTC))
    return store


def test_a_changed_byte_of_the_tokens_is_noticed(tokens: Callable[[], TokenStore], tmp_path: Path) -> None:
    """In every place of the state database that holds something: damage and the way back, and never another token."""
    file = tmp_path / "state" / "state.db"

    def latest() -> object:
        pair = tokens().latest("flickrocket", "o")
        # a row whose key changed is none; a renewal then begins with the token of the connection
        return pair or Pair("access", "refresh")

    assert each_byte(file, latest, step=61) > 5
    flip(file, 0, 16)
    with pytest.raises(ConfigError, match=r"state\.db could not be read or written, it is damaged: .*authorise"):
        tokens()


def test_a_damaged_inbox_is_told(tmp_path: Path) -> None:
    """With what receivers and the next night need."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path)})
    Inbox.open(settings.inbox_url).close()
    flip(settings.state / "inbox.db", 0, 16)

    with pytest.raises(ConfigError, match=r"'inbox\.db' is damaged: .*hooks reread"):
        Inbox.open(settings.inbox_url)


def test_changes_that_a_killed_program_left_beside_the_published_file_are_nobodys(home: Settings) -> None:
    """Readers do not see them, the next publication sets them aside and says so, and its file is as it was built."""
    program = (
        f"import duckdb, os; c = duckdb.connect({str(home.published)!r}); "
        "c.execute('delete from marts.t where n < 3'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    assert log_of(home.published).exists()

    with reader(home.published) as con:
        before = con.execute("select count(*) from marts.t").fetchall()
    assert any("opened the published file" in text for good, text in state_of_files(home, is_writing=False) if not good)
    published = publish(home, "r1")
    with duckdb.connect(str(home.published), read_only=True) as con:
        after = con.execute("select count(*) from marts.t").fetchall()

    assert before == after == [(150000,)]
    assert [note for note in published.notes if "opened" in note and "set aside" in note]
    assert not log_of(home.published).exists()
    assert publish(home, "r1").notes == []


def test_what_lies_beside_the_published_file_is_in_nobodys_way(home: Settings) -> None:
    """A log of a candidate is not replayed onto it, and a folder that another program spills to stays its own."""
    folder = home.published.parent
    (folder / "r1.duckdb.tmp.wal").write_bytes(b"of another file")
    (folder / "warehouse.duckdb.tmp").mkdir()
    (folder / f".open-{2**22 + 1}-killed").mkdir()
    (folder / f".open-{os.getpid()}-at-work").mkdir()

    publish(home, "r1")

    assert sorted(file.name for file in folder.iterdir()) == [
        f".open-{os.getpid()}-at-work",
        "warehouse.duckdb",
        "warehouse.duckdb.tmp",
    ]


def test_a_published_file_that_is_open_for_writing_is_no_hindrance(home: Settings) -> None:
    """The night knows from its own file what was published last, and publishes; a reader is told who is in the way."""
    program = f"import duckdb, sys; c = duckdb.connect({str(home.published)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(ConfigError, match=r"Another program has .* open for writing"), reader(home.published):
            pytest.fail("a file that is being written was read")
        with writer(home) as con:
            assert last_published(home, con) == AS_OF
        publish(home, "r1")
        assert published_as_of(home) == AS_OF
        process.communicate(b"")
