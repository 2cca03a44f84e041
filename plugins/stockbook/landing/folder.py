"""
The folder of one listing in one night, while it is being read.

Parts that are complete in themselves (a day of orders, a batch of ids, a whole listing) are
recorded in a journal beside their pages as soon as they are, and every answer of a part before. A night that
was killed opens the folder again, keeps those parts and answers, and removes every page that belongs to none.
"""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import msgspec

from stockbook.atomic_files import write_atomically
from stockbook.errors import LandingDamaged
from stockbook.landing.answer_journal import RECORDED, Answer, Recorded, Void, still_good
from stockbook.landing.earlier_pages import ANSWERED, EarlierAnswer
from stockbook.landing.manifest import (
    MANIFEST,
    UNITS,
    Manifest,
    PageFile,
    Refused,
    Undeclared,
    Unit,
    merged,
    read_manifest,
    write_manifest,
)
from stockbook.landing.pages import link_page, sync_pages, verified, verify, write_page

JOURNAL = "journal.ndjson"
"""The journal of a listing that is being read."""


class _Header(msgspec.Struct):
    parameters: dict[str, str]
    read_at: str


# made when the module is imported, as those of manifests are
_HEADERS = msgspec.json.Decoder(_Header)


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
        self._answers: dict[str, list[Answer]] = {}
        self.read_at = read_at
        self._lock = threading.Lock()
        self._resume()
        self._next = 1 + max((_number(page) for page in self._whole_pages()), default=0)

    def _whole_pages(self) -> list[PageFile]:
        pages = [page for unit in self.units.values() for page in unit.pages]
        answers = chain.from_iterable(self._answers.values())
        return pages + [answer.page for answer in answers if answer.page is not None]

    def _resume(self) -> None:
        header, units, recorded = self._read_journal()
        if header is None or header.parameters != self.parameters:
            self.clear()
            return
        self.read_at = header.read_at
        for unit in units:
            if self._is_whole(unit.pages):
                self.units[unit.unit] = unit
        for part, answers in still_good(recorded).items():
            if part not in self.units:
                self._answers[part] = self._up_to_damage(answers)
        # written anew, for a line that was cut off would swallow the next one
        lines: list[Any] = [header, *self.units.values(), *chain.from_iterable(self._answers.values())]
        write_atomically(self.path / JOURNAL, b"\n".join([*map(msgspec.json.encode, lines), b""]))
        names = {page.file for page in self._whole_pages()} | {JOURNAL}
        for file in self.path.iterdir():
            if file.name not in names:
                file.unlink()

    def _up_to_damage(self, answers: list[Answer]) -> list[Answer]:
        return list(takewhile(lambda answer: answer.page is None or self._is_whole([answer.page]), answers))

    def _is_whole(self, pages: list[PageFile]) -> bool:
        try:
            for page in pages:
                verified(self.path, page)
        except LandingDamaged:
            return False
        return True

    def _read_journal(self) -> tuple[_Header | None, list[Unit], list[Recorded]]:
        try:
            first, *rest = (self.path / JOURNAL).read_bytes().split(b"\n")
            header = _HEADERS.decode(first)
        except (OSError, msgspec.MsgspecError):
            return None, [], []
        units: list[Unit] = []
        recorded: list[Recorded] = []
        for line in rest[:-1]:  # what stands behind the last line end was being written when the night was killed
            try:
                if line.startswith(b'{"type":'):
                    recorded.append(RECORDED.decode(line))
                else:
                    units.append(UNITS.decode(line))
            except msgspec.MsgspecError:
                break
        return header, units, recorded

    def clear(self) -> None:
        """Forget every page and part."""
        self.units.clear()
        self._answers.clear()
        self._next = 1
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True)
        self._append(msgspec.json.encode(_Header(self.parameters, self.read_at)))

    def _append(self, line: bytes) -> None:
        with (self.path / JOURNAL).open("ab") as file:
            # not synced: a line lost in a power cut costs one part, and pages are verified before a part is kept
            file.write(line + b"\n")

    def part(self, name: str) -> "Part":
        """A part to write pages to; ``earlier`` of it are the answers an earlier attempt landed."""
        with self._lock:
            return Part(self, name, self._answers.pop(name, []))

    def record(self, *recorded: Recorded) -> None:
        """Put what a part was answered into the journal."""
        with self._lock:
            self._append(b"\n".join(map(msgspec.json.encode, recorded)))

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

    def finish(self, reported: Mapping[str, str] | None = None, **facts: Any) -> Manifest:
        """
        Write the manifest over all complete parts; ``facts`` are the fields the parts do not know.

        ``reported`` are the hidden forms of undeclared names that are reported in clear: a part may have met one before
        it was.
        """
        units = [self.units[name] for name in sorted(self.units)]
        night, account = self.path.parts[-3], self.path.parts[-2]
        manifest = Manifest(
            **merged(units, reported or {}),
            night=night,
            account=account,
            complete=True,
            read_at=self.read_at,
            parameters=self.parameters,
            **facts,
        )
        sync_pages(self.path, manifest.pages)
        write_manifest(self.path, manifest)
        (self.path / JOURNAL).replace(self.path / ANSWERED)
        return manifest


class Part:
    """
    A part of a listing while it is being read, by one thread.

    Pages are not trusted before ``commit``; ``discard`` removes them when the part is read again.
    """

    def __init__(self, folder: ListingFolder, name: str, earlier: list[Answer]) -> None:
        """Begin a part called ``name``."""
        self.folder = folder
        self.name = name
        self.earlier = earlier
        self.pages: list[PageFile] = []
        self.undeclared: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.mended = 0

    def note(self, undeclared: Counter[tuple[str, str]], refused: Counter[tuple[str, str]], mended: int) -> None:
        """Add what was noticed of a page."""
        self.undeclared.update(undeclared)
        self.refused.update(refused)
        self.mended += mended

    def write(self, lines: bytes, rows: int) -> PageFile | None:
        """Land a page; nothing is written for a page without rows."""
        if not rows:
            return None
        self.pages.append(write_page(self.folder.path, self.folder.take_number(), lines, rows))
        return self.pages[-1]

    def take(self, earlier: EarlierAnswer) -> PageFile | None:
        """
        Land the page of an earlier night once more; None for an answer of which nothing landed.

        Raises LandingDamaged when that page is not any more what was written.
        """
        page = earlier.answer.page
        if page is not None:
            page = link_page(earlier.folder, page, self.folder.path, self.folder.take_number())
            self.pages.append(page)
        self._note(earlier.answer)
        return page

    def recall(self, answer: Answer) -> None:
        """Take over what an earlier attempt landed."""
        self._note(answer)
        if answer.page is not None:
            self.pages.append(answer.page)

    def _note(self, answer: Answer) -> None:
        self.note(
            Counter({(entry.path, entry.json_type): entry.rows for entry in answer.undeclared}),
            Counter({(entry.reason, entry.path): entry.rows for entry in answer.refused}),
            answer.mended,
        )

    def discard(self) -> None:
        """Remove what was written so far, in earlier attempts too."""
        self.folder.record(Void(part=self.name))
        for page in (*self.pages, *(answer.page for answer in self.earlier if answer.page is not None)):
            (self.folder.path / page.file).unlink(missing_ok=True)
        self.earlier = []
        self.pages.clear()
        self.undeclared.clear()
        self.refused.clear()
        self.mended = 0

    def commit(self, **facts: Any) -> Unit:
        """Record the part as complete."""
        unit = Unit(
            unit=self.name,
            pages=self.pages,
            undeclared=undeclared_in(self.undeclared),
            refused=refused_in(self.refused),
            mended=self.mended,
            **facts,
        )
        self.folder.commit(unit)
        for answer in self.earlier:
            if answer.page is not None and answer.page not in self.pages:
                (self.folder.path / answer.page.file).unlink(missing_ok=True)
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


def undeclared_in(counted: Counter[tuple[str, str]]) -> list[Undeclared]:
    """Fields nobody declared, by (path, JSON type), as they are written down."""
    return [Undeclared(*place, rows) for place, rows in sorted(counted.items())]


def refused_in(counted: Counter[tuple[str, str]]) -> list[Refused]:
    """What was set aside, by (reason, path), as it is written down."""
    return [Refused(*place, rows) for place, rows in sorted(counted.items())]


def _number(page: PageFile) -> int:
    return int(page.file.removeprefix("page-").split(".", 1)[0])
