"""
Commands for the writer's file: from an older version to this one, made again when it is damaged or lost, written anew
when it is mostly free.
"""

from typing import Annotated

import typer

from stockbook.cli.nights import IN_NIGHTS, progress_of, settings_of_home
from stockbook.clock import SystemClock
from stockbook.settings import Settings


def upgrade() -> None:
    """Bring the writer's file of an older version to this one, keeping a copy of it as it was; a night does it too."""
    from stockbook import declaration_files
    from stockbook.runs.lock import RunLock
    from stockbook.warehouse.connect import for_questions, writer
    from stockbook.warehouse.migrations import FORMAT, copy_of, read_format
    from stockbook.warehouse.schema import create_all

    settings = settings_of_home(IN_NIGHTS)
    file = settings.warehouse
    if not file.exists():
        typer.echo(f"There is no {file} yet: the first night makes it.")
        return
    lock = RunLock(settings.lock, SystemClock(), settings.lock_lease_seconds)
    lock.take("upgrade", wait=False, whole_run_here=True)
    try:
        with for_questions(file) as con:
            present = read_format(con)
        with writer(settings) as con:
            # what is new since then, as the next night would add it
            create_all(con, declaration_files.load(settings.models_dir))
    finally:
        lock.release("upgrade")
    if present is None or present.number == FORMAT:
        typer.echo(f"{file} is of format {FORMAT} already: nothing to do.")
        return
    typer.echo(
        f"{file} was of format {present.number} (Stockbook {present.written_by}) and is of format {FORMAT} now. "
        f"As it was it is kept in {copy_of(file, present)}: remove that once a night was published. Until a night "
        "has run (`stockbook run`) its marts are those of before."
    )


def repair() -> None:
    """Make the writer's file again from the landed pages if it is damaged or lost; a whole one is left alone."""
    from stockbook.night.reload import replay
    from stockbook.night.repair import set_aside
    from stockbook.night.steps import Night
    from stockbook.runs.report import text

    clock = SystemClock()
    with progress_of(clock) as progress:
        tonight = Night(
            settings_of_home("`stockbook fleet run` takes an account's last good books from the store"), clock, progress
        )
        name = f"repair-{clock.utc():%Y%m%dT%H%M%S}"
        state = set_aside(tonight, name)
        typer.echo(state.sentence)
        if state.is_whole:
            return
        typer.echo(text(replay(tonight, name, tonight.settings.landing)))
    typer.echo(
        "What webhooks reported is not in landed pages: `stockbook hooks reread` reads the days of their last events "
        "again. Readers have the new file."
    )


def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how much of the file is free.")] = False,
) -> None:
    """Write the writer's file anew: the disk gets back what deleted rows left in it. Waits for a night, an hour."""
    from stockbook.cli.nights import progress_of
    from stockbook.night.compacting import compact as compacted
    from stockbook.night.tonight import Night

    clock = SystemClock()
    with progress_of(clock) as progress:
        sentences = compacted(Night(Settings.load(), clock, progress), is_dry=dry_run)
    for sentence in sentences:
        typer.echo(sentence)
