"""
What names nothing where a reference to something else is expected.

A source says "none" by leaving it out, by 0, by an empty text or by the nil UUID; declared columns that are references
(``reference: true``) hold NULL for each of them.
"""

# what a reference to nothing is made of: 0, 0.0, 00000000-0000-0000-0000-000000000000, blanks
_NOTHING = "0-. "
# a text behind this one has something else in it: most have, and are not looked at more closely
_ZEROS = "0" * 40


def names_something(text: str) -> bool:
    """Whether a text from the wire is a reference."""
    return bool(text.strip(_NOTHING))


def reference(text: str) -> str:
    """SQL of a reference given as the SQL of its text: NULL for one that names nothing."""
    return f"case when {text} > '{_ZEROS}' then {text} when trim({text}, '{_NOTHING}') <> '' then {text} end"
