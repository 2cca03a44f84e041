"""Maintenance as Airflow calls it."""

from functools import partial
from typing import TYPE_CHECKING, Any

from stockbook.atomic_files import keep_private
from stockbook.clock import SystemClock, local
from stockbook.counted import counted
from stockbook.errors import StoreDamaged
from stockbook.orchestration.readiness import begun
from stockbook.orchestration.steps import Red, plain_errors, skip_if
from stockbook.progress import Logged, Progress
from stockbook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stockbook.erasure.requests import Forget
    from stockbook.night.tonight import Night

_SUNDAY = 7


_OF_FLEET = "This machine works for a fleet: see docs/retention.md for what its maintenance does."
_NO_REQUESTS = (
    "This machine works for a fleet without STOCKBOOK_INBOX_URL, so that no request can wait (docs/erasure.md)."
)


def forget(context: Any) -> str:  # every body of a task takes its context
    """Work off the requests of people to be forgotten; what was done, never for whom. In a fleet in every account."""
    from stockbook.erasure.requests import work_off

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        keep_private(settings.group_readable)
        progress = Logged(clock)
        skip_if(progress, _NO_REQUESTS if settings.is_of_fleet and not settings.inbox_database else None)
        return _noted(progress, work_off(settings, clock, progress, _forget_of_fleet(settings, progress)))


def _forget_of_fleet(settings: Settings, progress: Progress) -> "Forget | None":
    from stockbook.fleet_settings import FleetSettings

    if FleetSettings.load(settings.home) is None:
        return None
    from stockbook.fleet.forgetting import forget_waiting
    from stockbook.fleet.work import Fleet

    return partial(forget_waiting, Fleet.here(progress))


def retain(context: Any) -> str:  # every body of a task takes its context
    """
    Remove what is older than retention.yml keeps it; what went. Skipped before the first night.

    In a fleet of every account; one that is at work is left, and the task red until it was met.
    """
    from stockbook.fleet_settings import FleetSettings
    from stockbook.night import retaining

    with plain_errors():
        settings = Settings.load()
        if FleetSettings.load(settings.home) is not None:
            return _retain_in_fleet()
    return _over_books(lambda night: retaining.retain(night, wait=True), "nothing is older than it is kept")


def _retain_in_fleet() -> str:
    from stockbook.fleet.retaining import retain
    from stockbook.fleet.work import Fleet

    progress = Logged(SystemClock())
    done = retain(Fleet.here(progress))
    said = _noted(progress, done.sentences)
    if done.refused:
        left = " ".join(f"{name}: {why}" for name, why in done.refused.items())
        raise Red(f"{counted(len(done.refused), 'account')} could not be done, and the others are. {left}")
    return said


def compact(context: Any) -> str:  # every body of a task takes its context
    """Write the writer's file anew where most of it is free. Skipped in a fleet and before the first night."""
    from stockbook.night import compacting

    return _over_books(
        lambda night: compacting.compact(night, at_least=compacting.MOSTLY), "nothing is to be written anew"
    )


def _over_books(work: "Callable[[Night], list[str]]", nothing: str) -> str:
    """What work over the books of this machine has to say; skipped in a fleet, and where there are none."""
    from stockbook.night.tonight import Night

    with plain_errors():
        clock, settings = SystemClock(), Settings.load()
        progress = Logged(clock)
        missing = _OF_FLEET if settings.is_of_fleet else None
        if missing is None and not begun(settings):
            missing = f"There are no books yet: {nothing}."
        skip_if(progress, missing)
        return _noted(progress, work(Night(settings, clock, progress)))


def _noted(progress: Progress, sentences: "Sequence[str]") -> str:
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
