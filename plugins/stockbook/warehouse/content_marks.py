"""
What did not change: a mark for the content of each table, so that what was asked of it need not be asked again.

The same mark is the same rows, but for when they were seen. It is written in the transaction of the rows, by what
writes them, and no row is read for it: a load or a drain gives each table of staging whose rows it changed a new mark,
and a build gives each model the digest of its select, its declaration and the marks of what it reads
(``models/built_marks.py``). What has no mark may have changed.

Four things move without a row: now (``NOW``), the run (``RUN``: it matters only to rows that it wrote), when rows
were seen (``LOADS``, with all that the latest loads counted), and which topics are subscribed (``SUBSCRIPTIONS``).
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from stockbook.declarations import BUILT_LAYERS, EXTRA, Table, of_layer
from stockbook.version import VERSION
from stockbook.warehouse import meta

NOW, RUN, LOADS = "now", "run", "loads"
# a handful of rows each, which are their own mark
SUBSCRIPTIONS, CURSORS = "meta.subscription", "meta.cursor"
_CURSORS = f"select * exclude (run_id) from {CURSORS} order by all"
QUARANTINE = "staging.quarantine"
# its mark is the run of the latest build, empty until that ended
BUILD = "build"

_RELATION = re.compile(r'\b(staging|intermediate|marts|reports|extra|meta)"?\s*\.\s*"?(\w+)"?(\s*\()?', re.IGNORECASE)
RUN_ID = re.compile(r"\brun_id\b", re.IGNORECASE)
# what is not in the file: a clock, chance, other files, the catalogue
_OUTSIDE = re.compile(
    r"\b(now|today|get_current_\w+|\w*random|setseed|\w*uuid\w*|nextval|currval|read_\w+|\w+_scan|glob|getenv|duckdb_\w+)"
    r"\s*\(|\bcurrent_(date|time|timestamp)\b|\blocaltime(stamp)?\b|\binformation_schema\b"
    r"|(?<!distinct )\b(from|join)\s+'[^'\s]+'",
    re.IGNORECASE,
)
# no text without one of these fits it; to look for them takes a twentieth of the time, and most texts have none
_SPACES = (" ", "\t", "\n", "\r", "\f", "\v")
_HINTS = (
    *(f"{name}{behind}" for name in ("now", "today", "glob") for behind in ("(", *_SPACES)),
    *("get_current_", "random", "setseed", "uuid", "nextval", "currval", "read_", "_scan", "getenv", "duckdb_"),
    *("current_date", "current_time", "localtime", "information_schema"),
    *(f"{word}{space}{behind}" for word in ("from", "join") for space in _SPACES for behind in ("'", *_SPACES)),
)
_COUNTED = "rows_received, rows_new, rows_changed, rows_unchanged, rows_quarantined, rows_repeated, rows_waiting"
_LATEST = "semi join meta.cursor as c using (run_id, api, listing)"
_LOADED = (
    _CURSORS,
    f"select account, api, listing, table_name, {_COUNTED} from meta.loaded_rows {_LATEST} order by all",
    f"select * exclude (run_id, requests, seconds, bytes) from meta.listing {_LATEST} order by all",
    # listings that the latest run has read, and those it has not
    "select account, api, listing from meta.listing "
    "where run_id = (select max_by(run_id, started_at) from meta.run) order by all",
)


def renew(con: duckdb.DuckDBPyConnection, run_id: str, tables: dict[str, Table], changed: Iterable[str]) -> None:
    """
    A new mark for the tables of staging whose rows a run changed, and for those that never had one.

    What was built is of other rows from now on: it has no mark until it is built again.
    """
    staged = {table.name for table in of_layer(tables, "staging")} | {QUARANTINE}
    marked = {name for (name,) in con.execute("select table_name from meta.content_mark").fetchall()}
    if fresh := sorted({*changed, *(staged - marked)}):
        meta.forget_content_marks(con, (*BUILT_LAYERS, EXTRA))
        meta.write_content_marks(con, {name: f"{run_id}/{secrets.token_hex(8)}" for name in fresh})


class Marks:
    """The marks of a file as it is, and of what texts of SQL make of it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], models_dir: Path) -> None:
        """``models_dir`` has the macros."""
        self.stored: dict[str, str] = dict(con.execute("select table_name, mark from meta.content_mark").fetchall())
        self.declared = {name: digest(msgspec.json.encode(table)) for name, table in tables.items()}
        self._history = {f"{name}_history": name for name, table in tables.items() if table.history}
        observed = {
            table.name: [name for name, column in table.columns.items() if column.observed]
            for table in of_layer(tables, "staging")
        }
        columns = {column for names in observed.values() for column in names}
        self._seen = re.compile(rf"\b({'|'.join(['_last_seen_at', *sorted(columns)])})\b", re.IGNORECASE)
        macros = [file.read_text() for file in sorted(models_dir.glob("macros/*.sql"))]
        self.common = digest(VERSION, duckdb.__version__, *macros)
        self._moving = {NOW: _now(con), RUN: _run(con), LOADS: _loads(con, observed)}
        self._moving |= {SUBSCRIPTIONS: _subscribed(con), CURSORS: _rows(con, _CURSORS)}

    def of(self, text: str, reads: Iterable[str]) -> str | None:
        """The mark of what a text makes of the relations it reads; None where it may be anything."""
        names = set(reads)
        # of meta.run it is the row of the current run, where it reads both
        if "meta.current_run" in names:
            names = names - {"meta.current_run", "meta.run"} | {NOW}
        names |= {LOADS} if self._seen.search(text) else set()
        names |= {RUN} if RUN_ID.search(text) else set()
        marks = [self._of(name) for name in sorted(names)]
        if None in marks or _reads_outside(text):
            return None
        return digest(self.common, text, *(f"{name} {mark}" for name, mark in zip(sorted(names), marks, strict=True)))

    def form(self, name: str) -> str:
        """The digest of how a table, or the one that a history is of, is declared."""
        return self.declared.get(self._history.get(name, name), "")

    def named_in(self, text: str) -> set[str]:
        """Every relation that a text names: all that it reads, and maybe more."""
        mentions = {(f"{layer}.{name}".lower(), bool(call)) for layer, name, call in _RELATION.findall(text)}
        # a call of what is no table macro is one of a calculation
        return {name for name, is_call in mentions if not is_call or name in self.declared}

    def _of(self, name: str) -> str | None:
        if name in self._moving:
            return self._moving[name]
        name = self._history.get(name, name)
        mark = self.stored.get(name)
        return mark and f"{mark} {self.declared.get(name, '')}"


@cache
def _reads_outside(text: str) -> bool:
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS) and _OUTSIDE.search(text) is not None


def digest(*parts: str | bytes) -> str:
    """A short digest of some texts, their borders included."""
    whole = hashlib.sha256()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        whole.update(b"%d " % len(encoded) + encoded)
    return whole.hexdigest()[:32]


def _rows(con: duckdb.DuckDBPyConnection, *queries: str) -> str:
    rows: list[Any] = [con.execute(query).fetchall() for query in queries]
    return digest(repr(rows))


def _now(con: duckdb.DuckDBPyConnection) -> str:
    return _rows(
        con,
        "select c.as_of, c.zone, r.as_of_utc, r.observes "
        "from meta.current_run as c left join meta.run as r on c.run_id = r.run_id",
    )


def _run(con: duckdb.DuckDBPyConnection) -> str:
    """The id of the run whose figures these are if it wrote rows of staging: else no row is told from another."""
    rows = con.execute(
        "select c.run_id from meta.current_run as c semi join meta.loaded_rows as l "
        "on c.run_id = l.run_id and l.rows_new + l.rows_changed + l.rows_quarantined > 0"
    ).fetchall()
    return "".join(run_id for (run_id,) in rows)


def _subscribed(con: duckdb.DuckDBPyConnection) -> str:
    """A handful of rows, of the latest answer about each account."""
    return _rows(con, f"select * from {SUBSCRIPTIONS} order by all")


def _loads(con: duckdb.DuckDBPyConnection, observed: Mapping[str, list[str]]) -> str:
    newest = [
        f"select account, {', '.join(f'max({column})' for column in columns)} from {name} group by account order by all"
        for name, columns in observed.items()
        if columns
    ]
    return _rows(con, *_LOADED, *newest)
