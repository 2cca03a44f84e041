"""Thousands of events with duplicates and disorder, receivers and drains killed: each is in staging exactly once."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import proof_size
import pytest
import requests
from checkout import PROJECT
from hooks_rig import CLOCK, variables

from stockbook.inbox import Inbox
from stockbook.night import steps
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook_sandbox import Shop
from stockbook_sandbox.events import Event, Events
from stockbook_sandbox.sender import Sender
from stockbook_sandbox.sending import Outcome, Sending
from stockbook_sandbox.signing import DEFAULT_SECRET
from stockbook_sandbox.subscriptions import Subscriptions

pytestmark = pytest.mark.slow  # thousands of requests, three receivers, three drains

TOKEN = "sandbox-token"
CONNECTIONS = {
    f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "http", "password": password, "extra": extra})
    for name, password, extra in (
        ("FULFILLMENT_CZ", TOKEN, {}),
        ("FLICKROCKET", "access", {"app_secret": DEFAULT_SECRET}),
        ("SHOPLINE", DEFAULT_SECRET, {}),
    )
}


class Receiver:
    """`stockbook hooks serve` on one port, killed and started again."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        """Choose a free port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.environ, self.log = environ, log
        self.url = f"http://127.0.0.1:{self.port}/stockbook/hooks"

    @contextmanager
    def life(self) -> Iterator[None]:
        """One process of it, until the block ends: then it is killed without a word."""
        words = ["-m", "stockbook", "hooks", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, *words], env=self.environ, stdout=log, stderr=log)
        try:
            until(self._answers, 90, lambda: process.poll() is None)
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/stockbook/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False


def until(condition: Callable[[], bool], seconds: float, going_on: Callable[[], bool] = lambda: True) -> None:
    """Look again and again until a condition holds."""
    end = CLOCK.monotonic() + seconds
    while not condition():
        assert going_on()
        assert CLOCK.monotonic() < end, f"not within {seconds} s"
        CLOCK.sleep(0.05)


def killed_drain(environ: dict[str, str], point: str) -> None:
    """A drain in a process of its own, killed half way."""
    program = PROJECT / "tests" / "support" / "killed_drain.py"
    done = subprocess.run([sys.executable, str(program), point], env=environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


class Sent:
    """Sending in a thread."""

    def __init__(self, sender: Sender, events: list[Event], how: Sending) -> None:
        """Begin."""
        self.outcome: Outcome = sender.outcome
        self.total = len(events)
        self._thread = threading.Thread(target=sender.send, args=(events, how), daemon=True)
        self._thread.start()

    def wait_for(self, share: float) -> None:
        """Until this share of the events was accepted."""
        until(lambda: len(self.outcome.accepted) >= share * self.total, 240, self._thread.is_alive)

    def end(self) -> None:
        """Until all of it was sent."""
        self._thread.join(timeout=240)
        assert not self._thread.is_alive()


def test_every_event_is_in_staging_exactly_once(tmp_path: Path) -> None:
    """30 % duplicates, disorder, forgeries, receivers and drains killed: what was answered 200 is there, once."""
    shop = Shop.small(seed=21, orders=proof_size.of(ci=400, proof=1_500))
    events = Events(shop).between(0, shop.end)
    home = tmp_path / "home"
    environ = variables(home) | CONNECTIONS
    receiver = Receiver(environ, tmp_path / "receiver.log")
    sender = Sender(receiver.url, TOKEN, Subscriptions())
    sender.subscribe_all(datetime(2025, 9, 1))
    how = Sending(
        duplicates=0.3, disorder=86_400, lost_answers=0.01, forgeries=0.05, speed=400, connections=6, encoding="mixed"
    )
    with receiver.life():
        sent = Sent(sender, events, how)
        sent.wait_for(0.3)
    with receiver.life():
        killed_drain(environ, "commit")
        sent.wait_for(0.6)
    with receiver.life():
        killed_drain(environ, "mark")
        sent.end()
    outcome = sent.outcome
    drained = steps.drain(steps.Night(Settings.load(environ), CLOCK, Silent()), "last")

    assert len(events) >= proof_size.of(ci=2_500, proof=10_000)
    assert (outcome.given_up, outcome.not_subscribed) == (set(), set())
    assert outcome.accepted == {event.key for event in events}
    assert drained.repeated == 500
    assert outcome.answers[0] > proof_size.of(ci=20, proof=100)
    assert outcome.answers[200] > 1.25 * len(events)
    assert outcome.forged.keys() <= {0, 401}
    assert outcome.forged[401] > proof_size.of(ci=50, proof=200)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("select source, event_id, event_type, subject_id from staging.webhook_events").fetchall()
    copies = Counter((source, event_id) for source, event_id, *_ in rows)
    assert set(copies.values()) == {1}
    staged_by_source = {source: [row for row in rows if row[0] == source] for source in ("fulfillment_cz", "shopline")}
    for source, staged in staged_by_source.items():
        # SHOPLINE's key is its message id, then a digest of topic and body
        keys = Counter(event_id.split("-")[0] if source == "shopline" else event_id for _, event_id, *_ in staged)
        assert keys == Counter(event.key for event in events if event.source == source)
    # FlickRocket's have no identity: equal ones may merge, or come twice around a drain, and none is missing
    hints = {(topic, subject) for source, _, topic, subject in rows if source == "flickrocket"}
    assert hints == {(event.topic, event.subject) for event in events if event.source == "flickrocket"}
    with Inbox.open(f"sqlite:///{home / 'state' / 'inbox.db'}") as inbox:
        assert inbox.pending() == []
