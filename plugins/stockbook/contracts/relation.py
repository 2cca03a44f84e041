"""A published table, view or macro as its readers know it, whether it was declared here or read from a contract."""

import re
from typing import Literal, NamedTuple

Fit = Literal["same", "widened", "narrowed", "changed"]

LOGICAL = {
    "VARCHAR": "string",
    "ENUM": "string",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "UTINYINT": "integer",
    "UBIGINT": "integer",
    "HUGEINT": "integer",
    "DECIMAL": "number",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIME": "time",
    "JSON": "object",
}
"""The logical type of the standard for each type of DuckDB."""

# the least and the greatest number of each type, as powers of two; a decimal has digits instead
_BITS = {"UTINYINT": (0, 8), "INTEGER": (31, 31), "UBIGINT": (0, 64), "BIGINT": (63, 63), "HUGEINT": (127, 127)}


class PublishedColumn(NamedTuple):
    """``treatment`` is what became of personal data in it, empty where there is none; ``unit`` what a number counts."""

    type: str
    description: str
    is_required: bool = False
    unit: str = ""
    treatment: str = ""
    values: tuple[str, ...] = ()


class Relation(NamedTuple):
    """``kind`` is table, view or macro; ``key`` names the columns that make a row one of its kind."""

    name: str
    kind: str
    description: str
    key: tuple[str, ...]
    columns: dict[str, PublishedColumn]
    parameters: dict[str, str]
    owner: str = ""

    @property
    def schema(self) -> str:
        """The schema it lies in."""
        return self.name.partition(".")[0]


class Contract(NamedTuple):
    """All relations by qualified name; ``currencies`` are those an installation chose, none of a release."""

    version: str
    relations: dict[str, Relation]
    currencies: dict[str, str]


def as_duckdb_writes(type_: str) -> str:
    """A declared type as the file shows it: ``DECIMAL(38,12)``, ``ENUM('in', 'out')``."""
    if type_.startswith("enum"):
        return "ENUM" + type_.removeprefix("enum")
    return type_.upper().replace(" ", "")


def logical_type(type_: str) -> str:
    """What the standard calls a type."""
    return "array" if type_.endswith("[]") else LOGICAL[type_.partition("(")[0]]


def fit(old: str, new: str) -> Fit:
    """Whether each value that a column could have still has a place in it."""
    if old == new:
        return "same"
    if _is_within(old, new):
        return "widened"
    is_alike = _family(old) == _family(new) != ""
    return "narrowed" if is_alike else "changed"


def _is_within(small: str, large: str) -> bool:
    """Whether every value of the one is a value of the other, to the last digit."""
    values, more = _enum_values(small), _enum_values(large)
    if values is not None and more is not None:
        return values <= more
    if small in _BITS and large in _BITS:
        return all(a <= b for a, b in zip(_BITS[small], _BITS[large], strict=True))
    before, behind = _digits(small)
    room_before, room_behind = _digits(large)
    return bool(before and large.startswith("DECIMAL") and before <= room_before and behind <= room_behind)


def _family(type_: str) -> str:
    if type_ in _BITS or type_.startswith(("DECIMAL", "DOUBLE")):
        return "number"
    if type_ in ("DATE", "TIMESTAMP"):
        return "time"
    return "text" if type_ == "VARCHAR" or type_.startswith("ENUM") else ""


def _enum_values(type_: str) -> set[str] | None:
    return set(re.findall(r"'([^']*)'", type_)) if type_.startswith("ENUM") else None


def _digits(type_: str) -> tuple[int, int]:
    """Digits before and behind the point; none of what is no exact number."""
    if type_ in _BITS:
        return len(str(2 ** max(_BITS[type_]))), 0
    match = re.fullmatch(r"DECIMAL\((\d+),\s?(\d+)\)", type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else (0, 0)
