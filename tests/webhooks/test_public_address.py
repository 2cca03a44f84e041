"""`stockbook hooks status --try`: whether the address that senders have reaches a receiver, or where it ends."""

import json
import os
from pathlib import Path

import pytest
from hooks_rig import receiving
from loopback import Answer, serving
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.hooks import app
from stockbook.webhooks.public_address import reach

REFUSAL = b'{"status":"refused"}'


def test_a_receiver_is_known_by_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command asks the address of fulfillment.cz below the one it is told; without an address it says so."""
    connection = json.dumps({"conn_type": "generic", "password": "a token"})
    monkeypatch.setenv("AIRFLOW_CONN_FULFILLMENT_CZ", connection)
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)

    with receiving(dict(os.environ), tmp_path / "receiver") as receiver:
        tried = CliRunner().invoke(app, ["status", "--try", "--address", f"{receiver.url}/hooks"])
        wrong = CliRunner().invoke(app, ["status", "--try", "--address", f"{receiver.url}/erp/hooks"])
    unknown = CliRunner().invoke(app, ["status", "--try"])

    assert (tried.exit_code, wrong.exit_code, unknown.exit_code) == (0, 1, 0)
    assert f"ok  {receiver.url}/hooks/fulfillment_cz/main reaches a receiver" in tried.stdout
    assert "answers 404, and a receiver would answer 405: the proxy does not pass this path on" in wrong.stdout
    assert "say it with --address" in unknown.stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"", 301, {"Location": "https://books.example.com/stockbook/hooks/"}), "a redirect is a failure"),
        (Answer(b"", 502), "no receiver behind it"),
        (Answer(REFUSAL, 200), "something else listens there"),
        (Answer(b"<html>Method not allowed</html>", 405), "something else listens there"),
        (Answer(b"", 401), "asks who you are"),
    ],
)
def test_whatever_else_answers_is_told_by_what_to_do(answer: Answer, said: str) -> None:
    """A page of a login, a proxy without a receiver, another program."""
    with serving(lambda _: answer) as url:
        reached = reach(f"{url}/stockbook/hooks/fulfillment_cz/main")

    assert not reached.good
    assert said in reached.sentence


def test_nobody_there_is_told_as_what_this_machine_sees() -> None:
    """From within a network a public address often cannot be reached, and from outside it can."""
    reached = reach("https://127.0.0.1:9/stockbook/hooks/fulfillment_cz/main")

    assert not reached.good
    assert "gave this machine no answer: check the host of the address" in reached.sentence
    assert "ask it from another network" in reached.sentence
