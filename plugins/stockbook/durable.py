"""Files that are there whole or not at all, also after a power cut."""

import errno
import os
from pathlib import Path

# what the reports of a run need on a disk that is full
RESERVED = 1024 * 1024


def write_atomically(path: Path, content: bytes, reserve: Path | None = None) -> None:
    """
    Write a file under a temporary name in its folder, sync it, rename it into place, sync the folder.

    On a full disk the file ``reserve`` makes room for it, once.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, content)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if reserve is None or error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
            raise
        reserve.unlink()
        _write(temporary, content)
    os.replace(temporary, path)
    sync_folder(path.parent)


def keep_reserve(reserve: Path) -> None:
    """Lay room aside on the disk, unless there is some already."""
    if not reserve.exists() or reserve.stat().st_size < RESERVED:
        # bytes that no file system can leave out
        write_atomically(reserve, os.urandom(RESERVED))


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
