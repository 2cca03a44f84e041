"""``stockbook fleet``: the nights of many accounts, on machines that share a store, a database and a lake."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.errors import ConfigError
from stockbook.progress import Progress, Silent, logged

if TYPE_CHECKING:
    from stockbook.fleet.work import Fleet

app = typer.Typer(no_args_is_help=True, help="Many accounts on several machines (STOCKBOOK_STORE and its fellows).")

Run = Annotated[str, typer.Option("--run", help="Name of the run; empty = the latest.")]


def _fleet(progress: Progress | None = None) -> "Fleet":
    from stockbook.fleet.work import Fleet

    return Fleet.here(progress or Silent())


def _logged() -> "Fleet":
    from stockbook.clock import SystemClock

    return _fleet(logged(SystemClock(), sys.stderr))


@app.command()
def run(
    as_of: Annotated[
        str, typer.Option(help="The run's now: a local date-time, perhaps with an offset; empty = now.")
    ] = "",
    full_refresh: Annotated[bool, typer.Option(help="Read everything the APIs still serve again.")] = False,
    name: Annotated[str, typer.Option(help="Name of the run; one that was begun goes on. Empty = made of now.")] = "",
    processes: Annotated[int, typer.Option(min=1, help="Accounts at a time, each in a process of its own.")] = 1,
    tries: Annotated[int, typer.Option(min=1, help="How often an account is tried where trying may help.")] = 2,
) -> None:
    """Run the night of every account, without Airflow; prints which are green and which are red."""
    from stockbook.fleet.run import run_fleet

    fleet = _logged()
    run_name = name or f"fleet-{fleet.clock.utc():%Y%m%dT%H%M%S}"
    parameters = {"as_of": as_of, "full_refresh": full_refresh}
    summary = run_fleet(fleet, run_name, parameters, processes, tries, load=_logged)
    typer.echo(summary.text())
    if summary.red:
        typer.echo(f"Next: mend what the red ones say, then `stockbook fleet run --name {summary.run_id}` goes on.")
        raise typer.Exit(1)


@app.command()
def status(run_name: Run = "") -> None:
    """Say of each account what readers see, how its last night went, who is at work (exit code 1: not all is well)."""
    from stockbook.fleet.standing import idleness, lateness, standings

    fleet = _fleet()
    latest, lines = standings(fleet, run_name)
    if latest is None:
        typer.echo(f"{len(lines)} accounts, none of them begun: `stockbook fleet run` runs their first night.")
        raise typer.Exit(1)
    typer.echo(f"Run {latest.run_id}: {latest.status}, begun {latest.opened_at:%Y-%m-%d %H:%M} UTC")
    for line in lines:
        typer.echo(f"  {line.text()}")
    late = lateness(latest, fleet.control.now())
    for remark in filter(None, (idleness(latest, lines), late)):
        typer.echo(remark)
    if late or any(line.is_red for line in lines):
        raise typer.Exit(1)


@app.command("take-over")
def take_over(
    account: Annotated[str, typer.Argument(help="The account to take from the worker that holds it.")],
) -> None:
    """End the worker's hold on an account: it can publish nothing any more, and another may go on."""
    fleet = _fleet()
    if account not in fleet.control.books():
        raise ConfigError(f"There is no account {account}: `stockbook fleet status` lists them.")
    holder = fleet.control.held().get(account)
    if not fleet.control.cut(account):
        typer.echo(f"Nobody holds account {account}: it is free.")
        return
    who = f"run {holder.run_id} on {holder.machine}" if holder else "a worker"
    typer.echo(f"Account {account} was taken from {who}. Next: `stockbook fleet run`, or clear its task in Airflow.")


@app.command()
def remove(account: Annotated[str, typer.Argument(help="An account that is in no list any more.")]) -> None:
    """Take an account from readers; its books stay in the store, under books/ and landing/."""
    from stockbook.fleet.holding import hold

    fleet = _fleet()
    if account in {each.name for each in fleet.accounts()}:
        raise ConfigError(f"Account {account} is still in STOCKBOOK_ACCOUNTS: take it out there first.")
    if account not in fleet.control.books():
        raise ConfigError(f"There is no account {account}: `stockbook fleet status` lists them.")
    with hold(fleet.control, account, "remove", "remove"):
        fleet.lake.remove(account)
        fleet.control.forget(account)
    typer.echo(f"Readers see no account {account} any more.")


@app.command()
def maintain() -> None:
    """Remove what nobody needs any more: old snapshots of the lake, orphaned files, old landed nights and books.

    Also who was forgotten, by name or by age, where `stockbook forget` or `stockbook retention` had to leave something.
    """
    from stockbook.fleet.forgetting import finish
    from stockbook.fleet.lake.maintenance import maintain as maintain_lake
    from stockbook.fleet.upkeep import prune_accounts

    fleet = _fleet()
    lake = fleet.lake
    gone = maintain_lake(lake.url, lake.data_path, fleet.shared.scratch, fleet.control.now())
    typer.echo(f"The lake: {gone.snapshots} snapshots, {gone.files} files and {gone.orphans} orphans removed.")
    for line in prune_accounts(fleet):
        typer.echo(line)
    forgotten = finish(fleet)
    for line in forgotten.sentences:
        typer.echo(line)
    for name, why in forgotten.refused.items():
        typer.echo(f"{name}: left to the next time. {why}")


@app.command()
def report(account: Annotated[str, typer.Argument(help="The account.")], run_name: Run = "") -> None:
    """Print the report of an account's night."""
    import msgspec

    from stockbook.runs.report import Report, text

    fleet = _fleet()
    latest = fleet.run_log.run(run_name)
    content = fleet.run_log.report(latest.run_id, account)
    if content is None:
        raise ConfigError(f"Account {account} has no report of run {latest.run_id}: its night did not end there.")
    typer.echo(text(msgspec.json.decode(content, type=Report)))
