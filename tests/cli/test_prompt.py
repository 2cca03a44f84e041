"""The prompt of ``stockbook sql``."""

import io
from pathlib import Path

import duckdb
import pytest

from stockbook.cli.prompt import Prompt
from stockbook.declarations import Table


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A small published file."""
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create table t as select 42 as answer")
    return file


def typed(published: Path, tables: dict[str, Table], *lines: str) -> str:
    """What the prompt says to lines that are typed."""
    prompt = Prompt(published, tables)
    prompt.stdout = io.StringIO()
    ended = [prompt.onecmd(line) for line in lines]
    assert ended[:-1] == [False] * (len(lines) - 1)
    return prompt.stdout.getvalue()


def test_a_query_over_several_lines_is_answered(published: Path, tables: dict[str, Table]) -> None:
    """It ends with its semicolon; the file is free afterwards."""
    assert "42" in typed(published, tables, "select answer", "from t;", ".quit")
    with duckdb.connect(str(published)) as writer:
        assert writer.execute("select count(*) from t").fetchall() == [(1,)]


def test_a_wrong_query_is_said_and_the_prompt_goes_on(published: Path, tables: dict[str, Table]) -> None:
    """One line of the error, then the next query."""
    output = typed(published, tables, "from nothing;", "select 7 as seven;")
    assert output.startswith("The query cannot be answered: Catalog Error")
    assert "Did you mean" in output
    assert "seven" in output


def test_nobody_can_write(published: Path, tables: dict[str, Table]) -> None:
    """The file is opened read-only."""
    assert "read-only" in typed(published, tables, "create table u as select 1;")


def test_what_there_is_to_ask_is_explained(published: Path, tables: dict[str, Table]) -> None:
    """Tables by words, columns of one, macros with an example; what is unknown is said."""
    assert "reports.sla_daily" in typed(published, tables, ".tables on-time due")
    assert "orders" in typed(published, tables, ".describe reports.sla_daily")
    assert "from reports.stock_value_on(date '2026-02-28');" in typed(published, tables, ".macros")
    assert "intermediate." not in typed(published, tables, ".tables")
    assert ".describe NAME" in typed(published, tables, ".help")
    assert "Nothing is called 'x'" in typed(published, tables, ".describe x")
    assert "There is no .x" in typed(published, tables, ".x")


@pytest.mark.parametrize("word", ["quit", "exit;", "QUIT ;", ".quit", ".exit", "EOF"])
def test_every_word_of_leaving_leaves(published: Path, tables: dict[str, Table], word: str) -> None:
    """With a semicolon or without; within a query the word is a part of it."""
    assert Prompt(published, tables).onecmd(word)
    if word != "EOF":
        within = Prompt(published, tables)
        within.stdout = io.StringIO()
        assert [within.onecmd("select"), within.onecmd(word)] == [False, False]


def test_the_words_of_other_prompts_do_what_they_say(published: Path, tables: dict[str, Table]) -> None:
    """They are help and show tables, with and without a semicolon, without waiting for more of a query."""
    for ending in ("", ";"):
        assert ".describe NAME" in typed(published, tables, f"help{ending}", ".quit")
        assert "reports.sla_daily" in typed(published, tables, f"Show  tables{ending}", ".quit")


def test_several_statements_of_a_line_are_all_answered(published: Path, tables: dict[str, Table]) -> None:
    """A semicolon in a text does not end one."""
    output = typed(published, tables, "select 1 as first; select ';' as second;")

    assert "first" in output
    assert "second" in output
