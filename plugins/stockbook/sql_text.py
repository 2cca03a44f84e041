"""How a text stands in SQL."""


def quoted(text: str) -> str:
    """A SQL string literal; a path in SQL is one, whatever signs are in it."""
    return "'" + text.replace("'", "''") + "'"
