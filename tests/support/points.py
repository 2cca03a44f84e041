"""Points of a program at which something happens to it: ``before:<module>:<name>`` or ``after:<module>:<name>``."""

import importlib
from collections.abc import Callable
from typing import Any


def arm(point: str, act: Callable[[], None], put: Callable[[Any, str, Any], None] = setattr) -> None:
    """
    Let ``act`` happen whenever the point is reached; ``put`` sets the attribute, a test's ``monkeypatch.setattr``.

    ``before`` is the moment before the function is called, ``after`` the one in which it has returned; ``@<text>``
    behind the name counts only calls whose arguments contain the text.
    """
    when, module, rest = point.split(":", 2)
    path, _, mark = rest.partition("@")
    place: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for owner in owners:
        place = getattr(place, owner)
    function = getattr(place, name)

    def called(*arguments: Any, **named: Any) -> Any:
        is_meant = mark in repr(arguments)
        if when == "before" and is_meant:
            act()
        value = function(*arguments, **named)
        if when == "after" and is_meant:
            act()
        return value

    put(place, name, called)
