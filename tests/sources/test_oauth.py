"""Rotating tokens of FlickRocket: renewed early, stored before forgotten, spent once, never in clear."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from cryptography.fernet import Fernet
from loopback import account_at

from stockbook import declaration_files
from stockbook.clock import Clock, ManualClock, SystemClock
from stockbook.connections import Account
from stockbook.errors import ConfigError, Unauthorized, Unreachable
from stockbook.progress import Silent
from stockbook.projection.envelope import count
from stockbook.settings import Settings
from stockbook.sources.credentials import credentials_of
from stockbook.sources.extract import extract
from stockbook.sources.http import Client
from stockbook.sources.oauth import RotatingToken
from stockbook.sources.plan import AccountPlan
from stockbook.sources.token_store import Pair, TokenStore
from stockbook_sandbox.serving import Running, running
from stockbook_sandbox.shop import Shop

KEY = Fernet.generate_key()
START = datetime(2026, 2, 10, 1, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.small(seed=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def sandbox(shop: Shop, clock: ManualClock) -> Iterator[Running]:
    with running(shop, datetime(2025, 11, 20, 2, 15)) as served:
        served.sandbox.tokens.clock = clock
        yield served


def rotating(sandbox: Running, **extra: Any) -> Account:
    extra = {
        "client_id": "an app",
        "refresh_token": f"{sandbox.token}-refresh",
        "token_url": f"{sandbox.url}/token",
        **extra,
    }
    return account_at(sandbox.url, "flickrocket", password="", extra=extra)


def token_of(account: Account, state: Path, clock: Clock, key: bytes = KEY) -> RotatingToken:
    token = credentials_of(account, clock, state, (key,))
    assert isinstance(token, RotatingToken)
    return token


def spent(sandbox: Running) -> int:
    return sandbox.requests().get("POST /token", 0)


def test_a_token_is_renewed_five_minutes_early_and_each_refresh_token_is_spent_once(
    sandbox: Running, tmp_path: Path, clock: ManualClock
) -> None:
    """One call for an hour of tokens; the next one with the token that came with it, also by a later process."""
    token = token_of(rotating(sandbox), tmp_path, clock)
    first = token.authorization()
    clock.sleep(54 * 60)
    assert token.authorization() == first
    assert token_of(rotating(sandbox), tmp_path, clock).authorization() == first
    assert spent(sandbox) == 1

    clock.sleep(60)
    second = token_of(rotating(sandbox), tmp_path, clock).authorization()
    assert second != first
    assert token.authorization() == second
    assert spent(sandbox) == 2


def test_a_refused_token_is_renewed_once_for_all_threads(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """The source forgot the access token: eight threads that were refused share one new one."""
    token = token_of(rotating(sandbox), tmp_path, clock)
    token.authorization()
    sandbox.sandbox.tokens._access.clear()
    sandbox.sandbox.tokens.accepts = lambda token_sent: token_sent.endswith("-access-2")  # type: ignore[method-assign]
    with Client(rotating(sandbox), token, clock) as client, ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(client.get, "/api/prices/count.json", [], count) for _ in range(8)]

    assert len({answer.result() for answer in answers}) == 1
    assert spent(sandbox) == 2


ONE = """
import sys, json
from datetime import datetime, UTC
from pathlib import Path
from stockbook.clock import ManualClock
from stockbook.connections import Account
from stockbook.sources.credentials import credentials_of
account, clock = Account(**json.loads(sys.argv[1])), ManualClock(datetime.fromisoformat(sys.argv[2]))
token = credentials_of(account, clock, Path(sys.argv[3]), (sys.argv[4].encode(),))
print("ready", flush=True)
sys.stdin.readline()
print(token.authorization())
"""


def test_two_processes_at_once_spend_one_token(sandbox: Running, tmp_path: Path) -> None:
    """Started together, three processes come away with the same access token of one renewal."""
    account = rotating(sandbox)
    words = [json.dumps(account.__dict__), START.isoformat(), str(tmp_path), KEY.decode()]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ONE, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    sandbox.faults([{"kind": "stall", "path": "/token", "seconds": 0.5}])
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    headers = [process.communicate(timeout=60)[0].strip() for process in started]

    assert headers == [f"Bearer {sandbox.token}-access-1"] * 3
    assert spent(sandbox) == 1


def test_a_crash_after_the_new_pair_is_stored_loses_nothing(
    sandbox: Running, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old pair was not forgotten yet: the newer one is taken."""
    with monkeypatch.context() as patched:
        patched.setattr(TokenStore, "_forget", _killed)
        with pytest.raises(KeyboardInterrupt):  # the first pair is stored, and nothing forgotten
            token_of(rotating(sandbox), tmp_path, clock).authorization()
    token_of(rotating(sandbox), tmp_path, clock).authorization()
    clock.sleep(3600)
    with monkeypatch.context() as patched:
        patched.setattr(TokenStore, "_forget", _killed)
        with pytest.raises(KeyboardInterrupt):
            token_of(rotating(sandbox), tmp_path, clock).authorization()

    assert token_of(rotating(sandbox), tmp_path, clock).authorization() == f"Bearer {sandbox.token}-access-2"
    assert spent(sandbox) == 2


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_crash_between_answer_and_store_is_told(
    sandbox: Running, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is spent and its successor lost: the mark left before says so, and when."""
    with monkeypatch.context() as patched:
        patched.setattr(RotatingToken, "_read", _killed)
        with pytest.raises(KeyboardInterrupt):
            token_of(rotating(sandbox), tmp_path, clock).authorization()
    clock.sleep(86400)

    for _ in range(2):
        with pytest.raises(
            Unauthorized, match=r"connection flickrocket .*invalid_grant.* begun at 2026-02-10 01:15 UTC was cut off"
        ):
            token_of(rotating(sandbox), tmp_path, clock).authorization()


def test_an_answer_lost_on_the_way_is_told(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """The connection broke after the token was spent: it is not asked twice, and the next run says why it is red."""
    sandbox.faults([{"kind": "drop", "path": "/token", "count": 1}])
    with pytest.raises(Unreachable, match="connection flickrocket"):
        token_of(rotating(sandbox), tmp_path, clock).authorization()
    assert spent(sandbox) == 1

    with pytest.raises(Unauthorized, match="was cut off before its answer was stored"):
        token_of(rotating(sandbox), tmp_path, clock).authorization()


def test_a_crash_before_the_question_costs_nothing(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """Marked, but never asked: the same refresh token still works."""
    token = token_of(rotating(sandbox), tmp_path, clock)
    store = TokenStore(tmp_path, (KEY,))
    store.keep("flickrocket", token._origin, Pair(None, f"{sandbox.token}-refresh", spending_since=START), START)

    assert token.authorization() == f"Bearer {sandbox.token}-access-1"


def test_a_spent_token_is_final_and_a_new_one_in_the_connection_is_taken(
    sandbox: Running, tmp_path: Path, clock: ManualClock
) -> None:
    """invalid_grant names the connection and no token; another refresh token there replaces what was stored."""
    wrong = token_of(rotating(sandbox, refresh_token="spent-before"), tmp_path, clock)
    for _ in range(2):
        with pytest.raises(Unauthorized, match=r"connection flickrocket .*invalid_grant.*spent by another") as error:
            wrong.authorization()
        assert "spent-before" not in str(error.value)

    assert token_of(rotating(sandbox), tmp_path, clock).authorization() == f"Bearer {sandbox.token}-access-1"


def test_a_busy_token_address_is_asked_again(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """503 is tried three times, five seconds apart; then it is unreachable, and the token not spent."""
    sandbox.faults([{"kind": "status", "path": "/token", "count": 2}])
    assert token_of(rotating(sandbox), tmp_path / "a", clock).authorization()
    assert clock.utc() == START + timedelta(seconds=10)

    sandbox.faults([{"kind": "status", "path": "/token"}])
    clock.sleep(3600)
    with pytest.raises(Unreachable, match="connection flickrocket was busy"):
        token_of(rotating(sandbox), tmp_path / "a", clock).authorization()
    sandbox.faults([])
    assert token_of(rotating(sandbox), tmp_path / "a", clock).authorization() == f"Bearer {sandbox.token}-access-2"


def test_nobody_at_the_token_address_is_unreachable(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """A closed port is no refusal: the connection is named, nothing is spent."""
    with pytest.raises(Unreachable, match="connection flickrocket could not be reached"):
        token_of(rotating(sandbox, token_url="http://127.0.0.1:9/token"), tmp_path, clock).authorization()


def test_nothing_is_on_the_disk_in_clear(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """Neither of the tokens, old or new, nor the connection's own; files are the owner's only."""
    token = token_of(rotating(sandbox), tmp_path / "state", clock)
    token.authorization()
    clock.sleep(3600)
    token.authorization()

    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "state.db" for file in files)
    assert not [file for file in files if sandbox.token.encode() in file.read_bytes()]
    assert (tmp_path / "state" / "state.db").stat().st_mode & 0o077 == 0
    assert sandbox.token not in f"{token!r} {TokenStore(tmp_path, (KEY,)).latest('flickrocket', token._origin)!r}"


def test_another_key_is_told(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """What was stored under another key is not thrown away: the message says which key is wanted."""
    token_of(rotating(sandbox), tmp_path, clock).authorization()
    other = Fernet.generate_key()
    with pytest.raises(ConfigError, match="encrypted with another key"):
        token_of(rotating(sandbox), tmp_path, clock, other).authorization()
    with pytest.raises(ConfigError, match="STOCKBOOK_FERNET_KEY"):
        credentials_of(rotating(sandbox), SystemClock(), tmp_path, ())

    both = credentials_of(rotating(sandbox), clock, tmp_path, (other, KEY))
    assert both.authorization() == f"Bearer {sandbox.token}-access-1"


def test_an_account_is_read_with_rotating_tokens(sandbox: Running, tmp_path: Path, clock: ManualClock) -> None:
    """Every listing of FlickRocket comes with one renewal, whatever the number of threads."""
    account = rotating(sandbox)
    plan = AccountPlan(
        api="flickrocket",
        account="main",
        as_of=datetime(2025, 11, 20, 2, 15),
        zone="Europe/Prague",
        orders_to=date(2025, 11, 20),
    )
    tables = declaration_files.load(PROJECT / "include" / "sql")
    credentials = credentials_of(account, clock, tmp_path / "state", (KEY,))
    manifests = extract(account, plan, tmp_path, tables, b"k" * 16, clock, Silent(), credentials=credentials)

    assert {manifest.listing for manifest in manifests} == {"prices", "products", "fulfillments", "currency_rates"}
    assert spent(sandbox) == 1


def test_the_key_is_ours_or_airflows(tmp_path: Path) -> None:
    """STOCKBOOK_FERNET_KEY goes before Airflow's variable, that before the file of its home."""
    (tmp_path / "airflow.cfg").write_text("[core]\nfernet_key = filed,older\nother = 50%\n")
    filed = {"AIRFLOW_HOME": str(tmp_path)}

    assert Settings.load(filed).fernet_keys == (b"filed", b"older")
    assert Settings.load(filed | {"AIRFLOW__CORE__FERNET_KEY": "theirs"}).fernet_keys == (b"theirs",)
    assert Settings.load(
        filed | {"AIRFLOW__CORE__FERNET_KEY": "theirs", "STOCKBOOK_FERNET_KEY": "ours"}
    ).fernet_keys == (b"ours",)
    assert Settings.load({}).fernet_keys == ()
