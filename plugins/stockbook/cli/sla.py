"""The commands of ``stockbook sla``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.sla.what_if import Comparison

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Promises: try a policy before it is in force."""


@app.command()
def replay(
    policy: Annotated[Path, typer.Option(help="A policy file in the form of include/policy/sla.yml.")],
    calendar: Annotated[
        Path | None, typer.Option(help="A calendar file to go with it; default: the calendar in force.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Changed orders to print at most; 0 = all.")] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per changed order, and nothing else.")
    ] = False,
) -> None:
    """
    Show what another policy would have promised for the published orders.

    The file is validated, every order is judged by it in memory, and the states stand beside the
    published ones. Nothing is written.
    """
    from stockbook.sla.what_if import compare

    comparison = compare(Settings.load(), policy, calendar)
    if as_json:
        for order in comparison.changed:
            typer.echo(json.dumps(order._asdict(), default=str, ensure_ascii=False))
    else:
        typer.echo(text(comparison, policy.name, limit))


def text(comparison: "Comparison", name: str, limit: int) -> str:
    """The comparison for a terminal."""
    published, other = comparison.states(False), comparison.states(True)
    lines = [f"As of {comparison.as_of}, each order by its latest cycle:", "", f"{'':<10}{'published':>12}{name:>24}"]
    lines += [f"{state:<10}{published[state]:>12,}{other[state]:>24,}" for state in published]
    lines.append(f"{'rate':<10}{_rate(published):>12}{_rate(other):>24}")
    moved = sum(count for (before, after), count in comparison.moved.items() if before != after)
    lines += ["", f"{moved:,} orders change their state, {len(comparison.changed) - moved:,} more their due time only."]
    shown = comparison.changed[:limit] if limit else comparison.changed
    if shown:
        lines += ["", f"{'order':<38}{'published':<32}{name}"]
    for order in shown:
        before = f"{order.state}, {_due(order.due_at)}"
        where = order.order_id if order.account == "main" else f"{order.account}/{order.order_id}"
        lines.append(f"{where:<38}{before:<32}{order.other_state}, {_due(order.other_due_at)}")
    if len(shown) < len(comparison.changed):
        lines.append(
            f"... and {len(comparison.changed) - len(shown):,} more (--limit 0 shows all, --json for programs)"
        )
    lines += [f"Note: {note}" for note in comparison.notes]
    return "\n".join(lines)


def _due(at: object) -> str:
    return f"due {at:%Y-%m-%d %H:%M}" if at else "no due time"


def _rate(states: dict[str, int]) -> str:
    decided = states["on_time"] + states["late"] + states["overdue"]
    return f"{states['on_time'] / decided:.1%}" if decided else "-"
