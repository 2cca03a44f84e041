"""
What a night does with the folder of a user's own: its models behind ours, its checks behind ours.

All of theirs is asked with nothing but the warehouse in reach, and has its own limits. What is wrong with it is theirs
alone: it and what reads it are not in the books of this night, and an alert says which file and line; with
``STOCKBOOK_EXTRA_FAILS=night`` the night is red. A table of another night is never kept beside tonight's.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook import declarations
from stockbook.checks.rules import Rule, of_table
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ConfigError, ModelFailed
from stockbook.extra_folder import Problem, line_with, yaml_file
from stockbook.models.extra import Plan, left_out, plan
from stockbook.models.programs import BuildContext
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.runs import context as runs
from stockbook.runs.check_outcome import Outcome
from stockbook.runs.context import RunContext
from stockbook.runs.step_log import StepDone, read_all
from stockbook.settings import Settings

STAGE = "check_extra"


def planned(settings: Settings, ours: Mapping[str, Table]) -> Plan:
    """The models of the folder over the declarations of ours, but those with a check that cannot be one."""
    made = plan(settings.extra_dir, settings.models_dir, ours)
    wrong = {name: problem for name, table in made.tables.items() if (problem := _wrong_check(settings, table))}
    if not wrong:
        return made
    readers = made.readers_of(set(wrong))
    lost = wrong.keys() | {step.name for step in readers}
    assert settings.extra_dir is not None  # noqa: S101  # without one nothing is planned
    found = [*wrong.values(), *(left_out(settings.extra_dir, step, min(step.reads & lost)) for step in readers)]
    return Plan(tuple(step for step in made.steps if step.name not in lost), (*made.problems, *found))


def problems(settings: Settings) -> list[Problem]:
    """All that is wrong in the folder and can be told without books."""
    from stockbook.bi.extra import dashboards_of
    from stockbook.metrics.files import of_extra

    if settings.extra_dir is None:
        return []
    ours = declarations.load(settings.models_dir)
    made = planned(settings, ours)
    tables = ours | made.tables
    of_metrics = of_extra(settings.extra_dir, settings.models_dir, tables).problems
    return [*made.problems, *of_metrics, *dashboards_of(settings.extra_dir, settings.models_dir, tables).problems]


def require(settings: Settings) -> None:
    """Raise ConfigError where there is no such folder, or something in it is wrong that makes the night red."""
    if settings.extra_dir is None:
        return
    if not settings.extra_dir.is_dir():
        raise ConfigError(
            f"STOCKBOOK_EXTRA_DIR must be a folder that exists; {settings.extra_dir} is none: `stockbook extra new` "
            "makes one."
        )
    if settings.extra_fails == "night" and (found := problems(settings)):
        raise ConfigError(*(_told(settings, each) for each in found))


def build(night: Night, context: BuildContext, done: StepDone) -> None:
    """Build their models behind ours. Raises ModelFailed where that makes the night red."""
    from stockbook.models.build_extra import build_extra, clear, is_there
    from stockbook.warehouse.connect import held_alone, writer

    settings, folder = night.settings, night.settings.extra_dir
    if folder is None:
        with writer(settings) as con:
            if is_there(con):
                clear(con)
        return
    made = planned(settings, context.tables)
    own = context._replace(tables=context.tables | made.tables)
    with held_alone(settings), writer(settings) as con:
        built = build_extra(con, settings.models_dir, own, (folder, made), settings.limits, night.clock, night.progress)
    done.models |= built.seconds
    done.extra = [*problems(settings), *built.problems]
    done.notes += _notes(settings, done.extra)
    if built.problems and settings.extra_fails == "night":
        raise ModelFailed(" ".join(_told(settings, each) for each in built.problems))


def check(night: Night, run: RunContext, done: StepDone, everything: bool) -> None:
    """
    Check their models behind ours, take out what does not hold, and raise the alerts.

    Raises CheckFailed where that makes the night red.
    """
    from stockbook.alerts import program as alerts
    from stockbook.models.build_extra import take_out
    from stockbook.night.checking import asked
    from stockbook.warehouse.connect import writer

    settings = night.settings
    found: list[Problem] = []
    if settings.extra_dir is not None:
        made = _standing(settings, planned(settings, night.tables))
        rules = [rule for table in made.tables.values() for rule in of_table(table)]
        unasked: dict[str, str] = {}
        outcomes = asked(
            night,
            run,
            STAGE,
            rules,
            everything,
            night.tables | made.tables,
            lambda left: ask_alone(settings, left, unasked),
        )
        done.checks += outcomes
        done.extra = broken(settings.extra_dir, made, outcomes, unasked)
        done.notes += _notes(settings, done.extra)
        if done.extra:
            if settings.extra_fails == "night":
                raise CheckFailed(" ".join(_told(settings, each) for each in done.extra))
            lost = _names_lost(made, outcomes, unasked)
            with writer(settings) as con:
                take_out(con, made, lost)
        steps = read_all(runs.folder(settings, run.run_id))
        found = [*(each for step in steps if step.name == "build" for each in step.extra), *done.extra]
    with writer(settings) as con:
        if found or alerts.has_of_extra(con):
            alerts.of_extra(con, run.run_id, run.as_of, _messages(settings, found))


class Examined(NamedTuple):
    """What is wrong in a folder, the rows of each table that was built (of the others None), and what to know."""

    problems: list[Problem]
    built: dict[str, int | None]
    notes: list[str]


def examine(settings: Settings) -> Examined:
    """Build and check the folder over a copy of what is published, where anything is; nothing is kept."""
    from stockbook.clock import SystemClock
    from stockbook.models.build_extra import build_extra
    from stockbook.warehouse.connect import held_alone, writer
    from stockbook.warehouse.publish import copy_beside

    require(dataclasses.replace(settings, extra_fails="own"))
    assert settings.extra_dir is not None  # noqa: S101  # a command that asks says so before
    ours = declarations.load(settings.models_dir)
    made, found = planned(settings, ours), problems(settings)
    if not settings.published.exists():
        note = "nothing is published yet: what is built of it and whether it holds only a night can tell"
        return Examined(found, dict.fromkeys(made.tables), [note])
    with copy_beside(settings, settings.published) as own:
        with held_alone(own), writer(own) as con:
            ((run_id, as_of, zone),) = con.execute("select run_id, as_of, zone from meta.current_run").fetchall()
            context = BuildContext(as_of, run_id, ZoneInfo(zone), settings.policy_dir, ours | made.tables, True)
            planned_in = (settings.extra_dir, made)
            built = build_extra(con, settings.models_dir, context, planned_in, own.limits, SystemClock(), Silent())
        standing = _standing(own, made)
        unasked: dict[str, str] = {}
        outcomes = ask_alone(own, [rule for table in standing.tables.values() for rule in of_table(table)], unasked)
        found += [*built.problems, *broken(settings.extra_dir, standing, outcomes, unasked)]
        lost = _names_lost(standing, outcomes, unasked)
        with writer(own) as con:
            rows = {
                name: int(con.execute(f"select count(*) from {name}").fetchall()[0][0])
                for name, table in standing.tables.items()
                if table.kind == "table" and name not in lost
            }
    warned = [
        f"warning: {outcome.suite}: '{outcome.expectation}' does not hold, {outcome.observed}"
        for outcome in outcomes
        if outcome.severity == "warn" and outcome.success is False
    ]
    return Examined(found, {name: rows.get(name) for name in standing.tables if name not in lost}, warned)


def ask_alone(settings: Settings, rules: list[Rule], unasked: dict[str, str]) -> list[Outcome]:
    """
    What came of rules of theirs, with nothing but the warehouse in reach and as long as a reader may ask.

    Where that fails each table is asked by itself, and ``unasked`` says why one could not be.
    """
    from stockbook.checks.run import ask
    from stockbook.warehouse.connect import held_alone, query_error, writer
    from stockbook.warehouse.file_errors import is_of_file

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


def broken(folder: Path, made: Plan, outcomes: Sequence[Outcome], unasked: Mapping[str, str]) -> list[Problem]:
    """What does not hold, cannot be asked, or reads what does not hold."""
    tables, found = made.tables, []
    for outcome in _broken(outcomes):
        keys = "; ".join(", ".join(f"{name}={value}" for name, value in key.items()) for key in outcome.sample_keys[:3])
        told = f"{outcome.suite}: '{outcome.expectation}' does not hold, {outcome.observed}" + (
            f" (for example {keys})" if keys else ""
        )
        found.append(_at(folder, tables[outcome.suite], f"{told}.", outcome.expectation))
    found += [_at(folder, tables[name], text, _quoted_in(text)) for name, text in unasked.items()]
    first = {outcome.suite for outcome in _broken(outcomes)} | unasked.keys()
    lost = _names_lost(made, outcomes, unasked)
    readers = [step for step in made.steps if step.name in lost and step.name not in first]
    return found + [left_out(folder, step, min(step.reads & lost)) for step in readers]


def _names_lost(made: Plan, outcomes: Sequence[Outcome], unasked: Mapping[str, str]) -> set[str]:
    first = {outcome.suite for outcome in _broken(outcomes)} | unasked.keys()
    return first | {step.name for step in made.readers_of(first)}


def _broken(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.severity == "fail" and outcome.success is False]


def _standing(settings: Settings, made: Plan) -> Plan:
    """Of a plan what was built."""
    from stockbook.models.orphans import built
    from stockbook.warehouse.connect import writer

    with writer(settings) as con:
        there = {name for name, _ in built(con, (declarations.EXTRA,))}
    return Plan(tuple(step for step in made.steps if step.name in there))


def _wrong_check(settings: Settings, table: Table) -> Problem | None:
    try:
        of_table(table)
    except ModelFailed as error:
        assert settings.extra_dir is not None  # noqa: S101  # the table is declared in it
        return _at(settings.extra_dir, table, str(error), _quoted_in(str(error)))
    return None


def _at(folder: Path, table: Table, text: str, needle: str) -> Problem:
    file = yaml_file(table)
    return Problem(str(file.relative_to(folder.absolute())), line_with(file, needle), text)


def _quoted_in(text: str) -> str:
    return text.partition("'")[2].partition("'")[0]


def _notes(settings: Settings, found: Sequence[Problem]) -> list[str]:
    return [f"warning: own report, {_told(settings, each)}" for each in found]


def _messages(settings: Settings, found: Sequence[Problem]) -> dict[str, str]:
    """One message for each file."""
    of_file: dict[str, list[Problem]] = {}
    for each in found:
        of_file.setdefault(each.file, []).append(each)
    return {
        file: _told(settings, each[0]) + (f" And {len(each) - 1} more in this file." if len(each) > 1 else "")
        for file, each in of_file.items()
    }


def _told(settings: Settings, problem: Problem) -> str:
    return f"{problem} The file is yours, in {settings.extra_dir}: `stockbook extra check` says when it is right."
