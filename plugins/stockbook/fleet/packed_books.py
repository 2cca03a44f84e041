"""Books in the store: a file of DuckDB, packed, named by what is in it."""

import hashlib
from pathlib import Path

import zstandard

from stockbook.fleet.home_index import altered
from stockbook.fleet.store import Store


def bring(store: Store, file: Path, name: str) -> str:
    """Bring a file to the store under a name that its digest ends; the key. Raises StoreUnavailable."""
    packed = file.with_name(file.name + ".zst")
    with file.open("rb") as source, packed.open("wb") as target:
        zstandard.ZstdCompressor(level=1, write_checksum=True).copy_stream(source, target)
    with packed.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    key = f"{name}-{sha256[:16]}.duckdb.zst"
    store.put(key, packed)
    packed.unlink()
    return key


def fetch(store: Store, key: str, file: Path) -> None:
    """Bring it back. Raises StoreUnavailable, StoreDamaged where it is not what was written."""
    packed = file.with_name(file.name + ".zst")
    sha256 = store.download(key, packed)
    if not key.endswith(f"-{sha256[:16]}.duckdb.zst"):
        raise altered(key)
    try:
        with packed.open("rb") as source, file.open("wb") as target:
            zstandard.ZstdDecompressor().copy_stream(source, target)
    except zstandard.ZstdError:
        raise altered(key) from None
    packed.unlink()
