"""
The accounts a night reads, from Airflow connections.

One connection is one account of one source; its id is the source's name, with
``__<account>`` behind it for every account but ``main``. Here is how one is read; which there are, and where,
is known by ``places``. ``AIRFLOW_CONN_*`` variables are read as Airflow reads them, URI or JSON.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from stockbook import secret_text
from stockbook.errors import ConfigError, Problems

SOURCES = ("fulfillment_cz", "flickrocket", "shopline")
API_SOURCES = ("fulfillment_cz", "flickrocket")

DEFAULT_HOSTS = {
    "fulfillment_cz": "https://client.api.fulfillment.cz",
    "flickrocket": "https://api.flickrocket.com",
    "shopline": "",
}
# fulfillment.cz documents no limit; a public client of the same company waits 0.55 s per call.
DEFAULT_REQUESTS_PER_SECOND = {"fulfillment_cz": 2.0, "flickrocket": 2.0, "shopline": 2.0}

_SENT_SECRETS = ("access_token", "refresh_token", "client_id")
_PLAIN_SECRETS = (
    *("client_secret", "hook_token", "previous_hook_token", "app_secret", "previous_app_secret", "previous_secret"),
    *("company_id", "shop_id", "shop_handle"),
)
_PLAIN_EXTRAS = (
    *("requests_per_second", "bucket_size", "max_connections", "sandbox", "token_url", "authorize_url"),
    *("api_version", "webhooks_api", "hash_rule", "admin_origin"),
)
EXTRAS = (*_SENT_SECRETS, *_PLAIN_SECRETS, *_PLAIN_EXTRAS)
"""Every name that is read in the extra of a connection."""

_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[?::1\]?)(:\d+)?(/.*)?", re.IGNORECASE)
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_]*")


@dataclass(frozen=True)
class Account:
    """One account of one source, as its connection describes it. Never prints its secrets."""

    source: str
    account: str
    conn_id: str
    base_url: str
    password: str = field(repr=False)
    requests_per_second: float
    max_connections: int
    sandbox: bool
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    bucket_size: int = 1

    @property
    def burst(self) -> int:
        """
        Requests that may go out at once before the rate holds.

        One place of the source's leaky bucket stays free: requests do not arrive as far apart as they were sent.
        """
        return max(1, self.bucket_size - 1)


@dataclass(frozen=True)
class RawConnection:
    """The parts of an Airflow connection that Stockbook reads."""

    # may name a user and a password where it should not
    host: str | None = field(repr=False)
    port: int | None
    schema: str | None = field(repr=False)
    password: str | None = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)


def split_conn_id(conn_id: str) -> tuple[str, str] | None:
    """(source, account) of a connection id, or None when it is not one of ours."""
    source, separator, account = conn_id.lower().partition("__")
    if source not in SOURCES or (separator and not _ACCOUNT.fullmatch(account)):
        return None
    return source, account or "main"


def conn_id_of(source: str, account: str) -> str:
    """The id of an account's connection."""
    return source if account == "main" else f"{source}__{account}"


def conn_ids_in_environment(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Ids of our connections among the ``AIRFLOW_CONN_*`` variables that are not empty, sorted."""
    prefix = "AIRFLOW_CONN_"
    ids = (
        name.removeprefix(prefix).lower() for name, text in environ.items() if name.startswith(prefix) and text.strip()
    )
    return sorted(conn_id for conn_id in ids if split_conn_id(conn_id))


def from_environment(conn_id: str, environ: Mapping[str, str] = os.environ) -> RawConnection | None:
    """The connection in ``AIRFLOW_CONN_<ID>``, in either of Airflow's two notations; None when unset."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = environ.get(variable, "").strip()
    if not text:
        return None
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        return _from_json(text) if text.startswith("{") else _from_uri(text)
    # the text holds a secret: not even a part of it may be quoted, nor the cause be chained
    raise ConfigError(f"{variable} must be a connection as a URI or a JSON object; it could not be read.")


def _from_json(text: str) -> RawConnection:
    parts = json.loads(text)
    extra = parts.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    port = parts.get("port")
    return RawConnection(
        host=parts.get("host"),
        port=int(port) if port not in (None, "") else None,
        schema=parts.get("schema"),
        password=parts.get("password"),
        extra=dict(extra),
    )


def _from_uri(text: str) -> RawConnection:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("no scheme")
    query = dict(parse_qsl(parts.query))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    host = unquote(parts.hostname or "")
    schema = unquote(parts.path.strip("/")) or None
    if parts.scheme in ("http", "https") and "://" not in host:
        schema = schema or parts.scheme
    return RawConnection(
        host=host or None,
        port=parts.port,
        schema=schema,
        password=unquote(parts.password) if parts.password else None,
        extra=extra,
    )


def account_from(conn_id: str, raw: RawConnection) -> Account:
    """
    An account from the parts of its connection.

    Raises ConfigError when the password is missing or an extra is not what it should be.
    """
    source_account = split_conn_id(conn_id)
    if source_account is None:
        raise ConfigError(
            f"Connection id {conn_id!r} is not one of ours: expected one of {', '.join(SOURCES)}, "
            "optionally followed by __<account>."
        )
    source, account = source_account
    extra = extra_of(conn_id, raw)
    password = secret_text.sent_secret(f"connection {conn_id}", "password", raw.password)
    rotates = source == "flickrocket" and extra.get("client_id")
    if not password and not rotates:
        wants = {
            "fulfillment_cz": "the API token as its password",
            "flickrocket": "an access token as its password, or client_id and perhaps refresh_token in its extra",
            "shopline": "the app secret as its password",
        }[source]
        raise ConfigError(f"Connection {conn_id} needs {wants}; it has none.")
    return Account(
        source=source,
        account=account,
        conn_id=conn_id,
        base_url=_base_url(conn_id, source, raw),
        password=password,
        requests_per_second=_number(
            conn_id, extra, "requests_per_second", DEFAULT_REQUESTS_PER_SECOND[source], least=0.0
        ),
        max_connections=int(_number(conn_id, extra, "max_connections", 4, least=1)),
        sandbox=_flag(conn_id, extra, "sandbox"),
        extra=extra,
        bucket_size=int(_number(conn_id, extra, "bucket_size", 1, least=1)),
    )


def extra_of(conn_id: str, raw: RawConnection) -> dict[str, Any]:
    """A connection's extra, its secrets checked. Raises ConfigError."""
    if not isinstance(raw.extra, Mapping):
        raise ConfigError(f"The extra of connection {conn_id} must be a JSON object; it is something else.")
    secret_text.check_secrets(f"connection {conn_id}", raw.extra, _SENT_SECRETS, _PLAIN_SECRETS)
    return dict(raw.extra)


def misspelt_extras(account: Account) -> list[str]:
    """A sentence for each name in an account's extra that nobody reads and that is almost one that is read."""
    # what is like no name is not quoted: it may be anything, a token too
    return [
        f"extra {name} of connection {account.conn_id} is read by nobody: is {meant} meant?"
        for name in sorted(account.extra.keys() - set(EXTRAS))
        for meant in get_close_matches(name, EXTRAS, 1, cutoff=0.8)
    ]


def _base_url(conn_id: str, source: str, raw: RawConnection) -> str:
    host = str(raw.host or "").strip().rstrip("/")
    if not host:
        return DEFAULT_HOSTS[source]
    if "://" not in host:
        written = str(raw.schema or "").lower()
        # a token goes over it, so a bare host means https; on this very machine there is nobody to listen in
        usual = "http" if _LOOPBACK.fullmatch(host) else "https"
        host = f"{written if written in ('http', 'https') else usual}://{host}"
    secret_text.address(f"connection {conn_id}", "host", host)
    return f"{host}:{raw.port}" if raw.port and urlsplit(host).port is None else host


def _number(conn_id: str, extra: Mapping[str, Any], name: str, default: float, least: float) -> float:
    value = extra.get(name)
    if value in (None, ""):
        return default
    try:
        value = float(value)
    except (TypeError, ValueError):
        value = float("nan")
    if not value >= least:
        # a token may have been put into the wrong place: of a connection nothing is quoted
        raise ConfigError(f"Extra {name} of connection {conn_id} must be a number of at least {least:g}; it is not.")
    return value


def _flag(conn_id: str, extra: Mapping[str, Any], name: str) -> bool:
    value = extra.get(name)
    if isinstance(value, bool):
        return value
    text = str(value if value is not None else "").strip().lower()
    if text in ("", "0", "false", "no"):
        return False
    if text in ("1", "true", "yes"):
        return True
    raise ConfigError(f"Extra {name} of connection {conn_id} must be true or false; it is neither.")


def accounts(
    conn_ids: Iterable[str],
    look_up: Callable[[str], RawConnection | None] = from_environment,
    only: Iterable[str] = (),
) -> list[Account]:
    """
    The API accounts a night reads: each of ``conn_ids`` that is a fulfillment.cz or FlickRocket connection.

    ``only`` keeps the accounts named (an account is named as in the connection id: ``main``, ``shop2``).
    Raises ConfigError naming every connection that cannot be found or read; also when a wanted account has none,
    or when there is no fulfillment.cz account at all.
    """
    wanted = set(only)
    named: set[str] = set()
    chosen: list[Account] = []
    problems = Problems()
    needs_fulfillment_cz = True
    for conn_id in conn_ids:
        source_account = split_conn_id(conn_id)
        if (
            source_account is None
            or source_account[0] not in API_SOURCES
            or (wanted and source_account[1] not in wanted)
        ):
            continue
        named.add(source_account[1])
        needs_fulfillment_cz &= source_account[0] != "fulfillment_cz"
        with problems.gathered():
            raw = look_up(conn_id)
            if raw is None:
                raise ConfigError(
                    f"Connection {conn_id} was expected and not found: add it in Airflow "
                    f"or set AIRFLOW_CONN_{conn_id.upper()}."
                )
            chosen.append(account_from(conn_id, raw))
    if wanted - named:
        problems.found.append(
            f"No connection belongs to account {', '.join(sorted(wanted - named))}: see `accounts` of this run."
        )
    elif needs_fulfillment_cz:
        problems.found.append(
            "A night needs a fulfillment.cz account and found none: add a connection fulfillment_cz "
            "(host with scheme, password = API token) in Airflow or as AIRFLOW_CONN_FULFILLMENT_CZ."
        )
    problems.settle()
    return chosen
