"""Where a lake is: the address of its catalog, and the keys of the store its files lie in. Neither is ever printed."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from stockbook.errors import ConfigError

VARIABLE = "STOCKBOOK_LAKE"
# what an address may say, by libpq's words
_WORDS = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "passfile", "connect_timeout")
_STORE = "AWS_"


@dataclass(frozen=True)
class LakeUrl:
    """
    The catalog of a lake: a database of PostgreSQL, in libpq's words, and its password apart from them.

    ``store`` are the variables of the environment that say how its files are reached.
    """

    words: Mapping[str, str] = field(repr=False)
    password: str = field(repr=False, default="")
    store: Mapping[str, str] = field(repr=False, default_factory=dict)

    @classmethod
    def parse(cls, text: str, environ: Mapping[str, str]) -> "LakeUrl":
        """Of ``postgresql://user@host:port/database`` or ``postgres:dbname=… host=…``. Raises ConfigError."""
        words = _of_address(text) if text.partition(":")[2].startswith("//") else _of_words(text)
        # the text is never quoted: it may hold a password
        if words is None or not words.get("dbname"):
            raise ConfigError(
                f"{VARIABLE} must be postgres:dbname=… host=… user=… or a postgresql:// address; it is not."
            )
        if unknown := sorted(words.keys() - set(_WORDS)):
            raise ConfigError(f"{VARIABLE} may say {', '.join(_WORDS)}; it says {unknown[0]!r} too.")
        password = words.pop("password", "")
        return cls(words, password, {name: value for name, value in environ.items() if name.startswith(_STORE)})

    def without_secrets(self, text: str) -> str:
        """A message without the password and the store's secrets, wherever they stand in it."""
        secrets = (self.password, *(value for name, value in self.store.items() if "SECRET" in name or "TOKEN" in name))
        for secret in secrets:
            text = text.replace(secret, "…") if secret else text
        return text


def _of_address(text: str) -> dict[str, str] | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("postgres", "postgresql"):
        return None
    parts_of = {
        "host": parts.hostname,
        "port": str(port) if port else "",
        "dbname": unquote(parts.path.strip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    return {name: value for name, value in parts_of.items() if value} | dict(parse_qsl(parts.query))


def _of_words(text: str) -> dict[str, str] | None:
    scheme, _, rest = text.partition(":")
    if scheme not in ("postgres", "postgresql"):
        return None
    try:
        pairs = [word.partition("=") for word in shlex.split(rest)]
    except ValueError:
        return None
    return {name: value for name, _, value in pairs}
