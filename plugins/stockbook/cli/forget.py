"""`stockbook forget`: people who asked to be forgotten (GDPR, article 17)."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.progress import Silent
from stockbook.settings import Settings


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
    values: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> None:
    """Forget people: values are read from standard input or a file, one a line, never from the command line."""
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
    if due or requests:
        if kinds or later or due == requests:
            raise ConfigError("--due and --requests stand alone: expected one of them and no other option.")
        settings = Settings.load()
        for sentence in table.work_off(settings, SystemClock(), Silent()) if due else table.told(settings):
            typer.echo(sentence)
        return
    if len(kinds) != 1:
        raise ConfigError("Expected one of --email, --phone, --order and --flickrocket-customer: what the values are.")
    try:
        text = file.read_text("utf-8") if file is not None else sys.stdin.read()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("The values could not be read: expected a text file in UTF-8, one value a line.") from None
    settings, clock = Settings.load(), SystemClock()
    sentences = (
        table.ask(settings, clock, kinds[0], text)
        if later
        else forget_people(settings, clock, kinds[0], text).sentences
    )
    for sentence in sentences:
        typer.echo(sentence)
