"""
What a backup says of itself: its files by their path, and each as pieces that are named by what is in them.

Files are cut into pieces of four megabytes, packed, and kept once for all backups. So a file that did not change costs
nothing, and of the writer's file only what changed is written again. The manifest is written last: without one there is
no backup.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import zstandard

from stockbook.atomic_files import is_whole, sealed
from stockbook.backup.store import Store
from stockbook.errors import ConfigError, StoreDamaged

PIECES, BACKUPS = "pieces", "backups"
# a power of two and no less than a block of DuckDB
SIZE = 4 * 1024 * 1024
_MOMENT = "%Y%m%dT%H%M%SZ"


class Entry(msgspec.Struct, frozen=True):
    """A file: its bytes, when it was written (nanoseconds), the SHA-256 of each of its pieces in order."""

    bytes: int
    modified: int
    pieces: list[str]


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """
    A backup. ``pieces`` are the packed bytes of each piece; ``carried`` are files that had vanished from the home.

    ``as_of`` is that of the books (local), ``hash_key`` the fingerprint of the key, ``events`` the digests of events in
    the inbox. ``leaving`` are pieces that no backup had when this one was finished: the next one removes them if that
    is still so.
    """

    name: str
    taken_at: datetime
    program: str
    file_format: int
    as_of: datetime | None
    hash_key: str | None
    files: dict[str, Entry]
    pieces: dict[str, int]
    carried: list[str] = []
    events: dict[str, str] = {}
    leaving: list[str] = []

    @property
    def bytes(self) -> int:
        """Of all files, as they lie in a home."""
        return sum(entry.bytes for entry in self.files.values())


def name_of(moment: datetime) -> str:
    """The name of a backup that is taken at this moment."""
    return moment.astimezone(UTC).strftime(_MOMENT)


def moment_of(name: str) -> datetime:
    """The moment of a name. Raises ValueError for what is none of ours."""
    return datetime.strptime(name, _MOMENT).replace(tzinfo=UTC)


def names(store: Store) -> list[str]:
    """The names of all finished backups, the oldest first."""
    listed = []
    for file in store.sizes(BACKUPS):
        try:
            moment_of(file.removesuffix(".json"))
        except ValueError:
            continue
        listed.append(file.removesuffix(".json"))
    return sorted(listed)


def encoded(backup: Backup) -> bytes:
    """A manifest as it is written, with its checksum."""
    return sealed(msgspec.json.format(msgspec.json.encode(backup), indent=1))


def decoded(content: bytes, what: str) -> Backup:
    """A manifest that was read. Raises StoreDamaged."""
    try:
        backup = msgspec.json.decode(content, type=Backup)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        backup = None
    if backup is None or not is_whole(content) or b'"seal"' not in content:
        raise StoreDamaged(f"{what} is not what was written: choose another backup with --as-of.")
    return backup


def read(store: Store, name: str) -> Backup:
    """The manifest of a backup. Raises StoreDamaged, StoreUnavailable."""
    return decoded(store.get(f"{BACKUPS}/{name}.json"), f"The manifest of backup {name}")


def chosen(store: Store, as_of: date | None, zone: ZoneInfo) -> Backup:
    """The newest backup, or the newest that was taken by the end of a local day. Raises ConfigError, StoreDamaged."""
    listed = names(store)
    if not listed:
        raise ConfigError("There is no finished backup in this store: is the address right?")
    fitting = [name for name in listed if as_of is None or moment_of(name).astimezone(zone).date() <= as_of]
    if not fitting:
        first = moment_of(listed[0]).astimezone(zone)
        raise ConfigError(f"There is no backup by the end of {as_of}: the oldest is of {first:%Y-%m-%d %H:%M}.")
    return read(store, fitting[-1])


def digest_of(content: bytes) -> str:
    """The name of a piece."""
    return hashlib.sha256(content).hexdigest()


def pieces_of(file: Path) -> Iterator[tuple[str, bytes]]:
    """The pieces of a file with their digests; an empty file has none."""
    with file.open("rb") as opened:
        while content := opened.read(SIZE):
            yield digest_of(content), content


def digests(file: Path) -> list[str]:
    """The digests of a file's pieces."""
    return [digest for digest, _ in pieces_of(file)]


def fetched(store: Store, digest: str) -> bytes:
    """A piece, unpacked and proven. Raises StoreDamaged, StoreUnavailable."""
    try:
        content = zstandard.ZstdDecompressor().decompress(store.get(f"{PIECES}/{digest}"), max_output_size=SIZE)
    except zstandard.ZstdError:
        content = b""
    if digest_of(content) != digest:
        raise StoreDamaged(f"{PIECES}/{digest} in the store of the backups is not what was written to it.")
    return content
