"""The sandbox's commands, as processes of their own."""

import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from stockbook.cli.sandbox import app

SIZE = ["--seed", "4", "--variants", "40", "--orders-count", "50"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server in a process: the line it printed, and its ready file."""
    ready = tmp_path / "ready.json"
    words = ["serve", *SIZE, "--clock", "2025-06-01T02:15:00", "--token", "t0", "--ready-file", str(ready)]
    with subprocess.Popen(
        [sys.executable, "-m", "stockbook", "sandbox", *words],
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        select.select([started.stdout], [], [], 60)
        yield started.stdout.readline(), ready
        started.send_signal(signal.SIGTERM)
        started.wait(timeout=10)


@pytest.mark.slow
def test_serve_says_where_and_truth_asks_there(process: tuple[str, Path], tmp_path: Path) -> None:
    """The printed line and the ready file name a server that answers; its truth equals one built from the same seed."""
    line, ready = process
    ready_content = json.loads(ready.read_text())
    served_truth, built = tmp_path / "asked.json", tmp_path / "built.json"
    at = ["--at", "2025-06-01T02:15:00"]

    assert line == f"sandbox listening on {ready_content['url']} token t0 clock 2025-06-01T02:15:00\n"
    assert ready_content["token"] == "t0"
    answer = requests.get(f"{ready_content['url']}/v2/fulfillment/orders", headers={"Authorization": "t0"}, timeout=10)
    runner = CliRunner()
    assert runner.invoke(app, ["truth", *at, "--url", ready_content["url"], "--out", str(served_truth)]).exit_code == 0
    assert runner.invoke(app, ["truth", *at, *SIZE, "--out", str(built)]).exit_code == 0
    truth = json.loads(served_truth.read_text())
    assert truth == json.loads(built.read_text())
    assert answer.json()["totalCount"] == truth["counts"]["orders"] > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["serve", *SIZE, "--host", "0.0.0.0"], "serves loopback only"),
        (["serve", "--clock", "tomorrow"], "A local time like 2025-06-01T02:15:00 was expected; got 'tomorrow'."),
        (["serve", "--orders", "nowhere.parquet"], "there is no such file"),
        (["truth", "--at", "2025-06-01", "--out", "t.json", "--url", "http://example.com"], "must be http on loopback"),
    ],
)
def test_a_wrong_option_is_one_sentence(words: list[str], sentence: str) -> None:
    """Exit code 1 and what was expected, as of every command; no traceback."""
    command = [sys.executable, "-m", "stockbook", "sandbox", *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("stockbook: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_worked_examples_are_a_shop(tmp_path: Path) -> None:
    """``--shop examples`` is the page's ledger: the late receipt of ten comes between the two nights."""
    truth = {}
    for at in ("2025-03-10T02:15:00", "2025-06-10T02:15:00"):
        out = tmp_path / "truth.json"
        result = CliRunner().invoke(app, ["truth", "--shop", "examples", "--at", at, "--out", str(out)])
        assert result.exit_code == 0, result.output
        truth[at[:10]] = json.loads(out.read_text())["counts"]
    first, second = truth["2025-03-10"], truth["2025-06-10"]
    assert (second["movements"] - first["movements"], second["quantity"] - first["quantity"]) == (1, 10)
    assert first["variants"] == second["variants"] > 20
