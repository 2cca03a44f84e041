"""How an account proves who it is, per API."""

from typing import Protocol

from stockbook.connections import Account


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


def credentials_of(account: Account) -> Credentials:
    """
    The credentials of an account.

    fulfillment.cz takes the raw token without a scheme (its API page), FlickRocket a bearer token.
    """
    if account.source == "flickrocket":
        return StaticToken(f"Bearer {account.password}")
    return StaticToken(account.password)
