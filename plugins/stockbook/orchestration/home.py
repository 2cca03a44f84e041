"""
An Airflow home for the project: the rendered ``airflow.cfg``, a migrated database, the writer's pool.

Secrets are made once and kept in the home; rendering again keeps them.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from stockbook.airflow_database import without_driver
from stockbook.atomic_files import keep_private, umask, write_atomically
from stockbook.errors import ConfigError
from stockbook.project import own_or_shipped
from stockbook.settings import is_group_readable

USER = "admin"
DAGS, TEMPLATE = Path("dags"), Path("include", "airflow.cfg.template")
# the name Airflow's simple login looks for in the home
PASSWORDS = "simple_auth_manager_passwords.json.generated"
POOL = ("stockbook_writer", "1", "everything that opens the writer's file")
# in one process: each start of Airflow takes four seconds of a core
COMMANDS = (["db", "migrate"], ["pools", "set", *POOL])
_NO_MODULE = re.compile(r"No module named '(\w+)'")
_PROGRAM = """
import json, sys
from airflow.__main__ import main
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    print("airflow", *words[:2], flush=True)
    main()
"""

# `airflow standalone` ends its parts on Ctrl-C alone: ended otherwise it leaves a scheduler behind, which begins nights
# beside the next one; and as the first process of a container it would not end at all. As in a terminal every process
# hears of it, for a scheduler that is told twice waits for workers for ever, and those do not listen to SIGTERM
STANDALONE = """
import signal, sys
from contextlib import suppress
import psutil

def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for part in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            part.send_signal(signal.SIGINT)
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, end)
from airflow.__main__ import main
sys.argv[1:] = ["standalone"]
main()
"""


def environment(home: Path) -> dict[str, str]:
    """The variables an ``airflow`` command of this home needs: its own programs come first on the path."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]),
        # without the cache of compiled modules every command would take seconds more
        "PYTHONDONTWRITEBYTECODE": "",
        # both are chatter on every command
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }


def render(home: Path, port: int = 8080) -> Path:
    """Write ``airflow.cfg`` from the project's template; returns its path."""
    keep_private(is_group_readable())
    home.mkdir(parents=True, exist_ok=True)
    without = umask(is_group_readable())
    home.chmod(0o777 & ~without)
    _keep_private(home, without)
    values = _secrets(home) | {"dags": str(own_or_shipped(DAGS)), "airflow_home": str(home), "port": str(port)}
    values |= {"folder_mode": f"0o{0o777 & ~without:o}", "file_mode": f"0o{0o666 & ~without:o}"}
    text = own_or_shipped(TEMPLATE).read_text()
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    target = home / "airflow.cfg"
    write_atomically(target, text.encode())
    target.chmod(0o600)
    _login(home)
    return target


def _keep_private(home: Path, without: int) -> None:
    """Every program of Airflow reads this file first: what it writes has no wider rights then."""
    # with the folder that Python makes for it before it has read it
    (home / "config" / "__pycache__").mkdir(parents=True, exist_ok=True)
    text = (
        '"""Written by `stockbook setup`: whom the files of this Airflow are open to."""\n\nimport os\n\n'
        f"os.umask(0o{without:o})\n__all__: list[str] = []\n"
    )
    write_atomically(home / "config" / "airflow_local_settings.py", text.encode())


def _login(home: Path) -> None:
    """A password for the user of the template: left to itself, Airflow makes one and prints it into its log."""
    file = home / PASSWORDS
    if not file.exists():
        write_atomically(file, json.dumps({USER: secrets.token_urlsafe(12)}).encode())
        file.chmod(0o600)


def _secrets(home: Path) -> dict[str, str]:
    file = home / "stockbook-secrets.json"
    if file.exists():
        stored: dict[str, str] = json.loads(file.read_text())
        return stored
    fresh = {
        "fernet_key": Fernet.generate_key().decode(),
        "secret_key": secrets.token_urlsafe(32),
        "jwt_secret": secrets.token_urlsafe(32),
    }
    write_atomically(file, json.dumps(fresh).encode())
    file.chmod(0o600)
    return fresh


def prepare(home: Path, port: int = 8080, say: Callable[[str], object] = lambda text: None) -> None:
    """
    Render, migrate the database, make the pool; ``say`` is told before each.

    Raises ConfigError with the command's last line when one fails.
    """
    say(f"Writing Airflow's configuration into {home}")
    render(home, port)
    say("Making Airflow's database and the pool of the one writer (half a minute on a slow machine)")
    done = subprocess.run(  # noqa: S603  # our own program with our own words
        [sys.executable, "-c", _PROGRAM, json.dumps(COMMANDS)],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        if driver := _NO_MODULE.search(last):
            last = without_driver(driver[1])
        raise ConfigError(f"Airflow's database could not be made in {home}: {last}")
