"""Homes with every kind of file in them, folders that do not do as a store should, and bits that a disk flips."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from night_rig import KEY

from stockbook import hash_key
from stockbook.backup.store import Folder
from stockbook.backup.take import Taken, take
from stockbook.clock import ManualClock
from stockbook.closing.landed import Close, write_close, write_lines
from stockbook.inbox import Inbox
from stockbook.inbox.event import Arrival
from stockbook.landing.manifest import Manifest, write_manifest
from stockbook.landing.pages import write_page
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.version import VERSION
from stockbook.warehouse.migrations import FORMAT

NOW = datetime(2026, 11, 27, 3, 30, tzinfo=UTC)
NIGHT = "20261127T021500-e1fa3529-1"
LISTING = f"landing/{NIGHT}/main/fulfillment_cz.movements"
TOKEN = "a-rotating-token-of-the-shop"


def settings_of(home: Path, policy: Path, **more: str) -> Settings:
    """A home with a policy folder of its own."""
    variables = {"STOCKBOOK_HOME": str(home), "STOCKBOOK_POLICY_DIR": str(policy), "STOCKBOOK_HASH_KEY": KEY}
    return Settings.load(variables | {"STOCKBOOK_THREADS": "1"} | more)


def add_every_kind(settings: Settings) -> None:
    """A close, received events, an erased person and a rotating token, for a home that has the rest."""
    facts = {"account": "main", "month": date(2026, 10, 1), "sequence": 1, "as_of": NOW.replace(tzinfo=None)}
    facts |= {"known_on": date(2026, 11, 2), "run_id": "r1", "closed_at": NOW.replace(tzinfo=None), "closed_by": "Jana"}
    facts |= {"note": None, "reason": None, "valuation_currency": "CZK", "day_zone": "UTC", "settings": "{}"}
    facts |= {"signed_columns": "", "line_count": 1, "lines_digest": "", "previous_digest": None}
    close = Close(**facts)
    write_lines(settings.closes, close, pa.table({"variant_id": [1]}))
    write_close(settings.closes, close)
    with Inbox.open(settings.inbox_url) as inbox:
        sent = [
            ("shopline", "main", f"e{n}", "orders/update", None, None, None, NOW, f'{{"n": {n}}}') for n in range(300)
        ]
        # side by side: events that wait at the same time share a commit
        for stored in [inbox.append(Arrival(*each)) for each in sent]:
            stored.result()
    settings.state.joinpath("closes.json").write_text('{"closes": {}}')
    settings.home.joinpath("erasures.jsonl").write_bytes(b'{"kind": "person", "mark": "one"}\n')
    with sqlite3.connect(settings.state / "state.db") as con:
        con.execute("create table token (text text)")
        con.execute("insert into token values (?)", [TOKEN])
    con.close()


def small_home(folder: Path) -> Settings:
    """A home of some kilobytes with every kind of file, and two policies."""
    policy = folder / "policy"
    policy.mkdir(parents=True)
    (policy / "sla.yml").write_text("a: 1\n")
    (policy / "alerts.yml").write_text("b: 2\n")
    settings = settings_of(folder / "home", policy)
    settings.published.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("create schema meta; create table meta.current_run as select timestamp '2026-11-27 02:15' as as_of")
        con.execute(f"create table meta.file_format as select {FORMAT} as number, '{VERSION}' as written_by")
        con.execute("create table meta.cursor as select 'fulfillment_cz' as api, 'main' as account")
        con.execute("create table facts as select range as n, hash(range) as h from range(2000)")
    shutil.copyfile(settings.warehouse, settings.published)
    listing = settings.home / LISTING
    listing.mkdir(parents=True)
    pages = [write_page(listing, number, b'{"id": %d}\n' % number, 1) for number in (1, 2)]
    promised = {"rows": 2, "distinct_keys": 2, "promised_total": 2, "proof": "total", "read_at": "now"}
    named = {"api": "fulfillment_cz", "listing": "movements", "account": "main", "night": NIGHT}
    write_manifest(listing, Manifest(**named, **promised, complete=True, pages=pages))
    (listing / "answered.ndjson").write_bytes(b'{"parameters": {}, "read_at": "now"}\n')
    (settings.landing / NIGHT / "opened.json").write_text(f'{{"opened_at": "{NOW.isoformat()}"}}')
    (settings.landing / NIGHT / "loaded").touch()
    run = settings.runs / "r1"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    hash_key.remember(settings)
    add_every_kind(settings)
    return settings


def back_up(settings: Settings, store: Folder, at: datetime = NOW) -> Taken:
    """A backup at a moment."""
    return take(settings, store, ManualClock(at), Silent())


def nobody(_: Settings) -> None:
    """Erases nobody: the lists of these homes name none."""


def tree(home: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file below a folder that a backup has, as it lies there."""
    left_out = ("tmp/", "run.lock", "reserve", "state/state.db", "state/inbox.db", "state/last-backup.json")
    files = {file.relative_to(home).as_posix(): file for file in home.rglob("*") if file.is_file()}
    # the list of erasures is put together anew
    times = {path: 0 if path == "erasures.jsonl" else file.stat().st_mtime_ns for path, file in files.items()}
    return {path: (times[path], file.read_bytes()) for path, file in files.items() if not path.startswith(left_out)}


def flip(file: Path, place: int | None = None) -> None:
    """Flip one bit, as a disk does: the time of the file stays."""
    content, state = bytearray(file.read_bytes()), file.stat()
    content[len(content) // 2 if place is None else place] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


class Faulty(Folder):
    """A folder in which something happens to the writing of the nth object."""

    def __init__(self, path: Path, nth: int, fault: Callable[["Faulty", str, bytes], None]) -> None:
        super().__init__(path)
        self._left, self._fault = nth, fault

    def put(self, key: str, content: bytes) -> None:
        self._left -= 1
        if self._left >= 0:
            super().put(key, content)
        else:
            self._fault(self, key, content)

    def keep(self, key: str, content: bytes) -> None:
        """Write it all the same."""
        super().put(key, content)


def full(_: Faulty, key: str, __: bytes) -> None:
    """The disk of the store takes nothing more."""
    from stockbook.backup import store

    with store._named("written"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), key)


def broken_off(_: Faulty, __: str, ___: bytes) -> None:
    """The line to the store breaks."""
    from stockbook.backup import store

    with store._named("written"):
        raise ConnectionResetError


def lied(_: Faulty, __: str, ___: bytes) -> None:
    """It says that it took the object, and did not."""


def halved(store: Faulty, key: str, content: bytes) -> None:
    """It says that it took the object, and kept half of it."""
    store.keep(key, content[: len(content) // 2])
