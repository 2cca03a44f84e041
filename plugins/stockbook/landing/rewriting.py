"""
Landed listings written anew, when something in them may not stay: the same rows with less in them.

New pages get new names, and the manifest that names them is renamed into place: until then the old ones count, from
then on the new ones, and all that a manifest proves still holds. Pages of several nights that are one file stay one.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from stockbook.atomic_files import write_atomically
from stockbook.errors import LandingDamaged
from stockbook.landing.answer_journal import RECORDED, Answer
from stockbook.landing.earlier_pages import ANSWERED
from stockbook.landing.folder import JOURNAL
from stockbook.landing.manifest import UNITS, PageFile, Undeclared, read_manifest, write_manifest
from stockbook.landing.pages import PAGES, link_page, read_page, sync_pages, unverified, write_page

Change = Callable[[bytes], bytes | None]
"""A row written anew, None where it stays."""
Rename = Callable[[str], str]
"""What stands for the reported path of an undeclared field."""


class _Copy(NamedTuple):
    """A page that was written anew: where, and how many of its rows are others."""

    folder: Path
    page: PageFile
    rows: int


class Rewriting:
    """The writing of one listing of an account, night after night; ``digests`` tells new pages of old ones."""

    def __init__(self, change: Change, rename: Rename, before_writing: Callable[[], object]) -> None:
        """``before_writing`` is called once a page that changes was read whole."""
        self._change, self._rename, self._before_writing = change, rename, before_writing
        self._copies: dict[str, _Copy | None] = {}
        self.digests: dict[str, str] = {}

    def rewrite(self, folder: Path) -> int:
        """
        Write one night's folder anew where a row of it changes; how many do.

        A folder that was being read when its night was killed, and has such a row, is removed: it is read again. Raises
        LandingDamaged for a page that is not what was written.
        """
        manifest = read_manifest(folder)
        if manifest is None:
            return self._remove_unfinished(folder)
        copies = {page.file: self._copy(folder, page) for page in manifest.pages}
        undeclared = self._renamed(manifest.undeclared)
        rows = sum(copy.rows for copy in copies.values() if copy is not None)
        if rows or undeclared != manifest.undeclared:
            self._before_writing()
            pages = self._placed(folder, manifest.pages, copies)
            of_old = {old.file: new for old, new in zip(manifest.pages, pages, strict=True)}
            self._rewrite_journal(folder / ANSWERED, of_old)
            write_manifest(folder, msgspec.structs.replace(manifest, pages=pages, undeclared=undeclared))
            manifest = msgspec.structs.replace(manifest, pages=pages)
        # also what a killed attempt left
        named = {page.file for page in manifest.pages}
        for file in folder.glob(PAGES):
            if file.name not in named:
                file.unlink()
        return rows

    def _copy(self, folder: Path, page: PageFile) -> _Copy | None:
        """The page written anew, in the folder where that happened first; None where none of its rows changes."""
        if page.sha256 not in self._copies:
            lines = read_page(folder, page).splitlines()
            changed = [self._change(line) for line in lines]
            rows = sum(line is not None for line in changed)
            copy = None
            if rows:
                self._before_writing()
                content = b"".join((new or line) + b"\n" for line, new in zip(lines, changed, strict=True))
                copy = _Copy(folder, write_page(folder, _next_number(folder), content, page.rows), rows)
                self.digests[page.sha256] = copy.page.sha256
            self._copies[page.sha256] = copy
        return self._copies[page.sha256]

    def _placed(self, folder: Path, pages: list[PageFile], copies: dict[str, _Copy | None]) -> list[PageFile]:
        placed = []
        for page in pages:
            copy = copies[page.file]
            if copy is None:
                placed.append(page)
            elif copy.folder == folder and copy.page not in placed:
                placed.append(copy.page)
            else:
                placed.append(link_page(copy.folder, copy.page, folder, _next_number(folder)))
        sync_pages(folder, placed)
        return placed

    def _rewrite_journal(self, journal: Path, of_old: dict[str, PageFile]) -> None:
        if not journal.exists():
            return
        lines = [self._journal_line(line, of_old) for line in journal.read_bytes().split(b"\n")]
        write_atomically(journal, b"\n".join(lines))

    def _journal_line(self, line: bytes, of_old: dict[str, PageFile]) -> bytes:
        if line.startswith(b'{"type":'):
            entry = RECORDED.decode(line)
            if isinstance(entry, Answer):
                page = entry.page and of_old.get(entry.page.file, entry.page)
                undeclared = self._renamed(entry.undeclared)
                return msgspec.json.encode(msgspec.structs.replace(entry, page=page, undeclared=undeclared))
        elif line.startswith(b'{"unit":'):
            unit = UNITS.decode(line)
            pages = [of_old.get(page.file, page) for page in unit.pages]
            undeclared = self._renamed(unit.undeclared)
            return msgspec.json.encode(msgspec.structs.replace(unit, pages=pages, undeclared=undeclared))
        return line

    def _renamed(self, fields: list[Undeclared]) -> list[Undeclared]:
        return [msgspec.structs.replace(field, path=self._rename(field.path)) for field in fields]

    def _remove_unfinished(self, folder: Path) -> int:
        rows, is_readable = 0, True
        for file in sorted(folder.glob(PAGES)):
            try:
                rows += sum(self._change(line) is not None for line in unverified(file).splitlines())
            except LandingDamaged:
                is_readable = False
        names = _names_in(folder / JOURNAL)
        if rows or not is_readable or any(self._rename(name) != name for name in names):
            self._before_writing()
            shutil.rmtree(folder)
        return rows


def _names_in(journal: Path) -> list[str]:
    """The reported paths in the journal of a folder that is being read, as far as it can be read."""
    names: list[str] = []
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            if line.startswith(b'{"type":'):
                entry = RECORDED.decode(line)
                names += [field.path for field in entry.undeclared] if isinstance(entry, Answer) else []
            elif line.startswith(b'{"unit":'):
                names += [field.path for field in UNITS.decode(line).undeclared]
        except msgspec.MsgspecError:
            break
    return names


def _next_number(folder: Path) -> int:
    numbers = [int(file.name.removeprefix("page-").partition(".")[0]) for file in folder.glob(PAGES)]
    return 1 + max(numbers, default=0)
