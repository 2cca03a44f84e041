"""Rotating tokens that several machines share: encrypted in the control database, spent by one of them at a time."""

import threading
from datetime import UTC, datetime

import psycopg
import pytest
from cryptography.fernet import Fernet

from stockbook.errors import ControlUnavailable
from stockbook.settings import Settings
from stockbook.sources.token_store import Pair, TokenStore

NOW = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
KEY = Fernet.generate_key()


def test_what_one_machine_keeps_another_has(control_url: str) -> None:
    """The newest pair, encrypted; a mark of spending; and the earlier pair is gone."""
    here, there = TokenStore(control_url, (KEY,)), TokenStore(control_url, (KEY,))
    here.keep("flickrocket__a", "origin", Pair(None, "refresh-1"), NOW)
    there.keep("flickrocket__a", "origin", Pair("access-2", "refresh-2"), NOW)
    here.mark("flickrocket__a", "origin", NOW)

    assert there.latest("flickrocket__a", "origin") == Pair("access-2", "refresh-2", spending_since=NOW)
    assert there.latest("flickrocket__b", "origin") is None
    with psycopg.connect(control_url) as con:
        rows = con.execute("select generation, refresh_token from oauth_token").fetchall()
    assert [generation for generation, _ in rows] == [2]
    assert b"refresh-2" not in bytes(rows[0][1])


def test_one_at_a_time_spends_a_token(control_url: str) -> None:
    """Who asks for the same connection waits until the first has let go; another connection is free."""
    here, there = TokenStore(control_url, (KEY,)), TokenStore(control_url, (KEY,))
    order: list[str] = []

    def second() -> None:
        with there.alone("flickrocket__a"):
            order.append("second")

    waiting = threading.Thread(target=second)
    with here.alone("flickrocket__a"):
        waiting.start()
        with there.alone("flickrocket__b"):
            order.append("another")
        order.append("first")
    waiting.join()

    assert order == ["another", "first", "second"]


def test_the_place_is_the_control_database_where_there_is_one() -> None:
    """Without one it is the state folder of the home; neither is printed."""
    alone = Settings.load({"STOCKBOOK_HOME": "/home"})
    shared = Settings.load(
        {"STOCKBOOK_HOME": "/home", "STOCKBOOK_CONTROL_URL": "postgresql://user:hush@127.0.0.1:9/control"}
    )

    assert alone.token_place == alone.state
    assert "hush" not in repr(shared)
    with pytest.raises(ControlUnavailable) as caught:
        TokenStore(shared.token_place, (KEY,))
    assert "hush" not in f"{caught.value} {caught.value.__cause__!r}"
