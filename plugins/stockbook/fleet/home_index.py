"""The index of a saved home: what of an account is in the store, and which of its nights a next one may look at."""

import hashlib
from datetime import UTC, datetime

import msgspec

from stockbook.errors import StoreDamaged
from stockbook.fleet.store import Store


class Index(msgspec.Struct):
    """
    A home as it was saved: its book, its small files by their path, and the marks of each landed night.

    ``nights`` has every night that is still kept; pages come along for those a next night needs. ``kept`` has the files
    that stay for ever, by their path with their SHA-256.
    """

    account: str
    generation: int
    run_id: str
    program: str
    book: str | None = None
    files: dict[str, bytes] = {}
    nights: dict[str, dict[str, bytes]] = {}
    kept: dict[str, str] = {}


def read_index(store: Store, key: str) -> Index:
    """The index of this key. Raises StoreDamaged where it is not what was written, StoreUnavailable."""
    content = store.get(key)
    if not key.endswith(f"-{digest(content)[:16]}.json"):
        raise altered(key)
    return msgspec.json.decode(content, type=Index)


def altered(key: str) -> StoreDamaged:
    """The error for an object whose content is not that of its name."""
    return StoreDamaged(f"{key} in the store is not what was written to it: bring it back from the store's backup.")


def opened(marks: dict[str, bytes]) -> datetime:
    """When a landed night was opened, by its marks."""
    from stockbook.night.landings import Opened

    try:
        return msgspec.json.decode(marks["opened.json"], type=Opened).opened_at
    except (KeyError, msgspec.DecodeError):
        return datetime.min.replace(tzinfo=UTC)  # killed while it was being opened


def needed(index: Index) -> list[str]:
    """The nights whose pages a next night may look at: those that are not loaded yet, and the last that was."""
    loaded = [night for night, marks in index.nights.items() if "loaded" in marks]
    is_open = [night for night, marks in index.nights.items() if not marks.keys() & {"loaded", "refused"}]
    return [
        night
        for nights, count in ((loaded, 1), (is_open, 2))
        for night in sorted(nights, key=lambda night: opened(index.nights[night]))[-count:]
    ]


def digest(content: bytes) -> str:
    """What the name of an index says of its content."""
    return hashlib.sha256(content).hexdigest()
