"""
The object store of a fleet, as the few words the fleet needs: get, put, list, delete.

Objects are written once: the name of one says what is in it, and an altered one is noticed. What goes wrong is said by
its kind alone, since a store quotes addresses and, some of them, keys.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from stockbook.errors import ConfigError, StoreDamaged, StoreUnavailable

# a store that is away must make a step red within a minute, tries and all
_CONNECT, _ANSWER, _ALL_TRIES = "5s", "20s", timedelta(seconds=20)
# of a large object, which need not come within one answer's time
_PART = 16 * 1024 * 1024
_SIDE_BY_SIDE = 8


class Store:
    """Objects by their key. Safe to use from several threads."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        """Raises ConfigError without the library, or for an address it cannot read."""
        try:
            from obstore.store import from_url
        except ImportError:
            raise ConfigError("A fleet needs an object store's client: pip install 'stockbook[fleet]'.") from None
        options: dict[str, Any] = {}
        if not url.startswith("file:"):
            plain = environ.get("AWS_ENDPOINT_URL", "").startswith("http://") or _yes(environ.get("AWS_ALLOW_HTTP"))
            options = {
                "client_options": {"connect_timeout": _CONNECT, "timeout": _ANSWER, "allow_http": plain},
                "retry_config": {"max_retries": 3, "retry_timeout": _ALL_TRIES},
            }
        else:
            options = {"mkdir": True}
        with _named("opened"):
            self._store = from_url(url, **options)

    def get(self, key: str) -> bytes:
        """An object's bytes. Raises StoreDamaged where there is none, StoreUnavailable."""
        import obstore

        with _named("read"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                pass
        raise _missing(key)

    def download(self, key: str, file: Path) -> str:
        """Bring an object into a file; its SHA-256. Raises StoreDamaged where there is none, StoreUnavailable."""
        import obstore

        digest = hashlib.sha256()
        with _named("read"):
            try:
                with file.open("wb") as target:
                    size = obstore.head(self._store, key)["size"]
                    for start in range(0, size, _PART):
                        part = obstore.get_range(self._store, key, start=start, end=min(start + _PART, size))
                        digest.update(part)
                        target.write(part)
                return digest.hexdigest()
            except FileNotFoundError:
                pass
        raise _missing(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[bytes]:
        """Several objects, read side by side, in the order of their keys."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            yield from pool.map(self.get, keys)

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, or the same once more. Raises StoreUnavailable."""
        import obstore

        with _named("written"):
            obstore.put(self._store, key, content)

    def put_many(self, objects: Iterable[tuple[str, bytes | Path]]) -> None:
        """Several objects, written side by side."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(lambda each: self.put(*each), objects))

    def list(self, prefix: str) -> dict[str, int]:
        """Every key below a prefix that ends in a slash, with its bytes. Raises StoreUnavailable."""
        import obstore

        with _named("listed"):
            return {each["path"]: each["size"] for batch in obstore.list(self._store, prefix) for each in batch}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is none. Raises StoreUnavailable."""
        import obstore

        with _named("removed"):
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say what failed by its kind; the cause is not chained, which quotes addresses."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    kind, refused = "", False
    try:
        yield
    except FileNotFoundError:
        raise
    except (PermissionDeniedError, UnauthenticatedError) as error:
        kind, refused = type(error).__name__, True
    except (BaseError, OSError) as error:
        kind = type(error).__name__
    if refused:
        raise StoreUnavailable(
            f"The store refused its key ({kind}) when something was to be {what}: check the rights of "
            "AWS_ACCESS_KEY_ID (or what your store takes) on STOCKBOOK_STORE."
        ) from None
    if kind:
        raise StoreUnavailable(
            f"The store of STOCKBOOK_STORE did not answer as it should ({kind}) when something was to be {what}: is "
            "it running, reachable and not full? Readers keep what was published; the next night goes on."
        ) from None


def _missing(key: str) -> StoreDamaged:
    return StoreDamaged(f"{key} is not in the store, and was written to it: bring it back from the store's backup.")


def _yes(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes", "on")
