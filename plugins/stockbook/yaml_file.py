"""
YAML files, within bounds: a file that no person would write is refused by a sentence.

The loader in C goes down one call for each level of a file, and ends the process by a signal where its stack ends.
"""

from pathlib import Path
from typing import Any

import yaml

DEEPEST = 100
"""More levels than any file of ours has by far."""

LARGEST = 16 << 20
"""Bytes; the contract of all tables is a fiftieth of it."""


class Bounded:
    """A loader of PyYAML that goes no deeper than DEEPEST; the first base of one."""

    _depth = 0

    def descend_resolver(self, parent: Any, index: Any) -> None:
        """Called by PyYAML before each node."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(
                problem=f"it is too deep to be read: at most {DEEPEST} levels are",
                problem_mark=getattr(parent, "start_mark", None),
            )

    def ascend_resolver(self) -> None:
        """Called by PyYAML behind each node."""
        self._depth -= 1


# the safe loader in C, where PyYAML was built with it: the one in Python takes a second for all declarations
class _Loader(Bounded, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a base known at run time
    pass


def read(file: Path) -> Any:
    """What a file holds; None of an empty one. Raises OSError, and YAMLError for whatever else is wrong with it."""
    return next(iter(read_all(file)), None)


def read_all(file: Path) -> list[Any]:
    """What each document of a file holds. Raises as ``read``."""
    size = file.stat().st_size
    if size > LARGEST:
        raise yaml.YAMLError(f"it has {size:,} bytes; at most {LARGEST:,} are read")
    try:
        return documents(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise yaml.YAMLError("it must be text in UTF-8") from None


def documents(text: str) -> list[Any]:
    """What each document of a text holds. Raises YAMLError."""
    try:
        return list(yaml.load_all(text, _Loader))
    except ValueError as error:
        # a day there is not, written without quotes
        raise yaml.YAMLError(f"a value is none: {error}") from error
