"""The checks of a user's own models: asked with nothing but the warehouse in reach, and what is wrong by them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from stockbook import declarations
from stockbook.checks.rules import Rule
from stockbook.declarations import Table
from stockbook.errors import ModelFailed
from stockbook.extra_folder import Problem, line_with, yaml_file
from stockbook.models.extra import Plan, left_out
from stockbook.runs.check_outcome import Outcome
from stockbook.settings import Settings
from stockbook.sql_text import quoted


def of_account(table: Table, account: str | None) -> list[Rule]:
    """In a fleet readers find rows by their account: each row of a report has that of its books, no sum of all none."""
    if account is None or table.kind == "macro" or "account" not in table.columns:
        return []
    query = f"select account from {table.name} where account is distinct from {quoted(account)}"
    return [Rule(table, f"rows are of account {account}", "fail", query=query)]


def ask_alone(settings: Settings, rules: list[Rule], unasked: dict[str, str]) -> list[Outcome]:
    """
    What came of rules of theirs, with nothing but the warehouse in reach and as long as a reader may ask.

    Where that fails each table is asked by itself, and ``unasked`` says why one could not be.
    """
    from stockbook.checks.run import ask
    from stockbook.warehouse.connect import held_alone, writer
    from stockbook.warehouse.file_errors import is_of_file
    from stockbook.warehouse.readers import query_error

    def together(some: list[Rule]) -> list[Outcome]:
        # opened for writing first, as everything else that is held
        with held_alone(settings), writer(settings):
            return ask(settings.warehouse, some)

    try:
        return together(rules) if rules else []
    except (ModelFailed, duckdb.Error):
        outcomes = []
        for name in dict.fromkeys(rule.table.name for rule in rules):
            try:
                outcomes += together([rule for rule in rules if rule.table.name == name])
            except (ModelFailed, duckdb.Error) as error:
                if isinstance(error, duckdb.Error) and is_of_file(error):
                    raise
                unasked[name] = query_error(error) if isinstance(error, duckdb.Error) else str(error)
        return outcomes


def broken(folder: Path, own_plan: Plan, outcomes: Sequence[Outcome], unasked: Mapping[str, str]) -> list[Problem]:
    """What does not hold, cannot be asked, or reads what does not hold."""
    tables, wrong_ones = own_plan.tables, []
    for outcome in _broken(outcomes):
        keys = "; ".join(", ".join(f"{name}={value}" for name, value in key.items()) for key in outcome.sample_keys[:3])
        sentence = f"{outcome.suite}: '{outcome.expectation}' does not hold, {outcome.observed}" + (
            f" (for example {keys})" if keys else ""
        )
        wrong_ones.append(at(folder, tables[outcome.suite], f"{sentence}.", outcome.expectation))
    wrong_ones += [at(folder, tables[name], text, quoted_in(text)) for name, text in unasked.items()]
    first = {outcome.suite for outcome in _broken(outcomes)} | unasked.keys()
    lost = names_lost(own_plan, outcomes, unasked)
    readers = [step for step in own_plan.steps if step.name in lost and step.name not in first]
    return wrong_ones + [left_out(folder, step, min(step.reads & lost)) for step in readers]


def names_lost(own_plan: Plan, outcomes: Sequence[Outcome], unasked: Mapping[str, str]) -> set[str]:
    """The models that are not published: what does not hold or was not asked, and what reads it."""
    first = {outcome.suite for outcome in _broken(outcomes)} | unasked.keys()
    return first | {step.name for step in own_plan.readers_of(first)}


def _broken(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.severity == "fail" and outcome.success is False]


def standing(settings: Settings, own_plan: Plan) -> Plan:
    """Of a plan what was built."""
    from stockbook.models.orphans import built
    from stockbook.warehouse.connect import writer

    with writer(settings) as con:
        there = {name for name, _ in built(con, (declarations.EXTRA,))}
    return Plan(tuple(step for step in own_plan.steps if step.name in there))


def at(folder: Path, table: Table, text: str, needle: str) -> Problem:
    """A problem of a table's declaration, at the first line with a text in it."""
    file = yaml_file(table)
    return Problem(str(file.relative_to(folder.absolute())), line_with(file, needle), text)


def quoted_in(text: str) -> str:
    """What a sentence has between its first quotes."""
    return text.partition("'")[2].partition("'")[0]
