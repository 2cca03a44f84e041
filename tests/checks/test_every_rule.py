"""
Every rule of every table, broken: by random rows, of which none fits another.

Nothing that is declared is left out: tables, views over them, and all rules, in a file without any order in it.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_books import SQL, one_by_one, seen

from conftest import a_run
from stockbook.checks.results import asked_of
from stockbook.checks.rules import Rule, of_table
from stockbook.checks.run import ask, statement
from stockbook.declarations import BUILT_LAYERS, Table, of_layer
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.programs import BuildContext
from stockbook.warehouse import meta, meta_listings
from stockbook.warehouse.content_marks import Marks
from stockbook.warehouse.meta_listings import Cursor, ListingKey
from stockbook.warehouse.schema import create_all
from stockbook.warehouse.transaction import transaction

NOW = datetime(2026, 3, 1, 2, 15)
ROWS = 12
MOST_TRIES = 1000
BROKEN_BY_NO_ROWS = (
    "rows that were received are there",
    "every row received is somewhere",
    "there is one row of settings",
)

# by column
Texts = dict[str, list[str]]
Fill = Callable[[duckdb.DuckDBPyConnection, str, Texts], None]


@pytest.fixture(scope="module")
def rules(tables: dict[str, Table]) -> list[Rule]:
    """All rules that nights ask."""
    checked = [table for table in tables.values() if table.layer in ("staging", "marts", "reports")]
    return [
        rule for table in checked if table.kind not in ("view", "macro") or table.checks for rule in of_table(table)
    ]


@pytest.fixture(scope="module")
def chance() -> random.Random:
    """Always the same."""
    return random.Random(17)


def texts_of(rules: list[Rule]) -> Texts:
    """The texts that rules compare a column with, by its name."""
    compared = re.compile(r"(\w+)\s+(?:not\s+)?(?:=|<>|in)\s*\(?((?:'\w+'(?:,\s*)?)+)")
    by_column: dict[str, set[str]] = {}
    for rule in rules:
        for column, listed in compared.findall(rule.bad_rows):
            by_column.setdefault(column, set()).update(re.findall(r"'(\w+)'", listed))
    return {column: sorted(choices) for column, choices in by_column.items()}


def value(chance: random.Random, column: str, type_: str, texts: Texts) -> Any:
    """A value of a type: one of few, so that rows meet."""
    if type_.endswith("[]"):
        return []
    if type_.startswith(("TIMESTAMP", "DATE", "TIME")):
        at = NOW + timedelta(days=chance.choice((-400, -1, 0, 0, 1)))
        return {"DATE": at.date(), "TIME": at.time()}.get(type_, at)
    choices: dict[str, Sequence[Any]] = {
        "VARCHAR": "ab" if column == "account" else texts.get(column) or ("1", "2"),
        "JSON": ("{}",),
        "BOOLEAN": (False, True),
        "ENUM": re.findall(r"'(\w+)'", type_),
        "UNSIGNED": (0, 1, 2),
        "NUMBER": (-1, 0, 1, 1, 2, 99 if has_two_digits(type_) else 1),
    }
    kind = type_ if type_ in choices else "UNSIGNED" if type_.startswith("U") else type_.partition("(")[0]
    return chance.choice(choices[kind if kind in choices else "NUMBER"])


def has_two_digits(type_: str) -> bool:
    """Whether 99 is a value of a type of numbers: a share as DECIMAL(5, 4) has one digit before its point."""
    sizes = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type_)
    return sizes is None or int(sizes[1]) - int(sizes[2]) > 1


@pytest.fixture(scope="module")
def fill(chance: random.Random) -> Fill:
    """Fills a table with other rows, one of them twice; some columns are mostly NULL."""

    def filling(con: duckdb.DuckDBPyConnection, table: str, texts: Texts) -> None:
        columns = con.execute("select name, type from pragma_table_info(?)", [table]).fetchall()
        # a rule about many columns at once needs them all, and the words that it names
        shares = chance.choice(((0.1,), (0.1, 0.1, 0.9)))
        texts = chance.choice((texts, {column: ["1", "2", *named] for column, named in texts.items()}))
        missing = {column: chance.choice(shares) for column, _ in columns}
        rows = [
            [
                None if chance.random() < missing[column] else value(chance, column, type_, texts)
                for column, type_ in columns
            ]
            for _ in range(ROWS)
        ]
        con.execute(f"delete from {table}")
        row = f"({', '.join('?' * len(columns))})"
        places = ", ".join([row] * (ROWS + 1))
        con.execute(f"insert into {table} values {places}", [cell for each in (*rows, rows[0]) for cell in each])

    return filling


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, rules: list[Rule], tables: dict[str, Table], fill: Fill) -> Path:
    """A file with every table and view, and no order in its rows."""
    path = tmp_path_factory.mktemp("every_rule") / "w.duckdb"
    run = a_run()
    with duckdb.connect(str(path)) as con:
        con.execute("set global TimeZone = 'UTC'")
        create_all(con, tables)
        create_macros(con, SQL)
        for table in tables.values():
            if table.layer in BUILT_LAYERS and table.kind not in ("view", "macro"):
                columns = {"account": "varchar"} if "account" in table.grain else {}
                columns |= {name: column.type for name, column in table.columns.items()}
                con.execute(f"create table {table.name} ({', '.join(f'{n} {t}' for n, t in columns.items())})")
        context = BuildContext(NOW, run.run_id, run.tz, path.parent, tables)
        for step in views(tables):
            run_step(con, step, context)
        for name in stored(con):
            fill(con, name, texts_of(rules))
        lose_rows(con, tables)
    return path


def lose_rows(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """The latest run received rows of every listing and table that are nowhere, of an account that has none at all."""
    meta.write_run(
        con, "r1", as_of=NOW, as_of_utc=None, started_at=NOW, status="running", full_refresh=False, observes=True
    )
    meta.write_current_run(con, "r1", NOW, "Europe/Prague")
    for table in of_layer(tables, "staging"):
        listing = ListingKey("lost", *((table.source.api, table.source.listing) if table.source else ("a", "b")))
        meta_listings.advance_cursors(con, [Cursor(listing, None)], as_of=NOW, run_id="r1")
        key = {"run_id": "r1", **listing._asdict()}
        meta_listings.write_listings(con, [{**key, "rows_received": 2}])
        counts = dict.fromkeys(("new", "changed", "unchanged", "repeated", "waiting", "quarantined"), 0)
        rows = {f"rows_{name}": count for name, count in {**counts, "received": 2}.items()}
        meta_listings.write_loaded_rows(con, [{**key, "table_name": table.table, **rows}])


def views(tables: dict[str, Table]) -> list[Step]:
    """The views and table macros, in their order."""
    return [step for step in steps(SQL, tables) if step.tables[0].kind in ("view", "macro")]


def stored(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the file but those of meta."""
    names = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'meta' order by all"
    ).fetchall()
    return [name for (name,) in names]


@contextmanager
def undone(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Whatever is changed is changed back."""
    con.execute("begin transaction")
    try:
        yield
    finally:
        con.execute("rollback")


@pytest.mark.slow
def test_every_rule_broken_gives_what_asking_it_alone_gives(
    database: Path, rules: list[Rule], tables: dict[str, Table], fill: Fill
) -> None:
    """Great Expectations answers all rules of a table in one statement; each is answered alone and by DuckDB, too."""
    unbroken, selects, con = rules, views(tables), by_one_thread(database)
    names = set(stored(con))
    for _ in range(MOST_TRIES):
        alone = one_by_one(con, unbroken)
        still = [rule for rule, outcome in zip(unbroken, alone, strict=True) if outcome.success is not False]
        if len(still) < len(unbroken):
            # Great Expectations opens the file itself
            con.close()
            assert [seen(outcome) for outcome in ask(database, unbroken)] == [seen(outcome) for outcome in alone]
            con = by_one_thread(database)
        unbroken = still
        if not unbroken:
            break
        # a row that few rules are about is met sooner among words of those few
        texts = texts_of(unbroken)
        with transaction(con):
            for name in sorted(names & read_by(unbroken, selects)):
                fill(con, name, texts)
    con.close()

    assert [rule.key for rule in unbroken] == []


def by_one_thread(database: Path) -> duckdb.DuckDBPyConnection:
    """A few rows keep one busy, and are counted sooner than a plan is made better."""
    con = duckdb.connect(str(database))
    con.execute("set threads = 1")
    con.execute("pragma disable_optimizer")
    return con


def read_by(rules: list[Rule], selects: list[Step]) -> set[str]:
    """The relations that rules name, and what views among them read."""
    names = {name for rule in rules for name in (rule.table.name, *re.findall(r"\b[a-z]+\.\w+", rule.bad_rows))}
    for step in reversed(selects):
        if step.name in names:
            names |= step.reads
    return names


@pytest.mark.slow
def test_a_rule_whose_answer_changes_with_a_table_is_asked(
    database: Path, rules: list[Rule], tables: dict[str, Table]
) -> None:
    """Each table alone loses its rows and has another mark: every rule with another answer has other contents."""
    selects = views(tables)
    changed: set[tuple[str, str]] = set()
    with by_one_thread(database) as con:
        scans = {rule.key: scanned(con, rule) for rule in rules}
        before, contents = answers(con, rules), marked(con, rules, tables, selects, "")
        assert not [key for key, content in contents.items() if content is None]
        for name in sorted(set(stored(con)) & read_by(rules, selects)):
            with undone(con):
                con.execute(f"delete from {name}")
                after = answers(con, [rule for rule in rules if name in scans[rule.key]])
                answered = [rule for rule in rules if after.get(rule.key, before[rule.key]) != before[rule.key]]
                contents_after = marked(con, answered, tables, selects, name)
            assert not [key for key, content in contents_after.items() if contents[key] == content], name
            changed |= contents_after.keys()

    assert changed >= {key for key, count in before.items() if count and key[1] not in BROKEN_BY_NO_ROWS}


def scanned(con: duckdb.DuckDBPyConnection, rule: Rule) -> set[str]:
    """The tables that a rule reads by DuckDB's own plan before it is optimized: the others cannot change its answer."""
    con.execute("set explain_output = 'all'")
    plans = dict(con.execute(f"explain (format json) {statement([rule])}").fetchall())
    names = set(re.findall(r'"Table": "\w+\.(\w+\.\w+)"', plans["logical_plan"]))
    assert names, rule.key
    return names


def answers(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> dict[tuple[str, str], int]:
    """The bad rows of each rule."""
    groups: dict[str, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.table.name, []).append(rule)
    return {
        rule.key: count
        for group in groups.values()
        for rule, count in zip(group, con.execute(statement(group)).fetchall()[0][0], strict=True)
    }


def marked(
    con: duckdb.DuckDBPyConnection, rules: list[Rule], tables: dict[str, Table], selects: list[Step], changed: str
) -> dict[tuple[str, str], str | None]:
    """The contents of rules after the table ``changed`` alone was written; ``selects`` are the views."""
    marks = Marks(con, tables, SQL)
    marks.stored = dict.fromkeys(stored(con), "1") | {changed.removesuffix("_history"): "2"}
    for step in selects:
        mark = marks.of(step.sql or "", step.reads)
        assert mark is not None, step.name
        marks.stored[step.name] = mark
    return {rule.key: asked_of(rule, marks) for rule in rules}
