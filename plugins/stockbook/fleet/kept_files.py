"""
Files of a home that stay for ever as they were written: signed months, and the packs that were made of them.

Each is an object of its own, named by what is in it, and is never removed. A file that is in the store already stays as
it was written there: what somebody changes on a worker's disk goes nowhere.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from stockbook.errors import StoreDamaged
from stockbook.fleet.store import Store

FOLDERS = ("landing/closes", "published/packs")


def bring(store: Store, account: str, home: Path, digests: Mapping[str, str]) -> dict[str, str]:
    """Bring the files that are new in a home to the store; every one by its path there, with its SHA-256."""
    new: dict[str, str] = {}
    for folder in FOLDERS:
        for file in sorted((home / folder).rglob("*")):
            path = str(file.relative_to(home))
            if file.is_file() and not file.name.startswith(".") and path not in digests:
                content = file.read_bytes()
                new[path] = hashlib.sha256(content).hexdigest()
                store.put(_key(account, new[path]), content)
    return {**digests, **new}


def fetch(store: Store, account: str, home: Path, digests: Mapping[str, str]) -> None:
    """Write them into a home that has none of them. Raises StoreUnavailable, StoreDamaged."""
    contents = store.get_many(_key(account, sha256) for sha256 in digests.values())
    for (path, sha256), content in zip(digests.items(), contents, strict=True):
        _require_whole(path, sha256, content)
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)


def read(store: Store, account: str, path: str, sha256: str) -> bytes:
    """One of them. Raises StoreUnavailable, StoreDamaged."""
    content = store.get(_key(account, sha256))
    _require_whole(path, sha256, content)
    return content


def _key(account: str, sha256: str) -> str:
    return f"kept/{account}/{sha256}"


def _require_whole(path: str, sha256: str, content: bytes) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StoreDamaged(f"{path} in the store is not what was written to it: bring it back from the store's backup.")
