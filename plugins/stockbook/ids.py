"""
When two ids are one: blanks around it are no part of it, an accent is part of its letter (NFC), a UUID is the same
whatever its case, a whole number whether a point and zeros follow (``12.0``); any other id only letter by letter.

``staging.id_of`` says the same of what was loaded; here it is said of what is asked for and what comes.
"""

import re
from typing import TypeVar

from stockbook.references import bare_text

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_WHOLE_WITH_POINT = re.compile(r"([0-9]{1,15})\.0+")

K = TypeVar("K")


def id_of(key: K) -> K:
    """The id as it is compared: bare, a UUID in small letters, a number without a point; anything else as it came."""
    if not isinstance(key, str):
        return key
    text = bare_text(key)
    if _UUID.fullmatch(text):
        text = text.lower()
    elif number := _WHOLE_WITH_POINT.fullmatch(text):
        text = number[1]
    return type(key)(text)
