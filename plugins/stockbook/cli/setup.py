"""
``stockbook setup``: everything a first night needs but the connections, said stage by stage, and the next step.

It may be run again: what is there stays, the key above all.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from stockbook import airflow_config, declaration_files, hash_key
from stockbook.atomic_files import write_atomically
from stockbook.errors import ConfigError
from stockbook.inbox import Inbox
from stockbook.orchestration.home import PASSWORDS, USER, prepare
from stockbook.settings import KEY_FILE, Settings


def set_up(home: Path, port: int, say: Callable[[str], object]) -> Iterator[str]:
    """Make the Airflow home ``home``; yields at its end what a person needs to know. Raises ConfigError."""
    prepare(home, port, say)
    environ = {**os.environ, "AIRFLOW_HOME": str(home)}
    of_the_key = _key(home, Settings.load(environ))
    settings = Settings.load(environ)
    say("Making the inbox of webhooks")
    Inbox.open(settings.inbox_url).close()  # makes or migrates its tables
    say("Compiling what reads and values fast (a minute on a slow machine; once)")
    compile_once(settings)
    yield "Stockbook is set up."
    yield from doors(home)
    yield of_the_key
    if home != airflow_config.default_home(os.environ):
        yield f"home      this one is found with AIRFLOW_HOME={home}"
    yield "next      add your connections (README.md says how), see with `stockbook doctor` what is missing, and start"
    yield "          Airflow with `stockbook start`: it answers at that address half a minute later"


def doors(home: Path) -> list[str]:
    """Where Airflow's page is, and who logs in."""
    url = airflow_config.setting({"AIRFLOW_HOME": str(home)}, "api", "base_url")
    return [
        f"address   {url}",
        f"user      {USER}; the password stands in {home / PASSWORDS}",
    ]


def _key(home: Path, settings: Settings) -> str:
    """What is said of the key of personal data; one is made where there is none and no books need another."""
    file = home / KEY_FILE
    if settings.hash_key is None:
        try:
            hash_key.require_none(settings)
        except ConfigError as error:
            return f"key       {error}"
        write_atomically(file, secrets.token_hex(32).encode())
        file.chmod(0o600)
    if os.environ.get("STOCKBOOK_HASH_KEY"):
        return "key       that of STOCKBOOK_HASH_KEY: keep a copy of it for ever"
    return f"key       {file}: personal data is hashed with it. Keep a copy among your backups, for ever"


def compile_once(settings: Settings) -> None:
    """Compile what is not yet compiled, so that the first night need not."""
    from stockbook.jsonscan import fast_path
    from stockbook.models.programs import BuildContext
    from stockbook.valuation.program import warm_up

    tables = declaration_files.load(settings.models_dir)
    warm_up(BuildContext(datetime.fromisoformat("1970-01-01"), "warm-up", settings.zone, settings.policy_dir, tables))
    fast_path.warm_up()
