"""How an account proves who it is, per API."""

from pathlib import Path
from typing import Protocol

from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.errors import ConfigError


class Credentials(Protocol):
    """What the HTTP client asks for before every try; a rotating token lives behind it."""

    def authorization(self) -> str:
        """The value of the Authorization header."""
        ...

    def renew(self) -> bool:
        """After a 401: take a fresh token; False when there is none to be had and the refusal is final."""
        ...


class StaticToken:
    """A token that does not change during a run."""

    def __init__(self, header: str) -> None:
        """Keep the whole header value."""
        self._header = header

    def authorization(self) -> str:
        return self._header

    def renew(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "StaticToken(...)"


def credentials_of(
    account: Account, clock: Clock | None = None, place: Path | str | None = None, fernet_keys: tuple[bytes, ...] = ()
) -> Credentials:
    """
    The credentials of an account.

    fulfillment.cz takes the raw token without a scheme (its API page), FlickRocket a bearer token. A FlickRocket
    connection with ``client_id`` in its extra, and ``refresh_token`` or no password, has rotating tokens, kept in
    ``place`` (``TokenStore``) under ``fernet_keys``. Raises ConfigError when one of these is missing.
    """
    if account.source != "flickrocket":
        return StaticToken(account.password)
    if not account.extra.get("client_id") or (account.password and not account.extra.get("refresh_token")):
        return StaticToken(f"Bearer {account.password}")
    if clock is None or place is None:
        raise ConfigError(f"Connection {account.conn_id} has rotating tokens: they need a place to be kept.")
    from stockbook.sources.oauth import RotatingToken
    from stockbook.sources.token_store import TokenStore

    return RotatingToken(account, TokenStore(place, fernet_keys), clock)
