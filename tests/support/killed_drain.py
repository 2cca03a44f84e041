"""
A drain that is killed: run as a program by the tests, in a home given by the environment.

``commit`` ends it with SIGKILL inside the transaction of its second batch, ``mark`` between the commit of its second
batch and the mark in the inbox; batches are of 500 events.
"""

import os
import signal
import sys
from typing import Any

from stockbook.clock import SystemClock
from stockbook.inbox import Inbox
from stockbook.night import steps
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.webhooks import drain

HALF_WAY = 2
calls = 0


def killed_at_second_call(function: Any) -> Any:
    """The same function; the second call is a power cut instead."""

    def call(*arguments: Any) -> Any:
        global calls  # noqa: PLW0603 - a program of one purpose
        calls += 1
        if calls == HALF_WAY:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return call


drain.BATCH = 500
if sys.argv[1] == "mark":
    Inbox.mark_drained = killed_at_second_call(Inbox.mark_drained)  # type: ignore[method-assign]  # a power cut cannot be asked for
else:
    drain._write_cursor = killed_at_second_call(drain._write_cursor)
steps.drain(steps.Night(Settings.load(), SystemClock(), Silent()), f"killed-{sys.argv[1]}")
