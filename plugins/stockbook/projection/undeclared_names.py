"""
Names of fields that nobody declared: which of them may be told.

A name may be somebody's (``{"Jan_Novak_777123456": 1}``). It is told once it came in ten rows of different keys, or was
told the night before; until then a keyed hash of it stands in its place. What is watched and what is told is bounded:
an object whose names are data uses up neither memory nor the report, the names that do not fit are counted together.
"""

import hmac
import re
import threading
from collections.abc import Iterable, Mapping
from itertools import islice

from stockbook.projection.erasures import Erasures

ENOUGH = 10
MORE = "*"
"""What stands for all names that are not told one by one."""

_MOST_TOLD, _MOST_HIDDEN, _MOST_WATCHED, _MOST_OF_A_ROW = 200, 50, 1_000, 20
HIDDEN_NAME = re.compile(r"#([0-9a-f]{12})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")


class Names:
    """The undeclared names of one listing or source. Safe to use from several threads."""

    def __init__(
        self, hash_key: bytes, told_before: Mapping[str, str] | None = None, forgotten: Erasures | None = None
    ) -> None:
        """``told_before`` are paths that were told in clear, with their hidden forms; ``forgotten`` may name some."""
        self._hash_key = hash_key
        self._forgotten = forgotten
        self._lock = threading.Lock()
        self._watched: dict[str, set[object]] = {}
        self._told = dict(islice((told_before or {}).items(), _MOST_TOLD))
        self._hidden: set[str] = set()

    def is_reported(self, path: str) -> bool:
        """Whether a path is told in clear."""
        return path in self._told

    def report(self, row: object, names: Iterable[tuple[str, str]]) -> list[str]:
        """
        What stands in a report for the names names in one row: the path, its hidden form, or ``MORE``.

        ``row`` is the row's key, ``names`` are (path of the object, name).
        """
        reported, new = [], 0
        with self._lock:
            for above, name in names:
                path = _joined(above, name)
                if path not in self._told:
                    fresh = path not in self._watched
                    new += fresh
                    if not fresh or new <= _MOST_OF_A_ROW:
                        self._watch(above, name, row)
                reported.append(self._text(above, name))
        return reported

    def hidden(self, above: str, name: str) -> str:
        """A path with a keyed hash for its last name."""
        return _joined(above, f"#{hashed_name(name, self._hash_key)}")

    def reported(self) -> dict[str, str]:
        """The hidden forms of the paths that are told in clear."""
        with self._lock:
            return dict(self._told)

    def _watch(self, above: str, name: str, row: object) -> None:
        path = _joined(above, name)
        if path not in self._watched:
            if len(self._watched) >= _MOST_WATCHED:
                # a field of the source comes again before a name that is data does
                rarest = min(self._watched, key=lambda watched: len(self._watched[watched]))
                del self._watched[rarest]
            self._watched[path] = set()
        rows = self._watched[path]
        rows.add(row)
        if len(rows) >= ENOUGH:
            del self._watched[path]
            if len(self._told) < _MOST_TOLD and _NAME.fullmatch(name):
                self._told[path] = self.hidden(above, name)

    def _text(self, above: str, name: str) -> str:
        path = _joined(above, name)
        if path in self._told:
            return path
        hidden = self.hidden(above, name)
        if self._forgotten and self._forgotten.has("name", hidden.rpartition("#")[2]):
            return MORE
        if hidden not in self._hidden:
            if len(self._hidden) >= _MOST_HIDDEN:
                return MORE
            self._hidden.add(hidden)
        return hidden


def hashed_name(name: str, hash_key: bytes) -> str:
    """The keyed hash that stands for a name behind a ``#``."""
    return hmac.digest(hash_key, b"name\0" + name.encode(errors="replace"), "sha256").hex()[:12]


def without_forgotten(path: str, forgotten: Erasures) -> str:
    """A reported path, or what stands for it where a hashed name in it is somebody's on the list."""
    return MORE if any(forgotten.has("name", name) for name in HIDDEN_NAME.findall(path)) else path


def _joined(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name
