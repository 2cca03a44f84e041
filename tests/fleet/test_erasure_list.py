"""The list of who was forgotten: one for all homes of a fleet, in its control database."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from stockbook.clock import ManualClock
from stockbook.errors import ConfigError
from stockbook.fleet import erasure_list
from stockbook.fleet.control import Control
from stockbook.fleet.erasure_list import HomeList, SharedErasures
from stockbook.fleet.holding import hold
from stockbook.projection.erasures import FILE, Erasures
from stockbook.settings import Settings

NOW = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
KEY = {"STOCKBOOK_HASH_KEY": "a key for tests, long enough"}
ANNA, BEN = "a" * 64, "b" * 64


def home(place: Path) -> Settings:
    """An empty home."""
    place.mkdir()
    return Settings.load(KEY | {"STOCKBOOK_HOME": str(place)})


def has(settings: Settings, person: str) -> bool:
    """Whether a home's list names somebody."""
    return Erasures.of(settings, NOW).has("person", person)


@pytest.fixture(autouse=True)
def nobody(control: Control, control_url: str) -> None:
    """An empty list."""
    with psycopg.connect(control_url, autocommit=True) as con:
        con.execute("truncate erasure_line restart identity")


def test_who_is_put_on_it_anywhere_is_on_it_everywhere(tmp_path: Path, control: Control) -> None:
    """By a command at once, by a night with the next thing it brings; both homes have the same lines in one order."""
    first_home, second_home = home(tmp_path / "one"), home(tmp_path / "two")
    with hold(control, "one", "r", "books") as first, hold(control, "two", "r", "books") as second:
        named = SharedErasures(
            first_home, first_home.home / FILE, NOW, lambda lines: first.share_erasures(lines, is_asked=True)
        )
        named.add("person", ANNA)
        named.save()
        of_two = HomeList(second_home, second.share_erasures, ManualClock(NOW))
        of_two.take()
        assert has(second_home, ANNA)
        learned = Erasures.of(second_home, NOW)
        learned.add("person", BEN)
        learned.save()
        of_two.share()
        HomeList(first_home, first.share_erasures, ManualClock(NOW)).take()
    assert has(first_home, BEN)
    assert (first_home.home / FILE).read_bytes() == (second_home.home / FILE).read_bytes()


def test_older_books_are_cleared_of_who_was_asked_for(tmp_path: Path, control: Control) -> None:
    """What a night learns of an order that is new stands in none; a new account has the whole list from the first."""
    first_home = home(tmp_path / "one")
    with control.opened() as con:
        assert erasure_list.asked(con) == 0
        # people may go by age before anybody asked
        assert erasure_list.covered(con, erasure_list.content_of(first_home)) == 0
        for number, (person, is_asked) in enumerate([(ANNA, True), (BEN, False)], start=1):
            before = (first_home.home / FILE).read_bytes() if number > 1 else b""
            assert erasure_list.covered(con, before) == number - 1
            erasures = Erasures.of(first_home, NOW)
            erasures.add("person", person)
            erasures.save()
            content = (first_home.home / FILE).read_bytes()
            assert erasure_list.together(con, content, is_asked=is_asked) == content
            assert erasure_list.asked(con) == 1
            assert erasure_list.covered(con, before) == number - 1
            assert erasure_list.covered(con, content) == number
    with hold(control, "begun_later", "r", "books") as holding:
        assert holding.book().erased_to == 2


def test_a_database_of_before_gets_its_lines_back(tmp_path: Path, control: Control) -> None:
    """From the first home that a step works on, which carries them."""
    first_home = home(tmp_path / "one")
    erasures = Erasures.of(first_home, NOW)
    erasures.add("person", ANNA)
    erasures.save()
    with hold(control, "back", "r", "books") as holding:
        HomeList(first_home, holding.share_erasures, ManualClock(NOW)).take()
    with control.opened() as con:
        assert erasure_list.together(con, b"", is_asked=False) == (first_home.home / FILE).read_bytes()


def test_an_altered_list_goes_to_nobody(tmp_path: Path, control: Control) -> None:
    """Else every home of the fleet would be refused."""
    first_home = home(tmp_path / "one")
    (first_home.home / FILE).write_text('{"kind":"person","mark":"00","at":"now","seal":"00"}\n')
    with (
        hold(control, "altered", "r", "books") as holding,
        pytest.raises(ConfigError, match=r"erasures\.jsonl was altered"),
    ):
        HomeList(first_home, holding.share_erasures, ManualClock(NOW)).take()
    with control.opened() as con:
        assert erasure_list.together(con, b"", is_asked=False) == b""
