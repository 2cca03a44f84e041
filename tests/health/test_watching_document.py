"""What docs/watching.md tells to type works, and its tables name what there is."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import hooks_rig as hooks
import pytest
from checkout import PROJECT
from hooks_rig import receiving
from model_runner import POLICY
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.health.metrics import SAYS
from stockbook.health.parts import LOOKS

PAGE = (PROJECT / "docs" / "watching.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
# commands of the tables that are run here: those that ask a sender or Airflow are run where these are tested
ASKED = [word for word in re.findall(r"`(stockbook [a-z ]+)`", PAGE) if not re.search("hooks|fleet", word)]


@pytest.mark.parametrize("line", sorted({line for line in LINES if line.startswith("stockbook")} | set(ASKED)))
def test_every_command_of_the_page_runs(line: str, home_after_a_night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a home after a night of long ago: health asks for a person, the others say what they are asked."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(home_after_a_night))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)
    words = shlex.split(re.split(r" [>|#]", line)[0], comments=True)
    done = CliRunner().invoke(app, words[1:])

    assert done.stdout
    assert (done.exit_code, type(done.exception)) == ((1, SystemExit) if "health" in words else (0, type(None)))


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_metrics_are_read_as_the_page_says(tmp_path: Path) -> None:
    """A token is made, a receiver has it, and curl reads with it; with another it fails."""
    [token_line] = [line for line in LINES if line.startswith("export")]
    [curl_line] = [line for line in LINES if line.startswith("curl")]
    shell = ["bash", "-c", f"{token_line}\nprintf %s $STOCKBOOK_METRICS_TOKEN"]
    token = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    with receiving(hooks.variables(tmp_path / "home", STOCKBOOK_METRICS_TOKEN=token), tmp_path) as receiver:
        command = curl_line.replace("http://127.0.0.1:8400/stockbook", receiver.url)
        answers = [
            subprocess.run(
                ["bash", "-c", command], env=os.environ | {"STOCKBOOK_METRICS_TOKEN": sent}, capture_output=True,
                text=True, check=False,
            )
            for sent in (token, token[:-1])
        ]  # fmt: skip

    assert 'stockbook_health{part="receiver"} 1' in answers[0].stdout
    # 22: an answer from 400 on
    assert (answers[1].returncode, answers[1].stdout) == (22, "")


def test_the_page_names_every_part_and_metric() -> None:
    """Nothing is shown that the tables do not explain."""
    assert [name for name in LOOKS if f"| `{name}` |" not in PAGE] == []
    assert [name for name in SAYS if f"| `{name}` |" not in PAGE] == []


def test_the_rule_of_the_page_is_a_shipped_one() -> None:
    """Word for word, so that its floor and ceiling are what the figures were counted with."""
    [line] = re.findall(r"  - {rule: .*}", PAGE)

    assert line in (POLICY / "alerts.yml").read_text().splitlines()
