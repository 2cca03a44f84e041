"""What a variable may say. Each error names the variable, what it expects and what came."""

import math
import re
from collections.abc import Mapping

from stockbook.errors import ConfigError
from stockbook.setting_list import SETTINGS, number_of, text_of

_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?)?B", re.IGNORECASE)


def text(environ: Mapping[str, str], name: str) -> str:
    """A text, or its default."""
    return environ.get(name) or text_of(name)


def yes_or_no(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable says yes. Raises ConfigError for anything but yes or no."""
    said = text(environ, name)
    if said not in ("yes", "no"):
        raise ConfigError(f"{name} must be yes or no; got {said!r}.")
    return said == "yes"


def size(environ: Mapping[str, str], name: str) -> str:
    """A size as DuckDB reads it. Raises ConfigError."""
    said = text(environ, name)
    if not _SIZE.fullmatch(said):
        raise ConfigError(f"{name} must be a size such as 512MB or 2GB; got {said!r}.")
    return said


def bytes_of(written: str) -> int:
    """A size as bytes: ``KB`` counts by thousands, ``KiB`` by 1024, as DuckDB does."""
    value, unit = re.fullmatch(r"([\d.]+) ?(\w+)", written).groups()  # type: ignore[union-attr]  # ``size`` read it
    base = 1024 if "i" in unit.lower() else 1000
    return int(float(value) * base ** " KMGT".index(unit[0].upper() if len(unit) > 1 else " "))


def number(environ: Mapping[str, str], name: str) -> float:
    """A number that is not below the least its setting allows, or its default. Raises ConfigError."""
    least, is_whole = SETTINGS[name].least or 0, SETTINGS[name].is_whole
    said = environ.get(name)
    if not said:
        return number_of(name)
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf or (is_whole and value != int(value)):
        kind = "whole number" if is_whole else "number"
        raise ConfigError(f"{name} must be a {kind} of at least {least:g}; got {said!r}.")
    return value


def backup_keep_of(environ: Mapping[str, str]) -> tuple[int, int, int]:
    """How many days, weeks and months keep a backup. Raises ConfigError."""
    said = text(environ, "STOCKBOOK_BACKUP_KEEP")
    counts = [part.strip() for part in said.split(",")]
    if len(counts) != 3 or not all(count.isascii() and count.isdigit() and len(count) < 6 for count in counts):
        raise ConfigError(f"STOCKBOOK_BACKUP_KEEP must be three whole numbers: days, weeks, months; got {said!r}.")
    days, weeks, months = map(int, counts)
    return days, weeks, months
