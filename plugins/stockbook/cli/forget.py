"""`stockbook forget`: people who asked to be forgotten (GDPR, article 17)."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.progress import Silent
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.erasure.requests import Done
    from stockbook.erasure.spelling import Kind, Sought
    from stockbook.fleet.work import Fleet


def forget(
    email: Annotated[bool, typer.Option("--email", help="The values are e-mail addresses.")] = False,
    phone: Annotated[
        bool, typer.Option("--phone", help="Phone numbers: known only of orders without an e-mail address.")
    ] = False,
    order: Annotated[bool, typer.Option("--order", help="Ids or numbers of orders: whoever ordered them.")] = False,
    flickrocket_customer: Annotated[
        bool, typer.Option("--flickrocket-customer", help="FlickRocket's numbers of customers.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help="A file with the values, one a line; else standard input.")] = None,
    later: Annotated[
        bool, typer.Option("--later", help="Only put them on the table of requests, as hashes; also during a night.")
    ] = False,
    due: Annotated[bool, typer.Option("--due", help="Do the requests that wait; no value is read.")] = False,
    requests: Annotated[
        bool, typer.Option("--requests", help="List the requests: when each came and was done, how many rows.")
    ] = False,
    account: Annotated[str, typer.Option(help="In a fleet: one account; empty = every account.")] = "",
    values: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> None:
    """Forget people: values are read from standard input or a file, one a line, never from the command line.

    In a fleet in every account: books, older ones too, store, lake, both databases.
    """
    from stockbook.erasure import requests as table
    from stockbook.erasure.forgetting import forget as forget_people
    from stockbook.erasure.spelling import Kind

    if values:
        raise ConfigError(
            "Values are never given on the command line, where shells and lists of processes keep them: write them to "
            "standard input or to a file (--file), one a line. Nothing was done."
        )
    chosen = {
        Kind.email: email,
        Kind.phone: phone,
        Kind.order: order,
        Kind.flickrocket_customer: flickrocket_customer,
    }
    kinds = [kind for kind, is_chosen in chosen.items() if is_chosen]
    settings, clock = Settings.load(), SystemClock()
    fleet = _fleet(settings)
    if account and (fleet is None or later or due or requests):
        raise ConfigError("--account is for people who are forgotten at once in a fleet: leave it out.")
    if due or requests:
        if kinds or later or due == requests:
            raise ConfigError("--due and --requests stand alone: expected one of them and no other option.")
        _tell(table.told(settings) if requests else table.work_off(settings, clock, Silent(), _of_fleet(fleet)))
        return
    if len(kinds) != 1:
        raise ConfigError("Expected one of --email, --phone, --order and --flickrocket-customer: what the values are.")
    try:
        text = file.read_text("utf-8") if file is not None else sys.stdin.read()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("The values could not be read: expected a text file in UTF-8, one value a line.") from None
    if later:
        _tell(table.ask(settings, clock, kinds[0], text))
    elif fleet is not None:
        _forget_in(fleet, kinds[0], text, account)
    else:
        _tell(forget_people(settings, clock, kinds[0], text).sentences)


def _fleet(settings: Settings) -> "Fleet | None":
    from stockbook.fleet_settings import FleetSettings

    if FleetSettings.load(settings.home) is None:
        return None
    from stockbook.fleet.forgetting import require_key
    from stockbook.fleet.work import Fleet

    fleet = Fleet.here(Silent())
    require_key(fleet)
    return fleet


def _of_fleet(fleet: "Fleet | None") -> "Callable[[Kind, Sought], Done] | None":
    from stockbook.fleet.forgetting import forget_waiting

    return partial(forget_waiting, fleet) if fleet is not None else None


def _forget_in(fleet: "Fleet", kind: "Kind", text: str, account: str) -> None:
    from stockbook.fleet.forgetting import forget

    forgotten = forget(fleet, kind, text, account)
    _tell(forgotten.sentences)
    for name, why in forgotten.refused.items():
        typer.echo(f"NO  {name}: {why}")
    if forgotten.refused:
        typer.echo(
            "They are on the list, and the next night of these accounts erases them. Next: `stockbook fleet maintain` "
            "after it, which removes what is older, or this command again."
        )
        raise typer.Exit(1)


def _tell(sentences: list[str]) -> None:
    for sentence in sentences:
        typer.echo(sentence)
