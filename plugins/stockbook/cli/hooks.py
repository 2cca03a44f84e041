"""``stockbook hooks``: the receiver of webhooks."""

from pathlib import Path
from typing import Annotated

import typer

from stockbook.cli import subscriptions
from stockbook.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Webhooks: the receiver, and what the vendors' subscriptions need.")
for command in (
    subscriptions.status,
    subscriptions.register,
    subscriptions.reactivate,
    subscriptions.move,
    subscriptions.remove,
):
    app.command()(command)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; TLS belongs in front of it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 chooses a free one.")] = 8400,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Write JSON with the base url here once connections are accepted."),
    ] = None,
) -> None:
    """Receive webhooks without Airflow, until interrupted."""
    from stockbook.clock import SystemClock
    from stockbook.places import of_this_machine
    from stockbook.settings import Settings
    from stockbook.webhooks.app import Desk
    from stockbook.webhooks.serving import serve as run

    places = of_this_machine()
    desk = Desk(Settings.load, SystemClock(), places.conn_ids, places.look_up)
    limits = Settings.load().hooks

    def announce(url: str, senders: list[str]) -> None:
        typer.echo(f"receiving webhooks on {url}/hooks/<source>/<account>")
        no_sender = "nobody: no connection holds a secret for events yet (docs/webhooks.md, Set-up, system by system)"
        typer.echo(f"from {', '.join(senders) or no_sender}")

    run(desk, host, port, ready_file, announce, limits)


@app.command()
def drain() -> None:
    """Take the inbox into staging now, as `stockbook_webhooks_drain` does every fifteen minutes."""
    from stockbook.cli.nights import IN_NIGHTS, settings_of_home
    from stockbook.clock import SystemClock
    from stockbook.night.steps import Night
    from stockbook.night.steps import drain as run
    from stockbook.progress import Silent

    clock = SystemClock()
    drained = run(Night(settings_of_home(IN_NIGHTS), clock, Silent()), f"drain-{clock.utc():%Y%m%dT%H%M%S}")
    for line in drained.sentences() or ["The inbox is empty."]:
        typer.echo(line)


@app.command()
def reread(
    since: Annotated[str, typer.Option(help="First local day to read again; empty = the day of the last event.")] = "",
) -> None:
    """Read the days of an outage again: a night with a backfill from the last event of fulfillment.cz until now."""
    from stockbook.cli.nights import settings_of_home
    from stockbook.clock import SystemClock, local
    from stockbook.night import steps
    from stockbook.places import of_this_machine
    from stockbook.progress import Silent
    from stockbook.runs.context import parse_parameters
    from stockbook.runs.report import text

    settings = settings_of_home("its DAG `stockbook_fleet_nightly` takes `backfill_from` and `backfill_to`")
    clock = SystemClock()
    if not since:
        received = subscriptions.last_received(settings)
        heard = [at for (source, _), at in received.items() if source == "fulfillment_cz"]
        if not heard:
            raise ConfigError(
                "No event of fulfillment.cz ever came, so there is none to read again. If some were lost with a "
                "damaged inbox, say from which day on with --since: that of the last night without a note of the inbox."
            )
        since = min(heard).astimezone(settings.zone).date().isoformat()
    until = local(clock, settings.zone).date().isoformat()
    parameters = parse_parameters({"backfill_from": since, "backfill_to": until})
    places = of_this_machine()
    listing = places.listing()
    tonight = steps.Night(settings, clock, Silent(), places.look_up)
    name = f"reread-{clock.utc():%Y%m%dT%H%M%S}"
    typer.echo(text(steps.run_all(tonight, name, parameters, listing.conn_ids, listing.notes)))


@app.command()
def authorize(
    account: Annotated[str, typer.Option(help="The account of FlickRocket to authorise.")] = "main",
    scope: Annotated[str, typer.Option(help="What the app may read, comma separated.")] = "orders,products,webhooks",
    redirect: Annotated[
        str, typer.Option(help="Where FlickRocket sends the browser back to: an allowed return URL of the app.")
    ] = "http://127.0.0.1:8765/authorized",
    seconds: Annotated[float, typer.Option(help="How long to wait for that.")] = 600.0,
) -> None:
    """Give Stockbook access to FlickRocket: open a page of theirs, allow it, and the tokens are kept encrypted."""
    from stockbook.clock import SystemClock
    from stockbook.connections import conn_id_of
    from stockbook.places import of_this_machine
    from stockbook.settings import Settings
    from stockbook.webhooks.authorization import Authorization

    conn_id = conn_id_of("flickrocket", account)
    raw = of_this_machine().look_up(conn_id)
    if raw is None:
        raise ConfigError(f"Connection {conn_id} was expected and not found.")
    settings = Settings.load()
    authorization = Authorization(conn_id, raw, settings, SystemClock())
    with authorization.listening(redirect) as listener:
        typer.echo("Open this address in a browser on this machine and allow the app:\n")
        typer.echo(authorization.url(scope, redirect))
        company = authorization.adopt(listener.wait(seconds))
    typer.echo(f"ok  {conn_id}: authorised for company {company}; its tokens are kept encrypted in {settings.state}")
