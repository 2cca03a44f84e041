"""A user's own folder tried over a copy of what is published, as a night builds and checks it; nothing is kept."""

import dataclasses
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stockbook import declaration_files
from stockbook.checks.rules import of_table
from stockbook.extra_folder import Problem
from stockbook.models.programs import BuildContext
from stockbook.night.extra import planned, problems, require
from stockbook.night.extra_checks import ask_alone, broken, names_lost, standing
from stockbook.progress import Silent
from stockbook.settings import Settings


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
    ours = declaration_files.load(settings.models_dir)
    own_plan, wrong_ones = planned(settings, ours), problems(settings)
    if not settings.published.exists():
        where = "the books of a fleet lie in its store" if settings.is_of_fleet else "nothing is published yet"
        note = f"{where}: what is built of it and whether it holds only a night can tell"
        return Examined(wrong_ones, dict.fromkeys(own_plan.tables), [note])
    with copy_beside(settings, settings.published) as own:
        with held_alone(own), writer(own) as con:
            ((run_id, as_of, zone),) = con.execute("select run_id, as_of, zone from meta.current_run").fetchall()
            context = BuildContext(as_of, run_id, ZoneInfo(zone), settings.policy_dir, ours | own_plan.tables, True)
            planned_in = (settings.extra_dir, own_plan)
            built = build_extra(con, settings.models_dir, context, planned_in, own.limits, SystemClock(), Silent())
        built_plan = standing(own, own_plan)
        unasked: dict[str, str] = {}
        outcomes = ask_alone(own, [rule for table in built_plan.tables.values() for rule in of_table(table)], unasked)
        wrong_ones += [*built.problems, *broken(settings.extra_dir, built_plan, outcomes, unasked)]
        lost = names_lost(built_plan, outcomes, unasked)
        with writer(own) as con:
            rows = {
                name: int(con.execute(f"select count(*) from {name}").fetchall()[0][0])
                for name, table in built_plan.tables.items()
                if table.kind == "table" and name not in lost
            }
    warned = [
        f"warning: {outcome.suite}: '{outcome.expectation}' does not hold, {outcome.observed}"
        for outcome in outcomes
        if outcome.severity == "warn" and outcome.success is False
    ]
    return Examined(wrong_ones, {name: rows.get(name) for name in built_plan.tables if name not in lost}, warned)
