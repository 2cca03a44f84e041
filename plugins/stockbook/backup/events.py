"""
What was received, as digests: SQLite has no checksums of its own, and an event is never changed.

Events are taken by their numbers, 256 at a time. Those that were drained long ago go: a block with fewer events than it
had says nothing.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from stockbook.inbox.event import Arrival
from stockbook.inbox.model import InboxRow

_BLOCK = 256
_COLUMNS = ", ".join(["id", *(name for name in Arrival.__slots__ if name != "merge_seconds")])


def digests_of_events(inbox: Path) -> dict[str, str]:
    """The digest of each block of events, by its first and last number and how many it has. Raises sqlite3.Error."""
    with _opened(inbox) as con:
        rows = con.execute(f"select {_COLUMNS} from {InboxRow.__tablename__} order by id")
        blocks = iter(lambda: list(islice(rows, _BLOCK)), [])
        return {f"{block[0][0]}-{block[-1][0]}/{len(block)}": _digest(block) for block in blocks}


def damage(inbox: Path, before: dict[str, str]) -> str | None:
    """What is wrong with an inbox, also beside what was digested ``before``; None where nothing is."""
    try:
        with _opened(inbox) as con:
            (sound,) = con.execute("pragma quick_check(1)").fetchone()
            altered = [block for block, digest in before.items() if _is_altered(con, block, digest)]
    except sqlite3.Error as error:
        return f"SQLite cannot read it ({error})"
    if sound != b"ok":
        return f"SQLite says: {sound.decode(errors='replace')}"
    return f"{len(altered)} blocks of events are not as they were received" if altered else None


def _is_altered(con: sqlite3.Connection, block: str, digest: str) -> bool:
    numbers, _, count = block.partition("/")
    query = f"select {_COLUMNS} from {InboxRow.__tablename__} where id between ? and ? order by id"
    rows = con.execute(query, [int(number) for number in numbers.split("-")]).fetchall()
    return len(rows) == int(count) and _digest(rows) != digest


def _digest(rows: Iterable[object]) -> str:
    return hashlib.sha256(repr(rows).encode(errors="replace")).hexdigest()


@contextmanager
def _opened(inbox: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{inbox.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as con:
        # a flipped bit may make a text none
        con.text_factory = bytes
        yield con
