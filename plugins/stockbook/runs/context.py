"""
What a run carries from step to step.

Steps may run in different processes: the context is a small JSON file under ``runs/``,
written once when the run is opened.
"""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from stockbook.atomic_files import is_whole, sealed, write_atomically
from stockbook.declarations import DAYS
from stockbook.errors import ConfigError
from stockbook.settings import Settings

Status = Literal["running", "published", "failed"]

# A run further than this from the wall clock is dated in the past (or future) on a real account (docs/contract.md).
FRESH = timedelta(hours=36)
EARLIEST, LATEST = DAYS


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a night, those of the DAG (docs/running.md)."""

    as_of: str | None = None
    full_refresh: bool = False
    backfill_from: date | None = None
    backfill_to: date | None = None
    accounts: tuple[str, ...] = ()


class RunContext(msgspec.Struct, frozen=True):
    """
    One run. ``as_of`` is naive local wall clock of ``zone``; ``started_at`` is UTC, as is ``as_of_utc``, the instant of
    ``as_of`` (in the repeated hour of a run written down without it: the second pass).

    ``observes`` is False for a run dated in the past: it reads no source, takes no snapshot and
    marks nothing deleted, and only computes the figures of its ``as_of`` again. ``night`` names the
    folder its pages land in; a night that was killed is resumed in the same folder. ``repeats`` is True for the as-of
    of the last published run: what depends on now stands, so that there may be nothing to check.
    """

    run_id: str
    as_of: datetime
    zone: str
    started_at: datetime
    night: str
    observes: bool
    full_refresh: bool
    backfill_from: date | None
    backfill_to: date | None
    conn_ids: tuple[str, ...]
    as_of_utc: datetime | None = None
    repeats: bool = False

    @property
    def tz(self) -> ZoneInfo:
        """The zone of local times."""
        return ZoneInfo(self.zone)


def run_id_of(name: str) -> str:
    """A run's name as a folder name: letters, digits, dot, dash, underscore, at most 100 characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:100] or "run"


def parse_as_of(text: str | None, now: datetime, zone: ZoneInfo | None = None) -> datetime:
    """
    The run's ``as_of`` as a naive local date-time, or ``now`` when ``text`` is empty; its ``fold`` is the pass of a
    repeated hour.

    ``text`` is local, in a repeated hour of the second pass, or names an offset, which needs the ``zone`` of local
    times. Raises ConfigError.
    """
    if not text or not text.strip():
        return now
    as_of: datetime | None
    try:
        as_of = datetime.fromisoformat(text.strip()).replace(microsecond=0)
        if as_of.tzinfo is not None:
            as_of = None if zone is None else as_of.astimezone(zone).replace(tzinfo=None)
        else:
            as_of = as_of.replace(fold=1)
    except (ValueError, OverflowError):
        as_of = None
    if as_of is None or not EARLIEST <= as_of.date() <= LATEST:
        raise ConfigError(
            f"as_of must be a local date-time such as 2026-02-28T02:15:00, or one with an offset such as "
            f"2026-10-25T02:50:00+02:00, from {EARLIEST} to {LATEST}; got {text!r}."
        )
    if zone is not None and instant_of(as_of, zone).astimezone(zone).replace(tzinfo=None) != as_of:
        raise ConfigError(f"as_of {text!r} never was: the clocks of {zone.key} skip that hour in spring.")
    return as_of


def instant_of(as_of: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a naive local time of ``zone``, aware in UTC; its ``fold`` is the pass of a repeated hour."""
    return as_of.replace(tzinfo=zone).astimezone(UTC)


def parse_parameters(raw: dict[str, object]) -> Parameters:
    """Parameters from a DAG's params or a command line; empty text counts as not given. Raises ConfigError."""
    cleaned = {name: value for name, value in raw.items() if value not in (None, "", [], ())}
    accounts = cleaned.get("accounts")
    if isinstance(accounts, str):
        cleaned["accounts"] = [part.strip() for part in accounts.split(",") if part.strip()]
    try:
        parameters = msgspec.convert(cleaned, Parameters)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The run's parameters cannot be read: {error}. Expected as_of (local date-time), "
            "full_refresh (true or false), backfill_from and backfill_to (dates such as 2026-01-31), "
            "accounts (a list of names)."
        ) from error
    first, last = parameters.backfill_from, parameters.backfill_to
    if (first is None) != (last is None):
        raise ConfigError("backfill_from and backfill_to go together; only one of them was given.")
    if first and last and first > last:
        raise ConfigError(f"backfill_from must not be after backfill_to; got {first} and {last}.")
    return parameters


def folder(settings: Settings, run_id: str) -> Path:
    """The run's folder."""
    return settings.runs / run_id


def save(settings: Settings, run: RunContext) -> None:
    """Keep the context for the run's other steps."""
    home = folder(settings, run.run_id)
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / "run.json", sealed(msgspec.json.format(msgspec.json.encode(run))))


def read(settings: Settings, run_id: str) -> RunContext:
    """The context of an opened run. Raises ConfigError when there is none."""
    file = folder(settings, run_id) / "run.json"
    if not file.exists():
        raise ConfigError(f"Run {run_id!r} was never opened in this home: expected {file}.")
    return read_sealed(file, RunContext)


Value = TypeVar("Value")


def read_sealed(file: Path, kind: type[Value]) -> Value:
    """What one step of a run left for the next. Raises ConfigError when it is not what was written."""
    try:
        content = file.read_bytes()
        value = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(_altered(file, f"it cannot be read ({type(error).__name__})")) from error
    if not is_whole(content):
        raise ConfigError(_altered(file, "it does not have its own checksum"))
    return value


def _altered(file: Path, how: str) -> str:
    return f"{file} is not as this run wrote it, {how}: start the night again, under a new name."
