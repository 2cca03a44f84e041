"""Readers of the published file reach that file and nothing else, through every door, and never without end."""

import ast
import io
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from refused_statements import ALLOWED, REFUSED
from superset_engine import answers

import stockbook
from stockbook.cli.printing import Format, Printer
from stockbook.cli.prompt import Prompt
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.limits import Limits
from stockbook.settings import Settings
from stockbook.warehouse.readers import reader


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small published file, beside another database."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "published").mkdir()
    for file in (folder / "published" / "warehouse.duckdb", folder / "other.duckdb"):
        with duckdb.connect(str(file)) as con:
            con.execute("create table t as select 1 as n; create schema reports; create schema marts")
            con.execute("create table reports.r as select 1 as n; create table marts.m as select 1 as n")
    return folder


def published(home: Path) -> Path:
    return home / "published" / "warehouse.duckdb"


def in_words(home: Path, statement: str) -> str:
    """A statement with the paths of this home in it."""
    return statement.format(file=published(home), other=home / "other.duckdb", folder=home)


def everything_in(home: Path) -> dict[str, bytes]:
    """Every file of a home with its content."""
    return {str(file): file.read_bytes() for file in home.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def answers_of_superset(home: Path) -> dict[str, str | None]:
    """What Superset's own engine raises for each statement, None when it answers."""
    statements = [in_words(home, statement) for statement in REFUSED] + ALLOWED
    return answers(str(published(home)), statements, home)[0]


def asked_by_command(home: Path, statement: str, tables: dict[str, Table]) -> str:
    """As ``stockbook sql`` asks; raises what the command turns into a sentence."""
    out = io.StringIO()
    with reader(published(home), Settings.load({"STOCKBOOK_HOME": str(home)}).limits) as con:
        Printer(out, Format.csv).answer(con, statement)
    return out.getvalue()


def asked_by_prompt(home: Path, statement: str, tables: dict[str, Table]) -> str:
    prompt = Prompt(published(home), tables)
    prompt.stdout = io.StringIO()
    prompt.onecmd(statement.partition(" --")[0] + ";")
    return prompt.stdout.getvalue()


def test_every_door_refuses_what_is_not_the_published_file(home: Path, tables: dict[str, Table]) -> None:
    """The command, the prompt and `read` refuse each statement in one sentence, and no file is changed or made."""
    before = everything_in(home)
    frame = duckdb.sql("select 1 as secret").to_arrow_table()
    assert len(REFUSED) >= 30

    statements = [in_words(home, statement) for statement in REFUSED]
    with reader(published(home), Settings.load({"STOCKBOOK_HOME": str(home)}).limits) as con:
        for statement in statements:
            with pytest.raises(ConfigError) as refused:
                Printer(io.StringIO(), Format.csv).answer(con, statement)
            assert "\n" not in str(refused.value), statement
    for statement in statements:
        answer = asked_by_prompt(home, statement, tables)
        assert "cannot be answered" in answer or "not for readers" in answer, (statement, answer)
    asked_within = [text for text in statements if text.startswith(("select", "from"))]
    for within in [*(f"n in ({text})" for text in asked_within), f"n = 1; copy t to '{home}/x'", "n = 1; checkpoint"]:
        with pytest.raises(ConfigError):
            stockbook.read("reports.r", where=within, home=home)

    assert frame.num_rows == 1
    assert everything_in(home) == before


def test_superset_refuses_them_too(
    home: Path, tables: dict[str, Table], answers_of_superset: dict[str, str | None]
) -> None:
    """Superset's own engine, as its SQL Lab uses it: every statement is refused, and what readers may ask is not."""
    refused = {statement: answers_of_superset[in_words(home, statement)] for statement in REFUSED}

    assert [statement for statement, answer in refused.items() if answer is None] == []
    assert [
        (statement, answers_of_superset[statement]) for statement in ALLOWED if answers_of_superset[statement]
    ] == []


def test_ordinary_use_goes_on(home: Path, tables: dict[str, Table]) -> None:
    """Queries, plans, descriptions, temporary tables, views and macros are answered by command and prompt."""
    for statement in ALLOWED:
        asked_by_command(home, statement, tables)
        answer = asked_by_prompt(home, statement, tables)
        assert "cannot be answered" not in answer
        assert "not for readers" not in answer
    assert stockbook.read("reports.r", where="n in (select n from t)", home=home)["n"].tolist() == [1]


def test_a_query_over_the_time_limit_is_interrupted(home: Path) -> None:
    """The sentence names the setting; a short query after it is answered by a new reader."""
    endless = "select count(*) from range(1000000000000)"

    with (
        pytest.raises(ConfigError, match="longer than STOCKBOOK_READER_SECONDS allows and was interrupted"),
        reader(published(home), Limits(seconds=0.2)) as con,
    ):
        Printer(io.StringIO(), Format.csv).answer(con, endless)
    with reader(published(home), Limits(seconds=0.2)) as con:
        assert con.execute("select n from t").fetchall() == [(1,)]


def test_a_sort_larger_than_memory_spills_and_one_larger_than_the_disk_says_so(home: Path, tmp_path: Path) -> None:
    """What does not fit into memory goes to a folder of this reader and is gone afterwards; the limit is a sentence."""
    sort = "create temp table big as select hash(range)::varchar as h from range(1500000) order by h; select 1 as one"
    small = Limits(memory="64MB", spill=tmp_path / "spill")
    out = io.StringIO()

    with reader(published(home), small) as con:
        Printer(out, Format.csv).answer(con, sort)
        assert list((tmp_path / "spill").iterdir())
    assert list((tmp_path / "spill").iterdir()) == []
    assert out.getvalue().endswith("one\n1\n")
    with (
        pytest.raises(ConfigError, match="STOCKBOOK_READER_MEMORY and STOCKBOOK_READER_DISK"),
        reader(published(home), Limits(memory="32MB", disk="1MB", spill=tmp_path / "spill")) as con,
    ):
        Printer(out, Format.csv).answer(con, sort)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("STOCKBOOK_READER_MEMORY", "much"), ("STOCKBOOK_READER_SECONDS", "-1"), ("STOCKBOOK_READER_DISK", "4")],
)
def test_a_wrong_limit_is_named(variable: str, value: str) -> None:
    """The message names the variable and what it got."""
    with pytest.raises(ConfigError, match=f"{variable} must be .*{value}"):
        Settings.load({variable: value})


# what may open DuckDB by itself, and why it is no way for readers
OPENS = {
    "stockbook/warehouse/connect.py": "the one place for the writer's file",
    "stockbook/warehouse/readers.py": "the one place for readers",
    "stockbook/warehouse/lake.py": "in memory: the lake is attached to it, and locked in for readers",
    "stockbook/warehouse/file_errors.py": "reads every block of a file that could not be read",
    "stockbook/warehouse/rewriting.py": "in memory: copies the content of a file into a new one",
    "stockbook_sandbox/replayed_demand.py": "in memory: reads the order history its operator names",
    "stockbook/lineage/graph.py": "in memory: its parser reads the text of selects",
    "stockbook/models/blanks.py": "in memory: makes the schema that builds copy",
    "stockbook/models/reads.py": "in memory: its parser says what a select reads",
    "stockbook/erasure/search.py": "in memory: reads the Parquet files that may hold somebody forgotten",
    "stockbook/valuation/program.py": "in memory: compiles the replay once",
}


def test_one_module_opens_duckdb() -> None:
    """No other module calls `duckdb.connect` or a query of the module itself, but those named with their reason."""
    opening = set()
    root = PROJECT / "plugins"
    for file in root.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = call.func
            if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "duckdb":
                if name.attr in ("connect", "sql", "execute", "query", "read_csv", "read_parquet", "read_json"):
                    opening.add(str(file.relative_to(root)))
            elif isinstance(name, ast.Name) and name.id == "connect" and "from duckdb import" in file.read_text():
                opening.add(str(file.relative_to(root)))

    assert opening == OPENS.keys()
