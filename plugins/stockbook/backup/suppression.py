"""
The list of who was erased: append-only, in every backup, and at the root of the store with every line there ever was.

So a restore of an older backup gets the newest list. What a line says is the affair of whoever erases.
"""

from pathlib import Path

import msgspec

from stockbook.backup.manifest import SIZE, Entry, digest_of
from stockbook.backup.store import Store
from stockbook.errors import ConfigError, StoreDamaged
from stockbook.projection.erasures import FILE as ERASURES


def lines_of(content: bytes) -> list[bytes]:
    """The whole lines of a list, without what is no JSON: half a line of a full disk, a line that was damaged."""
    return [line for line in content.splitlines() if _is_whole(line)]


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def united(*contents: bytes) -> bytes:
    """Every line of several lists, once, in the order in which it is met."""
    lines = dict.fromkeys(line for content in contents for line in lines_of(content))
    return b"".join(line + b"\n" for line in lines)


def read(store: Store) -> bytes:
    """The list at the root of the store; empty where there is none. Raises StoreUnavailable."""
    try:
        return store.get(ERASURES)
    except StoreDamaged:
        return b""


def has_grown(file: Path, before: Entry | None) -> bool:
    """Whether a home's list begins with what it was in a backup: it is only ever added to."""
    if before is None or not file.exists():
        return True
    with file.open("rb") as opened:
        beginning = [digest_of(opened.read(min(SIZE, before.bytes - at))) for at in range(0, before.bytes, SIZE)]
    return beginning == before.pieces


def require_grown(file: Path, before: Entry | None) -> None:
    """Raise ConfigError for a list that was altered: it must not become that of the store."""
    if not has_grown(file, before):
        raise ConfigError(
            f"{file} was altered, and it is only ever added to: nothing was backed up. `stockbook restore --only "
            f"{ERASURES}` brings it back."
        )


def keep(store: Store, file: Path) -> bytes:
    """Add what a home's list has to that of the store; returns all of it. Raises StoreUnavailable."""
    before = read(store)
    together = united(before, file.read_bytes() if file.exists() else b"")
    if together != before:
        store.put(ERASURES, together)
    return together
