"""What make says to who is new: every target is listed, and a wrong word or Python is answered with the next step."""

import os
import re
import subprocess
from pathlib import Path

from checkout import PROJECT


def make(*words: str) -> tuple[int, str]:
    """Exit code of make, and all that it says."""
    # the tests may themselves be started by make, which would tell of its folders
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *words], cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_target_that_says_what_it_does_is_listed() -> None:
    """Names with a digit too; each with its sentence behind it, in one column."""
    wanted = re.findall(r"^([\w-]+):.*?## ", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    code, said = make()

    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == wanted
    assert {len(re.match(r"\S+ +", line)[0]) for line in said.splitlines()} == {18}  # type: ignore[index]


def test_a_misspelt_target_is_answered() -> None:
    """And with the way to the right one."""
    code, said = make("strat")

    assert code == 2
    assert "There is no target strat: make without a word lists them." in said


def test_a_python_that_is_not_there_is_answered(tmp_path: Path) -> None:
    """With the versions that will do, before anything is made."""
    venv = tmp_path / "venv"
    code, said = make(f"VENV={venv}", "PYTHON=python9", f"{venv}/.uv")

    assert code == 2
    assert "There is no python9: Stockbook needs Python 3.11, 3.12 or 3.13. Name one with PYTHON=python3.11" in said
    assert not venv.exists()
