"""
Extractions that are killed: run as a program by the tests, which write a JSON object a line to its input.

Each is done by a fork, so that Python starts once: ``{"plans": [files], "into": folder, "kill": 3}``
reads the accounts of the plans one after the other and ends with SIGKILL before its third page is renamed into
place (0: is not killed). The exit status of the fork is written as a line.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from stockbook import connections, declarations
from stockbook.clock import SystemClock
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan

SETTINGS = Settings.load()
TABLES = declarations.load(SETTINGS.models_dir)


def read(task: dict[str, Any]) -> None:
    """What one extraction does."""
    landed = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal landed
        if event == "os.rename" and "/page-" in str(arguments[1]):
            landed += 1
            if landed == task["kill"]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    for file in task["plans"]:
        plan = msgspec.json.decode(Path(file).read_bytes(), type=AccountPlan)
        raw = connections.from_environment(plan.api)
        assert raw is not None
        account = connections.account_from(plan.api, raw)
        extract(account, plan, Path(task["into"]), TABLES, SETTINGS.hash_key or b"", SystemClock(), Silent())


for line in sys.stdin:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            read(json.loads(line))
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
