"""``stockbook hooks``: the receiver of webhooks."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from datetime import datetime

    from stockbook.webhooks.subscriptions import Subscriptions

app = typer.Typer(no_args_is_help=True, help="Webhooks: the receiver, and what the vendors' subscriptions need.")


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
    run(
        desk,
        host,
        port,
        ready_file,
        lambda url: typer.echo(f"receiving webhooks on {url}/hooks/<source>/<account>"),
        limits,
    )


@app.command()
def drain() -> None:
    """Take the inbox into staging now, as `stockbook_webhooks_drain` does every fifteen minutes."""
    from stockbook.clock import SystemClock
    from stockbook.night.steps import Night
    from stockbook.night.steps import drain as run
    from stockbook.progress import Silent
    from stockbook.settings import Settings

    clock = SystemClock()
    drained = run(Night(Settings.load(), clock, Silent()), f"drain-{clock.utc():%Y%m%dT%H%M%S}")
    for line in drained.sentences() or ["The inbox is empty."]:
        typer.echo(line)


@app.command()
def status() -> None:
    """Say what arrived, what is subscribed, what is missing or switched off, and what an outage cost."""
    from stockbook.clock import SystemClock
    from stockbook.settings import Settings
    from stockbook.webhooks import outage

    settings, clock = Settings.load(), SystemClock()
    last = _last_received(settings.inbox_url if _has_inbox(settings.state, settings.inbox_database) else "")
    problems = 0
    for conn_id, source, account in _accounts():
        is_off = False
        if source == "fulfillment_cz":
            typer.echo(f"ok  {conn_id}: no subscriptions to look at; its address is set in the vendor's administration")
        else:
            lines, is_off = _subscribed(conn_id)
            problems += any(line.startswith("NO") for line in lines)
            for line in lines:
                typer.echo(line)
        heard = last.get((source, account))
        typer.echo(f"    last event: {heard.astimezone(settings.zone):%Y-%m-%d %H:%M}" if heard else "    no event yet")
        if (gap := outage.find_gap(source, account, heard, clock.utc(), is_off)) is not None:
            typer.echo(f"    {outage.advice(gap, settings.zone)}")
    if problems:
        raise typer.Exit(1)


Address = Annotated[
    str, typer.Option(help="Public address of the receiver, https://<host>/stockbook/hooks; source and account follow.")
]


@app.command()
def register(
    address: Address,
    account: Annotated[str, typer.Option(help="Only this account; empty = all.")] = "",
) -> None:
    """Subscribe every topic that is missing, of FlickRocket and SHOPLINE."""
    if not address.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ConfigError("The address of the receiver must be https: the token and the bodies go over it.")
    for conn_id, source, name in _accounts():
        if account and account != name:
            continue
        place = f"{address.rstrip('/')}/{source}/{name}"
        if source == "fulfillment_cz":
            typer.echo(f"    {conn_id}: set the address {place} in the vendor's administration")
            continue
        subscriptions = _subscriptions(conn_id)
        missing = subscriptions.missing(subscriptions.listed(), place)
        for topic in missing:
            subscriptions.create(topic, place)
        typer.echo(f"ok  {conn_id}: {len(missing)} topics subscribed at {place}")


@app.command()
def reactivate(
    address: Annotated[str, typer.Option(help="As for `register`; for topics that SHOPLINE deleted.")] = "",
) -> None:
    """Switch on again what FlickRocket switched off, and subscribe again what SHOPLINE deleted."""
    from stockbook.clock import SystemClock
    from stockbook.settings import Settings
    from stockbook.webhooks import outage

    settings, clock = Settings.load(), SystemClock()
    last = _last_received(settings.inbox_url if _has_inbox(settings.state, settings.inbox_database) else "")
    for conn_id, source, account in _accounts():
        if source == "fulfillment_cz":
            continue
        subscriptions = _subscriptions(conn_id)
        there = subscriptions.listed()
        inactive = [subscription for subscription in there if not subscription.is_active]
        for subscription in inactive:
            subscriptions.activate(subscription)
        gone = subscriptions.missing(there) if source == "shopline" else []
        places = {subscription.address for subscription in there} | (
            {f"{address.rstrip('/')}/{source}/{account}"} if address else set()
        )
        if gone and len(places) != 1:
            raise ConfigError(f"{conn_id}: {len(gone)} topics are gone; say where to send them with --address.")
        for topic in gone:
            subscriptions.create(topic, next(iter(places)))
        typer.echo(f"ok  {conn_id}: {len(inactive)} switched on, {len(gone)} subscribed again")
        is_off = bool(inactive or gone)
        gap = outage.find_gap(source, account, last.get((source, account)), clock.utc(), is_off)
        if gap is not None:
            typer.echo(f"    {outage.advice(gap, settings.zone)}")


@app.command()
def reread(
    since: Annotated[str, typer.Option(help="First local day to read again; empty = the day of the last event.")] = "",
) -> None:
    """Read the days of an outage again: a night with a backfill from the last event of fulfillment.cz until now."""
    from stockbook.clock import SystemClock, local
    from stockbook.night import steps
    from stockbook.places import of_this_machine
    from stockbook.progress import Silent
    from stockbook.runs.context import parse_parameters
    from stockbook.runs.report import text
    from stockbook.settings import Settings

    settings, clock = Settings.load(), SystemClock()
    if not since:
        url = settings.inbox_url if _has_inbox(settings.state, settings.inbox_database) else ""
        heard = [at for (source, _), at in _last_received(url).items() if source == "fulfillment_cz"]
        if not heard:
            raise ConfigError("No event of fulfillment.cz ever came: say from which day to read with --since.")
        since = min(heard).astimezone(settings.zone).date().isoformat()
    until = local(clock, settings.zone).date().isoformat()
    parameters = parse_parameters({"backfill_from": since, "backfill_to": until})
    places = of_this_machine()
    listing = places.listing()
    tonight = steps.Night(settings, clock, Silent(), places.look_up)
    name = f"reread-{clock.utc():%Y%m%dT%H%M%S}"
    typer.echo(text(steps.run_all(tonight, name, parameters, listing.conn_ids, listing.notes)))


def _accounts() -> Iterator[tuple[str, str, str]]:
    from stockbook import connections
    from stockbook.places import of_this_machine

    conn_ids = of_this_machine().conn_ids()
    if not conn_ids:
        raise ConfigError(
            "No connection was found: add fulfillment_cz, flickrocket or shopline in Airflow, or set "
            "AIRFLOW_CONN_FULFILLMENT_CZ, AIRFLOW_CONN_FLICKROCKET or AIRFLOW_CONN_SHOPLINE (docs/webhooks.md)."
        )
    for conn_id in conn_ids:
        source_account = connections.split_conn_id(conn_id)
        if source_account is not None:
            yield conn_id, *source_account


def _subscriptions(conn_id: str) -> "Subscriptions":
    from stockbook.clock import SystemClock
    from stockbook.places import of_this_machine
    from stockbook.settings import Settings
    from stockbook.webhooks.subscriptions import Subscriptions

    raw = of_this_machine().look_up(conn_id)
    if raw is None:
        raise ConfigError(f"Connection {conn_id} was expected and not found.")
    return Subscriptions(conn_id, raw, Settings.load(), SystemClock())


def _subscribed(conn_id: str) -> tuple[list[str], bool]:
    """What there is to say of an account's subscriptions, and whether some are off."""
    try:
        subscriptions = _subscriptions(conn_id)
        there = subscriptions.listed()
    except (ConfigError, SourceError) as error:
        return [f"NO  {error}"], False
    off = [subscription.topic for subscription in there if not subscription.is_active]
    ours = [
        subscription
        for subscription in there
        if subscription.address.endswith(f"/{subscriptions.source}/{subscriptions.account}")
    ]
    missing = subscriptions.missing(ours)
    lines = [f"{'NO ' if off or missing else 'ok '} {conn_id}: {len(there) - len(off)} topics subscribed"]
    lines += [
        f"    {subscription.topic} goes to {subscription.address}, which is no address of ours"
        for subscription in there
        if subscription not in ours
    ]
    if off:
        lines.append(f"    switched off by the sender: {', '.join(off)}: `stockbook hooks reactivate`")
    if missing:
        lines.append(f"    not subscribed: {', '.join(missing)}: `stockbook hooks register --address ...`")
    # of SHOPLINE's subscriptions a deleted one is not there any more
    return lines, bool(off) or (subscriptions.source == "shopline" and bool(there) and bool(missing))


def _has_inbox(state: Path, database: str) -> bool:
    from stockbook.settings import INBOX_FILE

    return bool(database) or (state / INBOX_FILE).exists()


def _last_received(url: str) -> "dict[tuple[str, str], datetime]":
    if not url:
        return {}
    from stockbook.inbox import Inbox

    with Inbox.open(url) as inbox:
        return {
            (count.source, count.account): count.last_received_at_utc
            for count in inbox.counts()
            if count.last_received_at_utc is not None
        }
