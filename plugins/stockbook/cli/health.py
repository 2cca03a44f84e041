"""``stockbook health``: whether anything needs a person, for people and for what watches."""

import json
from typing import Annotated

import typer

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
}


def health(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, as the receiver's /health gives it.")
    ] = False,
) -> None:
    """Say whether anything needs a person (exit code 1): books, last night, inbox, subscriptions, disk, certificate."""
    from stockbook.clock import SystemClock
    from stockbook.errors import StockbookError
    from stockbook.health.parts import OK, Part, attention, look
    from stockbook.settings import Settings

    reasons: list[str] = []

    def log(words: str, error: Exception) -> None:
        # an error that is not ours may quote anything
        reasons.append(words % (error if isinstance(error, StockbookError) else type(error).__name__))

    def line(name: str, part: Part) -> str:
        said = [SENTENCES[key].format(value) for key, value in part.items() if key in SENTENCES]
        status = part["status"]
        mark = "ok " if status == OK else "NO "
        return f"{mark} {name.replace('_', ' ')}: " + ", ".join(said if status == OK else [status, *said])

    parts = look(Settings.load(), SystemClock(), log)
    needed = attention(parts)
    if as_json:
        typer.echo(json.dumps({"status": "attention" if needed else OK, "attention": needed, **parts}, indent=2))
    else:
        for name, part in parts.items():
            typer.echo(line(name, part))
    for reason in reasons:
        typer.echo(reason, err=as_json)
    if needed:
        raise typer.Exit(1)
