"""Which run ended last and which one is under way, read from the folders of runs alone."""

from datetime import UTC, datetime
from pathlib import Path

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.runs import context, report
from stockbook.runs.lock import Holder, RunLock, has_died
from stockbook.runs.report import Report
from stockbook.settings import Settings


def under_way(settings: Settings) -> Holder | None:
    """The run that holds the home's lock; None also while a drain does, and when its process was killed."""
    holder = RunLock(settings.lock, SystemClock(), settings.lock_lease_seconds).holder()
    if holder is None or has_died(holder) or not context.folder(settings, holder.run_id).exists():
        return None
    return holder


def last_ended(settings: Settings) -> Report | None:
    """
    The newest run that ended, green or red.

    Of one that left no report, because it was killed or the disk was full, what its steps say. Raises ConfigError for
    one whose report was altered and that has nothing else.
    """
    holder = under_way(settings)
    folders = sorted((folder for folder in settings.runs.glob("*") if _is_run(folder)), key=_touched, reverse=True)
    for folder in folders:
        if not (folder / "report.json").exists() and holder is not None and holder.run_id == folder.name:
            continue
        seen = _report(settings, folder)
        if seen is not None:
            return seen
    return None


def _is_run(folder: Path) -> bool:
    return (folder / "report.json").exists() or (folder / "steps").is_dir()


def _touched(folder: Path) -> int:
    file = folder / "report.json"
    return (file if file.exists() else folder / "steps").stat().st_mtime_ns


def _report(settings: Settings, folder: Path) -> Report | None:
    unreadable: ConfigError | None = None
    try:
        written = report.read(folder)
        if written is not None:
            return written
    except ConfigError as error:
        unreadable = error  # not as it was written: its steps say the same
    try:
        run = context.read(settings, folder.name)
    except ConfigError:
        if unreadable is not None:
            raise unreadable from None
        return None
    return report.make(folder, run, datetime.fromtimestamp(_touched(folder) / 1e9, UTC))
