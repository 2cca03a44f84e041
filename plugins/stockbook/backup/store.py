"""
Where backups lie: a folder, or whatever fsspec knows (s3, gs, az, sftp …), as the four words that backups need.

What goes wrong is said by its kind alone, since an address may hold a password and a store quotes addresses.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from stockbook.atomic_files import write_atomically
from stockbook.errors import ConfigError, StockbookError, StoreDamaged, StoreUnavailable

# as a fleet's store: one that is away must be an error within a minute, tries and all
_CONNECT, _ANSWER, _ALL_TRIES = "5s", "20s", timedelta(seconds=20)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
# those that the client of a fleet's store speaks too
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "azure")


class Store(Protocol):
    """Objects by their key, a folder's name and its own. Safe to use from several threads."""

    def get(self, key: str) -> bytes:
        """An object's bytes. Raises StoreDamaged where there is none, StoreUnavailable."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write an object, whole or not at all where the store can. Raises StoreUnavailable."""
        ...

    def sizes(self, folder: str) -> dict[str, int]:
        """The name of every object of a folder, with its bytes. Raises StoreUnavailable."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is none. Raises StoreUnavailable."""
        ...


def require_address(url: str) -> None:
    """Raise ConfigError for what is neither a folder nor an address. Nothing of it is quoted."""
    if "://" in url and not _ADDRESS.fullmatch(url):
        raise ConfigError("STOCKBOOK_BACKUP_TO must be a folder, or an address as s3://bucket/prefix; it is neither.")


def open_store(url: str, environ: Mapping[str, str] = os.environ) -> Store:
    """The store of an address or the folder of a path. Raises ConfigError for one that cannot be read."""
    scheme = urlsplit(url).scheme if "://" in url else ""
    if not url.strip():
        raise ConfigError("Backups need a place: --to or --from, or STOCKBOOK_BACKUP_TO.")
    require_address(url)
    if not scheme:
        return Folder(Path(url).expanduser().absolute())
    if scheme in ("file", "local"):
        return Folder(Path(unquote(url.partition("://")[2])).absolute())
    return Remote(url, environ)


class Folder:
    """A folder of a disk: every object is a file that is synced and renamed into place."""

    def __init__(self, path: Path) -> None:
        """The folder is made with the first object."""
        self.path = path

    def get(self, key: str) -> bytes:
        with _named("read"):
            try:
                return (self.path / key).read_bytes()
            except FileNotFoundError:
                pass
        raise missing(key)

    def put(self, key: str, content: bytes) -> None:
        with _named("written"):
            (self.path / key).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / key, content)

    def sizes(self, folder: str) -> dict[str, int]:
        with _named("listed"):
            try:
                files = list(os.scandir(self.path / folder))
            except FileNotFoundError:
                return {}
            return {file.name: file.stat().st_size for file in files if not file.name.startswith(".")}

    def delete(self, keys: Iterable[str]) -> None:
        with _named("removed"):
            for key in keys:
                (self.path / key).unlink(missing_ok=True)


class Remote:
    """A store that fsspec speaks to."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        """Raises ConfigError for an address it cannot read, or without its library."""
        with _opened(url):
            self._files, self._root = _file_system(url, environ)

    def get(self, key: str) -> bytes:
        with _named("read"):
            try:
                return bytes(self._files.cat_file(self._at(key)))
            except FileNotFoundError:
                pass
        raise missing(key)

    def put(self, key: str, content: bytes) -> None:
        with _named("written"):
            at = self._at(key)
            # object stores have no folders and say nothing; others need theirs
            self._files.makedirs(at.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(at, content)

    def sizes(self, folder: str) -> dict[str, int]:
        with _named("listed"):
            # not of what was remembered of the last listing
            self._files.invalidate_cache()
            try:
                listed = self._files.ls(self._at(folder), detail=True)
            except FileNotFoundError:
                return {}
            # some stores list the folder itself
            inside = [each for each in listed if each["type"] == "file" and f"/{folder}/" in f"/{each['name']}"]
            return {str(each["name"]).rpartition("/")[2]: int(each["size"]) for each in inside}

    def delete(self, keys: Iterable[str]) -> None:
        with _named("removed"):
            for key in keys:
                try:
                    self._files.rm_file(self._at(key))
                except FileNotFoundError:
                    continue

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}" if self._root else key


def _file_system(url: str, environ: Mapping[str, str]) -> tuple[Any, str]:
    import fsspec

    scheme = urlsplit(url).scheme
    if scheme in _OBJECT_STORES:
        try:
            from obstore.fsspec import FsspecStore
        except ImportError:
            pass  # the library of fsspec's own, where it is installed
        else:
            plain = environ.get("AWS_ENDPOINT_URL", "").startswith("http://") or environ.get("AWS_ALLOW_HTTP") == "true"
            options: dict[str, Any] = {
                "client_options": {"connect_timeout": _CONNECT, "timeout": _ANSWER, "allow_http": plain},
                "retry_config": {"max_retries": 3, "retry_timeout": _ALL_TRIES},
            }
            return FsspecStore(scheme, **options), url.partition("://")[2].rstrip("/")
    files, root = fsspec.core.url_to_fs(url)
    return files, str(root).rstrip("/")


@contextmanager
def _opened(url: str) -> Iterator[None]:
    kind, scheme = "", urlsplit(url).scheme
    try:
        yield
    except ImportError:
        kind = "its library is not installed (`pip install 'stockbook[fleet]'` for s3, gs and az, paramiko for sftp)"
    except Exception as error:  # whatever the library of a store raises
        kind = type(error).__name__
    if kind:
        raise ConfigError(f"A backup's store of kind {scheme}:// could not be opened: {kind}.") from None


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Say what failed by its kind; the cause is not chained, which quotes addresses."""
    kind = ""
    try:
        yield
    except (StockbookError, FileNotFoundError):
        raise
    except OSError as error:
        kind = os.strerror(error.errno) if error.errno else type(error).__name__
    except Exception as error:  # whatever the library of a store raises
        kind = type(error).__name__
    if kind:
        raise StoreUnavailable(
            f"The store of the backups did not do as it should ({kind}) when something was to be {what}: is it there, "
            "reachable, not full, and its key right? Backups that were finished stay; run it again."
        ) from None


def missing(key: str) -> StoreDamaged:
    """The error for an object that should be there."""
    return StoreDamaged(
        f"{key} is not in the store of the backups, and was written to it: another backup may be whole."
    )
