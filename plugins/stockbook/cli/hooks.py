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
        if (found := outage.find_gap(source, account, heard, clock.utc(), is_off)) is not None:
            typer.echo(f"    {outage.advice(found, settings.zone)}")
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
        known = _subscriptions(conn_id)
        missing = known.missing(known.listed(), place)
        for topic in missing:
            known.create(topic, place)
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
        known = _subscriptions(conn_id)
        there = known.listed()
        inactive = [one for one in there if not one.is_active]
        for one in inactive:
            known.activate(one)
        gone = known.missing(there) if source == "shopline" else []
        places = {one.address for one in there} | ({f"{address.rstrip('/')}/{source}/{account}"} if address else set())
        if gone and len(places) != 1:
            raise ConfigError(f"{conn_id}: {len(gone)} topics are gone; say where to send them with --address.")
        for topic in gone:
            known.create(topic, next(iter(places)))
        typer.echo(f"ok  {conn_id}: {len(inactive)} switched on, {len(gone)} subscribed again")
        is_off = bool(inactive or gone)
        found = outage.find_gap(source, account, last.get((source, account)), clock.utc(), is_off)
        if found is not None:
            typer.echo(f"    {outage.advice(found, settings.zone)}")


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

    found = of_this_machine().conn_ids()
    if not found:
        raise ConfigError(
            "No connection was found: add fulfillment_cz, flickrocket or shopline in Airflow, or set "
            "AIRFLOW_CONN_FULFILLMENT_CZ, AIRFLOW_CONN_FLICKROCKET or AIRFLOW_CONN_SHOPLINE (docs/webhooks.md)."
        )
    for conn_id in found:
        known = connections.split_conn_id(conn_id)
        if known is not None:
            yield conn_id, *known


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
        known = _subscriptions(conn_id)
        there = known.listed()
    except (ConfigError, SourceError) as error:
        return [f"NO  {error}"], False
    off = [one.topic for one in there if not one.is_active]
    ours = [one for one in there if one.address.endswith(f"/{known.source}/{known.account}")]
    missing = known.missing(ours)
    lines = [f"{'NO ' if off or missing else 'ok '} {conn_id}: {len(there) - len(off)} topics subscribed"]
    lines += [f"    {one.topic} goes to {one.address}, which is no address of ours" for one in there if one not in ours]
    if off:
        lines.append(f"    switched off by the sender: {', '.join(off)}: `stockbook hooks reactivate`")
    if missing:
        lines.append(f"    not subscribed: {', '.join(missing)}: `stockbook hooks register --address ...`")
    # of SHOPLINE's subscriptions a deleted one is not there any more
    return lines, bool(off) or (known.source == "shopline" and bool(there) and bool(missing))


def _has_inbox(state: Path, database: str) -> bool:
    from stockbook.settings import INBOX_FILE

    return bool(database) or (state / INBOX_FILE).exists()


def _last_received(url: str) -> "dict[tuple[str, str], datetime]":
    if not url:
        return {}
    from stockbook.inbox import Inbox

    with Inbox.open(url) as inbox:
        return {
            (one.source, one.account): one.last_received_at_utc
            for one in inbox.counts()
            if one.last_received_at_utc is not None
        }
