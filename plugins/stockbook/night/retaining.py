"""The command and the task of retention: the home's lock is taken, what is too old is told or removed."""

from collections.abc import Iterable

from stockbook.backup.snapshot import at_rest
from stockbook.errors import ConfigError
from stockbook.night import retention
from stockbook.night.retention import Due
from stockbook.night.tonight import Night
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import RETENTION

NOTHING = "Nothing is older than it is kept."


def retain(night: Night, is_dry: bool = False, wait: bool = False) -> list[str]:
    """
    Remove what is older than ``retention.yml`` keeps it, or only look; what there is to say.

    Safe to call again. ``wait`` is for a night under way, an hour at most; else raises RunLocked. Raises ConfigError
    where the file is wrong and in a fleet.
    """
    if night.settings.is_of_fleet:
        raise ConfigError(
            "This machine works for a fleet, whose books are not in this home: `stockbook retention` looks after all "
            "of them when store, control database and lake are set. Nothing was done."
        )
    if not night.settings.home.exists():
        return [f"There is no {night.settings.home} yet: the first night makes it."]
    run_id = run_id_of(f"retention-{night.clock.utc():%Y%m%dT%H%M%S}")
    if wait:
        with at_rest(night.settings, night.clock, night.progress, run_id, RETENTION):
            return _sentences(night, run_id, is_dry)
    night.lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with night.lock.step(run_id, RETENTION):
            return _sentences(night, run_id, is_dry)
    finally:
        night.lock.release(run_id)


def sentences_of(classes: Iterable[Due], is_dry: bool) -> list[str]:
    """What went of each class, or would, and what is lost with it."""
    sentences = []
    for due in classes:
        sentences.append(due.sentence() + (" would go" if is_dry else " are gone") + ".")
        sentences.append(f"  A later replay cannot answer: {due.lost}.")
    return sentences


def _sentences(night: Night, run_id: str, is_dry: bool) -> list[str]:
    classes = retention.look(night) if is_dry else retention.drop(night, run_id)
    sentences = sentences_of(classes, is_dry) or [NOTHING]
    sentences += retention.cannot_answer(night.settings) if is_dry else []
    return sentences
