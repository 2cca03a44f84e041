"""`stockbook retention`: what is older than it is kept goes, or is only told."""

from typing import Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.settings import Settings


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go; nothing is changed.")] = False,
) -> None:
    """Remove what is older than retention.yml keeps it, class by class; a night does so at its end.

    In a fleet of every account, by its own policies.
    """
    from stockbook.cli.nights import progress_of
    from stockbook.fleet_settings import FleetSettings
    from stockbook.night.retaining import retain
    from stockbook.night.tonight import Night

    clock, settings = SystemClock(), Settings.load()
    if FleetSettings.load(settings.home) is not None:
        _retain_in_fleet(dry_run)
        return
    with progress_of(clock) as progress:
        sentences = retain(Night(settings, clock, progress), is_dry=dry_run)
    for sentence in sentences:
        typer.echo(sentence)


def _retain_in_fleet(is_dry: bool) -> None:
    from stockbook.fleet.retaining import retain
    from stockbook.fleet.work import Fleet
    from stockbook.progress import Silent

    done = retain(Fleet.here(Silent()), is_dry)
    for sentence in done.sentences:
        typer.echo(sentence)
    for name, why in done.refused.items():
        typer.echo(f"NO  {name}: {why}")
    if done.refused:
        raise typer.Exit(1)
