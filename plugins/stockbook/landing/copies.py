"""
Rows that stand several times on one page of a listing: a copy that says the same is one row, one that says something
else lands beside the first, so that loading can tell that neither is to be believed.
"""

import json
import re
from collections.abc import Hashable, Sequence
from typing import Any

from stockbook.ids import id_of

_WITH_POINT = re.compile(r"-?[0-9]+\.[0-9]+")


def with_copies(keys: Sequence[Hashable | None], lines: bytes, fresh: list[int]) -> list[int]:
    """
    The positions of a page that land: ``fresh`` (each key once), and the rows of their keys that say something else.

    ``lines`` is the NDJSON of all rows of the page.
    """
    if len(fresh) == len(keys):
        return fresh
    first = {keys[at]: at for at in fresh if keys[at] is not None}
    copies = [at for at, key in enumerate(keys) if first.get(key, at) != at]
    if not copies:
        return fresh
    rows = lines.splitlines()
    return sorted({*fresh, *(at for at in copies if says(rows[at]) != says(rows[first[keys[at]]]))})


def says(line: bytes) -> str:
    """What a landed row says, however its numbers, blanks and UUIDs are written."""
    return json.dumps(_plain(json.loads(line, parse_float=str)), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner not in (None, "")}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool):
        return value
    text = id_of(str(value))
    return text.rstrip("0").rstrip(".") if _WITH_POINT.fullmatch(text) else text
