"""A PostgreSQL server of the tests' own: in a temporary folder, on loopback, stopped at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SETTINGS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on"


def _programs() -> Path | None:
    """The folder of the server's programs: on the path, or where Debian puts them."""
    program = shutil.which("initdb")
    if program:
        return Path(program).resolve().parent
    return next((file.parent for file in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


def _user() -> dict[str, object]:
    """Whom the server runs as: the person at the keyboard, or some plain user, since it refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no plain user to run it as")


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database; skips the test where the server's programs or the driver are not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'psycopg[binary]'")
    who = _user()
    with tempfile.TemporaryDirectory(prefix="stockbook-postgres-") as folder:
        if who:
            os.chown(folder, int(str(who["user"])), int(str(who["group"])))
        data = Path(folder) / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        def run(*words: str) -> None:
            # no pipe: the server would inherit it and keep it open
            with (Path(folder) / "log").open("ab") as log:
                done = subprocess.run(words, cwd=folder, stdout=log, stderr=log, check=False, **who)  # type: ignore[call-overload]
            assert done.returncode == 0, (Path(folder) / "log").read_text()

        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "stockbook", "-A", "trust", "-E", "UTF8"]
        run(*initdb, "--locale", "C.UTF-8", "--no-sync")
        control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
        run(*control, "-o", f"-p {port} {SETTINGS}", "-l", str(data / "server.log"), "start")
        try:
            yield f"postgresql://stockbook@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")
