"""What ``stockbook hooks`` does with the subscriptions of FlickRocket and SHOPLINE."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from datetime import datetime

    from stockbook.settings import Settings
    from stockbook.webhooks.subscriptions import Subscription, Subscriptions

Address = Annotated[
    str, typer.Option(help="Public address of the receiver, https://<host>/stockbook/hooks; source and account follow.")
]
OnlyAccount = Annotated[str, typer.Option("--account", help="Only this account; empty = all.")]


def status(
    try_it: Annotated[
        bool, typer.Option("--try", help="Ask each address that events go to whether it reaches a receiver.")
    ] = False,
    address: Annotated[
        str, typer.Option(help="With --try: as for `register`; for fulfillment.cz, whose address only its vendor has.")
    ] = "",
) -> None:
    """List what is subscribed; say what arrived, what is missing or switched off, and what an outage cost."""
    from stockbook.clock import SystemClock
    from stockbook.settings import Settings
    from stockbook.webhooks import outage

    if address:
        _check(address)
    settings, clock = Settings.load(), SystemClock()
    last = last_received(settings)
    problems = 0
    for conn_id, source, account in accounts():
        is_off, places = False, {f"{address.rstrip('/')}/{source}/{account}"} if address else set()
        if source == "fulfillment_cz":
            typer.echo(f"ok  {conn_id}: no subscriptions to look at; its address is set in the vendor's administration")
        else:
            lines, is_off, subscribed = _subscribed(conn_id)
            places |= subscribed
            problems += any(line.startswith("NO") for line in lines)
            for line in lines:
                typer.echo(line)
        if try_it:
            problems += _unreached(places)
        heard = last.get((source, account))
        typer.echo(
            f"    last event: {heard.astimezone(settings.zone):%Y-%m-%d %H:%M}"
            if heard
            else "    no event yet; of those that were refused the receiver's log says why"
        )
        if (gap := outage.find_gap(source, account, heard, clock.utc(), is_off)) is not None:
            typer.echo(f"    {outage.advice(gap, settings.zone)}")
    if problems:
        raise typer.Exit(1)


def _unreached(places: set[str]) -> int:
    """Say of each address whether it reaches a receiver; returns how many do not."""
    from stockbook.webhooks.public_address import reach

    if not places:
        typer.echo("    no address is known to be tried: say it with --address")
    answers = [reach(place) for place in sorted(places)]
    for answer in answers:
        typer.echo(f"{'ok ' if answer.good else 'NO '} {answer.sentence}")
    return sum(not answer.good for answer in answers)


def register(address: Address, account: OnlyAccount = "") -> None:
    """Subscribe every topic that is missing, of FlickRocket and SHOPLINE."""
    _check(address)
    has_moved = False
    for conn_id, source, name in accounts(account):
        if source == "fulfillment_cz":
            place = f"{address.rstrip('/')}/{source}/{name}"
            typer.echo(f"    {conn_id}: set the address {place} in the vendor's administration")
            continue
        subscriptions = _subscriptions(conn_id)
        place, own = subscriptions.place(address), subscriptions.own(subscriptions.listed())
        missing = subscriptions.missing(own)
        for topic in missing:
            subscriptions.create(topic, place)
        typer.echo(f"ok  {conn_id}: {len(missing)} topics subscribed at {place}")
        elsewhere = [each for each in own if each.address != place]
        if elsewhere:
            # subscribed here as well they would come twice
            has_moved = True
            typer.echo(
                f"NO  {len(elsewhere)} topics go to {elsewhere[0].address}: `stockbook hooks move --address ...`"
            )
    if has_moved:
        raise typer.Exit(1)


def move(address: Address, account: OnlyAccount = "") -> None:
    """Send everything to another address: subscriptions are changed where they are, so that nothing comes twice."""
    _check(address)
    for conn_id, source, name in accounts(account):
        if source == "fulfillment_cz":
            place = f"{address.rstrip('/')}/{source}/{name}"
            typer.echo(f"    {conn_id}: set the address {place} in the vendor's administration")
            continue
        subscriptions = _subscriptions(conn_id)
        place = subscriptions.place(address)
        moved = subscriptions.move(subscriptions.listed(), place)
        doubles = f", {moved.removed} that came twice removed" if moved.removed else ""
        typer.echo(f"ok  {conn_id}: {moved.changed} topics moved to {place}{doubles}")


def remove(account: OnlyAccount = "") -> None:
    """Unsubscribe every topic that goes to a receiver of ours: nothing is sent any more."""
    from stockbook.clock import SystemClock
    from stockbook.night.steps import Night, forget_subscriptions
    from stockbook.progress import Silent
    from stockbook.settings import Settings

    clock = SystemClock()
    removed = []
    for conn_id, source, name in accounts(account):
        if source == "fulfillment_cz":
            typer.echo(f"    {conn_id}: take its address out of the vendor's administration")
            continue
        subscriptions = _subscriptions(conn_id)
        own = subscriptions.own(subscriptions.listed())
        for subscription in own:
            subscriptions.remove(subscription)
        typer.echo(f"ok  {conn_id}: {len(own)} topics unsubscribed")
        removed.append((source, name))
    # no night is to miss them
    forget_subscriptions(Night(Settings.load(), clock, Silent()), f"remove-{clock.utc():%Y%m%dT%H%M%S}", removed)


def reactivate(
    address: Annotated[str, typer.Option(help="As for `register`; for topics that SHOPLINE deleted.")] = "",
) -> None:
    """Switch on again what FlickRocket switched off, and subscribe again what SHOPLINE deleted."""
    from stockbook.clock import SystemClock
    from stockbook.settings import Settings
    from stockbook.webhooks import outage

    if address:
        _check(address)
    settings, clock = Settings.load(), SystemClock()
    last = last_received(settings)
    for conn_id, source, account in accounts():
        if source == "fulfillment_cz":
            continue
        subscriptions = _subscriptions(conn_id)
        there = subscriptions.listed()
        inactive = [subscription for subscription in there if not subscription.is_active]
        for subscription in inactive:
            subscriptions.activate(subscription)
        gone = subscriptions.missing(there) if source == "shopline" else []
        places = {subscription.address for subscription in there} | (
            {subscriptions.place(address)} if address else set()
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


def _check(address: str) -> None:
    if not address.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ConfigError("The address of the receiver must be https: the token and the bodies go over it.")
    if not address.rstrip("/").endswith("/hooks"):
        # without it everything would be subscribed at an address that is answered 404
        raise ConfigError("The address of the receiver must end in /hooks, as https://<host>/stockbook/hooks does.")


def accounts(only: str = "") -> Iterator[tuple[str, str, str]]:
    """The id, source and account of every connection, or of those of one account. Raises ConfigError without any."""
    from stockbook import connections
    from stockbook.places import of_this_machine

    listing = of_this_machine().listing()
    if not listing.conn_ids:
        raise ConfigError(
            "No connection was found: add fulfillment_cz, flickrocket or shopline in Airflow, or set "
            "AIRFLOW_CONN_FULFILLMENT_CZ, AIRFLOW_CONN_FLICKROCKET or AIRFLOW_CONN_SHOPLINE (docs/webhooks.md).",
            *listing.notes,
        )
    for conn_id in listing.conn_ids:
        source_account = connections.split_conn_id(conn_id)
        if source_account is not None and only in ("", source_account[1]):
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


def _subscribed(conn_id: str) -> tuple[list[str], bool, set[str]]:
    """What there is to say of an account's subscriptions, whether some are off, and where its events go."""
    try:
        subscriptions = _subscriptions(conn_id)
        there = subscriptions.listed()
    except (ConfigError, SourceError) as error:
        return [f"NO  {error}"], False, set()
    own = subscriptions.own(there)
    off = [subscription.topic for subscription in there if not subscription.is_active]
    missing, places = subscriptions.missing(own), {subscription.address for subscription in own}
    is_wrong = off or missing or len(places) > 1
    lines = [f"{'NO ' if is_wrong else 'ok '} {conn_id}: {len(there) - len(off)} topics subscribed"]
    lines += [f"    {_listed(subscription)}" for subscription in own]
    lines += [
        f"    {subscription.topic} goes to {subscription.address}, which is no address of ours"
        for subscription in there
        if subscription not in own
    ]
    if off:
        lines.append(f"    switched off by the sender: {', '.join(off)}: `stockbook hooks reactivate`")
    if missing:
        lines.append(f"    not subscribed: {', '.join(missing)}: `stockbook hooks register --address ...`")
    if len(places) > 1:
        lines.append(f"    sent to {len(places)} addresses: `stockbook hooks move --address ...`")
    # of SHOPLINE's subscriptions a deleted one is not there any more
    return lines, bool(off) or (subscriptions.source == "shopline" and bool(there) and bool(missing)), places


def _listed(subscription: "Subscription") -> str:
    spelled = "" if subscription.spelling == subscription.topic else f" (as {subscription.spelling})"
    return f"{subscription.topic}{spelled} to {subscription.address}{'' if subscription.is_active else ', off'}"


def last_received(settings: "Settings") -> "dict[tuple[str, str], datetime]":
    """When the last event of each source and account came; empty where no receiver ever made an inbox."""
    from stockbook.settings import INBOX_FILE

    if not settings.inbox_database and not (settings.state / INBOX_FILE).exists():
        return {}
    from stockbook.inbox import Inbox

    with Inbox.open(settings.inbox_url) as inbox:
        return {
            (count.source, count.account): count.last_received_at_utc
            for count in inbox.counts()
            if count.last_received_at_utc is not None
        }
