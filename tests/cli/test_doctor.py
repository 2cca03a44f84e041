"""``stockbook doctor --try``: one request per connection, one line each."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from loopback import BASE, TOKEN, Answer, Request, Shop, as_json, serving, stock_level
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.main import app

REFUSED = as_json({"error": "unauthorized"}, status=401)


def doctor(
    home: Path, monkeypatch: pytest.MonkeyPatch, hosts: dict[str, str], *options: str, **extra: float
) -> tuple[int, list[str]]:
    """Exit code and the lines about connections, with an account of each source at a host."""
    for conn_id in ("FULFILLMENT_CZ", "FLICKROCKET", "FULFILLMENT_CZ__SECOND"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id}", raising=False)
    for conn_id, host in hosts.items():
        connection: dict[str, Any] = {"conn_type": "http", "host": host, "password": TOKEN, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
    monkeypatch.setenv("STOCKBOOK_HOME", str(home))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)
    result = CliRunner().invoke(app, ["doctor", *options])
    assert TOKEN not in result.output
    return result.exit_code, [line for line in result.output.splitlines() if "onnection " in line]


def nobody() -> str:
    """An address on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_connections_that_answer_are_told_with_what_they_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of one row, or a count; nothing is landed."""
    served = Shop(
        rows={"warehouse-variants": [stock_level(number) for number in range(3)]}, prices=[{"id": 1}, {"id": 2}]
    )
    with serving(served) as url:
        code, lines = doctor(tmp_path / "home", monkeypatch, {"fulfillment_cz": url, "flickrocket": url}, "--try")

    assert code == 0
    assert lines == [
        f"ok  connection flickrocket from the environment: {url}, 2 requests/s, answers (prices: 2)",
        f"ok  connection fulfillment_cz from the environment: {url}, 2 requests/s, answers (stock_levels: 3)",
    ]
    assert served.asked == {f"{BASE}warehouse-variants": 1, "/api/prices/count.json": 1}
    assert next(request.text("limit") for request in served.log if request.path.startswith(BASE)) == "1"
    assert not (tmp_path / "home").exists()


def test_no_limit_of_requests_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 requests a second would read as none."""
    _, lines = doctor(tmp_path, monkeypatch, {"fulfillment_cz": nobody()}, requests_per_second=0)

    assert [line.split(", ")[1].split(" (")[0] for line in lines] == ["requests not limited"]


def test_a_refused_token_and_a_host_that_is_not_there_name_their_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, what to do, exit code 1; the connection behind them is asked all the same, and nobody twice."""

    def refused(request: Request) -> Answer | None:
        return REFUSED if request.path.startswith("/api/") else None

    served = Shop(rows={"warehouse-variants": [stock_level(1)]}, before=refused)
    with serving(served) as url:
        hosts = {"flickrocket": url, "fulfillment_cz": nobody(), "fulfillment_cz__second": url}
        code, lines = doctor(tmp_path, monkeypatch, hosts, "--try")

    assert code == 1
    assert lines[0].startswith(
        "NO  Connection flickrocket: GET /api/prices/count.json was refused (status 401): the token of connection "
        "flickrocket is wrong, expired or lacks the right"
    )
    assert lines[1].startswith("NO  Connection fulfillment_cz: GET /v2/fulfillment/warehouse-variants got no whole")
    assert lines[2].endswith("answers (stock_levels: 1)")
    assert len(lines) == 3
    assert set(served.asked.values()) == {1}


def test_a_server_without_tls_names_the_scheme_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in TLS, it speaks plain http: the sentence says what to write."""
    with serving(Shop(rows={"warehouse-variants": [stock_level(1)]})) as url:
        tls = url.replace("http://", "https://")
        code, lines = doctor(tmp_path, monkeypatch, {"fulfillment_cz": tls}, "--try")

    assert code == 1
    assert len(lines) == 1
    assert "write the scheme it speaks before the host of the connection (http:// for a test server" in lines[0]


def test_without_the_option_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to."""
    code, lines = doctor(tmp_path, monkeypatch, {"fulfillment_cz": nobody()})

    assert code == 0
    assert [line.endswith("(not asked: doctor --try asks)") for line in lines] == [True]
