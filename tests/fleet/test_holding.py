"""One worker at a time on an account, and what one that lost it can still do: nothing."""

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from stockbook.clock import ManualClock
from stockbook.errors import ConfigError, ControlUnavailable, HoldingLost, RunLocked
from stockbook.fleet import holding as holdings
from stockbook.fleet.clock import SharedClock
from stockbook.fleet.control import Control
from stockbook.fleet.holding import hold
from stockbook.fleet.migrations import MIGRATIONS
from stockbook.fleet.run_log import RunLog

AS_OF = datetime(2026, 2, 28, 2, 15)


def test_migrating_again_changes_nothing(control: Control, control_url: str) -> None:
    """Every worker migrates, and a database of a newer program is refused."""
    control.migrate()
    with psycopg.connect(control_url, autocommit=True) as con:
        con.execute("insert into fleet_migration values (%s)", [len(MIGRATIONS) + 1])
        with pytest.raises(ConfigError, match="made by a newer Stockbook"):
            control.migrate()
        con.execute("delete from fleet_migration where number > %s", [len(MIGRATIONS)])


def test_a_second_worker_is_refused(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names who holds the account and how to take it over; another account is free."""
    monkeypatch.setattr(holdings, "LOOKS", 1)
    with hold(control, "a", "night-1", "extract"):
        with pytest.raises(RunLocked, match=r"held by run night-1 \(step extract, on .* take-over a`"):  # noqa: SIM117
            with hold(control, "a", "night-2", "open"):
                pass
        with hold(control, "b", "night-2", "open"):
            assert {name: holder.run_id for name, holder in control.held().items()} == {"a": "night-1", "b": "night-2"}
    assert control.held() == {}
    with hold(control, "a", "night-2", "open"):
        pass


def test_after_a_take_over_the_first_can_move_nothing(control: Control) -> None:
    """Its session is ended: it can neither save a book nor pass the fence before a lake's COMMIT."""
    with hold(control, "taken", "night-1", "books") as first:
        first.save(0, 1, "home-1", "book-1", "key")
        assert control.cut("taken") == 1
        with hold(control, "taken", "night-2", "books") as second:
            with pytest.raises(HoldingLost, match="session that held account taken has ended"):
                first.save(1, 2, "home-2", "book-2", "key")
            with pytest.raises(HoldingLost), first.fenced():  # the fence opens a transaction
                first.require(1)
            with second.fenced():
                second.require(1)
                second.publish("book-1", "night-2", 1, AS_OF)
    book = control.books()["taken"]
    assert (book.home, book.latest_book, book.published_book, book.published_as_of) == (
        "home-1",
        "book-1",
        "book-1",
        AS_OF,
    )


def test_a_take_over_waits_for_a_commit_under_way(control: Control) -> None:
    """From the look at the generation until the pointer moved the holder is not ended; then it is, at once."""
    with hold(control, "committing", "night-1", "books") as first:
        first.save(0, 1, "home-1", "book-1", "key")
        cutting = threading.Thread(target=control.cut, args=["committing"])
        with first.fenced():
            first.require(1)
            cutting.start()
            with control.opened() as con:
                waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like %s"
                while con.execute(waiting, ["%account_book%for update%"]).fetchone() == (0,):
                    pass
            first.publish("book-1", "night-1", 1, AS_OF)
        cutting.join()
        with pytest.raises(HoldingLost):
            first.save(1, 2, "home-2", "book-2", "key")
    assert control.books()["committing"].published_book == "book-1"


def test_books_of_another_generation_are_not_moved(control: Control) -> None:
    """A pointer moves from where the step began, or not at all; a fence that fails publishes nothing."""
    with hold(control, "fenced", "night-1", "books") as holding:
        holding.save(0, 1, "home-1", "book-1", "key")
        with pytest.raises(HoldingLost):
            holding.save(0, 1, "other", "other", "key")
        with pytest.raises(HoldingLost), holding.fenced():  # noqa: PT012  # what was published in it is undone
            holding.publish("book-9", "night-1", 9, AS_OF)
            holding.require(9)
        assert holding.book().published_book is None


def test_another_key_and_an_older_program_are_refused(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account's books are written with one key, and never by an older program than before."""
    with hold(control, "strict", "night-1", "books", "key") as holding:
        holding.save(0, 1, "home-1", "book-1", "key")
    with pytest.raises(ConfigError, match="not the key"), hold(control, "strict", "night-2", "open", "other"):
        pass
    monkeypatch.setattr(holdings, "VERSION", "0.1.9")
    with pytest.raises(ConfigError, match="update this worker"), hold(control, "strict", "night-2", "open", "key"):
        pass
    assert control.held() == {}


def test_a_database_that_is_away() -> None:
    """It is an error that quotes nothing of the address."""
    away = Control("postgresql://user:hush@127.0.0.1:9/control")
    with pytest.raises(ControlUnavailable) as caught:
        away.books()
    assert "hush" not in f"{caught.value} {caught.value.__cause__!r}"
    assert "hush" not in repr(away)


def test_nights_are_noted(control: Control) -> None:
    """A run keeps the accounts it was begun with, and a published night is not made red by a late step."""
    log = RunLog(control)
    assert log.begin("run-1", ["a", "b"]).accounts == ["a", "b"]
    assert log.begin("run-1", ["c"]).accounts == ["a", "b"]
    log.note("run-1", "a", "red", "extract", "Unauthorized: no")
    log.note("run-1", "a", "published", "books", as_of=AS_OF)
    log.note("run-1", "a", "red", "extract", "late")
    night = log.nights("run-1")["a"]
    assert (night.status, night.reason, night.as_of) == ("published", None, AS_OF)
    log.begin("run-2", ["a"])
    assert log.accounts_before("run-2") == ["a", "b"]
    assert log.accounts_before("run-1") is None


def test_a_message_is_told_once(control: Control) -> None:
    """What could not be told is told again, what was told is not."""
    with pytest.raises(ValueError, match="no mail"), RunLog(control).told_once("run-1", "red"):
        raise ValueError("no mail")
    for expected in (True, False):
        with RunLog(control).told_once("run-1", "red") as is_new:
            assert is_new is expected


def test_all_workers_tell_one_time() -> None:
    """A worker whose clock is a minute slow tells the database's time, and it goes on as the machine's does."""
    base = ManualClock(datetime(2026, 3, 1, 1, 14, tzinfo=UTC))
    clock = SharedClock(base, datetime(2026, 3, 1, 1, 15, tzinfo=UTC))
    clock.sleep(30)
    assert clock.utc() == datetime(2026, 3, 1, 1, 15, 30, tzinfo=UTC)
    assert clock.off == timedelta(minutes=1)
