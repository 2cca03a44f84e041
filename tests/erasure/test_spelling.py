"""Two spellings of one person, and what is no value at all."""

import pytest

from stockbook.erasure.spelling import Kind, hashes, values_in
from stockbook.errors import ConfigError
from stockbook.projection.personal import digest, hashed

KEY = b"a key for tests, long enough"


@pytest.mark.parametrize(
    ("kind", "typed", "sent"),
    [
        (Kind.email, "Anna@Example.com ", "anna@example.com"),
        (Kind.email, "\ufeffanna@example.com", " ANNA@EXAMPLE.COM"),
        (Kind.email, "anna@example.com", "Anna Nova <Anna@Example.com>"),
        (Kind.email, "anna@example.com", '"ova, anna" < anna@example.com >'),
        (Kind.email, "anna@example.com", "<mailto:anna@example.com>"),
        (Kind.email, "anna@example.com", "MAILTO:anna@example.com?subject=An%20order"),
        (Kind.email, "Anna Nova <anna@example.com>", "mailto:anna@example.com"),
        (Kind.email, "\u017eofie@example.com", "z\u030cofie@example.com"),
        (Kind.email, "z\u030cofie@example.com", "\u017dofie@example.com"),
        (Kind.phone, "+420707912345", "707912345"),
        (Kind.phone, "707 912 345", "+420707912345"),
        (Kind.phone, "00420 707912345", "+420 707 912 345"),
        (Kind.phone, "420707912345", "707 912 345"),
        (Kind.phone, "+421 907 912 345", "00421907912345"),
        (Kind.phone, "+49 30 123456", "004930123456"),
        (Kind.flickrocket_customer, "7907900001", "7907900001"),
    ],
)
def test_two_spellings_are_one_person(kind: Kind, typed: str, sent: str) -> None:
    """What somebody types meets what a source sent."""
    (value,) = values_in(typed, kind)
    assert hashed(sent, KEY) in hashes(value, kind, KEY)


@pytest.mark.parametrize("text", ["<anna@example.com>", "mailto:anna@example.com", "<mailto:anna@example.com>"])
def test_books_begun_before_an_address_was_read_are_searched(text: str) -> None:
    """Rows hashed letter by letter are found as well."""
    assert digest(text, KEY) in hashes("Anna@example.com", Kind.email, KEY)
    assert digest("z\u030cofie@example.com", KEY) in hashes("\u017dofie@example.com", Kind.email, KEY)


@pytest.mark.parametrize("text", ["a@b.cz, c@d.cz", "a@b.cz <c@d.cz> e", "a:b@c", "<a>@<b>", "a <b@c", "anna"])
def test_what_is_not_one_address_is_a_text_letter_by_letter(text: str) -> None:
    """Nothing is read into it."""
    assert hashed(text, KEY) == digest(text, KEY)


def test_several_values_and_the_same_twice() -> None:
    """One a line; empty lines are none, and who is named twice is forgotten once."""
    assert values_in("a@b.cz\r\n\r\n c@d.cz\na@b.cz\n", Kind.email) == ["a@b.cz", "c@d.cz"]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Kind.email, "a@b.cz\nanna", "Line 2 is no e-mail address"),
        (Kind.phone, "12 345", "Line 1 is no phone number"),
        (Kind.order, " \n\n", "Expected a value a line"),
    ],
)
def test_what_is_no_value_is_refused_and_not_quoted(kind: Kind, text: str, message: str) -> None:
    """A slip of the keyboard forgets nobody, and no message tells who was meant."""
    with pytest.raises(ConfigError, match=message) as refused:
        values_in(text, kind)
    assert "anna" not in str(refused.value)
