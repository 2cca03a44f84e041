"""Steps are walked side by side, each once what it reads is there, in a transaction of its own."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from stockbook.declarations import Table
from stockbook.errors import DiskRefused, ModelFailed
from stockbook.models.order import Step
from stockbook.models.walk import walk

SECONDS = 20.0


def step(name: str, *reads: str) -> Step:
    """A step that makes the table of its name."""
    table = Table(table=name.split(".")[1], layer="marts", description="Rows.", columns={})
    return Step(name, (table,), "", None, frozenset(reads))


# a diamond, and one that stands alone
A, B, C, D, E = (
    step("marts.a"),
    step("marts.b", "marts.a"),
    step("marts.c", "marts.a"),
    step("marts.d", "marts.b", "marts.c"),
    step("marts.e"),
)
STEPS = [E, A, B, C, D]


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A file with a schema for the steps."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute("create schema marts")
        yield con


def made(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables that are there."""
    return {name for (name,) in con.execute("select 'marts.' || table_name from duckdb_tables()").fetchall()}


@pytest.mark.parametrize("walkers", [1, 2, 4])
def test_each_step_finds_what_it_reads(con: duckdb.DuckDBPyConnection, walkers: int) -> None:
    """Committed by whoever made it, on whichever cursor."""

    def work(cursor: duckdb.DuckDBPyConnection, step: Step) -> None:
        sources = "".join(f", {name} as {name[-1]}" for name in sorted(step.reads))
        cursor.execute(f"create table {step.name} as select '{step.name}' as name from range(1){sources}")

    walk(con, STEPS, set(), work, walkers)

    assert made(con) == {step.name for step in STEPS}


def test_what_stands_is_not_made_but_waited_for(con: duckdb.DuckDBPyConnection) -> None:
    """A view that stands is read once what it reads is new."""
    done = []
    walk(con, STEPS, {"marts.b", "marts.c"}, lambda _, step: done.append(step.name), 2)

    assert set(done) == {"marts.a", "marts.d", "marts.e"}
    assert done.index("marts.a") < done.index("marts.d")


def test_the_longest_chain_begins(con: duckdb.DuckDBPyConnection) -> None:
    """Who waits for it waits longest; what nobody waits for comes last."""
    begun: list[str] = []
    walk(con, STEPS, set(), lambda _, step: begun.append(step.name), 1)

    assert begun == ["marts.a", "marts.b", "marts.c", "marts.e", "marts.d"]


def test_two_walkers_work_at_once(con: duckdb.DuckDBPyConnection) -> None:
    """Each of the two that read the same waits for the other to be at work."""
    both = threading.Barrier(2, timeout=SECONDS)
    done: list[str] = []

    def work(_: duckdb.DuckDBPyConnection, step: Step) -> None:
        if step in (B, C):
            both.wait()
        done.append(step.name)

    walk(con, STEPS, set(), work, 2)

    assert sorted(done) == sorted(step.name for step in STEPS)


def test_an_error_names_its_step_and_ends_the_others(con: duckdb.DuckDBPyConnection) -> None:
    """Nothing is begun behind it; what runs beside it is interrupted and taken back, what was done stays."""
    begun: list[str] = []
    busy = threading.Event()

    def work(cursor: duckdb.DuckDBPyConnection, step: Step) -> None:
        begun.append(step.name)
        cursor.execute(f"create table {step.name} (n bigint)")
        if step == B:
            assert busy.wait(SECONDS)
            cursor.execute("select cast('x' as bigint)")
        if step == C:
            busy.set()
            # hours, were it not interrupted
            cursor.execute("select count(*) from range(10000000000) as a, range(1000000) as b where a.range % 7 = 1")

    with pytest.raises(ModelFailed, match=r"^marts\.b could not be built: Conversion Error"):
        walk(con, STEPS, {"marts.e"}, work, 2)

    assert begun[0] == "marts.a"
    assert set(begun) == {"marts.a", "marts.b", "marts.c"}
    assert made(con) == {"marts.a"}


def test_what_a_disk_says_is_not_the_models_fault(con: duckdb.DuckDBPyConnection) -> None:
    """It goes to who opened the file, as it is."""

    def work(_: duckdb.DuckDBPyConnection, step: Step) -> None:
        raise DiskRefused(step.name)

    with pytest.raises(DiskRefused, match=r"marts\.a"):
        walk(con, STEPS, {"marts.e"}, work, 2)


def test_without_memory_beside_another_a_step_is_tried_alone(con: duckdb.DuckDBPyConnection) -> None:
    """So are those behind it; what it began is taken back; alone it fails as a model does."""
    both = threading.Barrier(2, timeout=SECONDS)
    at_work: set[str] = set()
    lone: list[str] = []
    tries: list[str] = []

    def work(cursor: duckdb.DuckDBPyConnection, step: Step) -> None:
        tries.append(step.name)
        at_work.add(step.name)
        cursor.execute(f"create table {step.name} (n bigint)")
        if step in (B, C) and tries.count(step.name) == 1:
            both.wait()
            at_work.discard(step.name)
            if step == B:
                raise duckdb.OutOfMemoryException("none left")
            return
        if len(at_work) == 1:
            lone.append(step.name)
        at_work.discard(step.name)

    walk(con, STEPS, {"marts.e"}, work, 2)

    assert made(con) == {"marts.a", "marts.b", "marts.c", "marts.d"}
    assert tries.count("marts.b") == 2
    assert lone == ["marts.a", "marts.b", "marts.d"]

    def fails(_: duckdb.DuckDBPyConnection, __: Step) -> None:
        raise duckdb.OutOfMemoryException("none left")

    with pytest.raises(ModelFailed, match=r"marts\.a could not be built: none left"):
        walk(con, [A], set(), fails, 2)


def test_an_error_without_a_word_is_told_by_its_kind(con: duckdb.DuckDBPyConnection) -> None:
    """A program that finds no memory says nothing."""

    def fails(_: duckdb.DuckDBPyConnection, __: Step) -> None:
        raise MemoryError

    with pytest.raises(ModelFailed, match=r"^marts\.a could not be built: MemoryError$"):
        walk(con, [A], set(), fails, 2)
