"""
Extractions that are killed: run as a program by the tests.

Each reads the accounts of its plans one after the other and ends with SIGKILL before page number ``kill`` is renamed
into place (0: is not killed).
"""

import sys
from pathlib import Path

import msgspec
from forked import each_in_a_fork, kill_this_process

from stockbook import connections, declaration_files
from stockbook.clock import SystemClock
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.sources.extract import extract
from stockbook.sources.plan import AccountPlan

SETTINGS = Settings.load()
TABLES = declaration_files.load(SETTINGS.models_dir)


def read(plans: list[str], into: str, kill: int) -> None:
    """What one extraction does."""
    landed = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal landed
        if event == "os.rename" and "/page-" in str(arguments[1]):
            landed += 1
            if landed == kill:
                kill_this_process()

    sys.addaudithook(watch)
    for file in plans:
        plan = msgspec.json.decode(Path(file).read_bytes(), type=AccountPlan)
        raw = connections.from_environment(plan.api)
        assert raw is not None
        account = connections.account_from(plan.api, raw)
        extract(account, plan, Path(into), TABLES, SETTINGS.hash_key or b"", SystemClock(), Silent())


each_in_a_fork(read)
