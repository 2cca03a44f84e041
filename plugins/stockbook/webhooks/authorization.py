"""
FlickRocket's OAuth, walked once by a person with a browser: their page, our listener on loopback, the tokens kept.

What comes back as ``code`` already is a refresh token (docs/apis/flickrocket.md). It is spent at once, and what it
brought is kept encrypted, as every later one.
"""

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from stockbook import secret_text
from stockbook.clock import Clock
from stockbook.connections import RawConnection, account_from
from stockbook.errors import ConfigError
from stockbook.settings import Settings
from stockbook.sources.oauth import RotatingToken
from stockbook.sources.token_store import TokenStore

DEFAULT_AUTHORIZE_URL = "https://admin.flickrocket.com/oauth2/auth"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DONE = b"<!doctype html><title>Stockbook</title><p>Stockbook got its answer: this page can be closed.</p>"


class Granted(NamedTuple):
    """What the browser brought back: a refresh token, and the company that granted it."""

    refresh: str
    company: str


class Authorization:
    """The authorization of one account. Never prints a token."""

    def __init__(self, conn_id: str, raw: RawConnection, settings: Settings, clock: Clock) -> None:
        """Raises ConfigError when the connection has no ``client_id``, or tokens could not be kept."""
        account = account_from(conn_id, raw)
        self._conn_id, self._extra, self._clock = conn_id, account.extra, clock
        if not self._extra.get("client_id"):
            raise ConfigError(f"Connection {conn_id} needs the app's client_id in its extra; it has none.")
        if account.password and not self._extra.get("refresh_token"):
            raise ConfigError(
                f"Connection {conn_id} has an access token as its password, which would be used instead of what is "
                "authorised: take the password out."
            )
        self._base = secret_text.address(
            f"connection {conn_id}",
            "extra authorize_url",
            str(self._extra.get("authorize_url") or DEFAULT_AUTHORIZE_URL),
        )
        self._token = RotatingToken(account, TokenStore(settings.token_place, settings.fernet_keys), clock)
        self._state = secrets.token_urlsafe(24)

    def url(self, scope: str, redirect: str) -> str:
        """The page to open in a browser."""
        words = {
            "client_id": str(self._extra["client_id"]),
            "scope": scope,
            "access_type": "offline",
            "redirect_uri": redirect,
            # not in their pages; where it comes back it must be this one
            "state": self._state,
        }
        return f"{self._base}?{urlencode(words)}"

    @contextmanager
    def listening(self, redirect: str) -> "Iterator[Listener]":
        """Listen where the browser will be sent back to. Raises ConfigError for a place that is not on this machine."""
        parts = urlsplit(redirect)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.port is None:
            raise ConfigError(
                f"--redirect must be on this machine, such as http://127.0.0.1:8765/authorized; got {redirect}."
            )
        try:
            listener = Listener(parts.hostname, parts.port, parts.path or "/", self._state, self._clock)
        except OSError:
            raise ConfigError(f"Port {parts.port} is taken: choose another --redirect.") from None
        try:
            yield listener
        finally:
            listener.server_close()

    def adopt(self, granted: Granted) -> str:
        """Spend and keep what was granted; returns the company. Raises ConfigError for another company than ours."""
        wanted = str(self._extra.get("company_id") or granted.company)
        if granted.company != wanted:
            raise ConfigError(
                f"Connection {self._conn_id} is of another company than the one that granted access: log in to that "
                "one, and allow it there."
            )
        self._token.adopt(granted.refresh)
        return granted.company


class Listener(HTTPServer):
    """Takes one answer of FlickRocket's at one path, and nothing else."""

    def __init__(self, host: str, port: int, path: str, state: str, clock: Clock) -> None:
        """Raises OSError when the port is taken."""
        super().__init__((host, port), _Handler)
        self.path, self.state, self._clock = path, state, clock
        self.granted: Granted | None = None

    def wait(self, seconds: float) -> Granted:
        """What came. Raises ConfigError when nothing did in that time."""
        end = self._clock.monotonic() + seconds
        while self.granted is None and (left := end - self._clock.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        if self.granted is None:
            raise ConfigError(f"Nobody allowed the app within {seconds:g} seconds: run it again.")
        return self.granted


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = 10.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        code, state = query.get("code", ""), query.get("state", self.server.state)
        is_ours = parts.path == self.server.path and hmac.compare_digest(state.encode(), self.server.state.encode())
        if not is_ours or not code or not secret_text.is_sendable(code):
            self.send_error(404)
            return
        self.server.granted = Granted(code, query.get("companyid", ""))
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(_DONE))),
            # the address holds a token
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(_DONE)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the address of a request holds a token."""
