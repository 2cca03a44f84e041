"""How a place in a row is named in a report: by its path and JSON type, never by a value."""

from typing import NamedTuple

from stockbook.projection.fields import Path, Shape


class Break(NamedTuple):
    """A place at which a row breaks its declaration."""

    reason: str
    path: str


def json_type_of(token: bytes) -> str:
    """The JSON type of a token, from its first byte."""
    return {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}.get(
        token[:1], "number"
    )


def report_path(shape: Shape, path: Path) -> str:
    """A path of declared names with ``[]`` behind every array it goes through."""
    parts = []
    inner: Shape | None = shape
    for name in path:
        array = inner is not None and name in inner.arrays
        parts.append(name + ("[]" if array else ""))
        inner = inner.inner(name) if inner is not None else None
    return ".".join(parts)
