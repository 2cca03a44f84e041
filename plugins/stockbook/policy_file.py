"""
Policy files: YAML that a person writes, read into structs that say what is wrong and where.

Every value is read as text and only then converted, so that ``12:00`` is a time whether or not it
is quoted (YAML 1.1 would read it as 720).
"""

import re
from datetime import time
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from stockbook.errors import ConfigError

Struct = TypeVar("Struct", bound=msgspec.Struct)
Path_ = tuple[str | int, ...]

_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class PolicyFile:
    """One policy file: its content as structs, and the line of any of its fields for messages."""

    def __init__(self, path: Path) -> None:
        """Read and parse. Raises ConfigError naming the file and, for YAML that cannot be parsed, the line."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"Policy file {path.name} was expected in {path.parent} and cannot be read: {error.strerror}."
            ) from error
        except UnicodeDecodeError:
            raise ConfigError(f"Policy file {path.name} must be text in UTF-8; it is not.") from None
        try:
            self._root = yaml.compose(text, Loader=yaml.BaseLoader)
            # BaseLoader makes nothing but text, lists and mappings
            self._content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f" line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it is not YAML"
            raise ConfigError(f"{path.name}{place} cannot be read as YAML: {problem}.") from error

    def read(self, type_: type[Struct]) -> Struct:
        """The content as ``type_``. Raises ConfigError naming line, field, what was expected and what came."""
        try:
            return msgspec.convert(_without_empty(self._content), type_, strict=False)
        except msgspec.ValidationError as error:
            message, _, found = str(error).partition(" - at `")
            path = _path_of(found.rstrip("`"))
            # a field that is missing or unknown is reported at the mapping it belongs to
            raise self.refusal(path, f"{message[0].lower()}{message[1:]}") from error

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


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None


def _path_of(found: str) -> Path_:
    steps = (match[1] or int(match[2]) for match in _STEP.finditer(found) if match[2] != "...")
    return tuple(steps)


def _without_empty(content: object) -> object:
    """A field written without a value counts as not written: its default applies."""
    if isinstance(content, dict):
        return {key: _without_empty(value) for key, value in content.items() if value not in ("", "null", "~")}
    if isinstance(content, list):
        return [_without_empty(value) for value in content]
    return content
