"""What is kept between processes: never stale, never an error."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from stockbook import caches, declaration_files
from stockbook.caches import cached
from stockbook.models import order
from stockbook.project import MODELS, SHIPPED


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of caches that is empty."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "caches"))
    return tmp_path / "caches"


def asked(value: Any, *sources: bytes, type_: Any = list[int]) -> tuple[Any, bool]:
    """What the cache of a name gives for these sources, and whether it was made anew."""
    calls: list[bool] = []
    answer = cached("rows", sources, type_, lambda: calls.append(True) or value)
    return answer, bool(calls)


def test_the_same_sources_are_made_once() -> None:
    """Another source, another border between two, or an older one again: made anew each time."""
    assert [
        asked([1], b"ab", b"c"),
        asked([2], b"ab", b"c"),
        asked([3], b"a", b"bc"),
        asked([4], b"ab"),
        asked([5], b"ab", b"c"),
    ] == [([1], True), ([1], False), ([3], True), ([4], True), ([5], True)]


@pytest.mark.parametrize("length", [0, 10, 40, -1], ids=str)
def test_a_damaged_file_is_made_anew(folder: Path, length: int) -> None:
    """Cut anywhere or with a changed byte: nobody sees it."""
    asked([1, 2], b"a")
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:length] if length >= 0 else whole[:-1] + bytes([whole[-1] ^ 1]))

    assert asked([3], b"a") == ([3], True)
    assert asked([4], b"a") == ([3], False)


def test_what_does_not_come_back_the_same_is_not_kept(folder: Path) -> None:
    """A tuple of an unknown type would come back as a list; an object cannot be written at all."""
    for value in ((1, 2), {"a": object()}):
        assert asked(value, b"a", type_=Any) == (value, True)
        assert asked(value, b"a", type_=Any) == (value, True)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_costs_time_only(folder: Path) -> None:
    """A file stands where the folder should be."""
    folder.write_text("")

    assert [asked([1], b"a"), asked([2], b"a")] == [([1], True), ([2], True)]


def test_declarations_and_selects_come_back_as_they_were_read(folder: Path) -> None:
    """The whole project, first read and then from the cache, in processes of their own as it were."""
    models_dir = SHIPPED / MODELS
    declaration_files._load.cache_clear()
    tables = declaration_files.load(models_dir)
    steps = order.steps(models_dir, tables)
    # metrics besides, unless this process has read them already
    assert {file.name for file in folder.iterdir()} >= {"declarations.msgpack", "selects.msgpack"}
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}

    declaration_files._load.cache_clear()
    again = declaration_files.load(models_dir)

    assert again == tables
    assert [table.folder for table in again.values()] == [table.folder for table in tables.values()]
    assert order.steps(models_dir, again) == steps
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_changed_select_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The selects depend on every file that they are made of."""
    models_dir = SHIPPED / MODELS
    tables = declaration_files.load(models_dir)
    sources = list(order._sources(tables))

    for file in (models_dir / "macros" / "headline.sql", next(models_dir.rglob("*.sql.jinja"))):
        assert file.read_bytes() in sources
    assert all(file.read_bytes() in sources for file in (SHIPPED / "include" / "metrics").glob("*.yml"))
    assert list(order._sources(tables | {"marts.more": next(iter(tables.values()))})) != sources


def test_a_folder_for_everybody_is_used_only_if_nobody_else_can_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package cannot be written: a folder of this user, and another one where others could have put code."""
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(caches, "PACKAGE", tmp_path / "nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caches._of_user.cache_clear()
    own = caches.root()
    assert own.parent == tmp_path
    assert own.stat().st_mode & 0o777 == 0o700
    assert caches.root() == own

    own.chmod(0o777)
    caches._of_user.cache_clear()
    other = caches.root()

    assert other != own
    assert other.stat().st_mode & 0o777 == 0o700
    caches._of_user.cache_clear()
