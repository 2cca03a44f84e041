"""What makes a machine a worker of a fleet: a store, a control database and a lake, all of them or none."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from stockbook.connections import SOURCES, split_conn_id
from stockbook.errors import ConfigError, Problems

SHARED = ("STOCKBOOK_STORE", "STOCKBOOK_CONTROL_URL", "STOCKBOOK_LAKE")
FILE, TABLE = "file:", "table"
STORES = ("s3", "gs", "az", "file")


@dataclass(frozen=True)
class FleetSettings:
    """The operator's choices for a fleet. Prints no address: each may hold a password."""

    store: str = field(repr=False)
    control_url: str = field(repr=False)
    lake: str = field(repr=False)
    scratch: Path
    accounts: str = ""

    @classmethod
    def load(cls, home: Path, environ: Mapping[str, str] = os.environ) -> "FleetSettings | None":
        """
        Read the environment; None where nothing of a fleet is set.

        Raises ConfigError that names each variable which is missing or wrong, and quotes none.
        """
        shared = {name: (environ.get(name) or "").strip() for name in SHARED}
        accounts = (environ.get("STOCKBOOK_ACCOUNTS") or "").strip()
        scratch = Path(environ.get("STOCKBOOK_SCRATCH") or home / "scratch").expanduser().absolute()
        problems = Problems()
        for judge, text in zip((_store, _control, _lake, _accounts), (*shared.values(), accounts), strict=True):
            if text:
                with problems.gathered():
                    judge(text)
        if scratch.exists() and not scratch.is_dir():
            problems.found.append(f"STOCKBOOK_SCRATCH must be a folder; {scratch} is none.")
        missing = [name for name, text in shared.items() if not text]
        there = [name for name, text in shared.items() if text]
        if missing and there:
            problems.found.append(
                f"{', '.join(missing)} must be set too, or {', '.join(there)} be unset: a fleet needs its store, its "
                "control database and its lake."
            )
        problems.settle()
        if missing:
            return None
        return cls(
            store=shared["STOCKBOOK_STORE"],
            control_url=shared["STOCKBOOK_CONTROL_URL"],
            lake=shared["STOCKBOOK_LAKE"],
            scratch=scratch,
            accounts=accounts,
        )


def require(home: Path, environ: Mapping[str, str] = os.environ) -> FleetSettings:
    """The settings of a fleet. Raises ConfigError where there is none."""
    settings = FleetSettings.load(home, environ)
    if settings is None:
        raise ConfigError(f"This is no fleet: {', '.join(SHARED)} are not set; docs/running.md says what each must be.")
    return settings


def _store(text: str) -> None:
    parts = _parts(text)
    if parts is None or parts.scheme not in STORES or (parts.scheme != "file" and not parts.hostname):
        raise ConfigError("STOCKBOOK_STORE must be s3://bucket/prefix, gs://, az:// or file:///folder; it is none.")
    if "@" in parts.netloc or parts.query:
        raise ConfigError(
            "STOCKBOOK_STORE must be an address without user, key or query: keys come from variables of the store's "
            "own, such as AWS_ACCESS_KEY_ID."
        )


def _control(text: str) -> None:
    parts = _parts(text)
    if parts is None or parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ConfigError("STOCKBOOK_CONTROL_URL must be postgresql://user@host:port/database; it is not.")


def _lake(text: str) -> None:
    if not text.startswith(("postgres:", "postgresql:")):
        raise ConfigError(
            "STOCKBOOK_LAKE must be postgres:dbname=… host=… user=… or a postgresql:// address; it is not."
        )


def _accounts(text: str) -> None:
    if text == TABLE or text.startswith(FILE):
        return
    strange = [name for name in map(str.strip, text.split(",")) if name and split_conn_id(name) is None]
    if strange:
        raise ConfigError(
            f"STOCKBOOK_ACCOUNTS must be file:FILE, table, or connection ids ({', '.join(SOURCES)}, optionally "
            f"followed by __<account>), comma separated; got {', '.join(map(repr, strange))}."
        )


def _parts(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts
