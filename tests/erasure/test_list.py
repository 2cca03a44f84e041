"""The list of who was forgotten: only appended to, and refused where it was altered."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stockbook.errors import ConfigError
from stockbook.projection.erasures import FILE, Erasures
from stockbook.projection.personal import hashed

KEY = b"a key for tests, long enough"
AT = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
PERSON = hashed("anna@example.com", KEY) or ""


def the_list(folder: Path, key: bytes = KEY) -> Erasures:
    """The list of a folder, read anew."""
    return Erasures(folder / FILE, key, AT)


def test_it_knows_again_who_is_on_it_and_holds_no_hash(tmp_path: Path) -> None:
    """A person is known to every process that reads it; neither the hash nor its key is in a line."""
    erasures = the_list(tmp_path)
    assert not erasures
    assert erasures.add("person", PERSON)
    assert not erasures.add("person", PERSON)
    assert erasures.save() == 1
    assert erasures.save() == 0

    again = the_list(tmp_path)
    assert again.has("person", PERSON)
    assert not again.has("value", PERSON)
    assert not again.has("person", hashed("ben@example.com", KEY) or "")
    assert PERSON.encode() not in (tmp_path / FILE).read_bytes()


def test_lines_are_only_added(tmp_path: Path) -> None:
    """Two processes that know nothing of each other keep what both add."""
    first, second = the_list(tmp_path), the_list(tmp_path)
    first.add("person", PERSON)
    first.save()
    before = (tmp_path / FILE).read_bytes()
    second.add("order", "fulfillment_cz/main/1")
    second.save()

    assert (tmp_path / FILE).read_bytes().startswith(before)
    assert the_list(tmp_path).has("person", PERSON)
    assert the_list(tmp_path).has("order", "fulfillment_cz/main/1")


def test_half_a_line_of_a_killed_process_is_nobody(tmp_path: Path) -> None:
    """It is passed over, and gone with the next line that is written."""
    erasures = the_list(tmp_path)
    erasures.add("person", PERSON)
    erasures.save()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + whole[:40])

    again = the_list(tmp_path)
    assert len(again) == 1
    again.add("person", "somebody else")
    again.save()
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2
    assert len(the_list(tmp_path)) == 2


@pytest.mark.parametrize("at", range(5, 200, 13))
def test_a_flipped_bit_is_refused(at: int, tmp_path: Path) -> None:
    """Somebody would come back unnoticed: the message says where to get the list from."""
    erasures = the_list(tmp_path)
    erasures.add("person", PERSON)
    erasures.save()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[at % (len(content) - 1)] ^= 1
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(ConfigError, match="Bring it back from a backup"):
        the_list(tmp_path)


def test_another_key_is_refused(tmp_path: Path) -> None:
    """With it nobody on the list would be known."""
    erasures = the_list(tmp_path)
    erasures.add("person", PERSON)
    erasures.save()
    with pytest.raises(ConfigError, match="another STOCKBOOK_HASH_KEY"):
        the_list(tmp_path, b"another key, as long as that")
