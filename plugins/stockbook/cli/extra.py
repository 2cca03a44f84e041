"""``stockbook extra``: reports of one's own."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from stockbook.errors import ConfigError
from stockbook.project import SHIPPED
from stockbook.settings import Settings

EXAMPLE = SHIPPED / "include" / "example"
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Reports of one's own: a folder with models, metrics and dashboards that upgrades leave alone."""


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")]) -> None:
    """Write a working example: a report, its metrics and a dashboard."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name a new folder, or an empty one.")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    typer.echo(f"{folder} has a report, two metrics and a dashboard.")
    typer.echo(f"next      export STOCKBOOK_EXTRA_DIR={folder.absolute()}")
    typer.echo("          stockbook extra check    is it right?")
    typer.echo("          stockbook run            the next night builds it")


@app.command()
def check() -> None:
    """
    Say what is wrong in the folder, file and line; exit code 1 when something is.

    Where books are published it is built and checked over a copy of them, as a night does it; nothing is kept.
    """
    from stockbook.night.extra_trial import examine

    settings = Settings.load()
    if settings.extra_dir is None:
        raise ConfigError("STOCKBOOK_EXTRA_DIR is not set: `stockbook extra new FOLDER` makes such a folder.")
    examined = examine(settings)
    for problem in examined.problems:
        typer.echo(f"NO  {problem}")
    for name, rows in examined.built.items():
        typer.echo(f"ok  {name}" + ("" if rows is None else f": {rows:,} rows"))
    for note in examined.notes:
        typer.echo(f"    {note}")
    if examined.problems:
        raise typer.Exit(1)
