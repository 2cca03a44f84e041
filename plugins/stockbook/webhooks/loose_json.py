"""JSON as PHP writes it: a list of one bare or wrapped, a list with gaps as an object of numbers, nothing as false."""

from typing import Any

from stockbook.projection.json_members import list_of


def as_list(value: Any) -> list[Any] | None:
    """The members of a list, or of the object PHP makes of one that has gaps (``{"0": …, "2": …}``); None of others."""
    if isinstance(value, list):
        return value
    # an empty object may as well be one without members
    return list_of(list(value.items())) if isinstance(value, dict) and value else None


def unwrapped(value: Any) -> Any:
    """The one member of a list of one, however often it is wrapped; of an empty list nothing; all else as it is."""
    while isinstance(value, dict | list) and (members := as_list(value)) is not None and len(members) <= 1:
        value = members[0] if members else None
    return value


def as_container(declared: Any, value: Any) -> Any:
    """An empty container as PHP writes it: false, "", [] or {}."""
    if value is False or value in ("", [], {}):
        return [] if isinstance(declared, list) else {}
    return value


def value_at(body: Any, path: str) -> Any:
    """What stands at a path of names; None where an object on the way is none."""
    for name in path.split("."):
        body = unwrapped(body)
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return unwrapped(body)


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
