"""What the image runs, as its user: without rights, over a tree that nobody may write, writing in one folder."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from checkout import PROJECT
from night_rig import KEY

from stockbook.clock import SystemClock

pytestmark = pytest.mark.slow

# one without rights that every machine knows: Airflow wants a user with a name
USER = pwd.getpwnam("nobody").pw_uid
IS_ROOT = os.geteuid() == 0
# root becomes another; who is none stays who they are, and may not write the tree either
AS_USER: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if IS_ROOT else {}
Program = Callable[..., "subprocess.Popen[str]"]


def python_for_others() -> str | None:
    """An interpreter of this version that the user may run, with the packages of this environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    probe = ["-c", "import duckdb, starlette, sys; print(sys.version_info[:2])"]
    for program in (sys.executable, f"/usr/bin/python{version}"):
        try:
            done = subprocess.run(
                [program, *probe], env=packages(), **AS_USER, capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return program
    return None


def packages(*first: Path) -> dict[str, str]:
    """The variables that find packages: those of folders, then this environment's."""
    return {"PYTHONPATH": os.pathsep.join([*map(str, first), sysconfig.get_path("purelib")])}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The layout of the image: the wheel and a project, which nobody may write, and the volume of the user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "opt" / "lib")
    init = [sys.executable, "-m", "stockbook", "init", str(folder / "opt" / "project")]
    subprocess.run(init, env=os.environ | packages(folder / "opt" / "lib"), check=True, capture_output=True)
    (folder / "data").mkdir(mode=0o700)
    for path in (folder / "opt", *(folder / "opt").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if IS_ROOT:
        os.chown(folder / "data", USER, USER)
    yield folder
    for path in (folder / "opt", *(folder / "opt").rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def stockbook(image: Path) -> Program:
    """Starts a command as the image does: its user, its working folder, its variables."""
    program = python_for_others()
    if program is None:
        pytest.skip("no Python of this version that another user may run")
    data = image / "data"
    variables = {
        **packages(image / "opt" / "lib"),
        "HOME": str(data),
        "AIRFLOW_HOME": str(data / "airflow"),
        "STOCKBOOK_HOME": str(data / "books"),
        "NUMBA_CACHE_DIR": str(data / "compiled"),
        "STOCKBOOK_HASH_KEY": KEY,
        "PATH": os.environ["PATH"],
    }

    def start(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [program, "-m", "stockbook", *words],
            cwd=image / "opt" / "project",
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **AS_USER,
        )

    return start


def test_the_tree_cannot_be_written_by_the_user(image: Path, stockbook: Program) -> None:
    """Else the tests below would show nothing."""
    ended = stockbook("init", str(image / "opt" / "another"))
    _, errors = ended.communicate(timeout=120)

    assert ended.returncode == 1
    assert "Permission denied" in errors


def test_commands_read_the_project_of_the_image(stockbook: Program) -> None:
    """Its policies are right; nothing was published yet, and health says so in words."""
    checked, looked = stockbook("policy", "check"), stockbook("health")
    policies, _ = checked.communicate(timeout=120)
    health, _ = looked.communicate(timeout=120)

    assert checked.returncode == 0, policies
    assert looked.returncode == 1
    assert "NO  published: none" in health


def test_the_receiver_answers_its_health_check_and_writes_its_volume_alone(image: Path, stockbook: Program) -> None:
    """It makes its inbox in the volume, open to nobody else; the tree is as it was."""
    before = {path: path.stat().st_mtime_ns for path in (image / "opt").rglob("*")}
    ready = image / "data" / "ready.json"
    clock = SystemClock()
    receiver = stockbook("hooks", "serve", "--port", "0", "--ready-file", str(ready))
    try:
        until = clock.monotonic() + 120
        while not ready.exists():
            assert receiver.poll() is None, receiver.communicate()
            assert clock.monotonic() < until
            clock.sleep(0.2)
        # what the compose file asks, at the port of this test
        (path,) = re.findall(r"http://127\.0\.0\.1:8400(/[\w/]+)", (PROJECT / "compose.yml").read_text())
        answer = requests.get(urljoin(json.loads(ready.read_text())["url"], path), timeout=30)
    finally:
        receiver.send_signal(signal.SIGTERM)
        receiver.communicate(timeout=60)

    written = [path for path in (image / "data").rglob("*") if path.is_file()]
    assert answer.status_code == 200
    assert "inbox.db" in {path.name for path in written}
    assert {path.stat().st_mode & 0o077 for path in written if "books" in path.parts} == {0}
    assert {path: path.stat().st_mtime_ns for path in (image / "opt").rglob("*")} == before
