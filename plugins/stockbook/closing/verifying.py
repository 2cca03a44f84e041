"""
`close verify`: every digest computed anew, and every copy of a close compared with what was landed.

A close is in the landing, in the published file, in the writer's file and, of a fleet's account, in the lake. What
differs is named: the close, the line, the column. That the newest close is gone shows in the state folder and in the
reports of runs, which name its digest.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import msgspec

from stockbook.closing import chain, state
from stockbook.closing.digest import KEYS, digest_of_lines, in_order
from stockbook.closing.landed import Close, files_of, lines_file, read_close
from stockbook.closing.program import CLOSES, LINES, rows_of
from stockbook.counted import counted
from stockbook.errors import LandingDamaged
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import for_questions
from stockbook.warehouse.readers import reader

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


class Landed(NamedTuple):
    """The landed closes, what is wrong with them, and the lines of those that are as they were signed."""

    closes: list[Close]
    problems: list[str]
    lines: "dict[str, pa.Table]"


def verify(settings: Settings, in_lake: str = "") -> Verdict:
    """Verify all closes of a home; ``in_lake`` is the account whose home it is, where readers ask a lake for it."""
    landed = verify_landed(settings)
    problems, notes = list(landed.problems), list[str]()
    if settings.published.exists():
        with reader(settings.published, dataclasses.replace(settings.limits, seconds=0)) as con:
            problems += _copy(con, "the published file", landed)
    if settings.warehouse.exists():
        try:
            con = for_questions(settings.warehouse)
        except duckdb.IOException:
            notes.append("The writer's file is at work and was left out.")
        else:
            with con:
                problems += _copy(con, "the writer's file", landed)
    if in_lake and settings.lake is not None:
        with reader(settings.lake, dataclasses.replace(settings.limits, seconds=0)) as con:
            problems += _copy(con, "the lake", landed, f"account = {quoted(in_lake)}")
    return Verdict(landed.closes, problems, notes)


def verify_landed(settings: Settings) -> Landed:
    """Verify what was landed, and that nothing is missing of it."""
    problems: list[str] = []
    closes: list[Close] = []
    for file in files_of(settings.closes):
        try:
            closes.append(read_close(file))
        except LandingDamaged as error:
            problems.append(str(error))
    closes.sort(key=lambda close: (close.account, close.month, close.sequence))
    problems += chain.broken(closes)
    problems += _witnessed(settings, closes)
    lines: dict[str, pa.Table] = {}
    for close in closes:
        problems += _landed_lines(settings, close, lines)
    return Landed(closes, problems, lines)


def never_landed(
    con: duckdb.DuckDBPyConnection, where: str, closes: Sequence[Close], chosen: str = "true"
) -> Iterator[str]:
    """Closes that a file has and nobody landed, a sentence each; of its rows ``chosen`` are meant."""
    landed = [close.close_id for close in closes]
    for table, has in ((CLOSES, "has"), (LINES, "has lines of")):
        strange = con.execute(
            f"select distinct close_id from {table} where {chosen} and not list_contains(?, close_id) order by all",
            [landed],
        ).fetchall()
        for (close_id,) in strange:
            yield f"{where} {has} {close_id}, which was never landed, or its landing is gone: bring it from a backup."


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
        # read_table would import what reads many files, and that pandas
        with pq.ParquetFile(file) as opened:
            lines = opened.read()
    except (OSError, pa.ArrowException) as error:
        yield f"The landed lines of {close.close_id} cannot be read ({type(error).__name__}): bring {file.name} back."
        return
    if digest_of_lines(lines, close.signed_columns) == close.lines_digest:
        whole[close.close_id] = lines
    else:
        yield (
            f"The landed lines of {close.close_id} are not those that were signed ({counted(lines.num_rows, 'line')}, "
            f"signed were {close.line_count:,}): bring {file.name} back from a backup of the landing."
        )


def _copy(con: duckdb.DuckDBPyConnection, where: str, landed: Landed, chosen: str = "true") -> Iterator[str]:
    """What differs in tables of signed months, of whose rows ``chosen`` are meant."""
    if not has_tables(con):
        if landed.closes:
            yield f"{where} has no tables of signed months: run a night."
        return
    answer = con.execute(f"select * from {CLOSES} where {chosen}")
    names = [name for name, *_ in answer.description or []]
    shown = {row["close_id"]: row for row in (dict(zip(names, row, strict=True)) for row in answer.fetchall())}
    for row in rows_of(landed.closes):
        close_id = row["close_id"]
        if close_id not in shown:
            yield f"{close_id} is not in {where}: it comes with the next night."
            continue
        differing = [name for name, value in row.items() if shown[close_id].get(name) != value]
        if differing:
            yield f"{close_id} is not as it was signed in {where}: {', '.join(differing)} differ. {_MADE_ANEW}"
    yield from never_landed(con, where, landed.closes, chosen)
    for close in landed.closes:
        yield from _lines(con, where, close, landed.lines.get(close.close_id))


def has_tables(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file has the tables of signed months."""
    tables = con.execute(
        "select count(*) from duckdb_tables() where schema_name || '.' || table_name in (?, ?)", [CLOSES, LINES]
    ).fetchall()
    return bool(tables[0][0] == 2)


_MADE_ANEW = "What was landed counts: `stockbook close verify --repair` makes the tables of it again."


def _lines(con: duckdb.DuckDBPyConnection, where: str, close: Close, landed: "pa.Table | None") -> Iterator[str]:
    # with values beside it a relation keeps its rows and hands them over one by one
    lines = con.sql(f"select * from {LINES} where close_id = {quoted(close.close_id)}").to_arrow_table()
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
    """The first lines that are missing, never signed or changed, one more than is shown."""
    import pyarrow as pa

    lines, signed = in_order(lines), in_order(signed)
    if not all(lines.column(name).equals(signed.column(name)) for name in KEYS):
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
        present, former = lines.column(name), signed.column(name)
        for place in islice(_other_places(present, former), _SHOWN + 1):
            now, then = present[place].as_py(), former[place].as_py()
            changed.setdefault(place, []).append(f"{name} is {now}, signed was {then}")
    # of these places no column has an earlier one that is left out
    for place, texts in sorted(changed.items())[: _SHOWN + 1]:
        variant, pool = (lines.column(name)[place].as_py() for name in KEYS)
        yield f"variant {variant}, {pool}: {', '.join(texts)}"


def _other_places(present: "pa.ChunkedArray", former: "pa.ChunkedArray") -> Iterator[int]:
    """Where two columns of one length differ, in order: parts that are equal are not looked into."""
    parts = [(0, len(present))]
    while parts:
        start, count = parts.pop()
        if present.slice(start, count).equals(former.slice(start, count)):
            continue
        if count == 1:
            yield start
        else:
            half = count // 2
            parts += [(start + half, count - half), (start, half)]


def _by_key(lines: "pa.Table") -> dict[tuple[int, str], int]:
    keys = zip(*(lines.column(name).to_pylist() for name in KEYS), strict=True)
    return {key: place for place, key in enumerate(keys)}
