"""`stockbook close`: months are signed, and what was signed is proven."""

from typing import Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.progress import Silent
from stockbook.settings import Settings


def close(
    month: Annotated[str, typer.Argument(help="The month, as 2026-10; or verify: prove everything that was signed.")],
    account: Annotated[str, typer.Option(help="One account; empty = every account that has moved by then.")] = "",
    by: Annotated[str, typer.Option(help="Who signs.")] = "",
    note: Annotated[str, typer.Option(help="A note that stays with the close.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be signed and what speaks against it; sign nothing.")
    ] = False,
    supersede: Annotated[bool, typer.Option("--supersede", help="Sign the last closed month anew; both stay.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is signed anew.")] = "",
) -> None:
    """Sign the figures of a month as they were known at the last published night, or verify what was signed."""
    if month == "verify":
        _verify()
        return
    from stockbook.night.closing import answer
    from stockbook.night.tonight import Night

    parameters = {"month": month, "account": account, "by": by, "note": note, "supersede": supersede, "reason": reason}
    statements, sentences = answer(Night(Settings.load(), SystemClock(), Silent()), parameters, dry_run)
    for line in (*statements, *sentences):
        typer.echo(line)


def _verify() -> None:
    from stockbook.closing.verifying import verify

    verdict = verify(Settings.load())
    for close in verdict.closes:
        typer.echo(
            f"{close.close_id}: {close.line_count:,} lines, signed by {close.closed_by} on {close.closed_at:%Y-%m-%d}, "
            f"digest {close.digest}"
        )
    for problem in verdict.problems:
        typer.echo(f"NO  {problem}")
    for text in verdict.notes:
        typer.echo(f"Note: {text}")
    if verdict.problems:
        raise typer.Exit(1)
    typer.echo(
        f"All {len(verdict.closes)} closes are as they were signed." if verdict.closes else "No month is closed."
    )
