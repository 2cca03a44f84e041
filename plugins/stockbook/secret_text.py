"""
What a secret and an address of a connection may look like, said without a character of either.

A secret that was copied with its line break is refused and not mended: what is compared or sent with it elsewhere
would be another text. Who reads secrets raises outside of ``except``: a chained cause, even one that is not shown,
would carry them.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from stockbook.errors import ConfigError


def is_sendable(value: str) -> bool:
    """Whether an HTTP header can carry the text."""
    return value.isprintable() and all(ord(letter) < 256 for letter in value)


def plain_secret(owner: str, name: str, value: object) -> str:
    """
    A secret as it was given; empty where there is none.

    Raises ConfigError, which names ``owner`` and ``name``, for anything but printable text without white space around
    it. A whole number counts as its digits.
    """
    if value is None or value == "":
        return ""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ConfigError(f"The {name} of {owner} must be text; it is something else.")
    if text != text.strip() or not text.isprintable():
        raise ConfigError(
            f"The {name} of {owner} must be printable text without white space around it; it has a line break, a "
            "control character or a space that does not belong to it. Copy it again, without what surrounds it."
        )
    return text


def sent_secret(owner: str, name: str, value: object) -> str:
    """The same for a secret that goes into a header. Raises ConfigError when it has letters no header can carry."""
    text = plain_secret(owner, name, value)
    if not is_sendable(text):
        raise ConfigError(
            f"The {name} of {owner} must be of letters an HTTP header can carry (latin-1); it has others. "
            "Copy it again."
        )
    return text


def check_secrets(owner: str, extra: Mapping[str, Any], sent: Iterable[str], plain: Iterable[str]) -> None:
    """Check the secrets among the extras of a connection. Raises ConfigError."""
    for name in sent:
        sent_secret(owner, name, extra.get(name))
    for name in plain:
        plain_secret(owner, name, extra.get(name))


def address(owner: str, name: str, value: str) -> str:
    """
    An address with its scheme, a host and nothing that could be a secret.

    Raises ConfigError for another scheme than http or https, a user, a query, a fragment, a port that is none.
    """
    if not _is_address(value):
        raise ConfigError(
            f"The {name} of {owner} must be an address such as https://api.example.com, with http or https, a host, "
            "perhaps a port and a path, and without user, password or query; it is none."
        )
    return value


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return (
        value.isprintable()
        and " " not in value
        and parts.scheme in ("http", "https")
        # "https//host" with a scheme before it would be a host called https
        and parts.hostname not in (None, "", "http", "https")
        and (port is None or port > 0)
        and not ("@" in parts.netloc or "\\" in value or parts.query or parts.fragment)
    )
