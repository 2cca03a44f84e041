"""Books made again from landed pages, without the API."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from night_rig import Rig, nights_before
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.errors import ConfigError, LandingDamaged
from stockbook.hash_key import require_same
from stockbook.night import reload, steps
from stockbook.night.landed_nights import loaded_nights, reach
from stockbook.night.reload import replay
from stockbook_sandbox import Running, Shop, running

pytestmark = pytest.mark.slow  # nights

NIGHTS = nights_before(datetime(2025, 11, 20, 2, 15), 3)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(Shop.small(seed=17), NIGHTS[0]) as served:
        yield served


@pytest.fixture(scope="module")
def original(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Three nights (the last with a backfill), and a fourth that was red after it had landed pages."""
    clock = ManualClock(datetime(2025, 11, 18, 1, 15, tzinfo=UTC))
    rig = Rig(server, tmp_path_factory.mktemp("original"), clock=clock)
    for as_of in NIGHTS:
        backfill = {"backfill_from": "2025-09-01", "backfill_to": "2025-09-30"} if as_of == NIGHTS[-1] else {}
        rig.books(as_of, build=as_of == NIGHTS[-1], **backfill)
        clock.sleep(86400)
    server.faults([{"kind": "status", "status": 404, "path": "*/orders"}])
    with pytest.raises(Exception, match="404"):
        rig.books(NIGHTS[-1] + timedelta(days=1))
    server.faults([])
    return rig


def test_a_replay_gives_the_same_staging_and_marts(original: Rig, tmp_path: Path) -> None:
    """Also the history each night observed; nothing is asked of the API, and the night that was red is left out."""
    original.server.reset_requests()

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "stockbook",
            "load",
            "--from-landing",
            str(original.settings.landing),
            "--name",
            "again",
        ],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
            "STOCKBOOK_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Run again: GREEN" in done.stdout
    rig = Rig(original.server, tmp_path / "home")
    assert original.server.requests() == {}
    assert rig.staged() == original.staged()
    assert rig.hashes() == rig.marts() == original.marts()
    assert not (rig.home / "replay.unfinished").exists()
    cursors = "select account, api, listing, ceiling, window_to, first_as_of, as_of from meta.cursor order by all"
    assert rig.rows(cursors) == original_rows(original, cursors)
    replayed = "select as_of from meta.run where status = 'replayed' order by as_of"
    assert rig.rows(replayed) == [(as_of,) for as_of in NIGHTS]
    unknown = "select distinct _run_id from staging.orders where _run_id not in (select run_id from meta.run)"
    assert rig.rows(unknown) == []
    # no key was set: the books remember the one their pages were hashed with
    require_same(rig.settings)
    rig.variables["STOCKBOOK_HASH_KEY"] = "another key for tests, as long"
    with pytest.raises(ConfigError, match="begun with"):
        rig.night(NIGHTS[-1] + timedelta(days=1))


def test_a_damaged_writers_file_is_made_again_by_one_command(
    original: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole file stays; a damaged one is set aside and its figures come back; killed half-way it begins again."""
    shutil.copytree(original.home, tmp_path / "home")
    rig = Rig(original.server, tmp_path / "home")
    file = rig.settings.warehouse
    for name, value in (rig.variables | {"STOCKBOOK_HOME": str(rig.home)}).items():
        monkeypatch.setenv(name, value)
    whole = file.read_bytes()

    assert "nothing to repair" in said_by_repair()
    assert file.read_bytes() == whole
    with file.open("r+b") as opened:
        opened.seek(16_384)
        opened.write(bytes(4096))
    with monkeypatch.context() as patch:
        patch.setattr(reload, "load_landed", no_power)
        with pytest.raises(PowerCut):
            said_by_repair()
    words = said_by_repair()

    assert "is not there, or half made" in words
    assert "GREEN" in words
    assert len(list(rig.home.glob("warehouse.duckdb.damaged-*"))) == 1
    assert rig.marts() == original.marts()


def said_by_repair() -> str:
    """What `stockbook repair` prints."""
    return CliRunner().invoke(app, ["repair"], catch_exceptions=False).stdout


class PowerCut(BaseException):
    """The process is gone."""


def no_power(*_: object) -> None:
    """In place of a step."""
    raise PowerCut


def test_pages_of_another_key_are_not_replayed(original: Rig, tmp_path: Path) -> None:
    """The nights after it would hash with the key that is set; nothing is made."""
    rig = Rig(original.server, tmp_path / "home", {"STOCKBOOK_HASH_KEY": "another key for tests, as long"})

    with pytest.raises(ConfigError, match="not the key these pages were hashed with"):
        replay(rig.tonight(), "again", original.settings.landing)
    assert not rig.settings.warehouse.exists()


def original_rows(rig: Rig, query: str) -> list[tuple[object, ...]]:
    """A query on the writer's file."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def test_a_home_with_books_is_not_replayed_into(original: Rig) -> None:
    """The message says what to do; the books stay."""
    before = original.settings.warehouse.read_bytes()
    with pytest.raises(ConfigError, match=r"empty home.*set STOCKBOOK_HOME"):
        replay(original.tonight(), "again", original.settings.landing)
    assert original.settings.warehouse.read_bytes() == before
    assert original.tonight().lock.holder() is None


def test_a_landing_without_its_beginning_is_refused(original: Rig, tmp_path: Path) -> None:
    """The first night was dropped by retention: what is left never read everything."""
    landing = tmp_path / "landing"
    shutil.copytree(original.settings.landing, landing)
    first = min(landing.iterdir())
    shutil.rmtree(first)

    with pytest.raises(ConfigError, match=r"read everything of account main.*full_refresh"):
        loaded_nights(landing, original.tonight().tables)
    # and the doctor says it before somebody needs it
    assert "a backup is the way back" in reach(landing, original.tonight().tables)


def test_a_full_refresh_is_a_beginning(original: Rig, tmp_path: Path) -> None:
    """Nights before the first whole reading that is still there are left out, and named."""
    landing = tmp_path / "landing"
    shutil.copytree(original.settings.landing, landing)
    first, second, third, _ = sorted(landing.iterdir())
    for folder, floor, orders_from in ((first, 5, "2025-10-01"), (second, 0, "")):
        for listing, reading in (
            ("fulfillment_cz.orders", {"parameters": {"orders_from": orders_from}}),
            ("fulfillment_cz.movements", {"floor": floor}),
            ("flickrocket.fulfillments", {"parameters": {"orders_from": orders_from}}),
        ):
            file = folder / "main" / listing / "manifest.json"
            manifest = json.loads(file.read_text()) | reading
            del manifest["seal"]
            file.write_text(json.dumps(manifest))

    nights, left_out = loaded_nights(landing, original.tonight().tables)

    assert [item.name for item in nights] == [second.name, third.name]
    assert left_out == [f"{first.name}: main is not read from its beginning"]
    assert f"2 nights, the first as of {NIGHTS[1]};" in reach(landing, original.tonight().tables)


def test_a_replay_over_an_altered_page_is_red_and_begins_anew(
    original: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is named; after it was brought back the replay starts from the first night."""
    landing = tmp_path / "landing"
    shutil.copytree(original.settings.landing, landing)
    last = max(path for path in landing.iterdir() if (path / "loaded").exists())
    page = next(last.rglob("fulfillment_cz.movements/page-*"))
    original_bytes = page.read_bytes()
    page.write_bytes(original_bytes[:-1])
    rig = Rig(original.server, tmp_path / "home")

    with pytest.raises(LandingDamaged, match=page.name):
        replay(rig.tonight(), "again", landing)
    assert rig.settings.warehouse.exists()
    page.write_bytes(original_bytes)
    # what is made of staging is another test's
    monkeypatch.setattr("stockbook.night.reload.settle", lambda *_: None)
    replay(rig.tonight(), "once more", landing)

    assert rig.staged() == original.staged()


def test_landed_nights_are_kept_as_long_as_the_setting_says(original: Rig, tmp_path: Path) -> None:
    """STOCKBOOK_LANDING_DAYS counts from the moment a night was opened; the night itself stays."""
    clock = ManualClock(datetime(2025, 11, 22, 1, 15, tzinfo=UTC))
    rig = Rig(original.server, tmp_path / "home", {"STOCKBOOK_LANDING_DAYS": "3"}, clock=clock)
    shutil.copytree(original.home, rig.home)
    assert len(list(rig.settings.landing.iterdir())) == 4

    run = rig.books(datetime(2025, 11, 22, 2, 15), build=False)
    steps.finish(rig.tonight(), run.run_id)

    left = sorted(path.name[:8] for path in rig.settings.landing.iterdir())
    assert left == ["20251119", "20251120", "20251121", "20251122"]
