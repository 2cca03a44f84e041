"""``stockbook hash``: the keyed hash of a column from outside, such as the symbols of a bank statement."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from stockbook.errors import ConfigError
from stockbook.settings import Settings


class Kind(StrEnum):
    """Which hash of the books: that of a variable symbol's digits, or that of any other text."""

    payment_key = "payment_key"
    text = "text"


def hash_column(
    kind: Annotated[
        Kind,
        typer.Argument(help="payment_key: variable symbols; text: e-mail addresses, tracking numbers, barcodes."),
    ],
) -> None:
    """Hash each line of standard input as the books do, in their order; a line that names nothing stays empty."""
    from stockbook import hash_key
    from stockbook.projection import personal

    settings = Settings.load()
    hash_key.require_same(settings)
    if settings.hash_key is None:
        raise ConfigError("STOCKBOOK_HASH_KEY must be set to the key the books were begun with; nothing is hashed.")
    hashed = personal.digits if kind is Kind.payment_key else personal.hashed
    for line in sys.stdin:
        typer.echo(hashed(line.rstrip("\r\n"), settings.hash_key) or "")
