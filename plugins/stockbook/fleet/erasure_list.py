"""
The list of who was forgotten, of all accounts of a fleet: one, since they have one key.

It lies in the control database, line by line as in the file of a home (``projection/erasures.py``). Each step takes all
of it into the home it works on, so that whatever reads, loads or rewrites there knows everybody; what the step learns
goes back before the store gets what was made with it. A saved home carries the list too: a control database that was
restored from an older backup gets the missing lines back from it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockbook.atomic_files import write_atomically
from stockbook.clock import Clock
from stockbook.projection.erasures import FILE, Erasures, key_of
from stockbook.settings import Settings

if TYPE_CHECKING:
    import psycopg

Share = Callable[[bytes], bytes]
"""Puts the lines of a list on the fleet's, and gives all of that."""


def together(con: "psycopg.Connection[Any]", content: bytes, *, is_asked: bool) -> bytes:
    """
    Put the whole lines of a list on the fleet's, those that it lacks; every line of it, in their order.

    Those that are asked for are of people who were named now, or were learned on their way: older books are cleared of
    them. What a night learns of somebody who was forgotten long ago, of an order that is new, stands in none.
    """
    there = [line for _, line in _numbered(con)]
    new = [line for line in dict.fromkeys(content.decode().split("\n")[:-1]) if line not in set(there)]
    if new:
        with con.transaction():
            # one after the other: a lower number must not become visible after a higher one
            con.execute("lock table erasure_line in share row exclusive mode")
            con.execute(
                "insert into erasure_line (line, is_asked) select line, %s "
                "from unnest(%s::text[]) with ordinality as n (line, place) order by place on conflict do nothing",
                [is_asked, new],
            )
        there = [line for _, line in _numbered(con)]
    return "".join(f"{line}\n" for line in there).encode()


def asked(con: "psycopg.Connection[Any]") -> int:
    """The number of the last line that was asked for; 0 where nobody was ever forgotten."""
    row = con.execute("select coalesce(max(number), 0) from erasure_line where is_asked").fetchone()
    return int(row[0]) if row else 0


def covered(con: "psycopg.Connection[Any]", content: bytes) -> int:
    """The number of the last line before one that a home's list lacks."""
    here = set(content.decode().split("\n"))
    last = 0
    for number, line in _numbered(con):
        if line not in here:
            break
        last = number
    return last


def _numbered(con: "psycopg.Connection[Any]") -> list[tuple[int, str]]:
    return con.execute("select number, line from erasure_line order by number").fetchall()


def content_of(settings: Settings) -> bytes:
    """The list in a home; nothing where nobody was ever forgotten."""
    try:
        return (settings.home / FILE).read_bytes()
    except FileNotFoundError:
        return b""


class SharedErasures(Erasures):
    """A list whose new lines are the fleet's before they count here: what is erased by them may be everybody's."""

    def __init__(self, settings: Settings, file: Path, at: datetime, share: Share, before: date | None = None) -> None:
        """As of a list in a file. Raises ConfigError without the key, or for one that was altered."""
        super().__init__(file, key_of(settings), at, before)
        self._share = share

    def append(self, lines: Sequence[bytes]) -> None:
        self._share(b"".join(line + b"\n" for line in lines))
        super().append(lines)


class HomeList:
    """The list in an account's home on this disk."""

    def __init__(self, settings: Settings, share: Share, clock: Clock) -> None:
        """``settings`` are the account's own."""
        self._settings, self._share, self._clock = settings, share, clock
        self._shared = b""

    def take(self) -> None:
        """Bring the fleet's list into the home, once what the home has more is on it; for a home nobody reads yet."""
        here = content_of(self._settings)
        self._require_ours(here)
        self._shared = self._share(here)
        if self._shared != here:
            write_atomically(self._settings.home / FILE, self._shared)

    def share(self) -> None:
        """Put on the fleet's list what was learned in the home."""
        here = content_of(self._settings)
        if here != self._shared:
            self._require_ours(here)
            self._share(here)
            self._shared = here

    def _require_ours(self, content: bytes) -> None:
        """Raise ConfigError for an altered list, before others get it."""
        if content:
            Erasures.of(self._settings, self._clock.utc(), by_age=False)
