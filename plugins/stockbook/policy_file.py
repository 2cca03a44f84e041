"""
Policy files: YAML that a person writes, read into structs that say what is wrong and where.

Every value is read as text and only then converted, so that ``12:00`` is a time whether or not it
is quoted (YAML 1.1 would read it as 720).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import yaml

from stockbook.errors import ConfigError, Problems
from stockbook.references import bare_text
from stockbook.yaml_file import LARGEST, Bounded

Struct = TypeVar("Struct", bound=msgspec.Struct)
Path_ = tuple[str | int, ...]

_EXPECTED: dict[Any, str] = {
    date: "a date YYYY-MM-DD",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    str: "a text",
}
# what says that a field has no value: its default applies
_EMPTY = ("", "null", "~")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class _Verbatim(Bounded, yaml.BaseLoader):
    """It makes nothing but text, lists and mappings."""


class _Loader(_Verbatim):
    """A text between quotes too is without blanks around it, and its accents are part of their letters."""

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """Called by PyYAML for each text, names of fields among them."""
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        node.value = bare_text(node.value)
        return node


@lru_cache(maxsize=64)
def _parsed(text: str, is_verbatim: bool) -> tuple[yaml.Node | None, Any]:
    """The nodes of a text and what they say, which nobody changes: a night reads each file several times."""
    loader = _Verbatim(text) if is_verbatim else _Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


class _Field(NamedTuple):
    type: Any
    is_required: bool


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, _Field]:
    """The fields of a struct by name; each of a policy's many parts is asked."""
    types = get_type_hints(struct)
    return {field.name: _Field(types[field.name], field.required) for field in msgspec.structs.fields(struct)}


class PolicyFile:
    """One policy file: its content as structs, and the line of any of its fields for messages."""

    def __init__(self, path: Path, is_verbatim: bool = False) -> None:
        """
        Read and parse; ``is_verbatim`` of a file whose texts are what a source sends, to the last blank.

        Raises ConfigError naming the file and, for YAML that cannot be parsed, the line.
        """
        self.path = path
        try:
            size = path.stat().st_size
            text = "" if size > LARGEST else path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"Policy file {path.name} was expected in {path.parent} and cannot be read: {error.strerror}."
            ) from error
        except UnicodeDecodeError:
            raise ConfigError(f"Policy file {path.name} must be text in UTF-8; it is not.") from None
        if size > LARGEST:
            raise ConfigError(f"{path.name} has {size:,} bytes; at most {LARGEST:,} are read.")
        try:
            self._root, self._content = _parsed(text, is_verbatim)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f" line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it is not YAML"
            raise ConfigError(f"{path.name}{place} cannot be read as YAML: {problem}.") from error

    def read(self, type_: type[Struct]) -> Struct:
        """
        The content as ``type_``.

        Raises ConfigError naming everything that does not fit: line, field, what was expected and what came.
        """
        content = _without_empty(self._content)
        wrong = [*self._written_twice(self._root, ()), *self._misfits(self._content, type_, ())]
        if wrong:
            raise ConfigError(*map(str, wrong))
        return msgspec.convert({} if content is None else content, type_, strict=False)

    def _written_twice(self, node: yaml.Node | None, path: Path_) -> Iterator[ConfigError]:
        """A key that stands twice in one mapping: YAML would take the last and say nothing."""
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                yield from self._written_twice(item, (*path, number))
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, value in node.value:
                if key.value in names:
                    yield self.refusal((*path, key.value), "it is written twice in one place; only one can be meant")
                names.add(key.value)
                yield from self._written_twice(value, (*path, key.value))

    def _misfits(self, value: object, wanted: Any, path: Path_) -> Iterator[ConfigError]:
        """Every place at which ``value`` is not what ``wanted`` (an annotation of a struct's field) says."""
        origin, arguments = get_origin(wanted), get_args(wanted)
        if origin is UnionType:
            wanted = next(kind for kind in arguments if kind is not type(None))
            yield from self._misfits(value, wanted, path)
        elif origin is list or origin is dict:
            kind = "a list" if origin is list else "a mapping of fields to values"
            if not isinstance(value, origin):
                yield self.refusal(path, f"expected {kind}, got {_came(value)}")
                return
            if isinstance(value, list):
                items: Iterable[tuple[str | int, Any]] = enumerate(value)
            else:
                items = ((name, item) for name, item in value.items() if item not in _EMPTY)
            for step, item in items:
                yield from self._misfits(item, arguments[-1], (*path, step))
        elif isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            yield from self._misfits_of_struct({} if value is None and not path else value, wanted, path)
        else:
            try:
                msgspec.convert(value, wanted, strict=False)
            except msgspec.ValidationError:
                expected = f"one of {', '.join(arguments)}" if origin is Literal else _EXPECTED.get(wanted, "another")
                yield self.refusal(path, f"expected {expected}, got {_came(value)}")

    def _misfits_of_struct(self, value: object, wanted: type[msgspec.Struct], path: Path_) -> Iterator[ConfigError]:
        fields = _fields(wanted)
        if not isinstance(value, dict):
            yield self.refusal(path, f"expected fields among {', '.join(fields)}, got {_came(value)}")
            return
        for name, item in value.items():
            if name not in fields:
                yield self.refusal((*path, name), f"unknown field, expected one of {', '.join(fields)}")
            elif item not in _EMPTY:
                yield from self._misfits(item, fields[name].type, (*path, name))
        for name, field in fields.items():
            if field.is_required and value.get(name, "") in _EMPTY:
                yield self.refusal(path, f"field {name} is missing")

    def refusal(self, path: Path_, problem: str) -> ConfigError:
        """The error for a field: where it is and what is wrong with it."""
        return ConfigError(f"{self.path.name} {self.place(path)}: {problem}.")

    def place(self, path: Path_) -> str:
        """Where a field stands: ``line 9, versions[0].cutoff``."""
        field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        return f"line {self._line(path)}, {field or 'top level'}"

    def time(self, path: Path_, text: str) -> time:
        """A local time ``HH:MM``. Raises ConfigError."""
        match = _TIME.fullmatch(text)
        if match is None:
            raise self.refusal(path, f"expected a time HH:MM from 00:00 to 23:59, got {text!r}")
        return time(int(match[1]), int(match[2]))

    def _line(self, path: Path_) -> int:
        node = self._root
        line = node.start_mark.line + 1 if node is not None else 1
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line + 1
        return line


def refuse_twin_versions(
    file: PolicyFile, versions: Iterable[tuple[Path_, str, date | None]], problems: Problems
) -> None:
    """Gather versions of one name, and those that begin on one day; each as its place, name and ``valid_from``."""
    names: set[str] = set()
    starts: set[date | None] = set()
    for here, name, valid_from in versions:
        with problems.gathered():
            if name in names:
                raise file.refusal((*here, "version"), f"the name {name!r} is taken by an earlier version")
        with problems.gathered():
            if valid_from in starts:
                raise file.refusal(
                    (*here, "valid_from"),
                    f"{name!r} overlaps another version: both begin {valid_from or 'without limit'}",
                )
        names.add(name)
        starts.add(valid_from)


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _came(value: object) -> str:
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else repr(value)


def _without_empty(content: object) -> object:
    """A field written without a value counts as not written: its default applies."""
    if isinstance(content, dict):
        return {key: _without_empty(value) for key, value in content.items() if value not in _EMPTY}
    if isinstance(content, list):
        return [_without_empty(value) for value in content]
    return content
