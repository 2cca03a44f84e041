"""
How a text stands in SQL: quoted, or as a name that needs no quotes.

The types are for files that people write: msgspec refuses a text that is no name (or type, path, number) while the file
is read, so a name that becomes part of a statement later cannot be a statement of its own.
"""

import re
from pathlib import Path
from typing import Annotated

import msgspec

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z_][a-z0-9_]*\Z")]
"""A name that stands in SQL without quotes."""
SqlType = Annotated[str, msgspec.Meta(pattern=r"^([a-z]+(\(\d+, \d+\))?(\[\])?|enum\('[a-z_]+'(, '[a-z_]+')*\))\Z")]
"""A type of DuckDB, as in ``decimal(24, 12)``, ``varchar[]`` or ``enum('in', 'out')``."""
WirePath = Annotated[str, msgspec.Meta(pattern=r"^(#|(\^+\.)?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)\Z")]
"""Where a value is on the wire; its names stand in SQL between double quotes."""
Number = Annotated[str, msgspec.Meta(pattern=r"^-?\d+(\.\d+)?\Z")]


def quoted(text: str) -> str:
    """A SQL string literal; a path in SQL is one, whatever signs are in it."""
    return "'" + text.replace("'", "''") + "'"


def file_pattern(file: Path) -> str:
    """A file for DuckDB's readers, which take ``*``, ``?`` and ``[`` in a path for a pattern of many files."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(file))
