"""
When two ids are one: a UUID is the same whatever its case, any other id only letter by letter.

``staging.id_of`` says the same of what was loaded; here it is said of what is asked for and what comes.
"""

import re
from typing import TypeVar

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

K = TypeVar("K")


def id_of(key: K) -> K:
    """The id as it is compared: a UUID in small letters, anything else as it came."""
    if isinstance(key, str) and _UUID.fullmatch(key):
        return type(key)(key.lower())
    return key
