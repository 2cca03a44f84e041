"""``stockbook health``: whether anything needs a person, for people and for what watches."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stockbook.health.parts import Part

# how a part is told of, by what it has
SENTENCES = {
    "as_of": "as of {:.16} local",
    "age_hours": "{} h old",
    "ended_at": "ended {:.16} UTC",
    "failed_step": "at {}",
    "run": "run {}: `stockbook report` says why",
    "waiting": "{} events wait",
    "oldest_hours": "the oldest for {} h",
    "active": "{} topics are sent",
    "off": "{} not any more",
    "free_megabytes": "{} MB are free",
    "needed_megabytes": "{} needed",
    "expires_at": "until {:.16} UTC",
    "days_left": "{} days left",
    "reason": "{}",
    "problems": "{} to be mended: `stockbook policy check` names each",
}


def health(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, as the receiver's /health gives it.")
    ] = False,
) -> None:
    """Say whether anything needs a person (exit code 1): books, nights, inbox, policies, disk and more."""
    from stockbook.clock import SystemClock
    from stockbook.errors import StockbookError
    from stockbook.health.parts import OK, attention, look
    from stockbook.settings import Settings

    reasons: list[str] = []

    def log(words: str, error: Exception) -> None:
        # an error that is not ours may quote anything
        reasons.append(words % (error if isinstance(error, StockbookError) else type(error).__name__))

    def line(name: str, part: "Part") -> str:
        said = [SENTENCES[key].format(value) for key, value in part.items() if key in SENTENCES]
        status = part["status"]
        mark = "ok " if status == OK else "NO "
        text = ", ".join(said if status == OK else [status, *said])
        return f"{mark} {name.replace('_', ' ')}" + (f": {text}" if text else "")

    settings = Settings.load()
    parts = look(settings, SystemClock(), log) | {"policies": _policies()}
    needed = attention(parts)
    if as_json:
        typer.echo(json.dumps({"status": "attention" if needed else OK, "attention": needed, **parts}, indent=2))
    else:
        for name, part in parts.items():
            typer.echo(line(name, part))
        if settings.lake is not None:
            typer.echo("    the nights of the fleet: `stockbook fleet status`")
    for reason in reasons:
        typer.echo(reason, err=as_json)
    if needed:
        raise typer.Exit(1)


def _policies() -> "Part":
    """Whether a night could begin by what an operator wrote; the receiver, which is below nights, does not know."""
    from stockbook.health.parts import OK
    from stockbook.night import configuration

    problems = sum(len(look.problems) for look in configuration.inspections())
    return {"status": "wrong", "problems": problems} if problems else {"status": OK}
