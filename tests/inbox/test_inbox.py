"""The inbox: durable before it says so, one key once, order of arrival, drained exactly once."""

import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import postgres
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from stockbook.errors import ConfigError, InboxUnavailable
from stockbook.inbox import Arrival, Inbox
from stockbook.inbox.engine import connect, read_url, why
from stockbook.inbox.migrate import HEAD, MIGRATIONS, VERSION_TABLE
from stockbook.inbox.model import Base
from stockbook.settings import Settings

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def an_event(key: str, after: float = 0, **changes: object) -> Arrival:
    fields: dict[str, object] = {
        "source": "fulfillment_cz",
        "account": "main",
        "event_key": key,
        "event_type": "OrderSent",
        "subject_kind": "order",
        "subject_id": "o1",
        "occurred_text": "2026-03-01 12:59:59",
        "received_at_utc": NOON + timedelta(seconds=after),
        "payload": '{"id":"o1"}',
    }
    return Arrival(**(fields | changes))  # type: ignore[arg-type]


@contextmanager
def looking_into(url: str) -> Iterator[Connection]:
    """A connection beside the inbox."""
    engine = connect(read_url(url))
    try:
        with engine.connect() as con:
            yield con
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL."""
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'inbox.db'}"
    url: str = request.getfixturevalue("server")
    name = f"t{abs(hash(tmp_path)):x}"
    with looking_into(url) as con:
        con.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"create database {name}"))
    return url.removesuffix("postgres") + name


def keep(inbox: Inbox, *arrivals: Arrival) -> None:
    """Append and wait."""
    for future in [inbox.append(arrival) for arrival in arrivals]:
        future.result(timeout=30)


def test_an_event_comes_out_as_it_went_in(url: str) -> None:
    """Every field, the instants aware and in UTC, not drained."""
    with Inbox.open(url) as inbox:
        keep(inbox, an_event("e1"))
        [event] = inbox.pending()

    assert event.id == 1
    assert {name: getattr(event, name) for name in Arrival.__slots__ if name != "merge_seconds"} == {
        name: getattr(an_event("e1"), name) for name in Arrival.__slots__ if name != "merge_seconds"
    }
    assert (event.drained_at_utc, event.drained_run_id) == (None, None)


def test_one_key_is_one_event(url: str) -> None:
    """The same key again is accepted and stored once; another account or source has keys of its own."""
    with Inbox.open(url) as inbox:
        keep(inbox, *[an_event("e1", after) for after in range(5)], an_event("e1", account="shop2"))
        keep(inbox, an_event("e1", source="shopline"), an_event("e1"))
        pending = [(event.source, event.account) for event in inbox.pending()]

    assert pending == [("fulfillment_cz", "main"), ("fulfillment_cz", "shop2"), ("shopline", "main")]


def test_another_body_under_an_id_of_the_warehouse_is_kept_once(url: str) -> None:
    """In one commit and in the next; its retry is a repeat as that of the first is."""
    with Inbox.open(url) as inbox:
        for _ in range(2):
            keep(inbox, an_event("e1"), an_event("e1", payload="{}"), an_event("e1"), an_event("e1", payload="{}"))
        keep(inbox, an_event("e1", payload="[]"), an_event("e1", subject_id=None), an_event("e1", source="shopline"))
        keep(inbox, an_event("e1", payload="[]", source="shopline"))
        pending = sorted((event.source, event.event_key[:3]) for event in inbox.pending())

    assert pending == [("fulfillment_cz", "e1"), *[("fulfillment_cz", "e1~")] * 3, ("shopline", "e1")]


def test_an_event_without_identity_merges_with_an_equal_one_that_waits(url: str) -> None:
    """Inside the window and undrained: one event. After the window, or once a run took the first: another."""
    with Inbox.open(url) as inbox:
        keep(inbox, *[an_event("d", after, merge_seconds=120) for after in (0, 60, 119)])
        assert len(inbox.pending()) == 1
        keep(inbox, an_event("d", 121, merge_seconds=120), an_event("other", 121, merge_seconds=120))
        assert len(inbox.pending()) == 3
        inbox.mark_drained([event.id for event in inbox.pending()], "r1", NOON)
        keep(inbox, an_event("d", 122, merge_seconds=120))
        [fresh] = inbox.pending()

    assert fresh.event_key == f"d-{int((NOON + timedelta(seconds=122)).timestamp() * 1_000_000)}"


def test_pending_pages_in_order_of_arrival(url: str) -> None:
    """Pages by the last id, oldest first, without what was drained."""
    with Inbox.open(url) as inbox:
        keep(inbox, *[an_event(f"e{n}") for n in range(10)])
        first = inbox.pending(limit=4)
        inbox.mark_drained([inbox.pending()[5].id], "r1", NOON)
        rest = inbox.pending(after_id=first[-1].id)

    assert [event.event_key for event in first + rest] == ["e0", "e1", "e2", "e3", "e4", "e6", "e7", "e8", "e9"]


def test_an_event_is_drained_once_and_dropped_after_its_time(url: str) -> None:
    """Marking twice counts once; only what was drained before the instant goes, and its number never comes again."""
    with Inbox.open(url) as inbox:
        keep(inbox, *[an_event(f"e{n}") for n in range(1200)])
        ids = [event.id for event in inbox.pending(limit=5000)]
        assert inbox.mark_drained(ids[1:], "r1", NOON) == 1199
        assert inbox.mark_drained(ids[-2:], "r2", NOON + timedelta(days=1)) == 0
        [count] = inbox.counts()
        assert (count.pending, count.drained) == (1, 1199)
        assert (count.oldest_pending_at_utc, count.last_received_at_utc) == (NOON, NOON)
        assert inbox.drop_drained_before(NOON) == 0
        assert inbox.drop_drained_before(NOON + timedelta(seconds=1)) == 1199
        keep(inbox, an_event("late"))
        assert [event.id for event in inbox.pending()] == [ids[0], ids[-1] + 1]


def test_an_event_that_was_taken_waits_until_it_is_settled(url: str) -> None:
    """Of one account; an equal event that arrives meanwhile is one of its own, and stays when the first is settled."""
    with Inbox.open(url) as inbox:
        keep(inbox, an_event("d", merge_seconds=120), an_event("e", account="shop2"))
        taken = inbox.pending(account="main")
        inbox.take([event.id for event in taken], "r1")
        keep(inbox, an_event("d", 60, merge_seconds=120))
        assert [event.id for event in inbox.pending(account="main")[:1]] == [taken[0].id]
        assert inbox.settle("shop2", "r1", NOON) == 0
        assert inbox.settle("main", "r1", NOON) == 1
        left = inbox.pending()

    assert [(event.account, event.received_at_utc) for event in left] == [
        ("shop2", NOON),
        ("main", NOON + timedelta(seconds=60)),
    ]


def test_one_event_that_cannot_be_stored_takes_no_other_with_it(url: str) -> None:
    """Of events that share a commit only the broken one fails."""
    with Inbox.open(url) as inbox:
        broken = an_event("bad", subject_id="\ud800")  # half a character: no database can write it
        futures = [inbox.append(arrival) for arrival in (an_event("e1"), broken, an_event("e2"))]
        with pytest.raises(InboxUnavailable):
            futures[1].result(timeout=30)
        futures[0].result(timeout=30)
        futures[2].result(timeout=30)
        assert [event.event_key for event in inbox.pending()] == ["e1", "e2"]


def test_a_closed_inbox_wrote_what_waited_and_takes_nothing_more(url: str) -> None:
    """Closing waits for every future; later events are refused, not forgotten."""
    inbox = Inbox.open(url)
    futures = [inbox.append(an_event(f"e{n}")) for n in range(500)]
    inbox.close()
    assert all(future.done() for future in futures)
    with pytest.raises(InboxUnavailable):
        inbox.append(an_event("late"))

    with Inbox.open(url) as again:
        assert len(again.pending()) == 500


def test_the_migrations_make_what_the_model_says(url: str) -> None:
    """Alembic finds no difference between the migrated database and the models, and HEAD is the newest revision."""
    Inbox.open(url).close()
    with looking_into(url) as con:
        differences = compare_metadata(
            MigrationContext.configure(con, opts={"version_table": VERSION_TABLE}), Base.metadata
        )

    assert differences == []
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_a_database_of_a_newer_stockbook_is_left_alone(url: str) -> None:
    """An unknown revision is one sentence, not a migration."""
    Inbox.open(url).close()
    with looking_into(url) as con:
        con.execute(text(f"update {VERSION_TABLE} set version_num = '9999'"))
        con.commit()

    with pytest.raises(ConfigError, match="made by a newer Stockbook"):
        Inbox.open(url)


OPENS_AND_WRITES = """
import sys
from datetime import UTC, datetime
from stockbook.inbox import Arrival, Inbox
sys.stdin.readline()
inbox = Inbox.open(sys.argv[1])
n = 0
while n < int(sys.argv[3]):
    keys = [f"{sys.argv[2]}-{n + i}" for i in range(25)]
    futures = [inbox.append(Arrival("fulfillment_cz", "main", key, "OrderSent", None, None, None,
                                    datetime(2026, 3, 1, tzinfo=UTC), "{}")) for key in keys]
    for key, future in zip(keys, futures):
        future.result()
        print(key, flush=True)
    n += 25
inbox.close()
"""


@pytest.fixture
def writers(url: str) -> Iterator[Callable[[str, int], "subprocess.Popen[str]"]]:
    """Starts processes that open the inbox at a word and write until told how many, printing what was promised."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, events: int) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", OPENS_AND_WRITES, url, name, str(events)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_processes_that_start_together_share_one_inbox(
    url: str, writers: Callable[[str, int], "subprocess.Popen[str]"]
) -> None:
    """Four open an empty database at once, one migrates it, all write, nothing is lost or twice."""
    processes = [writers(f"p{n}", 200) for n in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    promised = [line for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0] * 4

    with Inbox.open(url) as inbox:
        pending = [event.event_key for event in inbox.pending(limit=10_000)]
    assert len(pending) == 800
    assert set(pending) == set(promised)


@pytest.mark.slow
def test_a_killed_writer_kept_every_promise(url: str, writers: Callable[[str, int], "subprocess.Popen[str]"]) -> None:
    """After kill -9 in full work everything that was called durable is there, and the inbox opens and goes on."""
    process = writers("k", 1_000_000)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    promised = [process.stdout.readline().strip() for _ in range(400)]
    process.send_signal(signal.SIGKILL)
    promised += [line for line in process.stdout.read().split("\n")[:-1] if line]

    with Inbox.open(url) as inbox:
        pending = {event.event_key for event in inbox.pending(limit=1_000_000)}
        keep(inbox, an_event("after"))
    assert set(promised) <= pending
    assert len(promised) >= 400


def test_the_embedded_inbox_lies_in_the_state_folder_and_is_synced(tmp_path: Path) -> None:
    """Without a URL it is a file of the home only its owner reads, in WAL mode with full synchronisation."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path)})
    Inbox.open(settings.inbox_url).close()

    file = tmp_path / "state" / "inbox.db"
    assert file.stat().st_mode & 0o777 == 0o600
    with looking_into(settings.inbox_url) as con:
        assert con.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert con.exec_driver_sql("pragma synchronous").scalar() == 2


@pytest.mark.parametrize(
    "url",
    ["mysql://user:the-password@host/db", "sqlite://", "no url", "postgresql://user:the-password@127.0.0.1:1/none"],
)
def test_a_wrong_url_is_one_sentence_without_its_password(url: str) -> None:
    """It says what was expected, and never quotes what may be a secret."""
    with pytest.raises(ConfigError, match="STOCKBOOK_INBOX_URL") as refusal:
        Inbox.open(url)

    assert "the-password" not in "".join(traceback.format_exception(refusal.value)).split("Error: ", 1)[1]
    assert refusal.value.__cause__ is None


def test_a_full_disk_is_said_in_words() -> None:
    """The receiver's log has it: the kind of the driver's error tells nobody to make room."""
    engine = create_engine("sqlite://")
    with engine.connect() as con:
        con.exec_driver_sql("pragma max_page_count = 1")
        with pytest.raises(OperationalError) as full:
            con.exec_driver_sql("create table more (than a page)")
    engine.dispose()

    assert why(full.value) == "the disk is full"
    assert why(ValueError("a secret")) == "ValueError"
