"""The close of a month as Airflow calls it: a button with parameters."""

from typing import Any

from stockbook.clock import SystemClock
from stockbook.orchestration.steps import plain_errors
from stockbook.progress import Logged
from stockbook.settings import Settings


def close_month(context: Any) -> str:
    """Sign a month, or look at it in a dry run; what was signed, in a sentence."""
    from stockbook.closing.request import request_of
    from stockbook.closing.summary import summary
    from stockbook.night import closing
    from stockbook.night.tonight import Night

    with plain_errors():
        clock = SystemClock()
        tonight = Night(Settings.load(), clock, Logged(clock))
        parameters = dict(context["params"])
        is_dry = bool(parameters.pop("dry_run", False))
        request = request_of(parameters, is_dry)
        if is_dry:
            looks, sentences = closing.look(tonight, request), ["Nothing was signed: this was a dry run."]
        else:
            signed, looks = closing.close(tonight, request)
            sentences = [*signed.sentences, *signed.notes]
        for looked in looks:
            for line in summary(looked.draft.close, looked.draft.lines, looked.objections):
                tonight.progress.note(line)
        for sentence in sentences:
            tonight.progress.note(sentence)
        return sentences[0]
