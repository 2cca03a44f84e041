"""`stockbook retention`: what is older than it is kept goes, or is only told."""

from typing import Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.settings import Settings


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go; nothing is changed.")] = False,
) -> None:
    """Remove what is older than retention.yml keeps it, class by class; a night does so at its end."""
    from stockbook.cli.nights import progress_of
    from stockbook.night.retaining import retain
    from stockbook.night.tonight import Night

    clock = SystemClock()
    with progress_of(clock) as progress:
        sentences = retain(Night(Settings.load(), clock, progress), is_dry=dry_run)
    for sentence in sentences:
        typer.echo(sentence)
