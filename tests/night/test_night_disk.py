"""Whole nights on a disk that is full, in a home with an odd name, and whom their files are open to."""

import resource
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from night_rig import Rig

from stockbook import connections
from stockbook.errors import DiskRefused, StockbookError
from stockbook.inbox import Inbox
from stockbook.night import steps as night
from stockbook.runs import report
from stockbook.runs.context import folder, parse_parameters, read
from stockbook.warehouse.connect import log_of
from stockbook_sandbox import Shop, running

pytestmark = pytest.mark.slow

AS_OF = datetime(2025, 11, 20, 2, 15)
ODD = "it's 100% a #home; \"été\" & 'more'"
MB = 1024 * 1024


def wider(home: Path) -> list[str]:
    """Files and folders that others than their owner may do anything with."""
    return [str(file) for file in [home, *home.rglob("*")] if stat.S_IMODE(file.lstat().st_mode) & 0o077]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with an odd name after a night and a receiver."""
    with running(Shop.small(seed=3), AS_OF) as server:
        rig = Rig(server, tmp_path_factory.mktemp("odd") / ODD)
        Inbox.open(rig.settings.inbox_url).close()
        rig.night(AS_OF, name="first")
        yield rig


def test_a_night_in_a_home_with_an_odd_name_is_published(odd: Rig) -> None:
    """Apostrophes, quotes, spaces, signs of addresses, letters beyond ASCII in its path; the drain works there too."""
    assert odd.rows("select status from meta.run where run_id = 'first'") == [("published",)]
    assert odd.rows("select count(*) > 100 from meta.check_result") == [(True,)]
    assert (odd.settings.published.parent / "report.html").exists()
    assert night.drain(odd.tonight(), "by-hand").sentences() == []


def test_nothing_in_a_home_is_open_to_others(odd: Rig) -> None:
    """After a night, its reports and an inbox: every folder is 0700, every file 0600, at most."""
    assert wider(odd.home) == []


def steps_of(rig: Rig, name: str) -> dict[str, Callable[[], object]]:
    """Every step of a night after it was opened, by its name."""
    tonight = rig.tonight()
    return {
        "extract": lambda: night.extract(tonight, name, "fulfillment_cz"),
        "extract of the other": lambda: night.extract(tonight, name, "flickrocket"),
        "load": lambda: night.load(tonight, name),
        "check_staging": lambda: night.check(tonight, name, "check_staging"),
        "build": lambda: night.build(tonight, name),
        "check_marts": lambda: night.check(tonight, name, "check_marts"),
        "publish": lambda: night.publish(tonight, name),
    }


@contextmanager
def filled(home: Path) -> Iterator[None]:
    """The disk of a home, full to the last block."""
    filler = home / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MB, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(home: Path) -> Iterator[None]:
    """The disk of a home, mounted read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(home)], check=True)


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """As a quota refuses: no file of this process may grow over a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_plain_sentence(raised: StockbookError) -> bool:
    """It names the disk's reason in one line and says what to do."""
    text = str(raised)
    return "\n" not in text and "could not be written" in text and "run it again" in text


def open_a_run(rig: Rig, name: str) -> None:
    parameters = parse_parameters({"as_of": AS_OF.isoformat()})
    ids = connections.conn_ids_in_environment(rig.environ)
    night.open_run(rig.tonight(), name, parameters, ids, whole_run_here=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own in memory, for root."""
    home = tmp_path / "home"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(home)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a disk in memory")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home)], check=False)


def test_a_full_disk_is_one_sentence_at_every_step_and_the_report_is_written(odd: Rig, small_disk: Path) -> None:
    """Each step is red on a full disk, with the reason, and goes on once there is room; the night is published."""
    rig = Rig(odd.server, small_disk)
    with filled(rig.home), pytest.raises(StockbookError) as raised:
        open_a_run(rig, "full")
    assert is_plain_sentence(raised.value)
    with read_only(rig.home), pytest.raises(StockbookError):
        open_a_run(rig, "full")
    open_a_run(rig, "full")
    for step, run_step in steps_of(rig, "full").items():
        with filled(rig.home), pytest.raises(DiskRefused) as refused:
            run_step()
        assert is_plain_sentence(refused.value), (step, refused.value)
        with filled(rig.home):
            run_report = report.make(folder(rig.settings, "full"), read(rig.settings, "full"), rig.clock.utc())
            report.write(folder(rig.settings, "full"), run_report)
        written = (folder(rig.settings, "full") / "report.txt").read_text()
        assert "RED (failed)" in written
        assert "No space left on device" in written, (step, written)
        with read_only(rig.home), pytest.raises(StockbookError) as refused_ro:
            run_step()
        assert "Read-only file system" in str(refused_ro.value), step
        run_step()

    with filled(rig.home):
        run_report = night.finish(rig.tonight(), "full")
    assert run_report.status == "published"
    assert (folder(rig.settings, "full") / "report.txt").exists()
    assert rig.rows("select run_id from meta.current_run") == [("full",)]
    assert wider(rig.home) == []


def test_a_disk_that_refuses_one_file_is_one_sentence_too(odd: Rig) -> None:
    """A file that may not grow: build and publish are red with the reason, and readers keep their file."""
    before = odd.settings.published.read_bytes()
    open_a_run(odd, "quota")
    steps = steps_of(odd, "quota")
    steps["extract"]()
    steps["extract of the other"]()
    steps["load"]()
    with no_file_over(64 * 1024), pytest.raises(DiskRefused) as refused:
        steps["build"]()
    assert is_plain_sentence(refused.value)
    assert "File too large" in str(refused.value)
    steps["build"]()
    with no_file_over(64 * 1024), pytest.raises(StockbookError) as raised:
        steps["publish"]()
    assert "File too large" in str(raised.value)
    assert odd.settings.published.read_bytes() == before

    run_report = night.finish(odd.tonight(), "quota")

    assert run_report.status == "failed"
    assert "File too large" in (folder(odd.settings, "quota") / "report.txt").read_text()
    assert not log_of(odd.settings.warehouse).exists()
    with duckdb.connect(str(odd.settings.warehouse), read_only=True) as con:
        assert con.execute("select status from meta.run where run_id = 'quota'").fetchall() == [("failed",)]
