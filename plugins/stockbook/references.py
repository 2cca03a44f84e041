"""
What names nothing where a reference to something else is expected, and what is no part of an id.

A source says "none" by leaving it out, by 0, by an empty text, by the nil UUID, or by the word its language has for it
("null", "None"); declared columns that are references (``reference: true``) hold NULL for each of them.
"""

import re
import unicodedata

from stockbook.sql_text import quoted

BLANKS = " \t\n\r\u00a0\u200b\u200e\u200f\u2060\ufeff"
"""Blanks, and marks that nobody sees, which come along when an id is copied; around a value they are no part of it."""

# what a reference to nothing is made of: 0, 0.0, 00000000-0000-0000-0000-000000000000, dashes, blanks
_NOTHING = "0-.\u2013\u2014" + BLANKS
# what PHP, Python, JavaScript, Ruby, spreadsheets and people write of nothing
_WORDS = ("null", "none", "undefined", "nil", "nan", "n/a", "#n/a", "(null)")
_NO_REFERENCE = f"[{re.escape(_NOTHING)}]*|[{BLANKS}]*({'|'.join(map(re.escape, _WORDS))})[{BLANKS}]*"


def names_something(text: str) -> bool:
    """Whether a text from the wire is a reference."""
    return bool(text.strip(_NOTHING)) and text.strip(BLANKS).lower() not in _WORDS


def bare_text(text: str) -> str:
    """A text without what is no part of it, its accents part of their letters (NFC)."""
    return unicodedata.normalize("NFC", text.strip(BLANKS))


def bare(text: str) -> str:
    """
    SQL of the SQL of a text as ``bare_text`` has it.

    Nothing is to trim where both its ends are signs that we see.
    """
    seen = "between '!' and '~'"
    trimmed = f"if({text} {seen} and ({text})[-1] {seen}, {text}, trim({text}, {quoted(BLANKS)}))"
    return f"nfc_normalize({trimmed})"


def reference(text: str) -> str:
    """SQL of a reference given as the SQL of its text: NULL for one that names nothing."""
    # most begin with another digit than 0 or an early letter, and are not looked at more closely: nothing of _NOTHING
    # does, and a word of _WORDS begins with N or U, or a sign before 0
    return (
        f"case when {text} >= '1' and ({text} < 'N' or {text} between 'a' and 'n') then {text} "
        f"when not regexp_full_match(lower(nfc_normalize({text})), {quoted(_NO_REFERENCE)}) then {text} end"
    )
