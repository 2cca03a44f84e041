"""
Where things lie and what the operator chose.

Everything comes from the environment (``STOCKBOOK_*``); ``Settings.load`` reads it once,
at the entry of a command or task.
"""

import configparser
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockbook.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]
INBOX_FILE = "inbox.db"
_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?)?B", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """
    What one reader of the published file may take: memory, seconds (0 is no limit), threads, and disk for what memory
    cannot hold.

    ``spill`` is the folder for that, the system's own for temporary files when None.
    """

    memory: str = "1GB"
    seconds: float = 300
    disk: str = "4GB"
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    spill: Path | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str], spill: Path | None = None) -> "Limits":
        """Read the environment. Raises ConfigError naming the variable, what it expects and what it got."""
        return cls(
            memory=_size(environ, "STOCKBOOK_READER_MEMORY", cls.memory),
            seconds=_number(environ, "STOCKBOOK_READER_SECONDS", cls.seconds, least=0),
            disk=_size(environ, "STOCKBOOK_READER_DISK", cls.disk),
            threads=int(_number(environ, "STOCKBOOK_THREADS", os.cpu_count() or 1, least=1)),
            spill=spill,
        )


@dataclass(frozen=True)
class HookLimits:
    """
    What a request of a webhook may take before its secret is checked.

    ``connections`` may wait unproven at a time, of one address ``connections_per_address`` unless it is one of
    ``trusted_proxies`` (addresses or networks).
    """

    header_bytes: int = 16_384
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    connections: int = 500
    connections_per_address: int = 100
    trusted_proxies: tuple[str, ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "HookLimits":
        """Read the environment. Raises ConfigError."""
        proxies = [one.strip() for one in environ.get("STOCKBOOK_HOOKS_TRUSTED_PROXIES", "").split(",") if one.strip()]
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ConfigError(
                    "STOCKBOOK_HOOKS_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, separated by "
                    f"commas; got {proxy!r}."
                ) from None
        return cls(
            header_bytes=int(_number(environ, "STOCKBOOK_HOOKS_HEADER_BYTES", 16_384, least=1_024)),
            header_seconds=_number(environ, "STOCKBOOK_HOOKS_HEADER_SECONDS", 10, least=0.1),
            body_seconds=_number(environ, "STOCKBOOK_HOOKS_BODY_SECONDS", 10, least=0.1),
            connections=int(_number(environ, "STOCKBOOK_HOOKS_CONNECTIONS", 500, least=1)),
            connections_per_address=int(_number(environ, "STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS", 100, least=1)),
            trusted_proxies=tuple(proxies),
        )


@dataclass(frozen=True)
class Settings:
    """The operator's choices. All paths are absolute."""

    home: Path
    policy_dir: Path
    models_dir: Path
    zone: ZoneInfo
    hash_key: bytes | None = field(repr=False)
    lock_lease_seconds: float
    landing_days: int
    orders_window_days: int
    movements_overlap: int
    movements_overlap_hours: float
    quarantine_share: float
    memory_limit: str
    threads: int
    locale: str = "en_GB"
    fernet_keys: tuple[bytes, ...] = field(repr=False, default=())
    # JSON; read by stockbook.alerts.notify
    alert_notifier: str = field(repr=False, default="")
    report_notifier: str = field(repr=False, default="")
    inbox_database: str = field(repr=False, default="")
    inbox_days: int = 30
    answer_megabytes: float = 256
    answer_seconds: float = 300
    hooks: HookLimits = field(default_factory=HookLimits)
    limits: Limits = field(default_factory=Limits)
    group_readable: bool = False

    @property
    def state(self) -> Path:
        """The state database: rotating tokens, encrypted."""
        return self.home / "state"

    @property
    def inbox_url(self) -> str:
        """The database of the inbox: the operator's, or a file beside the state database. May hold a password."""
        return self.inbox_database or sqlite_url(self.state / INBOX_FILE)

    @property
    def landing(self) -> Path:
        """Raw pages, one folder per night."""
        return self.home / "landing"

    @property
    def warehouse(self) -> Path:
        """The writer's file. Nobody else opens it."""
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """What readers open, at any moment."""
        return self.home / "published" / "warehouse.duckdb"

    @property
    def runs(self) -> Path:
        """One folder per run: its context and its report."""
        return self.home / "runs"

    @property
    def lock(self) -> Path:
        """The one lock of this home."""
        return self.home / "run.lock"

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment. Raises ConfigError naming the variable, what it expects and what it got."""
        zone_name = environ.get("STOCKBOOK_ZONE") or "Europe/Prague"
        try:
            zone = ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(
                f"STOCKBOOK_ZONE must name a time zone such as Europe/Prague; got {zone_name!r}."
            ) from None
        key = _bytes(environ, "STOCKBOOK_HASH_KEY")
        if key and (size := len(environ["STOCKBOOK_HASH_KEY"])) < 16:
            raise ConfigError(f"STOCKBOOK_HASH_KEY must have at least 16 characters; it has {size}.")
        home = Path(environ.get("STOCKBOOK_HOME") or PROJECT / "data").expanduser().absolute()
        return cls(
            home=home,
            policy_dir=Path(environ.get("STOCKBOOK_POLICY_DIR") or PROJECT / "include" / "policy").absolute(),
            models_dir=Path(environ.get("STOCKBOOK_MODELS_DIR") or PROJECT / "include" / "sql").absolute(),
            zone=zone,
            hash_key=key or None,
            lock_lease_seconds=_number(environ, "STOCKBOOK_LOCK_LEASE_SECONDS", 300, least=1),
            landing_days=int(_number(environ, "STOCKBOOK_LANDING_DAYS", 90, least=0)),
            orders_window_days=int(_number(environ, "STOCKBOOK_ORDERS_WINDOW_DAYS", 35, least=1)),
            movements_overlap=int(_number(environ, "STOCKBOOK_MOVEMENTS_OVERLAP", 5000, least=0)),
            movements_overlap_hours=_number(environ, "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS", 72, least=0),
            quarantine_share=_number(environ, "STOCKBOOK_QUARANTINE_SHARE", 0.01, least=0),
            memory_limit=environ.get("STOCKBOOK_MEMORY_LIMIT") or "2GB",
            threads=int(_number(environ, "STOCKBOOK_THREADS", os.cpu_count() or 1, least=1)),
            locale=environ.get("STOCKBOOK_LOCALE") or "en_GB",
            fernet_keys=_fernet_keys(environ),
            alert_notifier=environ.get("STOCKBOOK_ALERT_NOTIFIER") or "",
            report_notifier=environ.get("STOCKBOOK_REPORT_NOTIFIER") or "",
            inbox_database=environ.get("STOCKBOOK_INBOX_URL") or "",
            # a drained event must outlive every retry of its sender (48 hours), or the retry would be a new event
            inbox_days=int(_number(environ, "STOCKBOOK_INBOX_DAYS", 30, least=3)),
            answer_megabytes=_number(environ, "STOCKBOOK_ANSWER_MEGABYTES", 256, least=1),
            answer_seconds=_number(environ, "STOCKBOOK_ANSWER_SECONDS", 300, least=1),
            hooks=HookLimits.load(environ),
            limits=Limits.load(environ, home / "tmp" / "readers"),
            group_readable=is_group_readable(environ),
        )


def _bytes(environ: Mapping[str, str], name: str) -> bytes:
    """A secret as its bytes, whatever they are: the environment may hold some that are no text."""
    with suppress(UnicodeEncodeError):
        return (environ.get(name) or "").encode(errors="surrogateescape")
    raise ConfigError(f"{name} must be text; it holds half a character.")


def sqlite_url(file: Path) -> str:
    """The address of a SQLite file; ``inbox.engine.read_url`` reads back the signs that an address cannot hold."""
    return "sqlite:///" + str(file).replace("%", "%25").replace("?", "%3F")


def is_group_readable(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the group may read what is written. Raises ConfigError for anything but yes or no."""
    text = environ.get("STOCKBOOK_GROUP_READABLE") or "no"
    if text not in ("yes", "no"):
        raise ConfigError(f"STOCKBOOK_GROUP_READABLE must be yes or no; got {text!r}.")
    return text == "yes"


def _fernet_keys(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Our own keys, else Airflow's from its variable or its ``airflow.cfg``; the first of several encrypts."""
    text = environ.get("STOCKBOOK_FERNET_KEY") or environ.get("AIRFLOW__CORE__FERNET_KEY") or ""
    file = environ.get("AIRFLOW_CONFIG") or (
        f"{environ['AIRFLOW_HOME']}/airflow.cfg" if environ.get("AIRFLOW_HOME") else ""
    )
    if not text and file and Path(file).is_file():
        written = configparser.ConfigParser(interpolation=None, strict=False)
        is_read = False
        # the error quotes the lines it cannot read: it is not chained
        with suppress(configparser.Error, UnicodeDecodeError):
            is_read = bool(written.read(file))
        if not is_read:
            raise ConfigError(f"{file} must be an airflow.cfg; it cannot be read.")
        text = written.get("core", "fernet_key", fallback="")
    # what is no ASCII is no key, and is refused where the keys are used
    return tuple(key.strip().encode(errors="replace") for key in text.split(",") if key.strip())


def _size(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name) or default
    if not _SIZE.fullmatch(text):
        raise ConfigError(f"{name} must be a size such as 512MB or 2GB; got {text!r}.")
    return text


def _number(environ: Mapping[str, str], name: str, default: float, least: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise ConfigError(f"{name} must be a number of at least {least:g}; got {text!r}.")
    return value
