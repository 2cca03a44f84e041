"""The two checking steps: staging before the marts are built, the marts and reports before they are published."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stockbook.declarations import Table, of_layer
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs.check_outcome import Outcome
from stockbook.runs.context import RunContext

if TYPE_CHECKING:
    from stockbook.checks.rules import Rule

LAYERS = {"check_staging": ("staging",), "check_marts": ("marts", "reports")}


def prepare(run: RunContext) -> None:
    """Start what the checks of a run need, where it is certain that some will be asked."""
    if run.full_refresh or not run.repeats:
        from stockbook.checks import process

        process.start()


def check(night: Night, run_id: str, step: str, everything: bool = False) -> list[Outcome]:
    """
    Check every rule of a stage (``check_staging`` or ``check_marts``): the outcomes, kept. Raises CheckFailed.

    What did not change since it held is not asked again, unless ``everything`` is, as in a full refresh. Behind the
    marts those of a user's own folder are checked.
    """
    from stockbook.checks.rules import of_table
    from stockbook.checks.run import ask, raise_on_failed
    from stockbook.night import extra

    run, settings = runs.read(night.settings, run_id), night.settings
    with night.at(run, step) as done:
        tables = [
            table
            for layer in LAYERS[step]
            for table in of_layer(night.tables, layer)
            if table.kind not in ("view", "macro") or table.checks
        ]
        night.progress.start(step)
        rules = [rule for table in tables for rule in of_table(table)]
        done.checks = asked(
            night,
            run,
            step,
            rules,
            everything,
            night.tables,
            lambda left: ask(settings.warehouse, left, settings.at_once),
        )
        raise_on_failed(done.checks)
        if step == "check_marts" and settings.extra_dir is not None:
            extra.check(night, settings.extra_dir, run, done, everything)
    return done.checks


def asked(
    night: Night,
    run: RunContext,
    stage: str,
    rules: list["Rule"],
    everything: bool,
    tables: dict[str, Table],
    ask: Callable[[list["Rule"]], list[Outcome]],
) -> list[Outcome]:
    """
    The outcomes of rules, asked or carried over, kept as those of a stage.

    ``tables`` are all that the rules may read; what ``ask`` does not answer has no outcome.
    """
    from stockbook.checks.results import Result, asked_of, carried, write_results
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.content_marks import Marks

    settings, now = night.settings, night.clock.utc()
    with writer(settings) as con:
        marks = Marks(con, tables, settings.models_dir)
        contents = {rule.key: asked_of(rule, marks) for rule in rules}
        results = {} if everything or run.full_refresh else carried(con, run.run_id, contents, now)
    unasked = [rule for rule in rules if rule.key not in results]
    for outcome in ask(unasked):
        results[outcome.key] = Result(outcome, now, contents[outcome.key])
    answered = [results[rule.key] for rule in rules if rule.key in results]
    with writer(settings) as con:
        write_results(con, run.run_id, stage, answered)
    outcomes = [result.outcome for result in answered]
    warn, fail = (
        sum(outcome.success is False and outcome.severity == severity for outcome in outcomes)
        for severity in ("warn", "fail")
    )
    empty = sum(outcome.success is None for outcome in outcomes)
    night.progress.finish(
        stage,
        f"{len(unasked)} of {len(rules)} checks asked, {empty} had nothing to check, {warn} warn, {fail} fail",
    )
    return outcomes
