"""
The folder of a user's own reports on the machines of a fleet: the same on all of them, or nothing is published.

A lake has one table of a report, which its declaration makes. A worker with another folder, or none, would make another
of it for all accounts. Which folder it is, the run says by whose worker it was begun.
"""

from pathlib import Path

from stockbook import declaration_files
from stockbook.errors import ConfigError
from stockbook.extra_folder import digest_of
from stockbook.fleet.lake.own_reports import OwnReports
from stockbook.fleet.run_log import RunLog
from stockbook.settings import Settings


def in_lake(settings: Settings) -> OwnReports:
    """What a lake is given of the folder of this machine."""
    from stockbook.night.extra import planned

    if settings.extra_dir is None:
        return OwnReports()
    plan = planned(settings, declaration_files.load(settings.models_dir))
    return OwnReports(settings.extra_dir, plan, settings.limits.seconds, settings.extra_fails == "night")


def require_same(folder: Path | None, run_log: RunLog) -> None:
    """Raise ConfigError unless this machine's folder is that of the latest run; before the first any is right."""
    begun_with, here = run_log.own_reports(), digest_of(folder)
    if begun_with is None or begun_with == here:
        return
    own_folder = f"the folder {folder} ({here[:8]})" if folder else "no folder"
    expected = f"one with other contents ({begun_with[:8]})" if begun_with else "none"
    raise ConfigError(
        f"This worker has {own_folder} as STOCKBOOK_EXTRA_DIR, and the latest run was begun with {expected}: it would "
        "make other reports of all accounts. Give every machine the same folder; where it is this one, begin a run, or "
        "clear `accounts` of the latest."
    )
