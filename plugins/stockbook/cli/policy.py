"""``stockbook policy``: what the operator's files and settings say, judged, and tried."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.valuation.what_if import Comparison

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Policies and settings: is everything an operator wrote right?"""


@app.command()
def check() -> None:
    """Read every policy file and setting and list all that is wrong; exit code 1 when something is."""
    from stockbook.night import configuration

    wrong = 0
    for look in configuration.inspections():
        wrong += len(look.problems)
        for problem in look.problems:
            typer.echo(f"NO  {problem}")
        if not look.problems:
            typer.echo(f"ok  {look.absent or look.what}")
    if wrong:
        typer.echo(f"{wrong} to correct.")
        raise typer.Exit(1)


@app.command()
def write_down(
    policy: Annotated[Path, typer.Option(help="A file in the form of include/policy/valuation.yml.")],
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="At the end of this day; default: the published one.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Changed variants to print at most; 0 = all.")] = 20,
) -> None:
    """
    Show what other rules would write down of the published stock.

    The file is validated, its rules are applied in memory, and the figures stand beside the published ones. Nothing is
    written; of the file only write_down and nrv_factor are used.
    """
    from stockbook.valuation.what_if import compare

    comparison = compare(Settings.load(), policy, day.date() if day else None)
    typer.echo(text(comparison, policy.name, limit))


def text(comparison: "Comparison", name: str, limit: int) -> str:
    """The comparison for a terminal."""
    published, other = comparison.published, comparison.other
    rules = sorted(rule for rule in published.keys() | other.keys() if rule)
    lines = [f"Write-down at the end of {comparison.day}, {comparison.currency}:", ""]
    lines.append(f"{'by':<50}{'published':>18}{name:>24}")
    lines += [f"{rule:<50}{_money(published.get(rule)):>18}{_money(other.get(rule)):>24}" for rule in rules]
    together = [_money(sum(filter(None, side.values()), Decimal(0))) for side in (published, other)]
    lines += [f"{'together':<50}{together[0]:>18}{together[1]:>24}", ""]
    lines.append(f"{len(comparison.changed):,} variants and pools are written down otherwise.")
    shown = comparison.changed[:limit] if limit else comparison.changed
    if shown:
        lines += ["", f"{'variant':<32}{'pool':<10}{'pieces':>8}{'cost':>18}{'published':>18}{name:>24}"]
    for pool in shown:
        money = f"{_money(pool.cost):>18}{_money(pool.published):>18}{_money(pool.other):>24}"
        variant = f"{pool.account} {pool.code or '?'}"
        lines.append(f"{variant:<32}{pool.pool:<10}{pool.quantity:>8,}{money}")
    return "\n".join(lines)


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
