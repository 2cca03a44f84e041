"""The close of a month as Airflow calls it: a button with parameters."""

from typing import Any

from stockbook.clock import SystemClock
from stockbook.orchestration.steps import plain_errors
from stockbook.progress import Logged
from stockbook.settings import Settings


def close_month(context: Any) -> str:
    """Sign a month, or look at it in a dry run; what was signed, in a sentence."""
    from stockbook.night.closing import answer
    from stockbook.night.tonight import Night

    with plain_errors():
        clock = SystemClock()
        tonight = Night(Settings.load(), clock, Logged(clock))
        parameters = dict(context["params"])
        is_dry = bool(parameters.pop("dry_run", False))
        statements, sentences = answer(tonight, parameters, is_dry)
        for line in (*statements, *sentences):
            tonight.progress.note(line)
        return sentences[0]
