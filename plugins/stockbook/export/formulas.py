"""
Texts that a spreadsheet would compute, and how they are kept from it.

In CSV an apostrophe stands before them, for CSV has no other way to say that a cell is text. In a workbook a cell is
declared to be text, and marked so that it stays text when somebody edits it.
"""

import re

# what spreadsheets compute begins so, in the wide forms of East Asian letters too
BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NO_TEXT = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL|BIGNUM|BOOLEAN|DATE|TIME.*|INTERVAL|UUID)(\(.*\))?"
)


def is_like_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula."""
    return text.startswith(BEGINNINGS)


def holds_text(kind: str) -> bool:
    """Whether values of a type of DuckDB may be such texts; a number below zero is none."""
    return not _NO_TEXT.fullmatch(kind)


def no_formula(text: str) -> str:
    """A text no spreadsheet computes: an apostrophe stands before what begins like a formula."""
    return f"'{text}" if is_like_formula(text) else text
