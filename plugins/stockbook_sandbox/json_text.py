"""Values as JSON text, as the API would print them."""

import json


def quoted(text: str) -> str:
    """A JSON string, not escaped beyond need."""
    return json.dumps(text, ensure_ascii=False)


def boolean(value: bool) -> str:
    """A truth value."""
    return "true" if value else "false"


def string_or_null(text: str | None) -> str:
    """A JSON string, or null."""
    return "null" if text is None else f'"{text}"'
