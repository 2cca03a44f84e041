"""Files that are there whole or not at all, also after a power cut, and are their owner's."""

import errno
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from stockbook.errors import DiskRefused

_SEAL = b',\n  "seal": "%s"\n}'
_SEALED = re.compile(rb',\n  "seal": "([^"]*)"\n}$')
# room in a home for what a run must write on a disk that is full: the records of its steps, its lock, its report
RESERVE = "reserve"
RESERVED = 4 * 1024 * 1024
_SHARE = 32 * 1024
# what a disk says that takes nothing more
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def write_atomically(path: Path, content: bytes, reserve: Path | None = None) -> None:
    """
    Write a file under a temporary name in its folder, sync it, rename it into place, sync the folder.

    On a full disk the file ``reserve`` makes room for it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, content)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if reserve is None or error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
            raise
        # a share of it each time: what else writes takes the room that is given back, and there is more to be told
        os.truncate(reserve, max(0, reserve.stat().st_size - len(content) - _SHARE))
        _write(temporary, content)
    os.replace(temporary, path)
    sync_folder(path.parent)


def refused_by_disk(error: OSError, where: Path | str = "A file of this step") -> DiskRefused:
    """The sentence for what the operating system raised when something was written."""
    return DiskRefused(
        f"{error.filename or where} could not be written: {error.strerror}. {_remedy(error.errno)}, then run it again; "
        "readers keep what was published before."
    )


def _remedy(refusal: int | None) -> str:
    match refusal:
        case errno.ENOSPC:
            return "The disk is full: make room"
        case errno.EDQUOT | errno.EFBIG:
            return "A quota or a limit on the size of files is reached: raise it, or make room"
        case errno.EROFS:
            return "The disk is mounted read-only, as after an error of it: look at the system's log, mount it writable"
        case errno.EACCES | errno.EPERM:
            return "It is not this user's to write: give it to the user who runs Stockbook"
        case errno.EIO:
            return "The disk fails: save what is on it, replace it"
        case _:
            return "Make room, or make the disk writable"


def umask(group_readable: bool) -> int:
    """What a file is made without: the rights of others, and those of the group but to read where it may."""
    return 0o027 if group_readable else 0o077


def keep_private(group_readable: bool) -> None:
    """Whatever this process and those it starts write from now on is its owner's alone, or its group may read it."""
    os.umask(umask(group_readable))


def narrow(folder: Path, group_readable: bool) -> None:
    """Take from an older folder the rights that are not meant; what is below is closed with it."""
    with suppress(OSError):  # it is somebody else's, whose it stays
        folder.chmod(folder.stat().st_mode & 0o777 & ~umask(group_readable))


def keep_reserve(reserve: Path) -> None:
    """Lay room aside on the disk, unless there is some already."""
    if not reserve.exists() or reserve.stat().st_size < RESERVED:
        # bytes that no file system can leave out
        write_atomically(reserve, os.urandom(RESERVED))


def sealed(content: bytes) -> bytes:
    """A JSON object with a checksum of itself as its last field: a digit that changes on the disk is noticed."""
    body = content.rstrip().removesuffix(b"}").rstrip()
    return body + _SEAL % hashlib.sha256(body).hexdigest().encode()


def unsealed(content: bytes) -> bytes:
    """What ``sealed`` was given; content without a checksum as it is."""
    seal = _SEALED.search(content)
    return content if seal is None else content[: seal.start()] + b"\n}"


def is_whole(content: bytes) -> bool:
    """Whether what ``sealed`` made is as it made it; what has no checksum (of an earlier version) passes."""
    seal = _SEALED.search(content)
    return seal is None or hashlib.sha256(content[: seal.start()]).hexdigest().encode() == seal[1]


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
