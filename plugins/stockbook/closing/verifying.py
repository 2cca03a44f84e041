"""
`close verify`: every digest computed anew, and every copy of a close compared with what was landed.

A close is in the landing, in the published file, in the writer's file and, of a fleet's account, in the lake. What
differs is named: the close, the line, the column. That the newest close is gone shows in the state folder and in the
reports of runs, which name its digest.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import msgspec

from stockbook.closing import chain, state
from stockbook.closing.digest import KEYS, column_bytes, digest_of_lines, in_order
from stockbook.closing.landed import Close, files_of, lines_file, read_close
from stockbook.closing.program import CLOSES, LINES, rows_of
from stockbook.errors import LandingDamaged
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import for_questions, reader

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 5


class Verdict(NamedTuple):
    """What came of a verification: the landed closes, and what is wrong or was left out, a sentence each."""

    closes: list[Close]
    problems: list[str]
    notes: list[str]


class _Step(msgspec.Struct):
    closes: dict[str, str] = {}


class _Report(msgspec.Struct):
    steps: list[_Step] = []


def verify(settings: Settings, in_lake: str = "") -> Verdict:
    """Verify all closes of a home; ``in_lake`` is the account whose home it is, where readers ask a lake for it."""
    problems: list[str] = []
    notes: list[str] = []
    closes: list[Close] = []
    for file in files_of(settings.closes):
        try:
            closes.append(read_close(file))
        except LandingDamaged as error:
            problems.append(str(error))
    closes.sort(key=lambda close: (close.account, close.month, close.sequence))
    problems += chain.broken(closes)
    problems += _witnessed(settings, closes)
    whole: dict[str, pa.Table] = {}
    for close in closes:
        problems += _landed_lines(settings, close, whole)
    if settings.published.exists():
        with reader(settings.published, dataclasses.replace(settings.limits, seconds=0)) as con:
            problems += _copy(con, "the published file", closes, whole)
    if settings.warehouse.exists():
        try:
            con = for_questions(settings.warehouse)
        except duckdb.IOException:
            notes.append("The writer's file is at work and was left out.")
        else:
            with con:
                problems += _copy(con, "the writer's file", closes, whole)
    if in_lake and settings.lake is not None:
        with reader(settings.lake, dataclasses.replace(settings.limits, seconds=0)) as con:
            problems += _copy(con, "the lake", closes, whole, f"account = {quoted(in_lake)}")
    return Verdict(closes, problems, notes)


def _witnessed(settings: Settings, closes: Sequence[Close]) -> list[str]:
    """The newest closes that the state folder and the reports of runs name, each asked for once."""
    problems = []
    try:
        newest = state.read(settings.state)
        problems += chain.forgotten(closes, newest, "the state folder")
        if not newest and closes:
            problems.append(
                f"The state folder knows of no close, and {closes[-1].close_id} is signed: bring "
                f"{settings.state / 'closes.json'} back from a backup; the next close writes it anew."
            )
    except LandingDamaged as error:
        newest = {}
        problems.append(str(error))
    of_reports = {close_id: digest for close_id, digest in _told(settings).items() if newest.get(close_id) != digest}
    return problems + chain.forgotten(closes, of_reports, "the report of a run")


def _told(settings: Settings) -> dict[str, str]:
    digests: dict[str, str] = {}
    for file in settings.runs.glob("*/report.json"):
        try:
            report = msgspec.json.decode(file.read_bytes(), type=_Report)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue  # `stockbook report` says what is the matter with it
        for step in report.steps:
            digests |= step.closes
    return digests


def _landed_lines(settings: Settings, close: Close, whole: "dict[str, pa.Table]") -> Iterator[str]:
    """What is wrong with the landed lines of a close; lines that are as they were signed are put into ``whole``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = lines_file(settings.closes, close)
    try:
        lines = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        yield f"The landed lines of {close.close_id} cannot be read ({type(error).__name__}): bring {file.name} back."
        return
    if digest_of_lines(lines, close.signed_columns) == close.lines_digest:
        whole[close.close_id] = lines
    else:
        yield (
            f"The landed lines of {close.close_id} are not those that were signed ({lines.num_rows:,} lines, signed "
            f"were {close.line_count:,}): bring {file.name} back from a backup of the landing."
        )


def _copy(
    con: duckdb.DuckDBPyConnection,
    where: str,
    closes: Sequence[Close],
    whole: "Mapping[str, pa.Table]",
    chosen: str = "true",
) -> Iterator[str]:
    """What differs in tables of signed months, of whose rows ``chosen`` are meant."""
    tables = con.execute(
        "select count(*) from duckdb_tables() where schema_name || '.' || table_name in (?, ?)", [CLOSES, LINES]
    ).fetchall()
    if tables[0][0] < 2:
        if closes:
            yield f"{where} has no tables of signed months: run a night."
        return
    answer = con.execute(f"select * from {CLOSES} where {chosen}")
    names = [name for name, *_ in answer.description or []]
    shown = {row["close_id"]: row for row in (dict(zip(names, row, strict=True)) for row in answer.fetchall())}
    for row in rows_of(closes):
        close_id = row["close_id"]
        if close_id not in shown:
            yield f"{close_id} is not in {where}: it comes with the next night."
            continue
        differing = [name for name, value in row.items() if shown[close_id].get(name) != value]
        if differing:
            yield f"{close_id} is not as it was signed in {where}: {', '.join(differing)} differ. {_MADE_ANEW}"
    landed = {close.close_id: close for close in closes}
    for close_id in sorted(shown.keys() - landed.keys()):
        yield f"{close_id} is in {where} and was never landed, or its landing is gone. Bring it back from a backup."
    for close in closes:
        yield from _lines(con, where, close, whole.get(close.close_id))
    strange = con.execute(
        f"select distinct close_id from {LINES} where {chosen} and not list_contains(?, close_id) order by all",
        [list(landed)],
    ).fetchall()
    for (close_id,) in strange:
        yield f"{where} has lines of {close_id}, which was never landed, or its landing is gone."


_MADE_ANEW = "What was landed counts: a night with full_refresh makes the tables of it again."


def _lines(con: duckdb.DuckDBPyConnection, where: str, close: Close, landed: "pa.Table | None") -> Iterator[str]:
    lines = con.sql(f"select * from {LINES} where close_id = ?", params=[close.close_id]).to_arrow_table()
    if digest_of_lines(lines, close.signed_columns) == close.lines_digest:
        return
    if landed is None:
        yield f"The lines of {close.close_id} in {where} are not those that were signed."
        return
    differing = list(_differing(lines, landed, close.signed_columns.split(",")))
    shown = "; ".join(differing[:_SHOWN]) + ("; …" if len(differing) > _SHOWN else "")
    yield (
        f"The lines of {close.close_id} in {where} are not those that were signed: {shown or 'their order'}. "
        + _MADE_ANEW
    )


def _differing(lines: "pa.Table", signed: "pa.Table", columns: Sequence[str]) -> Iterator[str]:
    """Lines that are missing, never signed or changed, each with the columns that differ."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lines, signed = in_order(lines), in_order(signed)
    if any(_bytes(lines, name) != _bytes(signed, name) for name in KEYS):
        here, there = _by_key(lines), _by_key(signed)
        for variant, pool in sorted(there.keys() - here.keys()):
            yield f"variant {variant}, {pool} is missing"
        for variant, pool in sorted(here.keys() - there.keys()):
            yield f"variant {variant}, {pool} was never signed"
        common = sorted(here.keys() & there.keys())
        lines, signed = (
            table.take(pa.array([place[key] for key in common], pa.int64()))
            for table, place in ((lines, here), (signed, there))
        )
    changed: dict[int, list[str]] = {}
    for name in columns:
        if _bytes(lines, name) == _bytes(signed, name):
            continue
        present, former = lines.column(name), signed.column(name)
        is_other = pc.or_(
            pc.fill_null(pc.not_equal(present, former), False), pc.xor(present.is_null(), former.is_null())
        )
        for place in np.flatnonzero(is_other.to_numpy()).tolist():
            now, then = present[place].as_py(), former[place].as_py()
            changed.setdefault(place, []).append(f"{name} is {now}, signed was {then}")
    for place, texts in sorted(changed.items()):
        variant, pool = (lines.column(name)[place].as_py() for name in KEYS)
        yield f"variant {variant}, {pool}: {', '.join(texts)}"


def _by_key(lines: "pa.Table") -> dict[tuple[int, str], int]:
    keys = zip(*(lines.column(name).to_pylist() for name in KEYS), strict=True)
    return {key: place for place, key in enumerate(keys)}


def _bytes(lines: "pa.Table", name: str) -> bytes:
    return b"".join(bytes(part) for part in column_bytes(lines, name))
