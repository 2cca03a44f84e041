"""Expectations from declarations, asked by Great Expectations inside DuckDB."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import psutil
import pytest

from stockbook.checks import process
from stockbook.checks.messages import Count
from stockbook.checks.process import Answer
from stockbook.checks.results import Result, write_results
from stockbook.checks.run import raise_on_failed, run_checks
from stockbook.declarations import Check, Column, Table
from stockbook.errors import CheckFailed, ModelFailed, StockbookError
from stockbook.runs.check_outcome import Outcome

pytestmark = pytest.mark.slow  # importing Great Expectations alone takes seconds


def a_table(*checks: Check) -> Table:
    """marts.t with a grain of (account, id), a required code and the given checks."""
    return Table(
        table="t",
        layer="marts",
        description="A table.",
        grain=["account", "id"],
        columns={
            "id": Column("bigint", "Key.", required=True),
            "code": Column("varchar", "Code.", required=True),
            "email": Column("varchar", "Somebody's address."),
            "amount": Column("decimal(18, 2)", "Money."),
        },
        checks=list(checks),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A file with four good rows."""
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts")
        con.execute(
            "create table marts.t (account varchar, id bigint, code varchar, email varchar, amount decimal(18, 2))"
        )
        con.execute("insert into marts.t values ('main', 1, 'DS1', 'a@b.cz', 1), ('main', 2, 'DS2', 'c@d.cz', 2), "
                    "('main', 3, 'DS3', null, 3), ('other', 1, 'DS1', null, 4)")  # fmt: skip
    return path


@pytest.fixture
def change(database: Path) -> Callable[[str], None]:
    """Runs a statement on the file."""

    def changing(sql: str) -> None:
        with duckdb.connect(str(database)) as con:
            con.execute(sql)

    return changing


Change = Callable[[str], None]


def broken(outcomes: list[Outcome]) -> list[str]:
    """Names of the expectations that do not hold."""
    return [outcome.expectation for outcome in outcomes if not outcome.success]


def test_grain_and_required_columns_are_expected_of_every_table(database: Path, change: Change) -> None:
    """Nobody writes them down; good rows hold them, a double key and a missing value break them."""
    assert broken(run_checks(database, [a_table()])) == []

    change("insert into marts.t values ('main', 1, null, null, 1)")

    outcomes = run_checks(database, [a_table()])
    assert broken(outcomes) == ["one row per account × id", "code is there"]
    assert outcomes[0].sample_keys == [{"account": "main", "id": 1, "copies": 2}]


def test_a_declared_expectation_says_how_many_rows_break_it_and_which(database: Path) -> None:
    """The keys of the grain are kept; no other column's value is, it could be somebody's data."""
    check = Check(
        "no address ends in .cz",
        "warn",
        expect="ExpectColumnValuesToNotMatchRegex",
        args={"column": "email", "regex": r"\.cz$"},
    )

    [outcome] = [outcome for outcome in run_checks(database, [a_table(check)]) if not outcome.success]

    assert (outcome.failing_rows, outcome.observed) == (2, "2 of 4 rows")
    assert outcome.sample_keys == [{"account": "main", "id": 1}, {"account": "main", "id": 2}]
    assert "a@b.cz" not in str(outcome)


def test_a_regular_expression_matches_a_part(database: Path) -> None:
    """DuckDB's own operator wants the whole text; the dialect asks for a part, as Great Expectations means it."""
    check = Check(
        "codes have a 2 or so",
        "fail",
        expect="ExpectColumnValuesToMatchRegex",
        args={"column": "code", "regex": "S[0-9]"},
    )

    assert broken(run_checks(database, [a_table(check)])) == []


def test_a_query_for_bad_rows_is_a_check(database: Path) -> None:
    """Any row it returns breaks it; the rows are the sample, the query finds them all; braces are no placeholders."""
    query = "select account, id, '{}' as shape from marts.t where amount > 2"
    check = Check("nothing costs more than two", "fail", rows=query)

    [outcome] = [outcome for outcome in run_checks(database, [a_table(check)]) if not outcome.success]

    assert outcome.failing_rows == 2
    assert outcome.query == query
    assert {(key["account"], key["id"]) for key in outcome.sample_keys} == {("main", 3), ("other", 1)}


@pytest.mark.parametrize(
    "check",
    [
        Check("a column nobody has", "warn", expect="ExpectColumnValuesToNotBeNull", args={"column": "nothing"}),
        Check("a query of nothing", "warn", rows="select * from marts.nothing"),
        Check("an expectation nobody knows", "warn", expect="ExpectMiracles"),
    ],
)
def test_a_check_that_cannot_be_asked_is_an_error(database: Path, check: Check) -> None:
    """A check that always passes because it never ran is the worst kind: the night is red, the check named."""
    with pytest.raises(ModelFailed, match=r"marts\.t"):
        run_checks(database, [a_table(check)])


def test_great_expectations_says_nothing_and_sees_no_secret(
    database: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No line of its own, no moving bar, no warning of what it imports; no key and no password of the night."""
    process.stop()
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", "a secret")

    run_checks(database, [a_table()])
    # Ctrl-C reaches all that a terminal runs, and is for the night
    os.kill(process.start().pid, signal.SIGINT)
    run_checks(database, [a_table()])

    assert capfd.readouterr() == ("", "")
    environ = psutil.Process(process.start().pid).environ()
    assert "PATH" in environ
    assert [name for name in environ if name.startswith(("STOCKBOOK", "AIRFLOW"))] == []


def test_a_path_may_hold_any_character(database: Path) -> None:
    """What an address gives another meaning is part of the name of a folder like any other letter."""
    folder = database.parent / "50% of $HOME? a#b 'c' %41"
    folder.mkdir()
    moved = database.rename(folder / database.name)

    assert [outcome.success for outcome in run_checks(moved, [a_table()])] == [True] * 3


def test_the_writer_can_open_the_file_afterwards(database: Path, change: Change) -> None:
    """No connection stays open behind the checks."""
    run_checks(database, [a_table(Check("a", "warn", rows="select id from marts.t"))])

    change("update marts.t set amount = 0")


def test_the_tables_of_a_large_shop_are_asked_one_by_one(
    database: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not hold is the same, whatever number of tables is asked in one statement."""
    tables = [a_table(), msgspec.structs.replace(a_table(), table="u")]
    change("create table marts.u as from marts.t")
    change("insert into marts.t values ('main', 1, null, null, 1)")
    together = run_checks(database, tables)
    monkeypatch.setattr("stockbook.checks.run.is_small", lambda _: False)
    monkeypatch.setattr("stockbook.checks.run.ROW_GROUP", 0)

    assert run_checks(database, tables) == together
    assert broken(together) == ["one row per account × id", "code is there"]


def test_without_memory_for_two_statements_they_are_asked_one_by_one(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night is not red for it, and the outcomes are those of asking side by side."""
    table = a_table(Check("w", "warn", rows="select account, id from marts.t"))
    side_by_side = run_checks(database, [table])
    widths: list[int] = []
    counts = process.counts

    def scarce(statements: list[tuple[str, bool]], at_once: int, answer: Callable[[str], Answer]) -> list[Count]:
        widths.append(at_once)

        def no_memory(sql: str) -> Answer:
            raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate")

        return counts(statements, at_once, no_memory if at_once > 1 else answer)

    monkeypatch.setattr(process, "counts", scarce)

    assert run_checks(database, [table]) == side_by_side
    assert widths == [2, 1]


def test_a_process_that_ends_in_the_middle_is_an_error_and_the_next_one_answers(database: Path) -> None:
    """As where the kernel ends it for want of memory: a check that was not asked never counts as held."""

    def killed(sql: str) -> Answer:
        asking = process.start()
        asking.kill()
        asking.wait()
        return [], []

    with pytest.raises(StockbookError, match=r"ended with code -9: is the machine out of memory\?"):
        process.counts([("select [0] as bad_rows", True)], 1, killed)

    assert broken(run_checks(database, [a_table()])) == []


def test_a_process_that_did_not_read_what_it_was_sent_is_put_away() -> None:
    """Who waits for it gets the error that it ended, not that of a pipe."""
    asking = process.start()
    asking.kill()
    asking.wait()
    assert asking.stdin is not None
    asking.stdin.write(b"a line that is not flushed")

    process.stop()

    assert asking.stdin.closed


def test_an_interrupted_question_leaves_no_answer_for_the_next_one(
    database: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops waiting for its counts ends the process; the question behind it gets its own."""
    change("insert into marts.t values ('main', 9, null, null, 1)")
    with monkeypatch.context() as patched:
        patched.setattr(process, "_decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_checks(database, [a_table()])

    assert broken(run_checks(database, [a_table()])) == ["code is there"]


def interrupted(_line: bytes) -> None:
    """Somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def test_no_process_outlives_a_night_that_is_killed() -> None:
    """It ends with its night, in the middle of its import too, and holds no memory of the machine."""
    program = "from stockbook.checks import process; print(process.start().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as night:
        assert night.stdout is not None
        asking = psutil.Process(int(night.stdout.readline()))
        night.kill()

    asking.wait(timeout=60)


def test_a_broken_fail_check_stops_and_a_broken_warning_does_not(database: Path) -> None:
    """The error names the table, the check and some keys."""
    warning = Check("w", "warn", rows="select account, id from marts.t")
    raise_on_failed(run_checks(database, [a_table(warning)]))

    failing = Check("f", "fail", rows="select account, id from marts.t where id = 3")
    with pytest.raises(CheckFailed, match=r"marts\.t: 'f' does not hold, 1 rows \(for example account=main, id=3\)"):
        raise_on_failed(run_checks(database, [a_table(warning, failing)]))


def test_results_are_kept_once_per_run_and_stage(con: duckdb.DuckDBPyConnection) -> None:
    """Asking a stage again replaces its answers."""
    outcome = Outcome("marts.t", "f", "fail", False, "1 rows", 1, [{"id": 3}], "select 3")
    for _ in range(2):
        write_results(con, "r1", "check_marts", [Result(outcome, datetime(2026, 3, 1, tzinfo=UTC), None)])

    results = con.execute("select suite, expectation, success, sample_keys, query from meta.check_result").fetchall()
    assert results == [("marts.t", "f", False, '[{"id":3}]', "select 3")]
