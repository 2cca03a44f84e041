"""
Where things lie and what the operator chose.

Everything comes from the environment (``STOCKBOOK_*``); ``Settings.load`` reads it once,
at the entry of a command or task.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockbook import airflow_config, project
from stockbook.errors import ConfigError, Problems
from stockbook.lake_url import VARIABLE, LakeUrl
from stockbook.limits import AnalystLimits, HookLimits, Limits
from stockbook.secret_text import sent_secret
from stockbook.setting_list import SETTINGS, number_of, text_of
from stockbook.setting_values import backup_keep_of, number, size, text, yes_or_no

# beside Airflow's secrets, made by `stockbook setup`
KEY_FILE = "hash-key"
INBOX_FILE = "inbox.db"
# in the folder of a user's own: where it is, the shop's policies are there
POLICIES = "policy"


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
    locale: str = text_of("STOCKBOOK_LOCALE")
    fernet_keys: tuple[bytes, ...] = field(repr=False, default=())
    # JSON; read by stockbook.alerts.notify
    alert_notifier: str = field(repr=False, default="")
    report_notifier: str = field(repr=False, default="")
    packs_notifier: str = field(repr=False, default="")
    inbox_database: str = field(repr=False, default="")
    # one that several machines share
    token_database: str = field(repr=False, default="")
    inbox_days: int = int(number_of("STOCKBOOK_INBOX_DAYS"))
    answer_megabytes: float = number_of("STOCKBOOK_ANSWER_MEGABYTES")
    answer_seconds: float = number_of("STOCKBOOK_ANSWER_SECONDS")
    hooks: HookLimits = field(default_factory=HookLimits)
    # where the certificate is that senders of webhooks see: a PEM file or an address; empty where TLS ends unseen
    certificate: str = ""
    # what opens the receiver's metrics; empty: nobody reads them
    metrics_token: str = field(repr=False, default="")
    # what opens the analyst server over HTTP; empty: nobody asks it there
    analyst_token: str = field(repr=False, default="")
    analyst: AnalystLimits = field(default_factory=lambda: AnalystLimits.load({}))
    limits: Limits = field(default_factory=Limits)
    # where there is one readers ask it, and not the file of this home
    lake: LakeUrl | None = None
    # the folder of a user's own models, metrics and dashboards, and what is red when something in it is wrong
    extra_dir: Path | None = None
    extra_fails: Literal["own", "night"] = "own"
    group_readable: bool = False
    # where backups go, which may hold a password, and how many of the last days, weeks and months stay
    backup_to: str = field(repr=False, default="")
    backup_keep: tuple[int, int, int] = field(default_factory=lambda: backup_keep_of({}))
    # every variable that begins like ours, as it was written: for the one look at all of them (night/configuration.py)
    written: Mapping[str, str] = field(repr=False, compare=False, default_factory=dict)

    @property
    def state(self) -> Path:
        """The state database: rotating tokens, encrypted."""
        return self.home / "state"

    @property
    def is_of_fleet(self) -> bool:
        """Whether this machine shares a lake or a control database with others: its books travel."""
        return self.lake is not None or bool(self.token_database)

    @property
    def token_place(self) -> Path | str:
        """Where rotating tokens are: the database that machines share, or the state database. May hold a password."""
        return self.token_database or self.state

    @property
    def inbox_url(self) -> str:
        """The database of the inbox: the operator's, or a file beside the state database. May hold a password."""
        return self.inbox_database or sqlite_url(self.state / INBOX_FILE)

    @property
    def landing(self) -> Path:
        """Raw pages, one folder per night."""
        return self.home / "landing"

    @property
    def closes(self) -> Path:
        """Signed months, landed for ever."""
        return self.landing / "closes"

    @property
    def warehouse(self) -> Path:
        """The writer's file. Nobody else opens it."""
        return self.home / "warehouse.duckdb"

    @property
    def at_once(self) -> int:
        """Models or checks side by side: more than a few wait for each other's Python and for the one log of a file."""
        return min(self.threads, 4)

    @property
    def published(self) -> Path:
        """What readers open, at any moment."""
        return self.home / "published" / "warehouse.duckdb"

    @property
    def asked(self) -> Path | LakeUrl:
        """What readers ask: the lake of a fleet, or what this home published."""
        return self.lake or self.published

    @property
    def runs(self) -> Path:
        """One folder per run: its context and its report."""
        return self.home / "runs"

    @property
    def restoring(self) -> Path:
        """What a restore has brought so far; gone when it is finished."""
        return self.home / "restoring"

    @property
    def lock(self) -> Path:
        """The one lock of this home."""
        return self.home / "run.lock"

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment. Raises ConfigError naming each wrong variable, what it expects and what it got."""
        problems = Problems()
        numbers: dict[str, float] = {}
        for setting in SETTINGS.values():
            if setting.least is not None:
                with problems.gathered():
                    numbers[setting.name] = number(environ, setting.name)
        zone, key = ZoneInfo("UTC"), b""
        fernet_keys: tuple[bytes, ...] = ()
        with problems.gathered():
            zone = _zone(environ)
        with problems.gathered():
            key = _hash_key(environ)
        with problems.gathered():
            fernet_keys = _fernet_keys(environ)
        home = Path()
        with problems.gathered():
            home = _home(environ)
        hooks, limits, group_readable, memory_limit = HookLimits(), Limits(), False, ""
        certificate = metrics_token = analyst_token = ""
        analyst = AnalystLimits.load({})
        with problems.gathered():
            certificate = environ.get("STOCKBOOK_HOOKS_CERTIFICATE") or airflow_config.setting(
                environ, "api", "ssl_cert"
            )
        with problems.gathered():
            metrics_token = token(environ.get("STOCKBOOK_METRICS_TOKEN"), "STOCKBOOK_METRICS_TOKEN", "the receiver")
        with problems.gathered():
            analyst_token = token(environ.get("STOCKBOOK_MCP_TOKEN"), "STOCKBOOK_MCP_TOKEN", "the analyst server")
        with problems.gathered():
            memory_limit = size(environ, "STOCKBOOK_MEMORY_LIMIT")
        with problems.gathered():
            hooks = HookLimits.load(environ)
        with problems.gathered():
            limits = Limits.load(environ, home / "tmp" / "readers")
        with problems.gathered():
            analyst = AnalystLimits.load(environ, home / "tmp" / "readers")
        with problems.gathered():
            group_readable = is_group_readable(environ)
        with problems.gathered():
            has_json_fast_path(environ)
        keep = (1, 0, 0)
        with problems.gathered():
            keep = backup_keep_of(environ)
        extra_fails: Literal["own", "night"] = "own"
        with problems.gathered():
            extra_fails = _extra_fails(environ)
        lake = None
        with problems.gathered():
            lake = LakeUrl.parse(environ[VARIABLE], environ) if environ.get(VARIABLE) else None
        problems.settle()
        return cls(
            home=home,
            policy_dir=_folder(environ, "STOCKBOOK_POLICY_DIR", _policies(environ)),
            models_dir=_folder(environ, "STOCKBOOK_MODELS_DIR", project.SHIPPED / project.MODELS),
            zone=zone,
            hash_key=key or None,
            lock_lease_seconds=numbers["STOCKBOOK_LOCK_LEASE_SECONDS"],
            landing_days=int(numbers["STOCKBOOK_LANDING_DAYS"]),
            orders_window_days=int(numbers["STOCKBOOK_ORDERS_WINDOW_DAYS"]),
            movements_overlap=int(numbers["STOCKBOOK_MOVEMENTS_OVERLAP"]),
            movements_overlap_hours=numbers["STOCKBOOK_MOVEMENTS_OVERLAP_HOURS"],
            quarantine_share=numbers["STOCKBOOK_QUARANTINE_SHARE"],
            memory_limit=memory_limit,
            threads=int(numbers["STOCKBOOK_THREADS"]),
            locale=text(environ, "STOCKBOOK_LOCALE"),
            fernet_keys=fernet_keys,
            alert_notifier=environ.get("STOCKBOOK_ALERT_NOTIFIER") or "",
            report_notifier=environ.get("STOCKBOOK_REPORT_NOTIFIER") or "",
            packs_notifier=environ.get("STOCKBOOK_PACKS_NOTIFIER") or "",
            inbox_database=environ.get("STOCKBOOK_INBOX_URL") or "",
            token_database=environ.get("STOCKBOOK_CONTROL_URL") or "",
            inbox_days=int(numbers["STOCKBOOK_INBOX_DAYS"]),
            answer_megabytes=numbers["STOCKBOOK_ANSWER_MEGABYTES"],
            answer_seconds=numbers["STOCKBOOK_ANSWER_SECONDS"],
            hooks=hooks,
            certificate=certificate,
            metrics_token=metrics_token,
            analyst_token=analyst_token,
            analyst=analyst,
            lake=lake,
            extra_dir=_extra_dir(environ),
            extra_fails=extra_fails,
            limits=limits,
            group_readable=group_readable,
            backup_to=environ.get("STOCKBOOK_BACKUP_TO") or "",
            backup_keep=keep,
            written={name: text for name, text in environ.items() if name.startswith("STOCKBOOK_")},
        )


# every variable there is; the orders are those of the demo and of the tests
NAMES = frozenset(SETTINGS) | {"STOCKBOOK_ORDERS"}


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("STOCKBOOK_HOME")
    folder = Path(named) if named else project.folder(environ, instead="set STOCKBOOK_HOME") / "data"
    return folder.expanduser().absolute()


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ.get(name) or default).expanduser().absolute()


def _extra_dir(environ: Mapping[str, str]) -> Path | None:
    return _folder(environ, "STOCKBOOK_EXTRA_DIR", Path()) if environ.get("STOCKBOOK_EXTRA_DIR") else None


def _policies(environ: Mapping[str, str]) -> Path:
    extra_dir = _extra_dir(environ)
    if extra_dir is not None and (extra_dir / POLICIES).is_dir():
        return extra_dir / POLICIES
    return project.own_or_shipped(project.POLICY, environ)


def _extra_fails(environ: Mapping[str, str]) -> Literal["own", "night"]:
    word = text(environ, "STOCKBOOK_EXTRA_FAILS")
    if word == "own":
        return "own"
    if word == "night":
        return "night"
    raise ConfigError(f"STOCKBOOK_EXTRA_FAILS must be own or night; got {word!r}.")


def _zone(environ: Mapping[str, str]) -> ZoneInfo:
    name = text(environ, "STOCKBOOK_ZONE")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"STOCKBOOK_ZONE must name a time zone such as Europe/Prague; got {name!r}.") from None


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
    return yes_or_no(environ, "STOCKBOOK_GROUP_READABLE")


def has_json_fast_path(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether large listings may be read by compiled code. Raises ConfigError for anything but yes or no."""
    return yes_or_no(environ, "STOCKBOOK_JSON_FAST_PATH")


def _hash_key(environ: Mapping[str, str]) -> bytes:
    """The key of the variable, else of the file that ``stockbook setup`` made in the Airflow home; empty for none."""
    key, size, place = _bytes(environ, "STOCKBOOK_HASH_KEY"), len(environ.get("STOCKBOOK_HASH_KEY") or ""), ""
    home = airflow_config.airflow_home(environ)
    if not key and home is not None and (home / KEY_FILE).exists():
        place = str(home / KEY_FILE)
        with suppress(OSError):
            key = (home / KEY_FILE).read_bytes().strip()
        size = len(key)
        if not key:
            raise ConfigError(f"{place} must hold the secret of the personal-data hash; it is empty or not readable.")
    if key and size < 16:
        raise ConfigError(f"{place or 'STOCKBOOK_HASH_KEY'} must have at least 16 characters; it has {size}.")
    return key


def token(value: str | None, name: str, owner: str) -> str:
    """A secret that opens one of our doors; empty for none. Raises ConfigError for what is no good secret."""
    secret = sent_secret(owner, f"token {name}", value)
    if secret and len(secret) < 16:
        raise ConfigError(f"{name} must have at least 16 characters; it has {len(secret)}.")
    return secret


def _fernet_keys(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Our own keys, else Airflow's; the first of several encrypts."""
    text = environ.get("STOCKBOOK_FERNET_KEY") or airflow_config.setting(environ, "core", "fernet_key")
    # what is no ASCII is no key, and is refused where the keys are used
    return tuple(key.strip().encode(errors="replace") for key in text.split(",") if key.strip())
