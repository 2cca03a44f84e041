"""
What a night does with the folder of a user's own: its models behind ours, its checks behind ours.

All of theirs is asked with nothing but the warehouse in reach, and has its own limits. What is wrong with it is theirs
alone: it and what reads it are not in the books of this night, and an alert says which file and line; with
``STOCKBOOK_EXTRA_FAILS=night`` the night is red. A table of another night is never kept beside tonight's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from stockbook import declaration_files
from stockbook.checks.rules import of_table
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ConfigError, ModelFailed
from stockbook.extra_folder import Problem
from stockbook.models.extra import Plan, left_out, plan
from stockbook.models.programs import BuildContext
from stockbook.night.extra_checks import ask_alone, at, broken, names_lost, of_account, quoted_in, standing
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.step_log import StepDone, read_all
from stockbook.settings import Settings

STAGE = "check_extra"


def planned(settings: Settings, ours: Mapping[str, Table]) -> Plan:
    """The models of the folder over the declarations of ours, but those with a check that cannot be one."""
    own_plan = plan(settings.extra_dir, settings.models_dir, ours)
    wrong = {name: problem for name, table in own_plan.tables.items() if (problem := _wrong_check(settings, table))}
    if not wrong:
        return own_plan
    readers = own_plan.readers_of(set(wrong))
    lost = wrong.keys() | {step.name for step in readers}
    assert settings.extra_dir is not None  # noqa: S101  # without one nothing is planned
    wrong_ones = [*wrong.values(), *(left_out(settings.extra_dir, step, min(step.reads & lost)) for step in readers)]
    return Plan(tuple(step for step in own_plan.steps if step.name not in lost), (*own_plan.problems, *wrong_ones))


def problems(settings: Settings) -> list[Problem]:
    """All that is wrong in the folder and can be sentence without books."""
    from stockbook.bi.extra import dashboards_of
    from stockbook.metrics.files import of_extra

    if settings.extra_dir is None:
        return []
    ours = declaration_files.load(settings.models_dir)
    own_plan = planned(settings, ours)
    tables = ours | own_plan.tables
    of_metrics = of_extra(settings.extra_dir, settings.models_dir, tables).problems
    return [
        *own_plan.problems,
        *of_metrics,
        *dashboards_of(settings.extra_dir, settings.models_dir, tables).problems,
    ]


def require(settings: Settings) -> None:
    """Raise ConfigError where there is no such folder, or something in it is wrong that makes the night red."""
    if settings.extra_dir is None:
        return
    if not settings.extra_dir.is_dir():
        raise ConfigError(
            f"STOCKBOOK_EXTRA_DIR must be a folder that exists; {settings.extra_dir} is none: `stockbook extra new` "
            "makes one."
        )
    if settings.extra_fails == "night" and (wrong_ones := problems(settings)):
        raise ConfigError(*(_told(settings, each) for each in wrong_ones))


def forget(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Where no folder is named any more: nothing of theirs stays."""
    from stockbook.alerts.program import of_extra
    from stockbook.models.build_extra import clear, is_there

    if is_there(con):
        clear(con)
        of_extra(con, context.run_id, context.as_of, {})


def build(night: Night, folder: Path, context: BuildContext, done: StepDone) -> None:
    """Build their models behind ours. Raises ModelFailed where that makes the night red."""
    from stockbook.models.build_extra import build_extra
    from stockbook.warehouse.connect import held_alone, writer

    settings = night.settings
    own_plan = planned(settings, context.tables)
    own = context._replace(tables=context.tables | own_plan.tables)
    with held_alone(settings), writer(settings) as con:
        built = build_extra(
            con, settings.models_dir, own, (folder, own_plan), settings.limits, night.clock, night.progress
        )
    done.models |= built.seconds
    done.extra = [*problems(settings), *built.problems]
    done.notes += notes_of(settings, done.extra)
    if built.problems and settings.extra_fails == "night":
        raise ModelFailed(" ".join(_told(settings, each) for each in built.problems))


def check(night: Night, folder: Path, run: RunContext, done: StepDone, everything: bool) -> None:
    """
    Check their models behind ours, take out what does not hold, and raise the alerts.

    Raises CheckFailed where that makes the night red.
    """
    from stockbook.alerts import program as alerts
    from stockbook.models.build_extra import take_out
    from stockbook.night.checking import asked
    from stockbook.warehouse.connect import writer

    settings = night.settings
    own_plan = standing(settings, planned(settings, night.tables))
    tables = own_plan.tables.values()
    rules = [rule for table in tables for rule in (*of_table(table), *of_account(table, night.events_of))]
    unasked: dict[str, str] = {}
    outcomes = asked(
        night,
        run,
        STAGE,
        rules,
        everything,
        night.tables | own_plan.tables,
        lambda left: ask_alone(settings, left, unasked),
    )
    done.checks += outcomes
    done.extra = broken(folder, own_plan, outcomes, unasked)
    done.notes += notes_of(settings, done.extra)
    if done.extra and settings.extra_fails == "night":
        raise CheckFailed(" ".join(_told(settings, each) for each in done.extra))
    steps = read_all(runs.folder(settings, run.run_id))
    wrong_ones = [*(each for step in steps if step.name == "build" for each in step.extra), *done.extra]
    with writer(settings) as con:
        if done.extra:
            take_out(con, own_plan, names_lost(own_plan, outcomes, unasked))
        if wrong_ones or alerts.has_of_extra(con):
            alerts.of_extra(con, run.run_id, run.as_of, _messages(settings, wrong_ones))


def _wrong_check(settings: Settings, table: Table) -> Problem | None:
    try:
        of_table(table)
    except ModelFailed as error:
        assert settings.extra_dir is not None  # noqa: S101  # the table is declared in it
        return at(settings.extra_dir, table, str(error), quoted_in(str(error)))
    return None


def notes_of(settings: Settings, wrong_ones: Sequence[Problem]) -> list[str]:
    """What the run report says of them."""
    return [f"warning: own report, {_told(settings, each)}" for each in wrong_ones]


def _messages(settings: Settings, wrong_ones: Sequence[Problem]) -> dict[str, str]:
    """One message for each file."""
    of_file: dict[str, list[Problem]] = {}
    for each in wrong_ones:
        of_file.setdefault(each.file, []).append(each)
    return {
        file: _told(settings, each[0]) + (f" And {len(each) - 1} more in this file." if len(each) > 1 else "")
        for file, each in of_file.items()
    }


def _told(settings: Settings, problem: Problem) -> str:
    return f"{problem} The file is yours, in {settings.extra_dir}: `stockbook extra check` says when it is right."
