"""
FlickRocket's access tokens: renewed before they expire, and after a refusal.

Every renewal spends the refresh token and brings another, so it is done by one thread of one process at a time;
who waited takes what the other one got.
"""

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError, ProtocolError

from stockbook import secret_text
from stockbook.bounded_http import Answered, OverLimit, ask
from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.errors import Unauthorized, Unreachable
from stockbook.reaching import advice, was_sent
from stockbook.sources.token_store import Pair, TokenStore

DEFAULT_TOKEN_URL = "https://admin.flickrocket.com/token"  # noqa: S105  # an address, no secret
EARLY = timedelta(seconds=300)
_TRIES = 3
_WAIT = 5.0
# error codes of OAuth 2.0 (RFC 6749, 5.2): nothing else of an answer may be quoted
_CODES = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"}
)


class _NotSpent(Unreachable):
    """The refresh token was not heard, or not taken: it may be tried again."""


class RotatingToken:
    """
    The credentials of an account with ``client_id`` in its connection's extra.

    The first refresh token is the extra's ``refresh_token``, or the one that was adopted; when another is put there,
    the stored ones are forgotten.
    """

    def __init__(self, account: Account, store: TokenStore, clock: Clock) -> None:
        """Ask nothing yet."""
        self._conn_id = account.conn_id
        self._client_id = str(account.extra["client_id"])
        self._given = str(account.extra.get("refresh_token") or "")
        self._url = str(account.extra.get("token_url") or DEFAULT_TOKEN_URL)
        secret_text.address(f"connection {self._conn_id}", "extra token_url", self._url)
        first = f"{self._conn_id}\n{self._client_id}\n{self._given}"
        self._origin = hashlib.sha256(first.encode()).hexdigest()
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._pair: Pair | None = None
        self._handed = threading.local()

    def __repr__(self) -> str:
        return f"RotatingToken({self._conn_id})"

    def authorization(self) -> str:
        """The header's value. Raises Unauthorized when the refresh token is spent, Unreachable when nobody answers."""
        with self._lock:
            if not self._is_fresh(self._pair):
                self._pair = self._renewed(refused=None)
            self._handed.access = self._pair.access if self._pair else None
            return f"Bearer {self._handed.access}"

    def renew(self) -> bool:
        """After a refusal: another access token than the one this thread was refused with."""
        refused = getattr(self._handed, "access", None)
        with self._lock:
            if self._pair is None or self._pair.access == refused:
                self._pair = self._renewed(refused)
            return True

    def adopt(self, refresh: str) -> None:
        """
        Go on with another first refresh token: what was stored is forgotten. It is spent at once, which proves it.

        Raises Unauthorized when it is refused, Unreachable when nobody answers.
        """
        with self._lock:
            with self._store.alone(self._conn_id):
                self._store.keep(self._conn_id, self._origin, Pair(access=None, refresh=refresh), self._clock.utc())
            self._pair = self._renewed(refused=None)

    def _is_fresh(self, pair: Pair | None) -> bool:
        if pair is None or pair.access is None:
            return False
        return pair.expires_at is None or self._clock.utc() < pair.expires_at - EARLY

    def _renewed(self, refused: str | None) -> Pair:
        """The pair another process stored meanwhile, or a new one."""
        with self._store.alone(self._conn_id):
            pair = self._store.latest(self._conn_id, self._origin)
            if pair is not None and pair.access != refused and self._is_fresh(pair):
                return pair
            if pair is None:
                if not self._given:
                    raise Unauthorized(
                        f"Connection {self._conn_id} has client_id and nobody authorised it yet: run "
                        "`stockbook hooks authorize`, or put a refresh token into its extra."
                    )
                pair = Pair(access=None, refresh=self._given)
                self._store.keep(self._conn_id, self._origin, pair, self._clock.utc())
            self._store.mark(self._conn_id, self._origin, self._clock.utc())
            try:
                renewed = self._ask(pair)
            except (Unauthorized, _NotSpent):
                self._store.mark(self._conn_id, self._origin, pair.spending_since)
                raise
            self._store.keep(self._conn_id, self._origin, renewed, self._clock.utc())
            return renewed

    def _ask(self, pair: Pair) -> Pair:
        for _ in range(_TRIES - 1):
            try:
                return self._read(self._post(pair.refresh), pair)
            except _NotSpent:
                self._clock.sleep(_WAIT)
        return self._read(self._post(pair.refresh), pair)

    def _post(self, refresh: str) -> Answered:
        form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh, "client_id": self._client_id})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        # the cause is not chained: its text may quote what was sent
        try:
            return ask("POST", self._url, headers, form.encode())
        except OverLimit as beyond:
            raise Unreachable(self._message(f"gave no whole answer ({beyond})")) from None
        except (HTTPError, OSError) as error:
            if not was_sent(error):
                raise _NotSpent(self._message(f"could not be reached ({advice(error)})")) from None
            did = "broke off the connection" if isinstance(error, ProtocolError) else "gave no whole answer"
            raise Unreachable(self._message(did)) from None

    def _read(self, answer: Answered, pair: Pair) -> Pair:
        try:
            body: Any = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        body = body if isinstance(body, dict) else {}
        access, refresh = body.get("access_token"), body.get("refresh_token")
        if answer.status == 200 and isinstance(access, str) and access and secret_text.is_sendable(access):
            # without a new refresh token the old one stays good (RFC 6749, 6)
            is_new = isinstance(refresh, str) and refresh != "" and secret_text.is_sendable(refresh)
            following = refresh if is_new else pair.refresh
            return Pair(access=access, refresh=following, expires_at=_expiry(body, self._clock.utc()))
        code = body.get("error")
        status_text = f"{answer.status}" + (f", {code}" if code in _CODES else "")
        if answer.status in (429, 503):
            raise _NotSpent(self._message(f"was busy (status {status_text})"))
        if 400 <= answer.status < 500:
            raise self._refused(status_text, pair)
        raise Unreachable(self._message(f"answered with status {status_text} and no token"))

    def _refused(self, status_text: str, pair: Pair) -> Unauthorized:
        why = "it was revoked, spent by another program, or never right"
        if pair.spending_since is not None:
            why = (
                f"a renewal begun at {pair.spending_since:%Y-%m-%d %H:%M} UTC was cut off before its answer was stored"
            )
        return Unauthorized(
            f"The refresh token of connection {self._conn_id} was refused ({status_text}): {why}. Authorise "
            "again with `stockbook hooks authorize`, or put a new refresh token into the connection's extra; trying "
            "again does not help."
        )

    def _message(self, what: str) -> str:
        return (
            f"The token address of connection {self._conn_id} {what}; expected a new access token. "
            "Check its extra token_url and the network, then run again."
        )


def _expiry(body: dict[str, Any], now: datetime) -> datetime | None:
    """The ``.expires`` of an answer (a date text), else ``expires_in`` seconds; None where neither can be read."""
    text = body.get(".expires")
    if isinstance(text, str):
        for read in (parsedate_to_datetime, datetime.fromisoformat):
            try:
                moment = read(text)
            except (ValueError, TypeError):
                continue
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    seconds = body.get("expires_in")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 10**9:
        return now + timedelta(seconds=seconds)
    return None
