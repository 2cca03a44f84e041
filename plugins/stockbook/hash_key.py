"""
One key for ever: the books remember which key personal data is hashed with, and refuse another.

What is remembered is a keyed digest of a fixed text. It tells two keys apart and nothing else of them; manifests
of landed listings carry the same one.
"""

import hmac
import os
import re
from pathlib import Path

from stockbook import airflow_config, project
from stockbook.atomic_files import write_atomically
from stockbook.errors import ConfigError
from stockbook.settings import KEY_FILE, Settings

_FINGERPRINT = re.compile("[0-9a-f]{16}")


def fingerprint(key: bytes) -> str:
    """16 hexadecimal digits that are the same for the same key."""
    return hmac.digest(key, b"stockbook landing", "sha256").hex()[:16]


def require_same(settings: Settings) -> None:
    """
    Raise ConfigError when the key is another than the one the books of this home were begun with.

    Says nothing where there is no key, or no books yet.
    """
    if settings.hash_key is not None:
        _refuse_other(settings, fingerprint(settings.hash_key))


def require_any(settings: Settings) -> None:
    """Raise ConfigError when there is no key: what to do depends on whether the books of this home have one."""
    if settings.hash_key is None:
        require_none(settings)
        raise ConfigError(
            "STOCKBOOK_HASH_KEY must be set to a secret of at least 16 characters, or `stockbook setup` makes one: "
            "personal data is hashed with it before anything is written. Keep it for ever: another key makes other "
            "customers of the same people."
        )


def require_none(settings: Settings) -> None:
    """Raise ConfigError when the books of this home were begun with a key: a new one would not be theirs."""
    if not _file(settings).exists():
        return
    begun = f"The books in {settings.home} were begun with a key that is not here"
    if settings.home == project.demo_home():
        raise ConfigError(
            f"{begun}: they are the demo's. For your own books leave STOCKBOOK_HOME unset, or name another folder."
        )
    place = airflow_config.place_of_home(os.environ)
    file = f", or put it into {place / KEY_FILE}" if place else ""
    raise ConfigError(
        f"{begun}. Set STOCKBOOK_HASH_KEY to it{file}; another key would make other customers of the same people."
    )


def remember(settings: Settings, of_landed: str | None = None) -> None:
    """
    Keep the key's fingerprint with the home, once; of pages that were hashed elsewhere give theirs, ``of_landed``.

    Raises ConfigError when the home, or its setting, has another.
    """
    of_setting = fingerprint(settings.hash_key) if settings.hash_key is not None else None
    if of_setting and of_landed and of_setting != of_landed:
        raise ConfigError(
            "STOCKBOOK_HASH_KEY is not the key these pages were hashed with: the nights that follow would make other "
            "customers of the same people. Set the key they were read with, or none to make the books now."
        )
    chosen = of_landed or of_setting
    if chosen is None:
        return
    if _refuse_other(settings, chosen):
        return
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(_file(settings), chosen.encode())
    except OSError as error:
        raise ConfigError(
            f"STOCKBOOK_HOME must be a folder that can be written; {settings.state} cannot: {error.strerror}."
        ) from error


def _refuse_other(settings: Settings, expected: str) -> bool:
    """Whether this key is remembered; raises ConfigError when another is."""
    file = _file(settings)
    try:
        remembered = file.read_bytes().strip().decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"{file} must be readable: it tells which key is the books'. {error.strerror}.") from error
    if not _FINGERPRINT.fullmatch(remembered):
        raise ConfigError(
            f"{file} is damaged: it must tell in 16 hexadecimal digits which key is the books'. Bring it back from a "
            "backup, or remove it when STOCKBOOK_HASH_KEY is surely the books' key: the next night writes it anew."
        )
    if remembered != expected:
        raise ConfigError(
            "STOCKBOOK_HASH_KEY (or where it is not set, the file hash-key in the Airflow home) is not the key the "
            f"books in {settings.home} were begun with: it would make other customers of the same people. Put the old "
            "key back. Where it is lost, begin new books in an empty "
            f"STOCKBOOK_HOME, or remove {file} to go on with other customers from now on."
        )
    return True


def _file(settings: Settings) -> Path:
    return settings.state / "hash-key.fingerprint"
