"""The commands of a night: run it whole, from landed pages, or its last steps, and read its report."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stockbook.clock import Clock, SystemClock
from stockbook.errors import ConfigError, Interrupted, ModelFailed, first_line, is_interrupt
from stockbook.progress import Progress, Terminal, logged
from stockbook.settings import Settings

RunName = Annotated[str, typer.Option("--run", help="Name of the run; empty = the one that was opened last.")]
IN_NIGHTS = "there it is part of each account's night, `stockbook fleet run`"
EndedRun = Annotated[str, typer.Option("--run", help="Name of the run; empty = the one that ended last, red ones too.")]


@contextmanager
def progress_of(clock: Clock) -> Iterator[Progress]:
    """Where a step says how far it is: a bar on a terminal, else a line now and then. Ctrl-C is Interrupted."""
    try:
        if sys.stderr.isatty():
            with Terminal() as terminal:
                yield terminal
        else:
            yield logged(clock, sys.stderr)
    except (KeyboardInterrupt, RuntimeError, Interrupted) as error:
        if not is_interrupt(error):
            raise
        raise Interrupted(
            "Interrupted. Readers have the night that was published last, and nothing is half done: run it again, and "
            "it goes on or begins anew."
        ) from error


def settings_of_home(instead: str) -> Settings:
    """The settings of a home that nights write. Raises ConfigError in a fleet; ``instead`` is what does it there."""
    settings = Settings.load()
    if settings.lake is not None:
        raise ConfigError(
            f"This machine works for a fleet, whose books are not in this home: {instead} (docs/fleet.md). For a home "
            "of its own STOCKBOOK_STORE, STOCKBOOK_CONTROL_URL and STOCKBOOK_LAKE must be unset."
        )
    return settings


def run(
    as_of: Annotated[
        str, typer.Option(help="The run's now: a local date-time, perhaps with an offset; empty = now.")
    ] = "",
    full_refresh: Annotated[bool, typer.Option(help="Read everything the API still serves again.")] = False,
    backfill_from: Annotated[str, typer.Option(help="First day of a window to read again.")] = "",
    backfill_to: Annotated[str, typer.Option(help="Last day of that window.")] = "",
    accounts: Annotated[str, typer.Option(help="Accounts to read, comma separated; empty = all.")] = "",
    name: Annotated[str, typer.Option(help="Name of the run; empty = made from the time it starts.")] = "",
) -> None:
    """Run a whole night: read every account, load, check, build, check, publish."""
    from stockbook.night import steps
    from stockbook.places import of_this_machine
    from stockbook.runs.context import parse_parameters
    from stockbook.runs.report import text

    clock = SystemClock()
    parameters = parse_parameters(
        {
            "as_of": as_of,
            "full_refresh": full_refresh,
            "backfill_from": backfill_from,
            "backfill_to": backfill_to,
            "accounts": accounts,
        }
    )
    run_name = name or f"cli-{clock.utc():%Y%m%dT%H%M%S}"
    with progress_of(clock) as progress:
        places = of_this_machine()
        listing = places.listing()
        settings = settings_of_home("`stockbook fleet run` runs the nights of all accounts")
        tonight = steps.Night(settings, clock, progress, places.look_up)
        report = steps.run_all(tonight, run_name, parameters, listing.conn_ids, listing.notes)
    typer.echo(text(report))
    published = tonight.settings.published
    if report.status == "published":
        typer.echo(f"Readers have the new books: `stockbook sql`, {published.with_name('report.html')}")


def load(
    from_landing: Annotated[Path, typer.Option(help="A folder of landed nights: the `landing` of a home.")],
    name: Annotated[str, typer.Option(help="Name of the run; empty = made from the time it starts.")] = "",
) -> None:
    """Make the books of an empty home from landed pages, night by night, without asking an API."""
    from stockbook.night.reload import replay
    from stockbook.night.steps import Night
    from stockbook.runs.report import text

    clock = SystemClock()
    with progress_of(clock) as progress:
        tonight = Night(settings_of_home(IN_NIGHTS), clock, progress)
        run_report = replay(tonight, name or f"replay-{clock.utc():%Y%m%dT%H%M%S}", from_landing.absolute())
    typer.echo(text(run_report))


@contextmanager
def _built_by_this_version() -> Iterator[None]:
    """Checks that cannot be asked at all: another version built the tables, or they were built of other models."""
    import duckdb

    try:
        yield
    except (ModelFailed, duckdb.CatalogException, duckdb.BinderException) as error:
        raise ModelFailed(
            f"The tables of the writer's file are not those that the checks ask: {first_line(error)} After an "
            "upgrade, or when a model was edited, a night builds them anew: `stockbook run`."
        ) from error


def check(run_name: RunName = "") -> None:
    """Ask every expectation of the marts in the writer's file again, and say which hold."""
    from stockbook.night import steps
    from stockbook.runs.report import broken

    clock = SystemClock()
    with progress_of(clock) as progress:
        tonight = steps.Night(settings_of_home(IN_NIGHTS), clock, progress)
        name = run_name or _latest(tonight.settings)
        tonight.lock.take(name, wait=False)
        try:
            with _built_by_this_version():
                outcomes = steps.check(tonight, name, "check_marts", everything=True)
        finally:
            tonight.lock.release(name)
    for sentence in broken(outcomes):
        typer.echo(sentence)
    typer.echo("Every check of severity fail holds.")


def publish(run_name: RunName = "") -> None:
    """Check the writer's file and publish it: for a night that stopped just before."""
    from stockbook.night import steps

    clock = SystemClock()
    with progress_of(clock) as progress:
        tonight = steps.Night(settings_of_home(IN_NIGHTS), clock, progress)
        name = run_name or _latest(tonight.settings)
        tonight.lock.take(name, wait=False)
        try:
            with _built_by_this_version():
                steps.check(tonight, name, "check_marts", everything=True)
            published = steps.publish(tonight, name)
        finally:
            steps.finish(tonight, name)
    typer.echo(f"Published {published}")


def report(
    run_name: EndedRun = "", as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False
) -> None:
    """Print the report of a run."""
    import msgspec

    from stockbook.runs import context, report
    from stockbook.runs.last_run import last_ended

    settings = settings_of_home("`stockbook fleet report ACCOUNT` prints the report of an account")
    run_report = report.read(context.folder(settings, run_name)) if run_name else last_ended(settings)
    if run_report is None:
        raise ConfigError(
            f"Run {run_name!r} has no report: it was never finished, or there is no such run in {settings.runs}."
            if run_name
            else f"No run ever ended in {settings.home}: run a night first."
        )
    typer.echo(msgspec.json.encode(run_report).decode() if as_json else report.text(run_report))


def _latest(settings: Settings) -> str:
    folders = sorted(settings.runs.glob("*/run.json"), key=lambda file: file.stat().st_mtime)
    if not folders:
        raise ConfigError(f"No run was ever opened in {settings.home}: run a night first.")
    return folders[-1].parent.name
