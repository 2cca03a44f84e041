"""Maintenance as Airflow calls it."""

from typing import Any

from stockbook.atomic_files import keep_private
from stockbook.clock import SystemClock, local
from stockbook.errors import StoreDamaged
from stockbook.orchestration.readiness import begun
from stockbook.orchestration.steps import plain_errors, skip_if
from stockbook.progress import Logged
from stockbook.settings import Settings

_SUNDAY = 7


_OF_FLEET = "This machine works for a fleet: see docs/retention.md and docs/erasure.md for what its maintenance does."


def forget(context: Any) -> str:  # every body of a task takes its context
    """Work off the requests of people to be forgotten; what was done, never for whom. Skipped in a fleet."""
    from stockbook.erasure.requests import work_off

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        keep_private(settings.group_readable)
        progress = Logged(clock)
        skip_if(progress, _OF_FLEET if settings.is_of_fleet else None)
        sentences = work_off(settings, clock, progress)
        for sentence in sentences:
            progress.note(sentence)
        return " ".join(sentences)


def retain(context: Any) -> str:  # every body of a task takes its context
    """Remove what is older than retention.yml keeps it; what went. Skipped in a fleet and before the first night."""
    from stockbook.night import retaining
    from stockbook.night.tonight import Night

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        progress = Logged(clock)
        missing = _OF_FLEET if settings.is_of_fleet else None
        if missing is None and not begun(settings):
            missing = "There are no books yet: nothing is older than it is kept."
        skip_if(progress, missing)
        sentences = retaining.retain(Night(settings, clock, progress), wait=True)
        for sentence in sentences:
            progress.note(sentence)
        return " ".join(sentences)


def compact(context: Any) -> str:  # every body of a task takes its context
    """Write the writer's file anew where most of it is free. Skipped in a fleet and before the first night."""
    from stockbook.night import compacting
    from stockbook.night.tonight import Night

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        progress = Logged(clock)
        missing = _OF_FLEET if settings.is_of_fleet else None
        if missing is None and not begun(settings):
            missing = "There are no books yet: nothing is to be written anew."
        skip_if(progress, missing)
        sentences = compacting.compact(Night(settings, clock, progress), at_least=compacting.MOSTLY)
        for sentence in sentences:
            progress.note(sentence)
        return " ".join(sentences)


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


def verify(context: Any) -> str:  # every body of a task takes its context
    """On Sundays read the newest backup to its last byte; red where it is not what was written."""
    from stockbook.backup.store import open_store
    from stockbook.backup.verify import verify as verified

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        if local(clock, settings.zone).isoweekday() != _SUNDAY:
            return "Backups are verified on Sundays."
        verdict = verified(open_store(settings.backup_to))
        if verdict.problems:
            raise StoreDamaged(" ".join(verdict.problems))
        return f"Every piece of backup {verdict.backups[-1].name} is what was written."
