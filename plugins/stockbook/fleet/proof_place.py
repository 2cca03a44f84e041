"""Where a proof lays what it searches: a folder beside the homes that does not outlive the proof, killed or not."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "proof-"


@contextmanager
def opened(scratch: Path) -> Iterator[Path]:
    """A folder for a while; it is locked, so that nobody takes it for that of a proof that was killed."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=_PREFIX) as place:
        lock = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(place)
        finally:
            os.close(lock)


def discard_left(scratch: Path) -> None:
    """Remove the folders of proofs that were killed: older books are in them, with people who were forgotten since."""
    for place in scratch.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):
            lock = os.open(place, os.O_RDONLY)
            try:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(place, ignore_errors=True)
            finally:
                os.close(lock)
