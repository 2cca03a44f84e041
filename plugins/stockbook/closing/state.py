"""The newest close of each account as the state folder knows it: a close that is deleted leaves its digest here."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stockbook.atomic_files import is_whole, sealed, write_atomically
from stockbook.errors import LandingDamaged

_FILE = "closes.json"


class _Newest(msgspec.Struct):
    closes: dict[str, str]


def write(state: Path, newest: Mapping[str, str]) -> None:
    """Keep the digest of the newest close of each account, by its name."""
    content = msgspec.json.encode(_Newest(dict(newest)))
    state.mkdir(parents=True, exist_ok=True)
    write_atomically(state / _FILE, sealed(msgspec.json.format(content)))


def read(state: Path) -> dict[str, str]:
    """The digest of the newest close of each account, by its name. Raises LandingDamaged."""
    file = state / _FILE
    try:
        content = file.read_bytes()
        newest = msgspec.json.decode(content, type=_Newest).closes
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LandingDamaged(f"{file} cannot be read ({type(error).__name__}): bring it back from a backup.") from error
    if not is_whole(content):
        raise LandingDamaged(f"{file} is not as it was written: bring it back from a backup.")
    return newest
