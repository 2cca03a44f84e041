"""One digit, one line, two closes in each other's place, a close that is gone: each is found and named."""

import json
import shutil
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from closing_rig import OCTOBER, SEPTEMBER, Closing, copied

from stockbook.closing import chain, landed, program, state
from stockbook.closing.digest import digest_of_close, digest_of_lines
from stockbook.closing.landed import Close
from stockbook.declarations import Table
from stockbook.errors import LandingDamaged
from stockbook.models.programs import BuildContext
from stockbook.night.reload import replay

LINE = "marts.fct_period_close_line"
CLOSE = "marts.fct_period_close"


@pytest.fixture(scope="module")
def closed(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Closing:
    """September and October closed, and October once more; not to be written."""
    closing = Closing(copied(home_after_a_night, tmp_path_factory.mktemp("closed") / "home"))
    closing.close(SEPTEMBER)
    closing.close(OCTOBER)
    closing.close(OCTOBER, supersede=True, reason="once more")
    return closing


@pytest.fixture
def closing(closed: Closing, tmp_path: Path) -> Closing:
    """A copy of it."""
    return Closing(copied(closed.home, tmp_path / "home"))


def file_of(closing: Closing, name: str) -> Path:
    return closing.settings.closes / "main" / name


def test_untouched_closes_verify(closed: Closing) -> None:
    """Nothing is wrong with what nobody touched."""
    verdict = closed.verify()
    assert [close.close_id for close in verdict.closes] == ["main/2025-09/1", "main/2025-10/1", "main/2025-10/2"]
    assert (verdict.problems, verdict.notes) == ([], [])


def test_one_changed_digit_is_named(closing: Closing) -> None:
    """The close, the line, the column, what it is and what was signed."""
    [(variant, value)] = closing.rows(
        f"select variant_id, closing_value from {LINE} where close_id = 'main/2025-09/1' and pool = 'sellable' "
        "and closing_value > 0 order by variant_id limit 1"
    )
    changed = value + 1
    closing.tamper(
        f"update {LINE} set closing_value = {changed} where close_id = 'main/2025-09/1' and variant_id = {variant} "
        "and pool = 'sellable'"
    )

    [problem] = closing.verify().problems
    assert problem.startswith("The lines of main/2025-09/1 in the published file are not those that were signed: ")
    assert f"variant {variant}, sellable: closing_value is {changed}, signed was {value}" in problem
    assert "`stockbook close verify --repair`" in problem


def test_a_deleted_line_and_a_new_one_are_named(closing: Closing) -> None:
    """Which variant and pool."""
    [(variant, pool)] = closing.rows(f"select variant_id, pool from {LINE} where close_id = 'main/2025-10/2' limit 1")
    where = f"close_id = 'main/2025-10/2' and variant_id = {variant} and pool = '{pool}'"
    closing.tamper(
        f"insert into {LINE} select * replace (99999 as variant_id) from {LINE} where {where}",
        f"delete from {LINE} where {where}",
    )

    [problem] = closing.verify().problems
    assert (
        f"main/2025-10/2 in the published file are not those that were signed: variant {variant}, {pool} is mis"
        in problem
    )
    assert "variant 99999" in problem
    assert "was never signed" in problem


def test_two_swapped_closes_are_named(closing: Closing) -> None:
    """In the tables, and as files."""
    swapped = "case close_id when 'main/2025-09/1' then 'main/2025-10/2' else 'main/2025-09/1' end"
    of_both = "close_id in ('main/2025-09/1', 'main/2025-10/2')"
    closing.tamper(
        f"update {LINE} set close_id = {swapped} where {of_both}",
        f"update {CLOSE} set close_id = {swapped} where {of_both}",
    )
    problems = " ".join(closing.verify().problems)
    for close_id in ("main/2025-09/1", "main/2025-10/2"):
        assert f"{close_id} is not as it was signed in the published file: account" not in problems
        assert f"{close_id} is not as it was signed in the published file: " in problems
        assert f"The lines of {close_id} in the published file" in problems

    first, second = file_of(closing, "2025-09.1.json"), file_of(closing, "2025-10.2.json")
    content, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(content)
    problems = " ".join(closing.verify().problems)
    assert "2025-09.1.json is not as it was signed, it holds the close main/2025-10/2" in problems
    assert "2025-10.2.json is not as it was signed, it holds the close main/2025-09/1" in problems


def test_swapped_lines_on_the_disk_are_named(closing: Closing) -> None:
    """The lines of the one close are not those of the other."""
    first, second = file_of(closing, "2025-09.1.parquet"), file_of(closing, "2025-10.2.parquet")
    content, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(content)
    assert sorted(problem.partition(" are not")[0] for problem in closing.verify().problems) == [
        "The landed lines of main/2025-09/1",
        "The landed lines of main/2025-10/2",
    ]
    second.write_bytes(b"no table")
    assert any("of main/2025-10/2 cannot be read" in problem for problem in closing.verify().problems)


def without_newest(closing: Closing) -> None:
    for suffix in ("json", "parquet"):
        file_of(closing, f"2025-10.2.{suffix}").unlink()
    closing.tamper(
        f"delete from {LINE} where close_id = 'main/2025-10/2'",
        f"delete from {CLOSE} where close_id = 'main/2025-10/2'",
        f"update {CLOSE} set is_in_force = true, superseded_by = null where close_id = 'main/2025-10/1'",
    )


def test_a_deleted_newest_close_is_missed(closed: Closing, closing: Closing) -> None:
    """Its files and rows are gone, and the rest is a whole chain: the state folder and run reports still name it."""
    digest = closed.verify().closes[-1].digest
    without_newest(closing)

    [problem] = closing.verify().problems
    assert problem.startswith(f"main/2025-10/2 is gone: the state folder names it with digest {digest}.")
    # no night builds on it, and nothing is signed
    with pytest.raises(LandingDamaged, match="main/2025-10/2 is gone"):
        chain.require(closing.settings)
    with pytest.raises(LandingDamaged, match="main/2025-10/2 is gone"):
        closing.close(OCTOBER, supersede=True, reason="r")

    state.write(closing.settings.state, {"main/2025-10/1": closed.verify().closes[1].digest})
    assert closing.verify().problems == []
    report = closing.settings.runs / "later" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"steps": [{"name": "build", "closes": {"main/2025-10/2": digest}}]}))
    [problem] = closing.verify().problems
    assert problem.startswith(f"main/2025-10/2 is gone: the report of a run names it with digest {digest}.")


def test_a_close_in_the_middle_that_is_gone_is_missed(closing: Closing) -> None:
    """The next one does not follow what is left before it."""
    file_of(closing, "2025-10.1.json").unlink()
    assert any(
        "main/2025-10/2 was not signed after main/2025-09/1, the one before it" in problem
        for problem in closing.verify().problems
    )


def test_a_state_that_is_gone_or_altered_is_told(closing: Closing) -> None:
    """It is one of the witnesses."""
    file = closing.settings.state / "closes.json"
    file.write_text(file.read_text().replace("main", "mian"))
    assert any("closes.json is not as it was written" in problem for problem in closing.verify().problems)
    file.unlink()
    assert any("The state folder knows of no close" in problem for problem in closing.verify().problems)


@pytest.mark.parametrize("name", ["closed_by", "note", "settings", "known_on", "reason", "previous_digest"])
def test_whatever_a_close_says_is_part_of_its_digest(name: str, closed: Closing) -> None:
    """Another name, another policy, another day: another digest."""
    import msgspec

    close = closed.verify().closes[-1]
    other = msgspec.structs.replace(close, **{name: date(2025, 1, 1) if name == "known_on" else "another"})
    assert digest_of_close(close) == close.digest
    assert digest_of_close(other) != close.digest


def some_lines(**changes: list[Any]) -> pa.Table:
    columns = {
        "variant_id": pa.array([1, 1, 2], pa.int64()),
        "pool": pa.array(["damaged", "sellable", "sellable"]),
        "code": pa.array(["a", "bc", None]),
        "amount": pa.array([None, 0, 5], pa.decimal128(38, 12)),
        "month": pa.array([date(2025, 10, 1)] * 3),
    }
    return pa.table(columns | {name: pa.array(values, columns[name].type) for name, values in changes.items()})


@pytest.mark.parametrize(
    "changes",
    [
        {"code": ["ab", "c", None]},
        {"code": ["a", "bc", ""]},
        {"amount": [0, 0, 5]},
        {"amount": [None, 0, 6]},
        {"variant_id": [1, 1, 3]},
        {"month": [date(2025, 10, 1), date(2025, 10, 1), date(2025, 10, 2)]},
    ],
)
def test_any_other_value_is_another_digest(changes: dict[str, list[Any]]) -> None:
    """Also texts that read the same one after another, and nothing in place of 0 or of an empty text."""
    names = ",".join(some_lines().column_names)
    assert digest_of_lines(some_lines(**changes), names) != digest_of_lines(some_lines(), names)


def test_the_digest_is_of_rows_and_not_of_their_order() -> None:
    """Lines shuffled, in chunks, cut out of others, or with a column more are the same lines."""
    lines = some_lines()
    names = ",".join(lines.column_names)
    digest = digest_of_lines(lines, names)

    assert digest_of_lines(lines.take([2, 0, 1]), names) == digest
    assert digest_of_lines(pa.concat_tables([lines.slice(0, 1), lines.slice(1)]), names) == digest
    assert digest_of_lines(pa.concat_tables([lines, lines]).combine_chunks().slice(3), names) == digest
    assert digest_of_lines(lines.append_column("more", pa.array([1, 2, 3])), names) == digest
    assert digest_of_lines(lines.slice(0, 0), names) != digest


def a_close(lines: pa.Table, **fields: Any) -> Close:
    names = ",".join(lines.column_names)
    said: dict[str, Any] = {
        "account": "main", "month": OCTOBER, "sequence": 1, "as_of": datetime(2025, 11, 1),
        "known_on": date(2025, 11, 2),
        "run_id": "r", "closed_at": datetime(2025, 11, 3), "closed_by": "Jana", "note": None, "reason": None,
        "valuation_currency": "CZK", "day_zone": "Europe/Prague", "settings": "{}", "signed_columns": names,
        "line_count": lines.num_rows, "lines_digest": digest_of_lines(lines, names), "previous_digest": None,
    }  # fmt: skip
    close = Close(**(said | fields))
    import msgspec

    return msgspec.structs.replace(close, digest=digest_of_close(close))


def test_one_changed_digit_of_a_hundred_thousand_lines_is_named_in_seconds(
    tables: dict[str, Table], tmp_path: Path, tell: Any
) -> None:
    """One changed digit among them is found in the time that it takes to compute and compare all digests."""
    columns = {
        "bigint": "cast(hash(i, {n}) % 1000 as bigint)",
        "decimal(38, 12)": "cast(hash(i, {n}) % 100000000 as bigint) * 0.25",
        "varchar": "'text ' || i % 1000",
        "integer": "1",
        "date": "date '2025-10-01'",
    }
    own = {"variant_id": "i // 2", "pool": "if(i % 2 = 0, 'damaged', 'sellable')", "close_id": "'main/2025-10/1'"}
    table = tables[LINE]
    values = ", ".join(
        f"cast({own.get(name) or columns[column.type].format(n=number)} as {column.type}) as {name}"
        for number, (name, column) in enumerate(table.columns.items())
    )
    closing = Closing(tmp_path / "home")
    settings = closing.settings
    settings.published.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.published)) as con:
        lines = con.sql(f"select {values} from range(100000) as t(i)").to_arrow_table()
        close = a_close(lines)
        landed.write_lines(settings.closes, close, lines)
        landed.write_close(settings.closes, close)
        state.write(settings.state, chain.newest([close]))
        con.execute("create schema marts")
        program.replace(con, tables, [close], settings.closes)
    assert closing.verify().problems == []
    closing.tamper(f"update {LINE} set cogs = cogs + 0.000000000001 where variant_id = 4711 and pool = 'sellable'")

    began = time.process_time()
    [problem] = closing.verify().problems
    seconds = time.process_time() - began

    assert "variant 4711, sellable: cogs is" in problem
    tell("closes", f"100,000 lines verified in {seconds:.2f} s of one processor, one changed digit named")
    assert seconds < 4  # a second on a machine of its own; here others work too


def context(tables: dict[str, Table], closing: Closing, full_refresh: bool = False) -> BuildContext:
    run = ("r", closing.settings.zone, closing.settings.policy_dir, tables)
    return BuildContext(datetime(2025, 11, 18), *run, full_refresh, closes=closing.settings.closes)


def test_tables_are_made_again_of_what_was_landed(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], closing: Closing
) -> None:
    """In an empty warehouse, where rows are missing, and in any case by a full refresh; else they are left alone."""
    signed = closing.rows(f"select * from {LINE} order by all")
    query = f"select * from {LINE} order by all"
    program.write_closes(con, context(tables, closing))
    assert con.execute(query).fetchall() == signed
    assert con.execute(f"select * from {CLOSE} order by all").fetchall() == closing.rows(f"from {CLOSE} order by all")

    con.execute(f"update {LINE} set cogs = 1")
    program.write_closes(con, context(tables, closing))
    assert con.execute(query).fetchall() != signed
    program.write_closes(con, context(tables, closing, full_refresh=True))
    assert con.execute(query).fetchall() == signed

    con.execute(f"delete from {LINE} where variant_id % 2 = 0")
    program.write_closes(con, context(tables, closing))
    assert con.execute(query).fetchall() == signed


def test_without_a_close_both_tables_are_empty(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], tmp_path: Path
) -> None:
    """A home where nobody signed anything, and one without a landing."""
    for closes in (None, tmp_path / "closes"):
        program.write_closes(con, context(tables, Closing(tmp_path))._replace(closes=closes))
        assert con.execute(f"select * from {CLOSE}").fetchall() == con.execute(f"select * from {LINE}").fetchall() == []


def test_lines_that_lost_their_close_count_for_nothing(closing: Closing) -> None:
    """A close that was killed before its last file was written: there is none, and the next one writes over it."""
    pq.write_table(some_lines(), file_of(closing, "2025-11.1.parquet"))
    assert len(chain.require(closing.settings)) == 3
    assert closing.verify().problems == []


@pytest.mark.slow
def test_closes_come_out_of_a_replay_as_they_were_signed(
    home_after_a_night: Path, closed: Closing, tmp_path: Path
) -> None:
    """`stockbook load --from-landing` in a new home: the same rows and digests; the report names the newest."""
    landing = tmp_path / "landing"
    shutil.copytree(home_after_a_night / "landing", landing)
    shutil.copytree(closed.settings.closes, landing / landed.FOLDER)
    restored = Closing(tmp_path / "new")

    report = replay(restored.night, "replay", landing)

    query = f"select * from {LINE} order by all"
    assert restored.rows(query) == closed.rows(query)
    assert restored.verify().problems == []
    newest = closed.verify().closes[-1]
    assert [step.closes for step in report.steps if step.name == "build"] == [{newest.close_id: newest.digest}]
