"""
What is wrong with a row that does not fit its shape.

Only reached by rows the fast path refused. It names paths, JSON types and reasons; a value
never leaves this module.
"""

import re
from typing import Any, NamedTuple

from stockbook.sources.shape import Path, Shape

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")


class Break(NamedTuple):
    """A place at which a row breaks its declaration."""

    reason: str
    path: str


class Diagnosis(NamedTuple):
    """Fields nobody declared (as paths to learn) and breaks of what was declared."""

    undeclared: list[Path]
    breaks: list[Break]


def json_type(value: Any) -> str:
    """The JSON type of a decoded value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def json_type_of(token: bytes) -> str:
    """The JSON type of a token, from its first byte."""
    return {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}.get(
        token[:1], "number"
    )


def named(name: str) -> str:
    """A field's name as it may be reported: a key that does not look like a name could be anybody's data."""
    return name if _FIELD_NAME.fullmatch(name) else "?"


def report_path(shape: Shape, path: Path) -> str:
    """A path with ``[]`` behind every array it goes through."""
    parts = []
    inner: Shape | None = shape
    for name in path:
        array = inner is not None and name in inner.arrays
        parts.append(named(name) + ("[]" if array else ""))
        inner = inner.inner(name) if inner is not None else None
    return ".".join(parts)


def diagnose(shape: Shape, row: Any) -> Diagnosis:
    """Compare a decoded row with its shape."""
    found = Diagnosis([], [])
    if isinstance(row, dict):
        _object(shape, shape, row, (), found)
    else:
        found.breaks.append(Break(f"a row must be an object, got {json_type(row)}", "$"))
    return found


def _object(root: Shape, shape: Shape, row: dict[str, Any], path: Path, found: Diagnosis) -> None:
    for name, value in row.items():
        here = (*path, name)
        if name in shape.arrays and value is not None:
            if not isinstance(value, list):
                found.breaks.append(
                    Break(f"expected an array, got {json_type(value)}", report_path(root, here).removesuffix("[]"))
                )
                continue
            for element in value:
                if isinstance(element, dict):
                    _object(root, shape.arrays[name], element, here, found)
                else:
                    found.breaks.append(Break(f"expected an object, got {json_type(element)}", report_path(root, here)))
        elif name in shape.objects and value is not None:
            if isinstance(value, dict):
                _object(root, shape.objects[name], value, here, found)
            else:
                found.breaks.append(Break(f"expected an object, got {json_type(value)}", report_path(root, here)))
        elif name in shape.leaves:
            if isinstance(value, dict | list):
                found.breaks.append(Break(f"expected a value, got {json_type(value)}", report_path(root, here)))
        elif not shape.knows(name) and here not in found.undeclared:
            found.undeclared.append(here)
