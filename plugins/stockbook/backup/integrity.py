"""
Whether the files of a home are what was written: for `stockbook doctor`.

Two witnesses are asked. What has a checksum of its own (manifests and their pages, closes, events) is held to it. And
the last backup knows every file: one that is gone is named, and one that has the time of the backup and another content
was changed below the programs, by the disk. Named with each is the way back.
"""

from collections.abc import Iterator
from datetime import timedelta

from stockbook.backup import events
from stockbook.backup.contents import INBOX, LAST, gone, place_of, way_back
from stockbook.backup.manifest import Backup, Entry, decoded, digests, names
from stockbook.backup.store import open_store
from stockbook.backup.suppression import has_grown
from stockbook.clock import Clock
from stockbook.closing.landed import files_of as closes_of
from stockbook.closing.landed import lines_file, read_close
from stockbook.errors import LandingDamaged, StockbookError, StoreDamaged
from stockbook.landing.manifest import MANIFEST, read_manifest
from stockbook.landing.pages import verified
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.settings import Settings

# what `doctor` may take by itself; with --deep there is no limit
SECONDS = 10.0
_SHOWN = 20
_OLD = timedelta(days=8)


def last_backup(settings: Settings) -> Backup | None:
    """The manifest of the last backup of this home, as it was written here. Raises StoreDamaged."""
    try:
        content = (settings.state / LAST).read_bytes()
    except FileNotFoundError:
        return None
    return decoded(content, str(settings.state / LAST))


def looks(settings: Settings, clock: Clock, deep: bool = False) -> Iterator[tuple[bool, str]]:
    """What is to be said of the home's files, a sentence each, and whether all is well with it."""
    try:
        last = last_backup(settings)
    except StoreDamaged:
        last = None
        yield False, f"{settings.state / LAST} is damaged: take a backup, which writes it anew"
    else:
        yield _of_backup(settings, clock, last)
    look = _Look(settings, clock, last, deep)
    problems = list(look.problems())
    yield from ((False, problem) for problem in problems[:_SHOWN])
    if len(problems) > _SHOWN:
        yield False, f"… and {len(problems) - _SHOWN} more files"
    if look.unread:
        yield (
            True,
            f"files: {look.unread:,} were not read, it takes longer: `stockbook doctor --deep` reads all of them",
        )
    elif not problems:
        yield True, f"files: {look.read:,} are what was written"


def _of_backup(settings: Settings, clock: Clock, last: Backup | None) -> tuple[bool, str]:
    if last is None:
        is_due = bool(settings.backup_to) and settings.warehouse.exists()
        return not is_due, "backup: none was taken yet (docs/backup.md)"
    good = not settings.backup_to or clock.utc() - last.taken_at < _OLD
    return good, f"backup: the last one is {last.name}, {len(last.files):,} files, books as of {last.as_of}"


def of_store(settings: Settings) -> tuple[bool, str]:
    """Whether the store of the setting answers, and what it has."""
    try:
        listed = names(open_store(settings.backup_to))
    except StockbookError as error:
        return False, f"store of backups: {error}"
    return True, f"store of backups: it answers and has {len(listed)}" + (f", the last {listed[-1]}" if listed else "")


class _Look:
    """One look at all files. ``read`` counts those that were read, ``unread`` those for which there was no time."""

    def __init__(self, settings: Settings, clock: Clock, last: Backup | None, deep: bool) -> None:
        self._settings, self._clock, self._last = settings, clock, last
        self._deadline = None if deep else clock.monotonic() + SECONDS
        self._named: set[str] = set()
        self._proven: set[str] = set()
        self.read = self.unread = 0

    def problems(self) -> Iterator[str]:
        """What is wrong, each file once."""
        files = self._last.files if self._last is not None else {}
        for path in gone(self._settings, files, self._clock.utc()):
            yield self._problem(path, "is gone")
        for path, entry in files.items():
            if path not in self._named and self._has_changed(path, entry):
                yield self._problem(path, "is not what was written, and no program wrote it since")
        yield from self._landed()
        yield from self._closes()
        yield from self._inbox(files)

    def _problem(self, path: str, what: str) -> str:
        self._named.add(path)
        return f"{path} {what}. {way_back(path)}"

    def _has_time(self) -> bool:
        self.read += 1
        if self._deadline is None or self._clock.monotonic() < self._deadline:
            return True
        self.read -= 1
        self.unread += 1
        return False

    def _has_changed(self, path: str, entry: Entry) -> bool:
        """Whether the disk changed a file that the last backup has."""
        file = place_of(self._settings, path)
        if path == INBOX or not file.exists():
            return False
        state = file.stat()
        if path == ERASURES:
            return not has_grown(file, entry)
        if state.st_mtime_ns != entry.modified or not self._has_time():
            return False
        if state.st_size != entry.bytes or digests(file) != entry.pieces:
            return True
        self._proven.add(path)
        return False

    def _landed(self) -> Iterator[str]:
        for night in sorted(self._settings.landing.glob("*-*-*"), reverse=True):
            for listing in sorted(night.glob("*/*")):
                path = listing.relative_to(self._settings.home).as_posix()
                try:
                    manifest = read_manifest(listing)
                except LandingDamaged:
                    yield from self._unless_named(f"{path}/{MANIFEST}", "is not what was written")
                    continue
                if manifest is None:
                    if (night / "loaded").exists():
                        yield from self._unless_named(f"{path}/{MANIFEST}", "is gone, and the listing was loaded")
                    continue
                for page in manifest.pages:
                    at = f"{path}/{page.file}"
                    if at not in self._proven and at not in self._named and self._has_time():
                        try:
                            verified(listing, page)
                        except LandingDamaged:
                            yield self._problem(at, "is not what its manifest says")

    def _closes(self) -> Iterator[str]:
        for file in closes_of(self._settings.closes):
            path = file.relative_to(self._settings.home).as_posix()
            try:
                lines = lines_file(self._settings.closes, read_close(file))
            except LandingDamaged:
                yield from self._unless_named(path, "is not as it was signed")
            else:
                if not lines.exists():
                    yield from self._unless_named(path.removesuffix(".json") + ".parquet", "is gone")

    def _inbox(self, files: dict[str, Entry]) -> Iterator[str]:
        inbox = self._settings.home / INBOX
        if self._settings.inbox_database or not inbox.exists():
            return
        list_ = self._settings.home / ERASURES
        # whoever was erased since is not in it any more
        was = files[ERASURES].bytes if ERASURES in files else 0
        is_comparable = self._last is not None and (list_.stat().st_size if list_.exists() else 0) == was
        damage = events.damage(inbox, self._last.events if self._last is not None and is_comparable else {})
        if damage:
            yield self._problem(INBOX, f"is damaged ({damage})")

    def _unless_named(self, path: str, what: str) -> Iterator[str]:
        if path not in self._named:
            yield self._problem(path, what)
