"""
The folder of one listing in one night, while it is being read.

Parts that are complete in themselves (a day of orders, a batch of ids, a whole listing) are
recorded in a journal beside their pages as soon as they are. A night that was killed opens the
folder again, keeps those parts, and removes every page that belongs to none.
"""

import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from stockbook.durable import write_atomically
from stockbook.errors import LandingDamaged
from stockbook.landing.manifest import (
    MANIFEST,
    Manifest,
    PageFile,
    Refused,
    Undeclared,
    Unit,
    merged,
    read_manifest,
    write_manifest,
)
from stockbook.landing.pages import sync_pages, verified, verify, write_page

_JOURNAL = "journal.ndjson"


class _Header(msgspec.Struct):
    parameters: dict[str, str]
    read_at: str


class ListingFolder:
    """The pages of a listing that is being read. Safe to use from several threads."""

    def __init__(self, path: Path, parameters: dict[str, str], read_at: str) -> None:
        """
        Open the folder for pages that answer ``parameters``.

        Complete parts of an earlier attempt are kept when they answer the same parameters and
        their pages are undamaged; everything else in the folder is removed.
        """
        self.path = path
        self.parameters = parameters
        self.units: dict[str, Unit] = {}
        self.read_at = read_at
        self._lock = threading.Lock()
        self._resume()
        self._next = 1 + max((_number(page) for unit in self.units.values() for page in unit.pages), default=0)

    def _resume(self) -> None:
        header, units = self._read_journal()
        if header is None or header.parameters != self.parameters:
            self.clear()
            return
        self.read_at = header.read_at
        for unit in units:
            if self._is_whole(unit):
                self.units[unit.unit] = unit
        # written anew, for a line that was cut off would swallow the next one
        lines = [msgspec.json.encode(header), *(msgspec.json.encode(unit) for unit in self.units.values())]
        write_atomically(self.path / _JOURNAL, b"\n".join([*lines, b""]))
        kept = {page.file for unit in self.units.values() for page in unit.pages} | {_JOURNAL}
        for file in self.path.iterdir():
            if file.name not in kept:
                file.unlink()

    def _is_whole(self, unit: Unit) -> bool:
        try:
            for page in unit.pages:
                verified(self.path, page)
        except LandingDamaged:
            return False
        return True

    def _read_journal(self) -> tuple[_Header | None, list[Unit]]:
        try:
            first, *rest = (self.path / _JOURNAL).read_bytes().split(b"\n")
            header = msgspec.json.decode(first, type=_Header)
        except (OSError, msgspec.MsgspecError):
            return None, []
        units = []
        for line in rest[:-1]:  # what stands behind the last line end was being written when the night was killed
            try:
                units.append(msgspec.json.decode(line, type=Unit))
            except msgspec.MsgspecError:
                break
        return header, units

    def clear(self) -> None:
        """Forget every page and part."""
        self.units.clear()
        self._next = 1
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True)
        self._append(msgspec.json.encode(_Header(self.parameters, self.read_at)))

    def _append(self, line: bytes) -> None:
        with (self.path / _JOURNAL).open("ab") as file:
            # not synced: a line lost in a power cut costs one part, and pages are verified before a part is kept
            file.write(line + b"\n")

    def part(self, name: str) -> "Part":
        """A new part to write pages to."""
        return Part(self, name)

    def take_number(self) -> int:
        """The next page number."""
        with self._lock:
            self._next += 1
            return self._next - 1

    def commit(self, unit: Unit) -> None:
        """Record a part as complete."""
        with self._lock:
            self._append(msgspec.json.encode(unit))
            self.units[unit.unit] = unit

    def finish(self, **facts: Any) -> Manifest:
        """Write the manifest over all complete parts; ``facts`` are the fields the parts do not know."""
        units = [self.units[name] for name in sorted(self.units)]
        night, account = self.path.parts[-3], self.path.parts[-2]
        manifest = Manifest(
            **merged(units),
            night=night,
            account=account,
            complete=True,
            read_at=self.read_at,
            parameters=self.parameters,
            **facts,
        )
        sync_pages(self.path, manifest.pages)
        write_manifest(self.path, manifest)
        (self.path / _JOURNAL).unlink(missing_ok=True)
        return manifest


class Part:
    """
    A part of a listing while it is being read, by one thread.

    Pages are not trusted before ``commit``; ``discard`` removes them when the part is read again.
    """

    def __init__(self, folder: ListingFolder, name: str) -> None:
        """Begin a part called ``name``."""
        self.folder = folder
        self.name = name
        self.pages: list[PageFile] = []
        self.undeclared: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()

    def write(self, lines: bytes, rows: int) -> None:
        """Land a page; nothing is written for a page without rows."""
        if rows:
            self.pages.append(write_page(self.folder.path, self.folder.take_number(), lines, rows))

    def discard(self) -> None:
        """Remove what was written so far."""
        for page in self.pages:
            (self.folder.path / page.file).unlink(missing_ok=True)
        self.pages.clear()
        self.undeclared.clear()
        self.refused.clear()

    def commit(self, **facts: Any) -> Unit:
        """Record the part as complete."""
        unit = Unit(
            unit=self.name,
            pages=self.pages,
            undeclared=[Undeclared(*place, rows) for place, rows in sorted(self.undeclared.items())],
            refused=[Refused(*place, rows) for place, rows in sorted(self.refused.items())],
            **facts,
        )
        self.folder.commit(unit)
        return unit


def landed(path: Path, parameters: dict[str, str], note: Callable[[str], None]) -> Manifest | None:
    """
    The manifest of a listing that an earlier attempt of this night landed completely, else None.

    One that answers other parameters is not used; a damaged one is read again, and ``note`` says so.
    """
    try:
        manifest = read_manifest(path)
        if manifest is None or not manifest.complete or manifest.parameters != parameters:
            return None
        verify(path, manifest)
    except LandingDamaged as damage:
        note(f"{damage} It is read again now.")
        (path / MANIFEST).unlink(missing_ok=True)
        return None
    return manifest


def _number(page: PageFile) -> int:
    return int(page.file.removeprefix("page-").split(".", 1)[0])
