"""Maintenance as Airflow calls it."""

from typing import Any

from stockbook.atomic_files import keep_private
from stockbook.clock import SystemClock
from stockbook.orchestration.readiness import begun
from stockbook.orchestration.steps import plain_errors, skip_if
from stockbook.progress import Logged
from stockbook.settings import Settings


def backup(context: Any) -> str:  # every body of a task takes its context
    """Take a backup to the place of the setting; what was done. Skipped without a place or without books."""
    from stockbook.backup.store import open_store
    from stockbook.backup.take import take

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        keep_private(settings.group_readable)
        progress = Logged(clock)
        missing = None
        if not settings.backup_to:
            missing = "STOCKBOOK_BACKUP_TO is not set: set it to a folder of another disk or a store (docs/backup.md)."
        elif not begun(settings):
            missing = "There are no books yet: the first backup is taken after the first night."
        skip_if(progress, missing)
        sentences = take(settings, open_store(settings.backup_to), clock, progress).sentences()
        for sentence in sentences:
            progress.note(sentence)
        return sentences[0]
