"""A user's own models: what is wrong with one is a problem of theirs with file and line, and the others are built."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from checkout import PROJECT
from own_folder import model, write

from stockbook.clock import SystemClock
from stockbook.declaration_files import load
from stockbook.declarations import Column, Table
from stockbook.errors import StockbookError
from stockbook.limits import Limits
from stockbook.models.build_extra import Built, build_extra, clear, is_there
from stockbook.models.extra import Plan, plan
from stockbook.models.programs import BuildContext
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.warehouse.connect import held_alone, writer
from stockbook.warehouse.schema import create_all

MODELS = PROJECT / "include" / "sql"
SALES = Table("sales", "What was sold.", {"account": Column("varchar"), "pieces": Column("bigint")}, layer="reports")
SUM = "select account, sum(pieces) as pieces from reports.sales group by account"


def ours() -> dict[str, Table]:
    """What is declared beside the folder: staging, meta, and one report."""
    declared = {name: table for name, table in load(MODELS).items() if table.layer in ("staging", "meta")}
    return declared | {SALES.name: SALES}


def planned(folder: Path) -> Plan:
    """The plan of a folder, read as a night reads it."""
    return plan(folder, MODELS, ours())


def told(folder: Path) -> list[str]:
    """What is said of a folder."""
    return [str(problem) for problem in planned(folder).problems]


A = "{a: {type: varchar, description: a}}"
BAD = {
    "no YAML": ("bad.yml", "table: bad\n  columns: [", "bad.yml line 2: cannot be read as YAML"),
    "a wrong field": (
        "bad.yml",
        "table: b\ndescription: a\ncolumns:\n  a: {type: varchar, description: a}\n  b: {type: 'or 1', description: a}",
        "bad.yml line 5: cannot be read",
    ),
    "an unknown column": (
        "bad.yml",
        f"table: bad\ndescription: a\ngrain: [nobody]\ncolumns: {A}",
        "bad.yml line 3: grain column 'nobody' is not declared.",
    ),
    "a program": (
        "bad.yml",
        f"table: bad\ndescription: a\nkind: program\nprogram: valuation\ncolumns: {A}",
        "bad.yml line 3: kind must be one of table, view, macro; got 'program'.",
    ),
    "a select alone": ("bad.sql", "select 1 as a", "bad.sql line 1: it has no declaration"),
    "no text": ("bad.yml", "table: b\udcffd", "bad.yml line 1: Policy file bad.yml must be text"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_broken_file_is_named_with_its_line_and_the_others_are_read(case: str, tmp_path: Path) -> None:
    """One sentence says file, line, what was expected and what came; the good model is built."""
    path, text, sentence = BAD[case]
    model(tmp_path, "good", SUM)
    (tmp_path / "sql" / "reports" / path).write_bytes(text.encode(errors="surrogateescape"))

    (said,) = told(tmp_path)

    assert said.startswith(f"sql/reports/{sentence}")
    assert list(planned(tmp_path).tables) == ["extra.good"]


SELECTS = {
    "select a,\n  b\nfrom where": "line 3: extra.bad cannot be parsed as one select: syntax error",
    "select 1 as a; drop table reports.sales": "line 1: extra.bad cannot be parsed as one select: Only SELECT",
    "select 1 as a; select 2": "line 1: extra.bad cannot be parsed as one select: it has 2 statements",
    "select 1 as a\nfrom reports.nothing": "line 2: extra.bad reads reports.nothing, which no declaration describes.",
    "select 1 as a from sales": "line 1: extra.bad reads sales without a schema",
    "from read_text('/etc/hostname')": "line 1: extra.bad asks read_text(...), which a model may not",
    "from query('select 1')": "line 1: extra.bad asks query(...), which a model may not",
    "from '/etc/hostname.csv'": "line 1: extra.bad reads /etc/hostname.csv without a schema",
    'from "/etc"."hostname.csv"': "line 1: extra.bad reads /etc.hostname.csv, which no declaration describes.",
}


@pytest.mark.parametrize("select", SELECTS)
def test_a_select_that_is_none_is_left_out_with_what_reads_it(select: str, tmp_path: Path) -> None:
    """A statement, two, a syntax error, a missing table, a file: refused at its line, and its readers name it."""
    model(tmp_path, "bad", select)
    model(tmp_path, "reader", "select account, pieces\nfrom extra.bad")
    model(tmp_path, "good", SUM)

    assert told(tmp_path)[0].startswith(f"sql/reports/bad.sql {SELECTS[select]}")
    assert told(tmp_path)[1:] == [
        "sql/reports/reader.sql line 2: extra.reader is left out: extra.bad, which it reads, is."
    ]
    assert list(planned(tmp_path).tables) == ["extra.good"]


def test_models_in_a_ring_are_left_out_and_say_the_ring(tmp_path: Path) -> None:
    """Each of the ring names all of it; what reads the ring goes too; what does not is built, in its order."""
    model(tmp_path, "one", "from extra.two")
    model(tmp_path, "two", "from extra.one")
    model(tmp_path, "after", "from extra.one")
    model(tmp_path, "z_first", SUM)
    model(tmp_path, "a_second", "from extra.z_first", at="marts")

    ring = [text for text in told(tmp_path) if "read each other in a ring" in text]

    assert {text.split()[0] for text in ring} == {"sql/reports/one.sql", "sql/reports/two.sql"}
    assert all("extra.one" in text and "extra.two" in text for text in ring)
    assert [text for text in told(tmp_path) if text not in ring] == [
        "sql/reports/after.sql line 1: extra.after is left out: extra.one, which it reads, is."
    ]
    assert list(planned(tmp_path).tables) == ["extra.z_first", "extra.a_second"]


def test_two_models_of_one_name_are_both_left_out(tmp_path: Path) -> None:
    """Nobody guesses which was meant. A name of ours is none of theirs: it is of another schema."""
    model(tmp_path, "twin", SUM)
    model(tmp_path, "twin", SUM, at="marts")
    model(tmp_path, "sales", SUM)

    assert [text.split(" line ")[0] for text in told(tmp_path)] == ["sql/marts/twin.yml", "sql/reports/twin.yml"]
    assert all("extra.twin is declared twice" in text for text in told(tmp_path))
    assert list(planned(tmp_path).tables) == ["extra.sales"]


def test_a_template_of_theirs_reaches_nothing_but_its_words(tmp_path: Path) -> None:
    """It is written out over the declarations; what would reach Python is refused at its file."""
    write(tmp_path, "sql/reports/names.sql.jinja", "select '{{ (tables | first).name }}' as account, 1 as pieces")
    write(
        tmp_path, "sql/reports/escape.sql.jinja", "select '{{ ''.__class__.__mro__[1].__subclasses__() }}' as account"
    )
    write(tmp_path, "sql/reports/broken.sql.jinja", "select\n{% if %} 1")
    for name in ("names", "escape", "broken"):
        declaration = f"table: {name}\ndescription: a\ncolumns: {{account: {{type: varchar, description: a}}}}"
        write(tmp_path, f"sql/reports/{name}.yml", declaration)

    broken, escape = told(tmp_path)

    assert broken.startswith("sql/reports/broken.sql.jinja line 2: cannot be expanded")
    assert escape.startswith("sql/reports/escape.sql.jinja line 1: cannot be expanded")
    assert "unsafe" in escape
    assert planned(tmp_path).steps[0].sql == "select 'extra.broken' as account, 1 as pieces"


def test_what_is_read_follows_every_file_and_every_upgrade(tmp_path: Path) -> None:
    """The cache is of the folder's content and of what we declare: a new file, a mended one, a report that is gone."""
    model(tmp_path, "one", SUM)
    assert list(planned(tmp_path).tables) == ["extra.one"]

    model(tmp_path, "two", "from extra.one")
    assert list(planned(tmp_path).tables) == ["extra.one", "extra.two"]

    upgraded = plan(tmp_path, MODELS, {name: table for name, table in ours().items() if name != SALES.name})
    assert list(upgraded.tables) == []
    assert [str(problem).partition(": ")[2] for problem in upgraded.problems] == [
        "extra.one reads reports.sales, which no declaration describes.",
        "extra.two is left out: extra.one, which it reads, is.",
    ]
    assert list(planned(tmp_path).tables) == ["extra.one", "extra.two"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose writer's file has a report of ours with rows, as of a night."""
    home = tmp_path_factory.mktemp("home")
    planned_models = Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_THREADS": "1"})
    with writer(planned_models) as con:
        create_all(con, load(MODELS))
        con.execute("insert into meta.current_run (run_id, as_of, zone) values ('r1', '2026-03-01', 'Europe/Prague')")
        con.execute("create table reports.sales as from (values ('a', 3), ('a', 4), ('b', 5)) as t(account, pieces)")
    return planned_models


@pytest.fixture
def con(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The writer's file as models of theirs are built in it."""
    with held_alone(settings), writer(settings) as opened:
        yield opened
        clear(opened)


def built(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    folder: Path,
    limits: Limits = Limits(),  # noqa: B008  # frozen
) -> Built:
    """The models of a folder, built as a night does."""
    planned_models = planned(folder)
    zone = ZoneInfo("Europe/Prague")
    context = BuildContext(datetime(2026, 3, 1), "r1", zone, settings.policy_dir, ours() | planned_models.tables)
    return build_extra(con, MODELS, context, (folder, planned_models), limits, SystemClock(), Silent())


def test_models_of_theirs_are_built_with_comments_and_stand_until_something_changes(
    con: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path
) -> None:
    """Rows in, rows out: a table, a view over it and a macro; the second time nothing is built; a change builds it."""
    model(tmp_path, "by_account", SUM)
    model(tmp_path, "many", "select account, pieces from extra.by_account where pieces > 5", more="kind: view")
    text = "select account, pieces from extra.by_account where account = wanted"
    model(tmp_path, "one", text, more="kind: macro\nparameters: {wanted: varchar}")

    assert not built(con, settings, tmp_path).problems
    assert con.sql("from extra.by_account order by all").fetchall() == [("a", 7), ("b", 5)]
    assert con.sql("from extra.many").fetchall() == [("a", 7)]
    assert con.sql("from extra.one('b')").fetchall() == [("b", 5)]
    comments = (
        "select comment from duckdb_columns() where schema_name = 'extra' and table_name = 'by_account' order by 1"
    )
    assert con.sql(comments).fetchall() == [("a",), ("a Unit: pieces.",)]
    # a report without a mark may have changed; now it has one
    con.execute("insert into meta.content_mark (table_name, mark) values ('reports.sales', 'm')")
    built(con, settings, tmp_path)
    assert built(con, settings, tmp_path).seconds.keys() == set()

    model(tmp_path, "by_account", SUM.replace("sum", "max"))
    assert "extra.by_account" in built(con, settings, tmp_path).seconds
    assert con.sql("from extra.many").fetchall() == []
    con.execute("delete from meta.content_mark")


FAILING = {
    "select account,\n  pieces / 'x' as pieces from reports.sales": ("line 2: extra.bad could not be built", {}),
    "select account, no_column as pieces\nfrom reports.sales": ("line 1: extra.bad could not be built", {}),
    "select account, pieces, 1 as third from reports.sales": ("line 1: extra.bad could not be built", {}),
    "select 'a' as account, count(*) as pieces from range(999999) as a, range(9999999) as b where a.range < -b.range": (
        "line 1: extra.bad took longer than 0.2 s (STOCKBOOK_READER_SECONDS)",
        {"seconds": 0.2},
    ),
}


@pytest.mark.parametrize("select", FAILING)
def test_a_model_that_fails_is_not_there_and_neither_is_what_reads_it(
    select: str, con: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path
) -> None:
    """A wrong cast, column or column too many, and one that takes too long: at its line, and the others are built."""
    sentence, limits = FAILING[select]
    model(tmp_path, "bad", SUM)
    model(tmp_path, "reader", "from extra.bad")
    model(tmp_path, "good", SUM)
    assert not built(con, settings, tmp_path).problems

    model(tmp_path, "bad", select)
    problems = [str(problem) for problem in built(con, settings, tmp_path, replace(Limits(), **limits)).problems]

    assert problems[0].startswith(f"sql/reports/bad.sql {sentence}")
    assert problems[1:] == ["sql/reports/reader.sql line 1: extra.reader is left out: extra.bad, which it reads, is."]
    there = con.sql("select table_name from duckdb_tables() where schema_name = 'extra'").fetchall()
    assert there == [("good",)]


def test_a_view_has_its_declared_columns(con: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path) -> None:
    """Readers are told what a column means: a view with others is left out."""
    model(tmp_path, "bad", "select account, pieces as more from reports.sales", more="kind: view")

    (problem,) = built(con, settings, tmp_path).problems

    assert str(problem) == (
        "sql/reports/bad.sql line 1: extra.bad could not be built: it declares the columns account, pieces; its select "
        "has account, more."
    )


def test_nothing_but_the_file_is_in_reach(con: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path) -> None:
    """Whatever a select says unseen: no file is read, written or attached, no library loaded, and no way back."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for statement in (
        f"from read_csv('{secret}')",
        f"from '{secret}'",
        f"copy reports.sales to '{tmp_path / 'out.csv'}'",
        f"attach '{tmp_path / 'other.duckdb'}'",
        "load httpfs",
        "set enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error, match=r"disabled (by|through) configuration|Cannot enable external access"):
            con.execute(statement)
    assert [file.name for file in tmp_path.iterdir()] == ["secret.csv"]


def test_what_is_gone_from_the_folder_is_gone_from_the_file(
    con: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path
) -> None:
    """A model that was removed is dropped; without any folder the schema goes."""
    model(tmp_path, "one", SUM)
    model(tmp_path, "two", SUM)
    built(con, settings, tmp_path)
    (tmp_path / "sql" / "reports" / "two.yml").unlink()
    (tmp_path / "sql" / "reports" / "two.sql").unlink()

    built(con, settings, tmp_path)

    assert con.sql("select table_name from duckdb_tables() where schema_name = 'extra'").fetchall() == [("one",)]
    clear(con)
    assert not is_there(con)


def test_a_wrong_way_of_failing_is_refused(tmp_path: Path) -> None:
    """What is red is one of two words."""
    with pytest.raises(StockbookError, match="STOCKBOOK_EXTRA_FAILS must be own or night; got 'all'"):
        Settings.load({"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_EXTRA_FAILS": "all"})
