"""
One look at everything an operator writes: all policy files and all settings, with all that is wrong in them.

A night takes it before it opens, ``stockbook doctor`` and ``stockbook policy check`` say it line by line. What is wrong
is found here and not hours later, in the step that happens to need it.
"""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from stockbook.errors import ConfigError, Problems
from stockbook.settings import NAMES, Settings

FILES = ("calendar.yml", "sla.yml", "statuses.yml", "valuation.yml", "alerts.yml")
SCHEDULES = ("STOCKBOOK_SCHEDULE", "STOCKBOOK_DRAIN_SCHEDULE")


class Look(NamedTuple):
    """A file or a group of settings that was looked at, and what is wrong with it, a sentence each."""

    what: str
    problems: tuple[str, ...]


def require(settings: Settings) -> None:
    """Raise ConfigError with everything that is wrong in any policy file or setting."""
    problems = [problem for look in _looks(settings) for problem in look.problems]
    if problems:
        raise ConfigError(*problems)


def looks(environ: Mapping[str, str] = os.environ) -> Iterator[Look]:
    """Everything there is to look at, also where the settings cannot be read as a whole."""
    problems = Problems()
    with problems.gathered():
        yield from _looks(Settings.load(environ))
        return
    # what stands in the variables that can be read is judged all the same
    readable = {name: text for name, text in environ.items() if not _is_wrong(name, environ)}
    *files, last = _looks(Settings.load(readable))
    yield from files
    yield Look(last.what, (*problems.found, *last.problems))


def _is_wrong(name: str, environ: Mapping[str, str]) -> bool:
    if name not in NAMES:
        return False
    try:
        Settings.load({name: environ[name]})
    except ConfigError:
        return True
    return False


def _looks(settings: Settings) -> Iterator[Look]:
    from stockbook import declarations
    from stockbook.alerts import rules
    from stockbook.sla import calendar, policy, statuses
    from stockbook.valuation.policy import read_for

    folder = settings.policy_dir
    calendars: dict[str, calendar.Calendar] | None = None

    def read_calendars() -> None:
        nonlocal calendars
        calendars = calendar.read(folder / "calendar.yml")

    yield _look("calendar.yml", read_calendars)
    yield _look("sla.yml", lambda: policy.read(folder / "sla.yml", calendars))
    yield _look("statuses.yml", lambda: statuses.read(folder / "statuses.yml"))
    yield _look("valuation.yml", lambda: read_for(folder, settings.zone))
    yield _look(rules.FILE, lambda: _refuse_almost(folder, rules.FILE), lambda: rules.read(folder))
    yield _look("declarations", lambda: declarations.load(settings.models_dir))
    yield _look("settings", *(_of(judge, settings) for judge in _JUDGES))


def _of(judge: Callable[[Settings], None], settings: Settings) -> Callable[[], None]:
    return lambda: judge(settings)


def _look(what: str, *reads: Callable[[], object]) -> Look:
    problems = Problems()
    for read in reads:
        with problems.gathered():
            read()
    return Look(what, tuple(problems.found))


def _refuse_almost(folder: Path, name: str) -> None:
    """The one file that may be missing: misspelt, its rules would be nobody's."""
    if not (folder / name).exists():
        names = [file.name for file in folder.glob("*.y*ml") if file.name not in FILES]
        almost = difflib.get_close_matches(name, names, 1, cutoff=0.8)
        if almost:
            raise ConfigError(f"{almost[0]} in {folder} is read by nobody: expected {name}.")


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
    from stockbook.morning.publish_files import locale_of

    locale_of(settings)


def _inbox(settings: Settings) -> None:
    from stockbook.inbox.engine import read_url

    read_url(settings.inbox_url)


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
    ):
        with problems.gathered():
            notifier = notify.parse(text, variable)
            if notifier is not None:
                notify.make(notifier)
    problems.settle()


_JUDGES: tuple[Callable[[Settings], None], ...] = (
    _names,
    _folders,
    _schedules,
    _locale,
    _inbox,
    _fernet,
    _connections,
    _notifiers,
)
