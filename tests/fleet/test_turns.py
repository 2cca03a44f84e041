"""Accounts that share a token take turns; others do not wait."""

import json
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from stockbook.clock import SystemClock
from stockbook.connections import from_environment
from stockbook.errors import ControlUnavailable
from stockbook.fleet.accounts import FleetAccount
from stockbook.fleet.turns import turn
from stockbook.fleet.work import Fleet
from stockbook.progress import Silent

EXTRAS: dict[str, dict[str, object]] = {"a": {}, "b": {}, "unlimited": {"requests_per_second": 0}, "own": {}}


class Waiting(Silent):
    """Hears that somebody waits."""

    def __init__(self) -> None:
        self.begun = Event()

    def note(self, text: str) -> None:
        assert "secret" not in text
        self.begun.set()


@pytest.fixture
def fleet(control_url: str, tmp_path: Path) -> Fleet:
    """Accounts a, b and unlimited share a token, own has its own."""
    environ = {
        f"AIRFLOW_CONN_FULFILLMENT_CZ__{name.upper()}": json.dumps(
            {"conn_type": "generic", "password": "own-secret" if name == "own" else "secret", "extra": extra}
        )
        for name, extra in EXTRAS.items()
    }
    environ |= {
        "STOCKBOOK_HOME": str(tmp_path),
        "STOCKBOOK_STORE": f"file://{tmp_path}/store",
        "STOCKBOOK_CONTROL_URL": control_url,
        "STOCKBOOK_LAKE": control_url,
    }
    look_up = lambda conn_id: from_environment(conn_id, environ)  # noqa: E731  # bound to this environment
    return Fleet.load(SystemClock(), Waiting(), look_up, list, environ)


def account(name: str) -> FleetAccount:
    """One of them."""
    return FleetAccount(name, (f"fulfillment_cz__{name}",))


def test_accounts_of_one_token_take_turns(fleet: Fleet) -> None:
    """While a is read, b waits and says so; one with a token of its own and one without a limit do not."""
    waiting, began = fleet.progress, Event()
    assert isinstance(waiting, Waiting)

    def read() -> None:
        with turn(fleet, account("b")):
            began.set()

    other = Thread(target=read)
    with turn(fleet, account("a")):
        with turn(fleet, account("own")), turn(fleet, account("unlimited")):
            assert not waiting.begun.is_set()
        other.start()
        assert waiting.begun.wait(30)
        assert not began.is_set()
    assert began.wait(30)
    other.join()


def test_a_database_that_goes_away_ends_the_waiting(fleet: Fleet, control_url: str) -> None:
    """Who waits when its session is ended fails as one who may try again."""
    waiting, raised = fleet.progress, list[Exception]()
    assert isinstance(waiting, Waiting)

    def read() -> None:
        try:
            with turn(fleet, account("b")):
                pass
        except ControlUnavailable as error:
            raised.append(error)

    other = Thread(target=read)
    with turn(fleet, account("a")):
        other.start()
        assert waiting.begun.wait(30)
        with psycopg.connect(control_url, autocommit=True) as con:
            con.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'stockbook turn of b'"
            )
        other.join(30)
    assert len(raised) == 1
