"""
The home of an account, between two steps: taken from the store to this disk, and what changed back again.

Objects are immutable: a book, a page and a file that is kept for ever are named by what is in them, and the index of a
home, which names its book and holds its small files, is written last. Until the holder points to that index nothing has
happened. A listing goes to the store as soon as it is complete, its manifest last: who goes on elsewhere does not ask
for it again.
"""

import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from stockbook import hash_key, retention_policy
from stockbook.atomic_files import write_atomically
from stockbook.clock import Clock
from stockbook.export.pack_files import SENT
from stockbook.fleet import kept_files, packed_books
from stockbook.fleet.control import Book
from stockbook.fleet.erasure_list import HomeList
from stockbook.fleet.holding import Holding
from stockbook.fleet.home_index import Index, digest, needed, opened, read_index
from stockbook.fleet.store import Store
from stockbook.landing.earlier_pages import ANSWERED
from stockbook.landing.manifest import MANIFEST, Manifest, read_manifest
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.settings import Settings
from stockbook.version import VERSION

# of the runs of a home, those whose folders travel with it
_RUNS = 5
_MARKS = ("opened.json", "loaded", "refused")
_TRUSTED = "restored.json"


class _Trusted(msgspec.Struct):
    """What this disk holds, as long as nobody works on it."""

    home: str | None
    published: str | None


class Home:
    """An account's home on this disk. Made by ``restore``."""

    def __init__(self, settings: Settings, store: Store, holding: Holding, clock: Clock) -> None:
        """``settings`` are the account's own; their home is the folder."""
        self._clock = clock
        self.settings = settings
        self._store = store
        self._holding = holding
        self._account = holding.account
        self._index = Index(holding.account, 0, "", VERSION)
        self._book = Book(holding.account)
        self._state: tuple[int, int] | None = None
        self._amended = ""
        self._list = HomeList(settings, holding.share_erasures, clock)
        self._fetched: set[str] = set()
        self._landed: set[str] = set()
        self._pages: set[str] = set()

    @property
    def generation(self) -> int:
        """How many books of the account were saved before this one on the disk, and this."""
        return self._index.generation

    @property
    def published_book(self) -> str:
        """The key of what was saved last of the published file; empty before the first book."""
        return self._amended or self._index.book or ""

    def restore(self) -> None:
        """Make the folder what was saved last, unless it is that already. Raises StoreUnavailable, StoreDamaged."""
        self._book = self._holding.book()
        folder = self.settings.home
        if self._book.home is not None:
            self._index = read_index(self._store, self._book.home)
        if not is_current(folder, self._book):
            shutil.rmtree(folder, ignore_errors=True)
            self._download()
        # who holds the account holds its home: a lock that a killed step left behind says nothing
        self.settings.lock.with_name(self.settings.lock.name + ".json").unlink(missing_ok=True)
        self._state = _state_of(self.settings.warehouse)
        self._list.take()

    def distrust(self) -> None:
        """The disk is not any more what was saved: the book is being written."""
        (self.settings.home / _TRUSTED).unlink(missing_ok=True)

    def trust(self) -> None:
        """The disk is what was saved, and its published file the published one."""
        book = self._holding.book()
        if _state_of(self.settings.warehouse) == self._state:
            content = msgspec.json.encode(_Trusted(book.home, book.published_book))
            write_atomically(self.settings.home / _TRUSTED, content)

    def _download(self) -> None:
        settings, index = self.settings, self._index
        settings.home.mkdir(parents=True, mode=0o700)
        if index.book is not None:
            packed_books.fetch(self._store, index.book, settings.warehouse)
        if self._book.published_book is not None:
            settings.published.parent.mkdir()
            if self._book.published_book == index.book:
                shutil.copyfile(settings.warehouse, settings.published)
            else:
                packed_books.fetch(self._store, self._book.published_book, settings.published)
        for name, content in index.files.items():
            _write(settings.home / name, content)
        # of every night: a new one takes none of their names, whose pages lie in the store
        for night, marks in index.nights.items():
            for mark, content in marks.items():
                _write(settings.landing / night / mark, content)
        kept_files.fetch(self._store, self._account, settings.home, index.kept)
        self.fetch_landing()
        self._state = _state_of(settings.warehouse)
        self.trust()

    def fetch_landing(self, *, every_night: bool = False) -> None:
        """Take to this disk the listings that the next step may look at, or all, that are complete in the store."""
        for night in self._index.nights if every_night else needed(self._index):
            self._fetch_landed(night)

    def _fetch_landed(self, night: str) -> None:
        if night in self._fetched:
            return
        self._fetched.add(night)
        keys = self._store.list(f"landing/{self._account}/{night}/")
        complete = {key.rpartition("/")[0] for key in keys if key.endswith(f"/{MANIFEST}")}
        self._landed |= complete
        missing = [at for at in sorted(complete) if not (self._folder(at) / MANIFEST).exists()]
        names = [f"{at}/{name}" for at in missing for name in (ANSWERED, MANIFEST) if f"{at}/{name}" in keys]
        contents = dict(zip(names, self._store.get_many(names), strict=True))
        pages: list[tuple[Path, str]] = []
        for at in missing:
            folder = self._folder(at)
            shutil.rmtree(folder, ignore_errors=True)
            manifest = msgspec.json.decode(contents[f"{at}/{MANIFEST}"], type=Manifest)
            pages += [(folder / page.file, page.sha256) for page in manifest.pages]
        for (file, _), content in zip(
            pages, self._store.get_many(self._page(sha256) for _, sha256 in pages), strict=True
        ):
            _write(file, content)
        for name, content in contents.items():
            folder = self._folder(name.rpartition("/")[0])
            _write(folder / name.rpartition("/")[2], content)
        for at in complete:
            self._note_pages(self._folder(at))

    def landed(self, folder: Path) -> None:
        """Bring a complete listing to the store: its pages, what it was answered, its manifest last."""
        manifest = read_manifest(folder)
        key = self._key(folder)
        if manifest is None or key in self._landed:
            return
        self._list.share()
        new = {page.sha256: folder / page.file for page in manifest.pages if page.sha256 not in self._pages}
        self._store.put_many((self._page(sha256), file.read_bytes()) for sha256, file in new.items())
        for name in (ANSWERED, MANIFEST):
            if (folder / name).exists():
                self._store.put(f"{key}/{name}", (folder / name).read_bytes())
        self._landed.add(key)
        self._note_pages(folder)

    def landed_anew(self) -> None:
        """Bring listings that were rewritten on this disk to the store, each manifest when its pages are there."""
        self._list.share()
        in_store = self._store.list(f"pages/{self._account}/")
        for folder in sorted(self.settings.landing.glob("*-*-*/*/*.*")):
            manifest = read_manifest(folder)
            key = self._key(folder)
            if manifest is None or key not in self._landed:
                continue
            files = {self._page(page.sha256): folder / page.file for page in manifest.pages}
            self._store.put_many((page, file.read_bytes()) for page, file in files.items() if page not in in_store)
            self._holding.book()  # who lost the account writes no manifest any more
            for name in (ANSWERED, MANIFEST):
                if (folder / name).exists() and (folder / name).read_bytes() != self._store.get(f"{key}/{name}"):
                    self._store.put(f"{key}/{name}", (folder / name).read_bytes())

    def all_landed(self, night: str) -> None:
        """Bring whatever is complete here, and is not in the store, there: a store that was away missed it."""
        for manifest in sorted((self.settings.landing / night).glob(f"*/*/{MANIFEST}")):
            self.landed(manifest.parent)

    def save(self, run_id: str, step: str, is_amended: bool = False) -> None:
        """
        Save what changed, and point to it. Raises StoreUnavailable, HoldingLost; nothing has happened then.

        A published file that ``is_amended`` is no copy of the book any more: it is saved beside it, as a book too.
        """
        self._list.share()
        before, settings = self._index, self.settings
        is_written = settings.warehouse.exists() and _state_of(settings.warehouse) != self._state
        generation = before.generation + (is_written or is_amended)
        name, book = f"books/{self._account}/{generation:08d}-{run_id}", before.book
        if is_written:
            self._checkpoint()
            book = packed_books.bring(self._store, settings.warehouse, name)
        if is_amended:
            self._amended = packed_books.bring(self._store, settings.published, name)
        digests = kept_files.bring(self._store, self._account, settings.home, before.kept)
        index = Index(self._account, generation, run_id, VERSION, book, _small(settings), self._nights(), digests)
        content = msgspec.json.encode(index)
        key = f"homes/{self._account}/{generation:08d}-{run_id}-{step}-{digest(content)[:16]}.json"
        self._store.put(key, content)
        key_of_hash = hash_key.fingerprint(settings.hash_key) if settings.hash_key else None
        self._holding.save(before.generation, generation, key, book, key_of_hash)
        self._index, self._state = index, _state_of(settings.warehouse)

    def _checkpoint(self) -> None:
        from stockbook.warehouse.connect import log_of, writer

        if log_of(self.settings.warehouse).exists():
            with writer(self.settings) as con:
                con.execute("checkpoint")

    def _nights(self) -> dict[str, dict[str, bytes]]:
        nights = dict(self._index.nights)
        for folder in self.settings.landing.glob("*-*-*"):
            nights[folder.name] = {name: (folder / name).read_bytes() for name in _MARKS if (folder / name).exists()}
        oldest = self._clock.utc() - timedelta(days=retention_policy.of(self.settings).landed_pages_days)
        return {
            night: marks
            for night, marks in nights.items()
            if opened(marks) >= oldest or (self.settings.landing / night).exists()
        }

    def _key(self, folder: Path) -> str:
        return f"landing/{self._account}/{folder.relative_to(self.settings.landing)}"

    def _folder(self, key: str) -> Path:
        return self.settings.landing / key.removeprefix(f"landing/{self._account}/")

    def _page(self, sha256: str) -> str:
        return f"pages/{self._account}/{sha256}"

    def _note_pages(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        if manifest is not None:
            self._pages.update(page.sha256 for page in manifest.pages)


def is_current(folder: Path, book: Book) -> bool:
    """Whether a folder of a worker's disk is the home that an account has now."""
    with suppress(OSError, msgspec.MsgspecError):
        here = msgspec.json.decode((folder / _TRUSTED).read_bytes(), type=_Trusted)
        return here == _Trusted(book.home, book.published_book)
    return False


def _small(settings: Settings) -> dict[str, bytes]:
    """
    The small files that a home cannot do without.

    What its last runs were about, which key it has, its newest close, which packs were sent, who was forgotten.
    """
    runs = sorted(settings.runs.glob("*"), key=lambda folder: folder.stat().st_mtime_ns)[-_RUNS:]
    files = [file for folder in (*runs, settings.state) for file in folder.rglob("*")]
    return {
        str(file.relative_to(settings.home)): file.read_bytes()
        for file in (*files, settings.published.parent / SENT, settings.home / ERASURES)
        if file.is_file() and file.suffix not in (".db", ".lock", ".tmp")
    }


def _state_of(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
