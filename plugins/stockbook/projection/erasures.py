"""
The list of who was forgotten, so that nobody of them comes back.

``erasures.jsonl`` at a home's root is only ever appended to. A line holds a keyed digest and no value, not even a hash
of the books: it can be asked whether somebody is on it, and tells nobody's name. Its key is made of the key of the
personal-data hash, so that there is no second one to keep. It is written before anything is erased: what is left to
erase can always be worked out from it again.
"""

import fcntl
import hmac
import os
import re
import threading
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from stockbook import retention_policy
from stockbook.atomic_files import sync_folder
from stockbook.errors import ConfigError
from stockbook.settings import Settings

FILE = "erasures.jsonl"
NOBODY = "erased"
"""What stands for the hash of a person where something must."""

Kind = Literal["person", "order", "value", "name"]
"""A hash by which a person is known, an order of theirs, another hash on such an order, the hash of a field's name."""

_LONGEST = 64
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class _Line(msgspec.Struct, frozen=True):
    kind: Kind
    mark: str
    at: str
    seal: str


_LINES = msgspec.json.Decoder(_Line)


def order_name(system: str, account: str, key: object) -> str:
    """What the list calls an order of one of the systems."""
    return f"{system}/{account}/{str(key).strip().lower()}"


def key_of(settings: Settings) -> bytes:
    """The key that the list is read with. Raises ConfigError without it."""
    if settings.hash_key is None:
        raise ConfigError(
            f"STOCKBOOK_HASH_KEY must be set to the key the books were begun with: {FILE} is read with it."
        )
    return settings.hash_key


class Erasures:
    """The list of a home. Safe to use from several threads; what is added holds at once, and is kept by ``save``."""

    def __init__(self, file: Path, hash_key: bytes, at: datetime, before: date | None = None) -> None:
        """
        Read the list; one that is not there is empty. ``at`` is the time that new lines bear. Orders of days ``before``
        tell of nobody any more, whoever is on the list (``retention.yml``).

        Raises ConfigError for one that was altered.
        """
        self._file, self.at, self.before = file, at, before
        self._first_day = before.isoformat() if before is not None else ""
        self._stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._key = hmac.digest(hash_key, b"stockbook erasures", "sha256")
        self._lock = threading.Lock()
        self._marks: set[tuple[str, str]] = set()
        self._unsaved: list[tuple[Kind, str]] = []
        self.added: set[str] = set()
        for line in _whole_lines(file):
            self._marks.add(self._read(line))

    @classmethod
    def of(cls, settings: Settings, at: datetime, by_age: bool = True) -> "Erasures":
        """
        The list of a home at a time (UTC); without ``by_age`` the list alone, whatever ``retention.yml`` says.

        Raises ConfigError without the key of the personal-data hash.
        """
        before = retention_policy.of(settings).personal_before(at) if by_age else None
        return cls(settings.home / FILE, key_of(settings), at, before)

    def __len__(self) -> int:
        """How many marks it has."""
        return len(self._marks)

    def __bool__(self) -> bool:
        """Whether anybody is forgotten, by name or by age."""
        return bool(self._marks) or self.before is not None

    def is_old(self, time: object) -> bool:
        """Whether a time as a source writes it, its day first, is of before the day that orders tell of people from."""
        return isinstance(time, str) and _DAY.match(time) is not None and time[:10] < self._first_day

    def has(self, kind: Kind, text: str) -> bool:
        """Whether it names this person, order, hash or field's name."""
        return bool(self._marks) and (kind, self._mark(kind, text)) in self._marks

    def add(self, kind: Kind, text: str) -> bool:
        """Put it on the list; False where it is already. ``added`` has the texts that were not."""
        mark = self._mark(kind, text)
        with self._lock:
            if (kind, mark) in self._marks:
                return False
            self._marks.add((kind, mark))
            self._unsaved.append((kind, mark))
            if kind in ("person", "value"):
                self.added.add(text)
        return True

    def save(self) -> int:
        """Append what was added to the file and sync it; how many lines."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, []
            if unsaved:
                lines = [_Line(kind, mark, self._stamp, self._seal(kind, mark, self._stamp)) for kind, mark in unsaved]
                self.append([msgspec.json.encode(line) for line in lines])
        return len(unsaved)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write new lines into the file; for ``save``."""
        is_new = not self._file.exists()
        with self._file.open("ab") as file:
            # accounts are read side by side, by processes of their own
            fcntl.flock(file, fcntl.LOCK_EX)
            # half a line of a killed process was promised to nobody
            file.truncate(sum(len(line) + 1 for line in _whole_lines(self._file)))
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._file.parent)

    def renamed(self, hashed: str) -> str:
        """Another text for a hash, always the same, so that parcels of several systems still meet."""
        return f"{NOBODY}-{self._digest('renamed', hashed)}"[:_LONGEST]

    def stand_in(self, hashed: str) -> str:
        """What stands for a hash wherever it is: itself, if it is nobody's on the list."""
        if self.has("person", hashed):
            return NOBODY
        return self.renamed(hashed) if self.has("value", hashed) else hashed

    def _read(self, line: bytes) -> tuple[str, str]:
        try:
            entry = _LINES.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._altered() from None
        if not hmac.compare_digest(entry.seal, self._seal(entry.kind, entry.mark, entry.at)):
            raise self._altered()
        return entry.kind, entry.mark

    def _altered(self) -> ConfigError:
        return ConfigError(
            f"{self._file} was altered, or written with another STOCKBOOK_HASH_KEY: expected the lines this program "
            "wrote. Bring it back from a backup: without it people who were forgotten would come back."
        )

    def _mark(self, kind: Kind, text: str) -> str:
        return self._digest(kind, text)

    def _seal(self, *parts: str) -> str:
        return self._digest("seal", "/".join(parts))[:16]

    def _digest(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"{purpose}\0{text}".encode(), "sha256").hex()


def _whole_lines(file: Path) -> list[bytes]:
    """The lines of the list but one that was being written when its process was killed."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    return content.split(b"\n")[:-1]
