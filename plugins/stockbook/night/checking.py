"""The two checking steps: staging before the marts are built, the marts and reports before they are published."""

from stockbook.declarations import of_layer
from stockbook.night.tonight import Night
from stockbook.runs import context as runs

LAYERS = {"check_staging": ("staging",), "check_marts": ("marts", "reports")}


def check(night: Night, run_id: str, step: str) -> None:
    """Run every check of a stage (``check_staging`` or ``check_marts``) and keep the outcomes. Raises CheckFailed."""
    from stockbook.checks.run import raise_on_failed, run_checks, write_results
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    with night.at(run, step) as done:
        tables = [
            table
            for layer in LAYERS[step]
            for table in of_layer(night.tables, layer)
            if table.kind not in ("view", "macro") or table.checks
        ]
        night.progress.start(step)
        done.checks = run_checks(night.settings.warehouse, tables)
        with writer(night.settings) as con:
            write_results(con, run.run_id, step, done.checks, night.clock.utc())
        broken = sum(outcome.success is False for outcome in done.checks)
        empty = sum(outcome.success is None for outcome in done.checks)
        night.progress.finish(step, f"{len(done.checks)} checks, {broken} do not hold, {empty} had nothing to check")
        raise_on_failed(done.checks)
