"""How a text stands in SQL."""

import re
from pathlib import Path


def quoted(text: str) -> str:
    """A SQL string literal; a path in SQL is one, whatever signs are in it."""
    return "'" + text.replace("'", "''") + "'"


def file_pattern(file: Path) -> str:
    """A file for DuckDB's readers, which take ``*``, ``?`` and ``[`` in a path for a pattern of many files."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(file))
