"""``stockbook policy``: what the operator's files and settings say, judged."""

import typer

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
            typer.echo(f"ok  {look.what}")
    if wrong:
        typer.echo(f"{wrong} to correct.")
        raise typer.Exit(1)
