"""
YAML files, within bounds: a file that no person would write is refused by a sentence.

The loader in C goes down one call for each level of a file, and ends the process by a signal where its stack ends.
"""

from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import yaml

DEEPEST = 100
"""More levels than any file of ours has by far."""

LARGEST = 16 << 20
"""Bytes; the contract of all tables is a fiftieth of it."""

MOST_VALUES = 1_000_000
"""Values and fields of a document, where what an alias stands for counts each time it is named."""


class Bounded:
    """A loader of PyYAML that goes no deeper than DEEPEST and makes no more than MOST_VALUES; the first base of one."""

    _depth = 0

    def construct_document(self, node: yaml.Node) -> Any:
        """What the nodes of a document say, once it is known how much that is with all its aliases."""
        _Measured().of(node)
        return super().construct_document(node)  # type: ignore[misc]  # the loader beside this base has it

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


class _Extent(NamedTuple):
    """How many values a node stands for, and how many levels; 0 of a node that is not measured to its end."""

    values: int
    levels: int


class _Measured:
    """Nodes by what they stand for. An alias names an earlier node, so that no step goes deeper than the text."""

    def __init__(self) -> None:
        self._extents: dict[int, _Extent] = {}

    def of(self, node: yaml.Node) -> _Extent:
        """How much a node stands for. Raises YAMLError where it is more than a loader makes."""
        if isinstance(node, yaml.ScalarNode):
            return _Extent(1, 1)
        if (extent := self._extents.get(id(node))) is not None:
            if not extent.levels:
                raise _refusal(node, "an alias names what it stands in, which has no end")
            return extent
        self._extents[id(node)] = _Extent(0, 0)
        parts = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        values = levels = 0
        for part in parts:
            extent = self.of(part)
            values, levels = values + extent.values, max(levels, extent.levels)
        extent = self._extents[id(node)] = _Extent(values + 1, levels + 1)
        if extent.values > MOST_VALUES:
            raise _refusal(node, f"with its aliases it holds more than {MOST_VALUES:,} values")
        if extent.levels > DEEPEST:
            raise _refusal(node, f"with its aliases it is too deep to be read: at most {DEEPEST} levels are")
        return extent


def _refusal(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


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
