"""`stockbook hooks authorize`: FlickRocket's pages walked with a browser's steps, and the tokens kept encrypted."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.fernet import Fernet
from night_rig import KEY

from stockbook.clock import SystemClock
from stockbook.connections import RawConnection, account_from
from stockbook.errors import ConfigError, Unauthorized
from stockbook.settings import Settings
from stockbook.sources.credentials import credentials_of
from stockbook.webhooks.authorization import Authorization, Granted
from stockbook_sandbox import Running, Shop, running

SCOPE = "orders,products,webhooks"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The smallest of shops, with FlickRocket's pages of the authorization."""
    with running(Shop.small(seed=2, orders=20), datetime(2025, 11, 20, 2, 15)) as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a key for tokens."""
    key = Fernet.generate_key().decode()
    return Settings.load({"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY, "STOCKBOOK_FERNET_KEY": key})


def connection(server: Running, **more: Any) -> RawConnection:
    """A connection that nobody authorised yet."""
    pages = {"authorize_url": f"{server.url}/oauth2/auth", "token_url": f"{server.url}/token"}
    return RawConnection(server.url, None, None, more.pop("password", None), {"client_id": "an app", **pages, **more})


@contextmanager
def browser(url: str, **instead: str) -> Iterator[list[int]]:
    """Someone who opens the page and presses its button; statuses of what their browser was shown."""
    statuses: list[int] = []

    def walk() -> None:
        statuses.append(requests.get(url, timeout=10).status_code)
        back = requests.post(url, timeout=10, allow_redirects=False).headers["Location"]
        for name, value in instead.items():
            wrong = re.sub(f"{name}=[^&]*", f"{name}={value}", back)
            statuses.append(requests.get(wrong, timeout=10).status_code)
        statuses.append(requests.get(back, timeout=10).status_code)

    thread = threading.Thread(target=walk)
    thread.start()
    yield statuses
    thread.join(timeout=30)


def free_redirect() -> str:
    """A return URL on a port that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/authorized"


def authorized(server: Running, settings: Settings, **more: Any) -> tuple[str, list[int]]:
    """The company, and what the browser was shown."""
    authorization, redirect = (
        Authorization("flickrocket", connection(server, **more), settings, SystemClock()),
        free_redirect(),
    )
    with (
        authorization.listening(redirect) as listener,
        browser(authorization.url(SCOPE, redirect), state="forged") as statuses,
    ):
        company = authorization.adopt(listener.wait(30))
    return company, statuses


def test_what_was_allowed_is_used_from_then_on(server: Running, settings: Settings) -> None:
    """The code is spent at once and what it brought is stored encrypted; an answer nobody asked for is not taken."""
    company, statuses = authorized(server, settings)

    assert (company, statuses) == ("1202", [200, 404, 200])
    account = account_from("flickrocket", connection(server))
    header = credentials_of(account, SystemClock(), settings.state, settings.fernet_keys).authorization()
    assert server.sandbox.tokens.accepts(header.removeprefix("Bearer "))
    stored = b"".join(file.read_bytes() for file in settings.state.iterdir())
    assert header.removeprefix("Bearer ").encode() not in stored
    assert b"-granted-" not in stored

    # authorised again it is another token
    authorized(server, settings)
    again = credentials_of(account, SystemClock(), settings.state, settings.fernet_keys).authorization()
    assert again != header


def test_the_page_is_asked_for_as_documented(server: Running, settings: Settings) -> None:
    """client_id, scope, access_type and redirect_uri; no secret is in the address."""
    authorization = Authorization(
        "flickrocket", connection(server, app_secret="secret-of-the-app"), settings, SystemClock()
    )
    query = parse_qs(urlsplit(authorization.url(SCOPE, "http://127.0.0.1:8765/authorized")).query)

    assert {name: query[name] for name in ("client_id", "scope", "access_type", "redirect_uri")} == {
        "client_id": ["an app"],
        "scope": [SCOPE],
        "access_type": ["offline"],
        "redirect_uri": ["http://127.0.0.1:8765/authorized"],
    }
    assert "secret-of-the-app" not in str(query)


def test_before_it_is_authorised_a_night_says_what_to_do(server: Running, settings: Settings) -> None:
    """A connection with client_id alone is one; until somebody allowed the app nothing can be read with it."""
    account = account_from("flickrocket", connection(server))

    with pytest.raises(Unauthorized, match="run `stockbook hooks authorize`"):
        credentials_of(account, SystemClock(), settings.state, settings.fernet_keys).authorization()


def test_another_company_is_not_taken(server: Running, settings: Settings) -> None:
    """The connection says whose it is: what another company granted is neither spent nor kept."""
    authorization = Authorization("flickrocket", connection(server, company_id=7), settings, SystemClock())

    with pytest.raises(ConfigError, match="of another company"):
        authorization.adopt(Granted("its-token", "1202"))
    with pytest.raises(Unauthorized):
        authorized_header(server, settings, company_id=7)


def authorized_header(server: Running, settings: Settings, **more: Any) -> str:
    """The header of a connection's next request."""
    account = account_from("flickrocket", connection(server, **more))
    return credentials_of(account, SystemClock(), settings.state, settings.fernet_keys).authorization()


@pytest.mark.parametrize(
    ("more", "redirect", "said"),
    [
        ({"client_id": ""}, "", "needs an access token as its password, or client_id"),
        ({"client_id": "", "password": "token"}, "", "needs the app's client_id"),
        ({"password": "token"}, "", "take the password out"),
        ({}, "https://books.example.com/authorized", "must be on this machine"),
        ({}, "http://127.0.0.1/authorized", "must be on this machine"),
    ],
)
def test_what_cannot_work_is_said_before_a_page_is_opened(
    server: Running, settings: Settings, more: dict[str, Any], redirect: str, said: str
) -> None:
    """A sentence that says what to change."""
    with (
        pytest.raises(ConfigError, match=said),
        Authorization("flickrocket", connection(server, **more), settings, SystemClock()).listening(redirect),
    ):
        pass


def test_nobody_waits_for_ever(server: Running, settings: Settings) -> None:
    """Nothing came in time: nothing is kept."""
    authorization, redirect = Authorization("flickrocket", connection(server), settings, SystemClock()), free_redirect()
    with authorization.listening(redirect) as listener, pytest.raises(ConfigError, match="Nobody allowed the app"):
        listener.wait(0.01)
