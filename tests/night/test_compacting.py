"""The writer's file is written anew where most of it is free, and holds what it held."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from night_rig import KEY
from shared_home import copy_of
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.clock import SystemClock
from stockbook.errors import ConfigError, DiskRefused
from stockbook.night.compacting import MOSTLY, compact
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.warehouse.connect import for_questions, let_go, writer


@pytest.fixture
def settings(home_after_a_night: Path, tmp_path: Path) -> Iterator[Settings]:
    """A home after a night."""
    place = tmp_path / "home"
    copy_of(home_after_a_night, place)
    settings = Settings.load({"STOCKBOOK_HOME": str(place), "STOCKBOOK_HASH_KEY": KEY})
    yield settings
    let_go(settings.warehouse)


def night_of(settings: Settings) -> Night:
    return Night(settings, SystemClock(), Silent())


def content(settings: Settings) -> dict[str, object]:
    """Every table with its rows in their order, what every view answers, and all comments, indexes and macros."""
    with for_questions(settings.warehouse) as con:

        def listed(kind: str, columns: str) -> list[tuple[object, ...]]:
            where = "where database_name = current_database() and not internal"
            return con.execute(f"select {columns} from duckdb_{kind}() {where} order by all").fetchall()

        present: dict[str, object] = {
            "columns": listed("columns", "schema_name, table_name, column_name, data_type, is_nullable, comment"),
            "tables": listed("tables", "schema_name, table_name, comment"),
            # of a view's text DuckDB itself may write the parts of a `replace` in another order
            "views": listed("views", "schema_name, view_name, comment"),
            "functions": listed("functions", "schema_name, function_name, macro_definition"),
        }
        for schema, table in listed("tables", "schema_name, table_name"):
            rows = f"select count(*), md5(string_agg(hash(t), '')) from {schema}.{table} as t"
            present[f"{schema}.{table}"] = con.execute(rows).fetchall()
        for schema, view in listed("views", "schema_name, view_name"):
            rows = f"select count(*), bit_xor(hash(v)) from {schema}.{view} as v"
            present[f"{schema}.{view}"] = con.execute(rows).fetchall()
        return present


def test_the_disk_gets_back_what_was_deleted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look changes nothing; then rows, their order, comments and views stay, and nothing is mostly free again."""
    for name, text in settings.written.items():
        monkeypatch.setenv(name, text)
    with writer(settings) as con:
        con.execute("create table staging.filler as select hash(range) as number from range(12_000_000)")
        con.execute("checkpoint")
        con.execute("drop table staging.filler")
        con.execute("checkpoint")
    let_go(settings.warehouse)
    before, size = content(settings), settings.warehouse.stat().st_size

    looked = CliRunner().invoke(app, ["compact", "--dry-run"])
    assert (looked.exit_code, looked.output.rstrip().endswith("free: nothing was done.")) == (0, True)
    assert settings.warehouse.stat().st_size == size
    sentences = compact(night_of(settings), at_least=MOSTLY)

    assert content(settings) == before
    assert settings.warehouse.stat().st_size < size * (1 - MOSTLY)
    assert ": written anew, it takes " in sentences[0]
    assert "0% of it free: nothing was done." in CliRunner().invoke(app, ["compact"]).output


def test_killed_or_without_room_the_file_is_as_it_was(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong on the way leaves the very same file, none beside it, and no lock."""
    before, files = settings.warehouse.stat(), sorted(settings.home.rglob("*"))

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("stockbook.warehouse.rewriting._counts", broken)
        with pytest.raises(KeyboardInterrupt):
            compact(night_of(settings), at_least=-1.0)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 1_000_000))
        with pytest.raises(DiskRefused, match=r"takes [0-9,]+ MB meanwhile, and the disk of .* has 1 MB left"):
            compact(night_of(settings), at_least=-1.0)
    let_go(settings.warehouse)

    after = settings.warehouse.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert [file for file in sorted(settings.home.rglob("*")) if file not in files] == []


def test_in_a_fleet_and_before_the_first_night(settings: Settings, tmp_path: Path) -> None:
    """Neither has a file here that could be written anew; each says so."""
    nowhere = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "nowhere")})
    assert compact(night_of(nowhere)) == [f"There is no {nowhere.warehouse} yet: the first night makes it."]
    fleet = Settings.load({**settings.written, "STOCKBOOK_CONTROL_URL": "postgresql://u@127.0.0.1:9/x"})
    with pytest.raises(ConfigError, match="works for a fleet"):
        compact(night_of(fleet))
