"""JSON as PHP writes it: a list of one bare or wrapped, a list with gaps as an object of numbers, nothing as false."""

from typing import Any

from stockbook.projection.json_members import is_numbered


def as_list(value: Any) -> list[Any] | None:
    """The members of a list, or of the object PHP makes of one that has gaps (``{"0": …, "2": …}``); None of others."""
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) and is_list_with_gaps(value) else None


def is_list_with_gaps(value: dict[str, Any]) -> bool:
    """Whether an object is a list of PHP that has gaps: its names are numbers."""
    # most objects are told by their first name
    return bool(value) and next(iter(value)).isdigit() and all(name.isascii() and name.isdigit() for name in value)


def alone(value: Any) -> Any:
    """The one member of a list of one, however often it is wrapped; of an empty list nothing; all else as it is."""
    while isinstance(value, dict | list) and (members := as_list(value)) is not None and len(members) <= 1:
        value = members[0] if members else None
    return value


def as_container(declared: Any, value: Any) -> Any:
    """A container as PHP writes it: nothing as false, "" or [], a list with gaps as an object of numbers."""
    if value is False or value in ("", []):
        return [] if isinstance(declared, list) else {}
    if isinstance(declared, list) and isinstance(value, dict) and is_numbered(list(value)):
        return [value[name] for name in sorted(value, key=int)]
    return value


def value_at(body: Any, path: str) -> Any:
    """What stands at a path of names; None where an object on the way is none."""
    for name in path.split("."):
        body = alone(body)
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return alone(body)


def type_of(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    return "string" if isinstance(value, str) else "number"
