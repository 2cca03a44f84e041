"""``stockbook doctor``: of each connection, with ``--try`` by one request, of the home and of the key, a line each."""

import json
import re
import shutil
import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import msgspec
import pytest
from checkout import PROJECT
from loopback import BASE, TOKEN, Answer, Request, Shop, as_json, serving, stock_level
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.connections import EXTRAS
from stockbook.hash_key import remember
from stockbook.health.parts import LOW
from stockbook.runs.lock import Holder
from stockbook.settings import Settings

# words of the page of connections that are no names of extras
NO_EXTRAS = {"fulfillment_cz", "as_of", "all_pairs", "pairs_salt_after", "salt_after", "salt_before"}
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


def test_an_extra_that_is_almost_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by nobody, it would leave the default in force without a word; a name like none is not quoted."""
    code, lines = doctor(tmp_path, monkeypatch, {"fulfillment_cz": nobody()}, request_per_second=0, secret_of_mine=1)

    assert code == 1
    assert lines == [
        "NO  extra request_per_second of connection fulfillment_cz is read by nobody: is requests_per_second meant?"
    ]


def test_every_extra_that_is_read_is_known_by_name() -> None:
    """The names of which a misspelt one is told are those that the page of connections lists."""
    page = (PROJECT / "docs" / "running.md").read_text()
    page = page[page.index("## Connections") : page.index("## Settings")]

    assert [name for name in EXTRAS if f"`{name}`" not in page] == ["client_secret"]
    assert set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", page)) - set(EXTRAS) <= NO_EXTRAS


def examined(home: Path, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> dict[str, str]:
    """The lines of ``doctor`` about a home, by their first word behind the judgement."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(home))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", key)
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    output = CliRunner().invoke(app, ["doctor"]).output
    return {line.split()[1].rstrip(":"): line for line in output.splitlines()}


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be; a folder that only others may write to looks the same."""
    (tmp_path / "home").write_text("")

    home = tmp_path / "home"
    said = examined(home, monkeypatch)["home"]
    assert said == f"NO  home {home}: a night writes into it, and {home} is no folder that this user may write to"
    assert examined(tmp_path / "new", monkeypatch)["home"] == f"ok  home {tmp_path / 'new'}: the first night makes it"


def test_a_home_without_room_for_a_night_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night would be refused: whoever asks today need not wait for it."""
    (tmp_path / "warehouse.duckdb").write_bytes(b"0" * 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=0, used=0, free=999))

    assert examined(tmp_path, monkeypatch)["home"].startswith(f"NO  home {tmp_path}: A night copies the books")


def test_a_disk_that_is_nearly_full_is_told_before_the_first_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `health`: no books need room yet, and events do."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=0, used=0, free=LOW - 1))

    for home in (tmp_path, tmp_path / "new"):
        assert examined(home, monkeypatch)["home"].endswith("below 500 nights and events are in danger: make room")


def test_a_home_of_no_night_yet_is_not_lamented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a first night that was red nothing can be made again, and nothing is lost."""
    with closing(duckdb.connect(str(tmp_path / "warehouse.duckdb"))):
        pass

    lines = examined(tmp_path, monkeypatch)
    assert "landed" not in lines
    assert lines["published"] == "ok  published: nothing yet"


def test_what_a_killed_run_left_is_not_said_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line above says that the run is not at work any more; this one must not say that it is."""
    (tmp_path / "warehouse.duckdb").touch()
    (tmp_path / "run.lock").touch()
    killed = Holder("yesterday", datetime(2026, 11, 26, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC), "extract")
    (tmp_path / "run.lock.json").write_bytes(msgspec.json.encode(killed))

    lines = examined(tmp_path, monkeypatch)
    assert lines["lock"].startswith("ok  lock: left behind by run yesterday")
    assert lines["writer's"] == "ok  writer's file: not read while a run holds the lock"


def test_a_key_that_is_missing_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No books yet: a new one. Books: theirs, and `stockbook setup` is not named, since it would make none."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))
    assert "or `stockbook setup` makes one" in examined(tmp_path, monkeypatch, "")["STOCKBOOK_HASH_KEY"]

    remember(Settings.load({"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY}))
    said = examined(tmp_path, monkeypatch, "")["The"]
    assert said.startswith(
        f"NO  The books in {tmp_path} were begun with a key that is not here. Set STOCKBOOK_HASH_KEY"
    )
    assert "setup" not in said


def test_the_books_of_the_demo_are_not_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README names them to readers; who goes on in the same shell learns how to leave them."""
    home = tmp_path / "data" / "demo" / "home"
    (tmp_path / "stockbook.toml").touch()
    monkeypatch.chdir(tmp_path)
    remember(Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": KEY}))

    lines = examined(home, monkeypatch, "")
    assert lines["home"].endswith("home, the books of the demo")
    assert lines["The"].endswith(
        "they are the demo's. For your own books leave STOCKBOOK_HOME unset, or name another folder."
    )


def test_a_path_in_the_host_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who copies the address of an endpoint into the host gets 404 and learns where to look."""
    with serving(Shop(before=lambda _: as_json({"error": "not found"}, status=404))) as url:
        code, lines = doctor(tmp_path, monkeypatch, {"fulfillment_cz": f"{url}/v2/fulfillment"}, "--try")

    assert code == 1
    assert "answered status 404; expected" in lines[0]
    assert f"The host of the connection is {url}/v2/fulfillment: does it name a path" in lines[0]
