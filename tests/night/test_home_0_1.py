"""A home of version 0.1 is taken on: its file is migrated, and its next night equals a rebuild."""

import io
import multiprocessing
import os
import shutil
import signal
import tarfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
import zstandard
from night_rig import Rig, hashes
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.errors import ConfigError, DiskRefused, RunLocked
from stockbook.night.reload import replay
from stockbook.version import VERSION
from stockbook.warehouse import migrations
from stockbook.warehouse.connect import writer
from stockbook.warehouse.migrations import FORMAT, MIGRATIONS, FileFormat, Migration, copy_of, read_format
from stockbook.warehouse.readers import reader
from stockbook_sandbox import Running, Shop, running

pytestmark = pytest.mark.slow

HOME = Path(__file__).with_name("home_0_1") / "home.tar.zst"
# as home_0_1/make.py has it
SHOP = {"seed": 5, "variants": 12, "orders": 30, "first": date(2025, 10, 20), "last": date(2025, 11, 20), "places": 10}
FIRST, SECOND = datetime(2025, 11, 19, 2, 15), datetime(2025, 11, 20, 2, 15)
STEPS = [
    "names of undeclared fields are forgotten, where all of them were told",
    "a refused row says whose child it is",
    "tables and columns are there that version 0.2 cannot write",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The shop of the home."""
    with running(Shop(**SHOP), SECOND) as served:
        yield served


@pytest.fixture
def rig(server: Running, tmp_path: Path) -> Rig:
    """The home as version 0.1 left it after its first night."""
    packed = zstandard.decompress(HOME.read_bytes(), max_output_size=1 << 28)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return Rig(server, tmp_path / "home")


def test_an_old_file_is_migrated_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The first opening copies the file and runs every step, the second none; the file says who wrote it."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        assert read_format(con) == FileFormat(0, "0.1")
    before = rig.settings.warehouse.read_bytes()
    caplog.set_level("INFO", "stockbook")
    for _ in range(2):
        with writer(rig.settings) as con:
            assert read_format(con) == FileFormat(FORMAT, VERSION)
            assert ("parent_key",) in con.execute("select column_name from (describe staging.quarantine)").fetchall()

    said = [record.getMessage() for record in caplog.records]
    sentences = [sentence.partition(", ")[2] for sentence in said if ": format" in sentence]
    assert sentences == STEPS
    assert copy_of(rig.settings.warehouse, FileFormat(0, "0.1")).read_bytes() == before


@pytest.mark.parametrize("moment", ["the copy", *STEPS])
def test_a_migration_killed_at_any_moment_is_done_by_the_next(
    rig: Rig, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it copies or in a step, the file is as it was; the next opening brings it to this version."""
    file = rig.settings.warehouse
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        if moment == "the copy":
            patch.setattr(shutil, "copyfile", lambda source, to: Path(to).write_bytes(before[:9000]) and kill_me())
        else:
            steps = [step if step.sentence != moment else step._replace(run=killed_by(step)) for step in MIGRATIONS]
            patch.setattr(migrations, "MIGRATIONS", tuple(steps))
        child = multiprocessing.get_context("fork").Process(target=open_it, args=(rig,))
        child.start()
        child.join(60)
    assert child.exitcode == -signal.SIGKILL
    with duckdb.connect(str(file), read_only=True) as con:
        assert read_format(con) == FileFormat(0, "0.1")

    open_it(rig)

    with duckdb.connect(str(file), read_only=True) as con:
        assert read_format(con) == FileFormat(FORMAT, VERSION)
    with duckdb.connect(str(copy_of(file, FileFormat(0, "0.1"))), read_only=True) as con:
        assert read_format(con) == FileFormat(0, "0.1")


def kill_me() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_by(step: Migration) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """A step that does its work and kills the process before it is committed."""

    def run(con: duckdb.DuckDBPyConnection) -> None:
        step.run(con)
        kill_me()

    return run


def open_it(rig: Rig) -> None:
    """Open the writer's file as any step does."""
    with writer(rig.settings):
        pass


def test_without_room_for_the_copy_nothing_is_migrated(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how much is needed and how much there is; the file is as it was."""
    before = rig.settings.warehouse.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1 << 40, 1 << 40, 1 << 20))

    with pytest.raises(DiskRefused, match=r"need \d+ MB in .*, and 1 MB are free"), writer(rig.settings):
        pass

    assert rig.settings.warehouse.read_bytes() == before
    assert not copy_of(rig.settings.warehouse, FileFormat(0, "0.1")).exists()


def test_the_command_upgrades_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names both formats and the copy; a second time there is nothing to do; a home in use is refused."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(rig.home))
    lock = rig.tonight().lock
    lock.take("a night", wait=False, whole_run_here=True)
    with pytest.raises(RunLocked):
        CliRunner().invoke(app, ["upgrade"], catch_exceptions=False)
    lock.release("a night")

    words = [CliRunner().invoke(app, ["upgrade"], catch_exceptions=False).stdout for _ in range(2)]

    assert f"was of format 0 (Stockbook 0.1) and is of format {FORMAT} now" in words[0]
    assert str(copy_of(rig.settings.warehouse, FileFormat(0, "0.1"))) in words[0]
    assert words[1].endswith(f"is of format {FORMAT} already: nothing to do.\n")


def test_an_old_home_is_asked_before_its_next_night(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upgraded or not, what it lacks is a sentence that names the next step; health and doctor need nothing of it."""
    for name, text in rig.tonight().settings.written.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("STOCKBOOK_HOME", str(rig.home))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, words)
        return done.stdout + done.stderr + (str(done.exception) if done.exception is not None else "")

    with (
        pytest.raises(ConfigError, match=r"as Stockbook 0\.1 left it and this is"),
        reader(rig.settings.published) as con,
    ):
        con.execute("from meta.subscription")
    health = run("health")
    assert "ok  subscriptions: 0 topics" in health
    assert "unavailable" not in health
    run("upgrade")
    for command in ("check", "publish"):
        assert "a night builds them anew: `stockbook run`" in run(command)


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(rig: Rig) -> None:
    """The sentence names both versions and the way out."""
    with writer(rig.settings) as con:
        con.execute("update meta.file_format set number = 99, written_by = '9.0.0'")

    with (
        pytest.raises(ConfigError, match=rf"written by Stockbook 9\.0\.0 \(format 99\); this is {VERSION}"),
        writer(rig.settings),
    ):
        pass

    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        assert read_format(con) == FileFormat(99, "9.0.0")


def test_the_next_night_of_an_old_home_equals_a_rebuild(rig: Rig, server: Running, tmp_path: Path) -> None:
    """The marts after the second night are those that its landed pages give in an empty home; no orphan stays."""
    with duckdb.connect(str(rig.settings.warehouse)) as con:
        con.execute("create table intermediate.built_by_0_1 as select 1 as a")
        con.execute("create view reports.shown_by_0_1 as from intermediate.built_by_0_1")

    report = rig.night(SECOND, "second")
    assert report.status == "published", report.reason

    again = Rig(server, tmp_path / "again")
    assert replay(again.tonight(), "again", rig.settings.landing).status == "published"
    # that it was promised for the first time, only a home sees that was there before the promise
    unsure = "select * exclude (is_first_promise_unsure) from marts.fct_receiving order by all"
    assert rig.rows(unsure) == again.rows(unsure)
    assert rig.hashes() | {"fct_receiving": None} == again.hashes() | {"fct_receiving": None}
    # by their names: an old table has its new columns at its end, and its histories of new columns begin that night
    assert rig.current(SECOND) == again.current(SECOND)
    assert "built_by_0_1" not in hashes(rig.settings.warehouse, "intermediate")
    with duckdb.connect(str(rig.settings.published), read_only=True) as con:
        assert con.execute("from duckdb_views() where view_name = 'shown_by_0_1'").fetchall() == []
        assert con.execute("from meta.file_format").fetchall() == [(FORMAT, VERSION)]
