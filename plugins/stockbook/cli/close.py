"""`stockbook close`: months are signed, and what was signed is proven."""

from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.counted import counted
from stockbook.errors import ConfigError
from stockbook.fleet_settings import FleetSettings
from stockbook.progress import Silent
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.closing.verifying import Verdict


def close(
    month: Annotated[str, typer.Argument(help="The month, as 2026-01; or verify: prove everything that was signed.")],
    account: Annotated[str, typer.Option(help="One account; empty = every account that has moved by then.")] = "",
    by: Annotated[str, typer.Option(help="Who signs.")] = "",
    note: Annotated[str, typer.Option(help="A note that stays with the close.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be signed and what speaks against it; sign nothing.")
    ] = False,
    supersede: Annotated[bool, typer.Option("--supersede", help="Sign the last closed month anew; both stay.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is signed anew.")] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="With verify: make the tables of signed months again of what was landed.")
    ] = False,
) -> None:
    """Sign the figures of a month as they were known at the last published night, or verify what was signed."""
    settings = Settings.load()
    is_fleet = FleetSettings.load(settings.home) is not None
    parameters = {"month": month, "by": by, "note": note, "supersede": supersede, "reason": reason}
    if repair and (is_fleet or month != "verify"):
        raise ConfigError(
            "--repair goes with verify, in a home of its own: `stockbook close verify --repair`. The tables of an "
            "account of a fleet are made again by its night with full_refresh."
        )
    if is_fleet and month == "verify":
        _verify_fleet(account)
    elif is_fleet:
        _close_fleet(account, parameters, dry_run)
    elif month == "verify":
        from stockbook.closing.verifying import verify

        if repair:
            _repair(settings)
        _told([verify(settings)])
    else:
        from stockbook.night.closing import answer
        from stockbook.night.tonight import Night

        said = answer(Night(settings, SystemClock(), Silent()), parameters | {"account": account}, dry_run)
        for line in (*said.statements, *said.sentences):
            typer.echo(line)


def _repair(settings: Settings) -> None:
    from stockbook.night.closing import repair
    from stockbook.night.tonight import Night

    for text in repair(Night(settings, SystemClock(), Silent())):
        typer.echo(f"Note: {text}")
    typer.echo("The tables of signed months were made again of what was landed.")


def _close_fleet(account: str, parameters: dict[str, object], is_dry: bool) -> None:
    from stockbook.fleet.closing import chosen, close_accounts
    from stockbook.fleet.work import Fleet

    fleet = Fleet.here(Silent())
    is_left = False
    for name, said, refusal in close_accounts(fleet, chosen(fleet, account), parameters, is_dry):
        for line in (*said.statements, *said.sentences) if said else (f"NO  {name}: {refusal}",):
            typer.echo(line)
        is_left = is_left or said is None
    if is_left:
        raise typer.Exit(1)


def _verify_fleet(account: str) -> None:
    from stockbook.fleet.closing import chosen, verify_accounts
    from stockbook.fleet.work import Fleet

    fleet = Fleet.here(Silent())
    _told(verify_accounts(fleet, chosen(fleet, account)))


def _told(verdicts: "list[Verdict]") -> None:
    closes = [close for verdict in verdicts for close in verdict.closes]
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    for close in closes:
        typer.echo(
            f"{close.close_id}: {counted(close.line_count, 'line')}, signed by {close.closed_by} on "
            f"{close.closed_at:%Y-%m-%d}, digest {close.digest}"
        )
    for problem in problems:
        typer.echo(f"NO  {problem}")
    for text in (note for verdict in verdicts for note in verdict.notes):
        typer.echo(f"Note: {text}")
    if problems:
        raise typer.Exit(1)
    number = counted(len(closes), "close")
    typer.echo(f"Everything is as it was signed: {number}." if closes else "No month is closed.")
