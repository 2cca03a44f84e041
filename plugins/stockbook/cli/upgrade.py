"""The command that brings the writer's file of an older version to this one; a night's first step does the same."""

import typer

from stockbook.clock import SystemClock
from stockbook.settings import Settings


def upgrade() -> None:
    """Bring the writer's file of an older version to this one, keeping a copy of it as it was; a night does it too."""
    from stockbook.runs.lock import RunLock
    from stockbook.warehouse.connect import for_questions, writer
    from stockbook.warehouse.migrations import FORMAT, copy_of, read_format

    settings = Settings.load()
    file = settings.warehouse
    if not file.exists():
        typer.echo(f"There is no {file} yet: the first night makes it.")
        return
    lock = RunLock(settings.lock, SystemClock(), settings.lock_lease_seconds)
    lock.take("upgrade", wait=False, whole_run_here=True)
    try:
        with for_questions(file) as con:
            present = read_format(con)
        with writer(settings):
            pass
    finally:
        lock.release("upgrade")
    if present is None or present.number == FORMAT:
        typer.echo(f"{file} is of format {FORMAT} already: nothing to do.")
        return
    typer.echo(
        f"{file} was of format {present.number} (Stockbook {present.written_by}) and is of format {FORMAT} now. "
        f"As it was it is kept in {copy_of(file, present)}: remove that once a night was published."
    )
