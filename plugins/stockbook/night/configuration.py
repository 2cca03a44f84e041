"""
An inspection of everything an operator writes: all policy files and all settings, with all that is wrong in them.

A night inspects them before it opens; ``stockbook doctor`` and ``stockbook policy check`` print the result. A mistake
shows here and not hours later, in the step that happens to need the setting.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from stockbook import retention_policy
from stockbook.channels import money
from stockbook.channels import policy as channels
from stockbook.closing import accounts
from stockbook.errors import ConfigError, Problems
from stockbook.settings import NAMES, Settings

FILES = (
    "calendar.yml",
    "sla.yml",
    "statuses.yml",
    "valuation.yml",
    "alerts.yml",
    channels.FILE,
    money.FILE,
    accounts.FILE,
    retention_policy.FILE,
)
# what a policy folder may lack, as one of an earlier version does, and what holds then
WITHOUT = {
    "alerts.yml": "no alert is raised",
    channels.FILE: "no order is joined with one of a channel",
    money.FILE: "the reporting currency is CZK, and rates are those of the sources",
    accounts.FILE: "nothing is booked to accounts",
    retention_policy.FILE: "things are kept as long as docs/retention.md says",
}
SCHEDULES = ("STOCKBOOK_SCHEDULE", "STOCKBOOK_DRAIN_SCHEDULE", "STOCKBOOK_MAINTENANCE_SCHEDULE")


class Inspection(NamedTuple):
    """A file or a group of settings, what is wrong with it, a sentence each, and what holds where it is absent."""

    what: str
    problems: tuple[str, ...]
    absent: str = ""


def require(settings: Settings) -> None:
    """Raise ConfigError with everything that is wrong in any policy file or setting."""
    from stockbook.night import extra

    problems = [problem for inspection in _inspections(settings) for problem in inspection.problems]
    problems += _inspect("own reports", lambda: extra.require(settings)).problems
    if problems:
        raise ConfigError(*problems)


def inspections(environ: Mapping[str, str] = os.environ) -> Iterator[Inspection]:
    """Inspect everything, also where the settings cannot be read as a whole."""
    problems = Problems()
    with problems.gathered():
        settings = Settings.load(environ)
        yield from _inspections(settings)
        if settings.extra_dir is not None:
            yield of_extra(settings)
        return
    # the variables that can be read are judged all the same
    readable = {name: text for name, text in environ.items() if not _is_wrong(name, environ)}
    *files, last = _inspections(Settings.load(readable))
    yield from files
    yield Inspection(last.what, (*problems.found, *last.problems))


def of_extra(settings: Settings) -> Inspection:
    """What is wrong in the folder of a user's own, whatever it makes red."""
    from stockbook.night import extra

    folder = _inspect("own reports", lambda: extra.require(dataclasses.replace(settings, extra_fails="night")))
    return Inspection(f"own reports in {settings.extra_dir}", folder.problems)


def _is_wrong(name: str, environ: Mapping[str, str]) -> bool:
    if name not in NAMES:
        return False
    try:
        Settings.load({name: environ[name]})
    except ConfigError:
        return True
    return False


def _inspections(settings: Settings) -> Iterator[Inspection]:
    from stockbook import declaration_files
    from stockbook.alerts import rules
    from stockbook.metrics import files as metrics
    from stockbook.sla import calendar, policy, statuses
    from stockbook.valuation.policy import read_for

    folder = settings.policy_dir
    calendars: dict[str, calendar.Calendar] | None = None

    def read_calendars() -> None:
        nonlocal calendars
        calendars = calendar.read(folder / "calendar.yml")

    yield _inspect("calendar.yml", read_calendars)
    yield _inspect("sla.yml", lambda: policy.read(folder / "sla.yml", calendars))
    yield _inspect("statuses.yml", lambda: statuses.read(folder / "statuses.yml"))
    yield _inspect("valuation.yml", lambda: read_for(folder, settings.zone))
    yield _inspect_optional(folder, rules.FILE, lambda: rules.read(folder))
    yield _inspect_optional(folder, channels.FILE, lambda: channels.read(folder))
    yield _inspect_optional(folder, money.FILE, lambda: money.read(folder))
    yield _inspect_optional(folder, accounts.FILE, lambda: accounts.read(folder))
    yield _inspect_optional(folder, retention_policy.FILE, lambda: retention_policy.of(settings))
    yield _inspect("declarations", lambda: declaration_files.load(settings.models_dir))
    yield _inspect("metrics", lambda: metrics.load(settings.models_dir, declaration_files.load(settings.models_dir)))
    yield _inspect("settings", *(_of(judge, settings) for judge in _JUDGES))


def _of(judge: Callable[[Settings], None], settings: Settings) -> Callable[[], None]:
    return lambda: judge(settings)


def _inspect(what: str, *reads: Callable[[], object]) -> Inspection:
    problems = Problems()
    for read in reads:
        with problems.gathered():
            read()
    return Inspection(what, tuple(problems.found))


def _inspect_optional(folder: Path, name: str, read: Callable[[], object]) -> Inspection:
    look = _inspect(name, lambda: _refuse_almost(folder, name), read)
    return look if (folder / name).exists() else look._replace(absent=f"{name} is not in {folder}: {WITHOUT[name]}")


def _refuse_almost(folder: Path, name: str) -> None:
    """A file that may be missing: under a misspelt name its rules would not be read."""
    if not (folder / name).exists():
        names = [file.name for file in folder.glob("*.y*ml") if file.name not in FILES]
        almost = difflib.get_close_matches(name, names, 1, cutoff=0.8)
        if almost:
            raise ConfigError(f"{almost[0]} in {folder} is not read: expected {name}.")


def _names(settings: Settings) -> None:
    problems = Problems()
    for name in sorted(settings.written.keys() - NAMES):
        almost = difflib.get_close_matches(name, sorted(NAMES), 1)
        problems.found.append(
            f"{name} is no setting of Stockbook: "
            + (f"is {almost[0]} meant?" if almost else "docs/running.md lists them all; unset it.")
        )
    problems.settle()


def _folders(settings: Settings) -> None:
    problems = Problems()
    if settings.home.exists() and not settings.home.is_dir():
        problems.found.append(f"STOCKBOOK_HOME must be a folder; {settings.home} is none.")
    for name, folder in (
        ("STOCKBOOK_POLICY_DIR", settings.policy_dir),
        ("STOCKBOOK_MODELS_DIR", settings.models_dir),
    ):
        if not folder.is_dir():
            problems.found.append(f"{name} must be a folder that exists; {folder} is none.")
    problems.settle()


def _schedules(settings: Settings) -> None:
    from croniter import croniter

    problems = Problems()
    for name in SCHEDULES:
        text = settings.written.get(name) or "none"
        if text != "none" and not croniter.is_valid(text):
            problems.found.append(
                f"{name} must be a cron expression such as '15 2 * * *' (a quarter past two), or none; got {text!r}."
            )
    problems.settle()


def _locale(settings: Settings) -> None:
    from stockbook.morning.locale import locale_of

    locale_of(settings)


def _inbox(settings: Settings) -> None:
    if settings.inbox_database:
        from stockbook.inbox.engine import read_url

        read_url(settings.inbox_url)


def _backups(settings: Settings) -> None:
    if settings.backup_to:
        from stockbook.backup.store import require_address

        require_address(settings.backup_to)


def _certificate(settings: Settings) -> None:
    from stockbook.health.certificate import check_place

    if settings.written.get("STOCKBOOK_HOOKS_CERTIFICATE"):
        check_place(settings.certificate)


def _fernet(settings: Settings) -> None:
    from cryptography.fernet import Fernet

    for key in settings.fernet_keys:
        try:
            Fernet(key)
        except ValueError:
            where = "STOCKBOOK_FERNET_KEY" if settings.written.get("STOCKBOOK_FERNET_KEY") else "Airflow's fernet_key"
            raise ConfigError(
                f"{where} must be 32 bytes in URL-safe base64 (or several, comma separated), as Fernet.generate_key "
                "makes them; it is not."
            ) from None


def _connections(settings: Settings) -> None:
    from stockbook.places import named

    named(settings.written)


def _notifiers(settings: Settings) -> None:
    from stockbook.alerts import notify

    problems = Problems()
    for text, variable in (
        (settings.alert_notifier, notify.VARIABLE),
        (settings.report_notifier, notify.OF_REPORT),
        (settings.packs_notifier, notify.OF_PACKS),
    ):
        with problems.gathered():
            notifier = notify.parse(text, variable)
            if notifier is not None:
                notify.make(notifier)
    problems.settle()


def _fleet(settings: Settings) -> None:
    from stockbook.fleet_settings import FleetSettings

    FleetSettings.load(settings.home, settings.written)


_JUDGES: tuple[Callable[[Settings], None], ...] = (
    _names,
    _folders,
    _schedules,
    _locale,
    _inbox,
    _backups,
    _certificate,
    _fernet,
    _connections,
    _notifiers,
    _fleet,
)
