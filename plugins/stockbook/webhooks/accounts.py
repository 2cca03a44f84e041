"""
The accounts that may send events, with their secrets, from their connections.

Connections are looked up again every minute, so that a secret is rotated without a restart. Only ids that are
configured are ever looked up: a stranger's path reaches no secret store.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from stockbook.clock import Clock
from stockbook.connections import RawConnection, extra_of, split_conn_id
from stockbook.errors import ConfigError
from stockbook.secret_text import plain_secret
from stockbook.webhooks.verify import HASH_RULES, LITERAL_READING

LOOKED_UP_EVERY = 60.0
"""Seconds."""

_SECRETS = {
    # extra keys in order, None is the connection's password
    "fulfillment_cz": ("hook_token", "previous_hook_token"),
    "flickrocket": ("app_secret", "previous_app_secret"),
    "shopline": (None, "previous_secret"),
}
_SENDER = {"fulfillment_cz": None, "flickrocket": "company_id", "shopline": "shop_id"}
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d+)?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HookAccount:
    """
    One account that may send events. Never prints its secrets.

    ``sender_id`` is the company (FlickRocket) or shop (SHOPLINE) every event must name, where the connection says
    it; ``admin_origin`` is the page that may show FlickRocket's embedded page in a frame.
    """

    source: str
    account: str
    secrets: tuple[bytes, ...] = field(repr=False)
    hash_rule: str = LITERAL_READING
    sender_id: str | None = field(repr=False, default=None)
    admin_origin: str = "https://admin.flickrocket.com"


def unknown_account(source: str) -> HookAccount:
    """A stand-in for an unknown account: its requests are verified against a random secret and take the same time."""
    return HookAccount(source, "", (_RANDOM_SECRET,))


_RANDOM_SECRET = secrets.token_bytes(32)


def hook_account(conn_id: str, raw: RawConnection) -> HookAccount:
    """The account of a connection. Raises ConfigError when its extra names what is not known."""
    parts = split_conn_id(conn_id)
    if parts is None:
        raise ConfigError(f"Connection id {conn_id!r} is not one of ours.")
    source, account = parts
    extra = extra_of(conn_id, raw)
    first, previous = _SECRETS[source]
    password = plain_secret(f"connection {conn_id}", "password", raw.password)
    newest = password if first is None else extra.get(first)
    if source == "fulfillment_cz" and not newest:
        newest = password  # the vendor sends "your own API token"
    rule = str(extra.get("hash_rule") or LITERAL_READING)
    if rule not in HASH_RULES:
        raise ConfigError(f"Extra hash_rule of connection {conn_id} must be one of {', '.join(HASH_RULES)}.")
    origin = str(extra.get("admin_origin") or HookAccount.admin_origin)
    if not _ORIGIN.fullmatch(origin):
        raise ConfigError(f"Extra admin_origin of connection {conn_id} must be like https://admin.flickrocket.com.")
    sender = extra.get(_SENDER[source] or "")
    return HookAccount(
        source=source,
        account=account,
        secrets=tuple(str(secret).encode() for secret in (newest, extra.get(previous)) if secret),
        hash_rule=rule,
        sender_id=str(sender) if sender not in (None, "") else None,
        admin_origin=origin,
    )


Accounts = Mapping[tuple[str, str], HookAccount]


class HookAccounts:
    """The accounts by (source, account), looked up anew when they are older than a minute."""

    def __init__(
        self, conn_ids: Callable[[], Iterable[str]], look_up: Callable[[str], RawConnection | None], clock: Clock
    ) -> None:
        """``look_up`` may wait for a database; it is called in a thread."""
        self._conn_ids, self._look_up, self._clock = conn_ids, look_up, clock
        self._accounts: Accounts | None = None
        self._looked_up_at = 0.0
        self._looking: asyncio.Future[Accounts] | None = None

    async def current(self) -> Accounts:
        """
        The accounts as of at most a minute ago; only the first caller of all waits for them.

        Raises what the look-up raises, when there was none before.
        """
        is_old = self._clock.monotonic() - self._looked_up_at > LOOKED_UP_EVERY
        if (self._accounts is None or is_old) and self._looking is None:
            self._looking = asyncio.ensure_future(asyncio.to_thread(self.look_up))
            self._looking.add_done_callback(self._looked_up)
        if self._accounts is not None:
            return self._accounts
        if self._looking is None:
            raise ConfigError("The connections could not be looked up.")
        return await asyncio.shield(self._looking)

    def _looked_up(self, future: "asyncio.Future[Accounts]") -> None:
        self._looking = None
        self._looked_up_at = self._clock.monotonic()
        if future.cancelled():
            return
        if (error := future.exception()) is not None:
            # its text may quote a connection
            _log.error("The connections of webhooks could not be looked up: %s", type(error).__name__)
        else:
            self._accounts = future.result()

    def look_up(self) -> Accounts:
        """Look every configured connection up now. One that is wrong is logged and left out."""
        accounts: dict[tuple[str, str], HookAccount] = {}
        for conn_id in self._conn_ids():
            try:
                raw = self._look_up(conn_id)
                if raw is None:
                    _log.error("Connection %s was expected and not found: its events are refused.", conn_id)
                    continue
                account = hook_account(conn_id, raw)
            except ConfigError as error:
                _log.error("%s", error)
                continue
            accounts[account.source, account.account] = account
        return MappingProxyType(accounts)
