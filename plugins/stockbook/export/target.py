"""Where an export goes: the file, its format by its ending, and that it is there whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from stockbook.atomic_files import REFUSALS, sync_folder
from stockbook.errors import ConfigError, DiskRefused


class Format(StrEnum):
    """How a file is written."""

    csv = "csv"
    parquet = "parquet"
    xlsx = "xlsx"


def chosen(to: Path | None, name: str, format_: Format | None, usual: Format) -> tuple[Path, Format]:
    """
    The file and its format: ``to`` as it stands or, where it is left out or a folder, ``name`` with an ending.

    Raises ConfigError for an ending that says no format, or another than ``format_``.
    """
    if to is None or to.is_dir():
        format_ = format_ or usual
        return (to or Path()) / f"{name}.{format_}", format_
    ending = to.suffix.lstrip(".").lower()
    if ending in Format.__members__:
        if format_ not in (None, ending):
            raise ConfigError(f"{to} ends like {ending} and --format says {format_}: leave one of both out.")
        return to, Format(ending)
    if format_ is None:
        raise ConfigError(f"{to} must end in .csv, .parquet or .xlsx, or --format must name one of them.")
    return to, format_


@contextmanager
def whole_file(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """
    A folder's own hidden file to be written; at the end of the block it gets the name ``target``.

    Where the block raises, nothing is left. Raises ConfigError for a file that is there unless it may be replaced, for
    a folder that is not, and DiskRefused for what the disk refuses.
    """
    there = ConfigError(f"{target} is there already: choose another name, or say --overwrite.")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.is_dir() or (target.exists() and not target.is_file()):
            raise ConfigError(f"{target} is no file that could be replaced.")
        if target.exists() and not overwrite:
            raise there
        temporary.touch(exist_ok=False)  # a folder without rights is said before any row is read
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(target)
        else:
            _rename_new(temporary, target, there)
        sync_folder(target.parent)
    except FileNotFoundError as error:
        raise ConfigError(f"The folder {target.parent} is not there: make it first.") from error
    except OSError as error:
        if error.errno not in (*REFUSALS, errno.ENAMETOOLONG, errno.ENOTDIR):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DiskRefused(f"{target} could not be written: {reason}. Nothing of it was left behind.") from error
    finally:
        _remove(temporary)


def _rename_new(temporary: Path, target: Path, there: ConfigError) -> None:
    """Rename it, but never over a file that came meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise there from None
    except OSError:  # a file system without links
        if target.exists():
            raise there from None
        temporary.replace(target)


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return  # it was refused before it was made
