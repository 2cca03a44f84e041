"""
Check every rule in the database, through Great Expectations.

Importing Great Expectations takes seconds, so it stands inside the function, and all tables of a stage are checked
in one go: one statement for the rules of some tables and a severity, some statements side by side.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from stockbook.checks.ahead import imported
from stockbook.checks.rules import Rule, of_table
from stockbook.counted import counted
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ModelFailed
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
    imported()
    with for_questions(database) as con:
        large = set() if is_small(con) else _reading_much(con, rules)
    if large:
        # it gives back the memory that a build keeps
        let_go(database)
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with for_questions(database) as con, checkpointed_beside(database), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside Great Expectations
        spare_threads(con)
        groups = list(_groups(rules, large))
        results = _validate(database, groups, at_once)
        if at_once > 1 and any(_NO_MEMORY in text for result in results for text in _exceptions(result.exception_info)):
            results = _validate(database, groups, 1)
        bad_rows: dict[tuple[str, str], int] = {}
        for group, result in zip(groups, results, strict=True):
            bad_rows |= zip((rule.key for rule in group), _counts(con, group, result), strict=True)
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


def _validate(database: Path, groups: list[list[Rule]], at_once: int) -> list[Any]:
    """The result Great Expectations has for each group, so many at once; no connection of its own stays open."""
    import great_expectations as gx

    from stockbook.checks.dialect import address

    # on import this one module sets its own level below the package's
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    # a source remembers which batch it is asked about: one for each thread
    sources = [
        context.data_sources.add_sql(f"warehouse{number}", connection_string=address(database))
        for number in range(min(at_once, len(groups)))
    ]
    try:
        with ThreadPoolExecutor(len(sources), "stockbook-checks") as pool:
            shares = [groups[number :: len(sources)] for number in range(len(sources))]
            answers = list(pool.map(_answers, sources, shares))
    finally:
        # each has two engines, one to test the connection: both must close the file before the writer opens it
        for source in sources:
            source.get_execution_engine().close()
            source.get_engine().dispose()
    return [answers[number % len(sources)][number // len(sources)] for number in range(len(groups))]


def _answers(source: Any, groups: list[list[Rule]]) -> list[Any]:
    """The result of each group, asked of a source as one suite."""
    import great_expectations as gx

    from stockbook.checks.expectation import RulesHold

    # every query names its tables itself, but Great Expectations insists on a batch: one row
    asset = source.add_query_asset("warehouse", query="select 1 as batch")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    expectations = [
        RulesHold(
            unexpected_rows_query=_escaped(statement(group)) + " /* {batch} */",
            severity="critical" if group[0].severity == "fail" else "warning",
            meta={"number": number},
        )
        for number, group in enumerate(groups)
    ]
    # a suite that is stored, and a validation that stores its results, cost as much again
    suite = gx.ExpectationSuite(name="warehouse", expectations=expectations)
    results = batch.validate(suite, result_format="BASIC").results
    by_number = {result.expectation_config.meta["number"]: result for result in results}
    return [by_number[number] for number in range(len(groups))]


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


def _counts(con: duckdb.DuckDBPyConnection, rules: list[Rule], result: Any) -> list[int]:
    for message in _exceptions(result.exception_info):
        raise ModelFailed(_unanswerable(con, rules, message))
    return [int(count) for count in result.result["observed_value"]]


def _exceptions(info: dict[str, Any] | None) -> Iterator[str]:
    info = info or {}
    for item in [info] if "raised_exception" in info else info.values():
        if isinstance(item, dict) and item.get("raised_exception"):
            yield str(item.get("exception_message", ""))


def _unanswerable(con: duckdb.DuckDBPyConnection, rules: list[Rule], message: str) -> str:
    """Which of the rules cannot be checked, and why: each is tried by itself."""
    for rule in rules:
        try:
            con.execute(statement([rule]))
        except duckdb.Error as error:
            return f"{rule.table.name}: '{rule.name}' could not be asked: {_first_line(str(error))}"
    return f"The rules of {rules[0].table.name} could not be asked: {_first_line(message)}"


def _first_line(message: str) -> str:
    return (message.strip().splitlines() or ["no message"])[0]


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


def _escaped(query: str) -> str:
    return query.replace("{", "{{").replace("}", "}}")


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
