"""
Check every rule in the database, through Great Expectations.

All tables of a stage are checked in one go: one statement for the rules of some tables and a severity, some statements
side by side. Great Expectations has a process of its own.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from stockbook.checks import process
from stockbook.checks.messages import Count
from stockbook.checks.process import Answer
from stockbook.checks.rules import Rule, of_table
from stockbook.counted import counted
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ModelFailed, first_line
from stockbook.runs.check_outcome import Outcome
from stockbook.warehouse.connect import ROW_GROUP, checkpointed_beside, for_questions, is_small, let_go, spare_threads

SAMPLE = 10
# tables in one statement, which costs more than asking small ones; large ones are too much together
TABLES = 16
_RELATION = re.compile(r"\b(?:staging|intermediate|marts|reports|extra|meta)\.\w+", re.IGNORECASE)
NOTHING = "nothing to check"
# how DuckDB begins when it says so
_NO_MEMORY = "Out of Memory Error"


def run_checks(database: Path, tables: list[Table]) -> list[Outcome]:
    """
    Check all rules of the tables in a database file, which nobody else may have open for writing.

    Raises ModelFailed when a rule cannot be checked at all: a column is missing, or a query is wrong.
    """
    return ask(database, [rule for table in tables for rule in of_table(table)])


def ask(database: Path, rules: list[Rule], at_once: int = 2) -> list[Outcome]:
    """As ``run_checks``, of these rules; so many statements at once, or one where there is no memory for that."""
    if not rules:
        return []
    process.start()
    with for_questions(database) as con:
        large = set() if is_small(con) else _reading_much(con, rules)
    if large:
        # it gives back the memory that a build keeps
        let_go(database)
    with for_questions(database) as con, checkpointed_beside(database):
        spare_threads(con)
        groups = list(_groups(rules, large))
        counted_rows = _validate(database, groups, at_once)
        if at_once > 1 and any(_NO_MEMORY in count.error for count in counted_rows):
            counted_rows = _validate(database, groups, 1)
        bad_rows: dict[tuple[str, str], int] = {}
        for group, count in zip(groups, counted_rows, strict=True):
            if count.error:
                raise ModelFailed(_unanswerable(con, group, count.error))
            bad_rows |= zip((rule.key for rule in group), count.bad_rows, strict=True)
        return outcomes(con, rules, bad_rows)


def _reading_much(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> set[str]:
    """The tables whose rules read more than small tables: a table of more than a row group, or a view."""
    small = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where estimated_size <= ?", [ROW_GROUP]
    ).fetchall()
    names = {name for (name,) in small}
    return {rule.table.name for rule in rules if not {*map(str.lower, _RELATION.findall(rule.bad_rows))} <= names}


def _groups(rules: list[Rule], large: set[str]) -> Iterator[list[Rule]]:
    """The rules of one statement each: of a severity, and of a ``large`` table or of some others."""
    for _, of_severity in groupby(sorted(rules, key=_severity), key=_severity):
        together: list[list[Rule]] = []
        for name, group in groupby(sorted(of_severity, key=_table), key=_table):
            if name in large:
                yield list(group)
            else:
                together.append(list(group))
        for first in range(0, len(together), TABLES):
            yield [rule for each in together[first : first + TABLES] for rule in each]


def outcomes(con: duckdb.DuckDBPyConnection, rules: list[Rule], bad_rows: dict[tuple[str, str], int]) -> list[Outcome]:
    """What came of rules of which so many rows are bad, by their keys."""
    rows = _rows_of(con, rules)
    return [_outcome(con, rule, bad_rows[rule.key], rows) for rule in rules]


def _severity(rule: Rule) -> str:
    return rule.severity


def _table(rule: Rule) -> str:
    return rule.table.name


def _validate(database: Path, groups: list[list[Rule]], at_once: int) -> list[Count]:
    """What Great Expectations says of each group, so many at once."""

    def answer(sql: str) -> Answer:
        with for_questions(database) as con:
            result = con.execute(sql)
            return [name for name, *_ in result.description], result.fetchall()

    return process.counts([(statement(group), group[0].severity == "fail") for group in groups], at_once, answer)


def statement(rules: list[Rule]) -> str:
    """
    One query for rules: a row whose ``bad_rows`` is the list of their counts.

    All conditions on a table are counted in one scan; each query is a subquery of its own.
    """
    counts = [f"({_counting(list(group))})" for _, group in groupby(rules, key=_table)]
    return f"select flatten([{', '.join(counts)}]) as bad_rows"


def _counting(rules: list[Rule]) -> str:
    counts = [
        f"(select count(*) from ({rule.query}\n) as bad)"
        if rule.query is not None
        else f"count(*) filter (where {rule.condition})"
        for rule in rules
    ]
    scanned = f" from {rules[0].table.name}" if any(rule.query is None for rule in rules) else ""
    return f"select [{', '.join(counts)}]{scanned}"


def _unanswerable(con: duckdb.DuckDBPyConnection, rules: list[Rule], message: str) -> str:
    """Which of the rules cannot be checked, and why: each is tried by itself."""
    for rule in rules:
        try:
            con.execute(statement([rule]))
        except duckdb.Error as error:
            return f"{rule.table.name}: '{rule.name}' could not be asked: {first_line(error)}"
    return f"The rules of {rules[0].table.name} could not be asked: {first_line(message)}"


def _rows_of(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> dict[str, int]:
    """Rows of every relation that a rule is about; 1 of one that has some, where no rule tells how many."""
    whole = {rule.table.name for rule in rules if rule.query is None}
    names = sorted({name for rule in rules for name in rule.subjects})
    counts = (
        f"select '{name}', count(*) from {name if name in whole else f'(select 1 from {name} limit 1)'}"
        for name in names
    )
    return dict(con.execute(" union all ".join(counts)).fetchall())


def _outcome(con: duckdb.DuckDBPyConnection, rule: Rule, bad_rows: int, rows: dict[str, int]) -> Outcome:
    empty = bad_rows == 0 and not all(rows[name] for name in rule.subjects)
    of_all = f"{bad_rows} of {counted(rows[rule.table.name], 'row')}"
    return Outcome(
        suite=rule.table.name,
        expectation=rule.name,
        severity=rule.severity,
        success=None if empty else bad_rows == 0,
        observed=NOTHING if empty else of_all if rule.query is None else counted(bad_rows, "row"),
        failing_rows=bad_rows,
        sample_keys=_sample(con, rule) if bad_rows else [],
        query=rule.bad_rows if bad_rows else None,
    )


def _sample(con: duckdb.DuckDBPyConnection, rule: Rule) -> list[dict[str, Any]]:
    bad = con.execute(f"select * from ({rule.bad_rows}\n) as bad limit {SAMPLE}")
    names = [column[0] for column in bad.description]
    return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in bad.fetchall()]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def raise_on_failed(outcomes: list[Outcome]) -> None:
    """Raise CheckFailed naming the broken ``fail`` checks and a sample of their keys."""
    broken = [outcome for outcome in outcomes if outcome.severity == "fail" and outcome.success is False]
    if not broken:
        return
    sentences = []
    for outcome in broken[:5]:
        rows = f", {outcome.failing_rows:,} rows" if outcome.failing_rows is not None else ""
        keys = "; ".join(", ".join(f"{name}={value}" for name, value in key.items()) for key in outcome.sample_keys[:3])
        sentences.append(
            f"{outcome.suite}: '{outcome.expectation}' does not hold{rows}" + (f" (for example {keys})" if keys else "")
        )
    more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
    raise CheckFailed("; ".join(sentences) + more + ". Nothing was published; meta.check_result has the queries.")
