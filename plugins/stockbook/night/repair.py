"""A writer's file that is damaged is set aside, so that the books can be made again from landed pages."""

import os
from typing import NamedTuple

from stockbook.errors import RunLocked
from stockbook.night.reload import unfinished
from stockbook.night.steps import Night
from stockbook.runs.context import run_id_of
from stockbook.warehouse.connect import log_of
from stockbook.warehouse.file_errors import damage, opened_elsewhere


class Aside(NamedTuple):
    """Whether the writer's file is whole, and what was done, in a sentence."""

    is_whole: bool
    sentence: str


def set_aside(night: Night, name: str) -> Aside:
    """
    Read every value of the writer's file; one that cannot be read is renamed, with its log, and kept.

    A file that is lost, or that a killed replay left half made, needs nothing more. Raises RunLocked when a run is at
    work or another process has the file open.
    """
    file = night.settings.warehouse
    run_id = run_id_of(name)
    night.lock.take(run_id, wait=False, whole_run_here=True)
    try:
        if not file.exists() or unfinished(night.settings).exists():
            return Aside(False, f"{file} is not there, or half made: it is made again from {night.settings.landing}.")
        if opened_elsewhere(file):
            raise RunLocked(f"Another process has {file} open: stop it, then repair again. Nothing was done.")
        reason = damage(file)
        if reason is None:
            return Aside(True, f"{file} is whole, every value of it was read: nothing to repair.")
        away = file.with_name(f"{file.name}.damaged-{run_id}")
        if log_of(file).exists():
            os.replace(log_of(file), log_of(away))
        os.replace(file, away)
        return Aside(False, f"{file} is damaged ({reason}) and is {away.name} now; it is made again from landed pages.")
    finally:
        night.lock.release(run_id)
