"""`stockbook backup` and `stockbook restore`: a home into a store, proven there, and back."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.backup.store import Store

app = typer.Typer(invoke_without_command=True)

NONE = "There is no finished backup in this store: is the address right?"
From = Annotated[str, typer.Option("--from", help="Where backups are; empty = STOCKBOOK_BACKUP_TO.")]


@app.callback()
def backup(
    context: typer.Context,
    to: Annotated[
        str, typer.Option(help="A folder, or the address of a store (s3://…); empty = STOCKBOOK_BACKUP_TO.")
    ] = "",
) -> None:
    """Take a backup of the home; it may run beside nights, drains and receivers."""
    if context.invoked_subcommand is not None:
        return
    from stockbook.atomic_files import keep_private
    from stockbook.backup.take import take
    from stockbook.cli.nights import progress_of

    settings, clock = Settings.load(), SystemClock()
    keep_private(settings.group_readable)
    with progress_of(clock) as progress:
        taken = take(settings, _store(settings, to, "--to"), clock, progress)
    for sentence in taken.sentences():
        typer.echo(sentence)


@app.command()
def verify(
    from_: From = "",
    everything: Annotated[bool, typer.Option("--all", help="All backups, not only the newest.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove damaged pieces, so that the next backup sends them again.")
    ] = False,
) -> None:
    """Read a backup to its last byte and compare it with its digests."""
    from stockbook.backup.verify import verify as verified

    verdict = verified(_store(Settings.load(), from_, "--from"), everything, repair)
    for each in verdict.backups:
        typer.echo(f"{each.name}: {len(each.files):,} files, {each.bytes / 1e6:,.1f} MB, books as of {each.as_of}")
    for problem in verdict.problems:
        typer.echo(f"NO  {problem}")
    if verdict.problems:
        raise typer.Exit(1)
    if not verdict.backups:
        raise ConfigError(NONE)
    typer.echo("Every piece is what was written.")


@app.command("list")
def list_backups(from_: From = "") -> None:
    """Name the backups of a store, the oldest first: --as-of takes their days."""
    from stockbook.backup.manifest import moment_of, names

    settings = Settings.load()
    there = names(_store(settings, from_, "--from"))
    if not there:
        raise ConfigError(NONE)
    for name in there:
        typer.echo(f"{name}  {moment_of(name).astimezone(settings.zone):%Y-%m-%d %H:%M:%S} {settings.zone.key}")


def restore(
    from_: From = "",
    as_of: Annotated[
        str, typer.Option(help="The newest backup by the end of this day, 2026-11-27; empty = the newest.")
    ] = "",
    only: Annotated[
        str, typer.Option(help="One file or folder of the home that is not empty, as `stockbook doctor` names it.")
    ] = "",
) -> None:
    """Bring a home back from a backup: whole into an empty STOCKBOOK_HOME, or single files with --only."""
    from stockbook.atomic_files import keep_private
    from stockbook.backup.restore import bring_back
    from stockbook.backup.restore import restore as bring_whole
    from stockbook.erasure import reapply

    settings, clock = Settings.load(), SystemClock()
    keep_private(settings.group_readable)
    store, day = _store(settings, from_, "--from"), _day(as_of)
    sentences = (
        bring_back(settings, store, clock, only, reapply, day)
        if only
        else bring_whole(settings, store, clock, reapply, day)
    )
    for sentence in sentences:
        typer.echo(sentence)


def _store(settings: Settings, url: str, option: str) -> "Store":
    from stockbook.backup.store import open_store

    if not url and not settings.backup_to:
        raise ConfigError(f"Where? Name it with {option}, or set STOCKBOOK_BACKUP_TO.")
    return open_store(url or settings.backup_to)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"--as-of must be a day as 2026-11-27; got {text!r}.") from None
