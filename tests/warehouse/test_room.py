"""What a night needs of its machine is judged before it begins."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest
from night_rig import KEY

from stockbook.errors import DiskRefused
from stockbook.settings import Settings
from stockbook.warehouse import room


class Disk(NamedTuple):
    total: int
    used: int
    free: int


def settings_of(home: Path, **more: str) -> Settings:
    return Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": KEY, **more})


@pytest.mark.parametrize(("free", "is_refused"), [(5_000_000, False), (4_999_999, True)])
def test_a_night_needs_room_for_a_copy_of_the_books(
    free: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's file and its log: where the disk has a byte less, both figures are in the refusal."""
    settings = settings_of(tmp_path)
    settings.warehouse.write_bytes(b"x" * 4_000_000)
    settings.warehouse.with_name("warehouse.duckdb.wal").write_bytes(b"x" * 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(0, 0, free))

    with (
        pytest.raises(DiskRefused, match=f"5 MB, and the disk of {tmp_path} has 5 MB left. Make room")
        if is_refused
        else nullcontext()
    ):
        room.require_disk(settings)


@pytest.mark.parametrize(
    ("limit", "container", "sentence"),
    [("2GB", "1000000000", "1.0 GB of memory"), ("900MB", "1000000000", None), ("1KB", "max", None)],
)
def test_too_much_memory_for_a_container_is_told(
    limit: str, container: str, sentence: str | None, tmp_path: Path
) -> None:
    """With what to set instead; a container without a limit has the machine's."""
    cgroup = tmp_path / "memory.max"
    cgroup.write_text(container + "\n")

    warning = room.memory_warning(settings_of(tmp_path, STOCKBOOK_MEMORY_LIMIT=limit), cgroup)

    assert (warning is None) == (sentence is None)
    assert sentence is None or sentence in str(warning)


@pytest.mark.parametrize(("size", "expected"), [("2GB", 2e9), ("1.5 GiB", 1.5 * 2**30), ("512mb", 512e6), ("7B", 7)])
def test_a_size_in_bytes(size: str, expected: float) -> None:
    """As DuckDB reads it: thousands, and with an i 1024s."""
    assert room.bytes_of(size) == expected
