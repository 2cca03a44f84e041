"""The ways to the analyst server: a real client over stdio and over HTTP, and who is not let in."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from analyst_rig import answer, beside_another, tiny
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.errors import ConfigError

TOKEN = "a-token-that-must-stay-secret"
TOOLS = ["list_metrics", "describe_metric", "ask_metric", "list_tables", "describe_table", "query"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a tiny published file, beside another database."""
    return beside_another(tmp_path)


def environment(home: Path, **more: str) -> dict[str, str]:
    """What the command is started with."""
    passed = ("PATH", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "XDG_CACHE_HOME")
    paths = [path for path in sys.path if path]
    environ = {name: os.environ[name] for name in passed if name in os.environ}
    return environ | {"STOCKBOOK_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)} | more


@pytest.mark.slow
def test_a_client_over_stdio_is_answered(home: Path) -> None:
    """As a desktop program starts it: tools with what they take and give, a query, a refusal, and a night meanwhile."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    server = StdioServerParameters(
        command=sys.executable, args=["-m", "stockbook", "mcp"], env=environment(home), cwd=str(home)
    )

    async def talk() -> tuple[list[Any], list[Any]]:
        async with Client(stdio_client(server)) as client:
            tools = (await client.list_tools()).tools
            first = await answer(client, "query", {"sql": "select sum(amount) as amount from marts.m"})
            refused = await answer(client, "query", {"sql": "copy marts.m to 'x.csv'"})
            tiny(home, "r2", rows=9)
            return tools, [first, refused, await answer(client, "query", {"sql": "select sum(amount) from marts.m"})]

    tools, (first, refused, later) = anyio.run(talk)

    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description, tool.name
        assert tool.output_schema is not None, tool.name
        assert "as_of" in tool.output_schema["required"], tool.name
        assert tool.annotations.read_only_hint, tool.name
    assert (first["rows"], first["as_of"][0]["run_id"]) == ([["0.375000000000"]], "r1")
    assert "'copy' is no query. Allowed is one query of the published tables" in refused
    assert (later["rows"], later["as_of"][0]["run_id"]) == ([["4.500000000000"]], "r2")


@contextmanager
def served(home: Path, *options: str, **environ: str) -> Iterator[str]:
    """The command over HTTP on a free port of loopback; gives its address."""
    ready = home / "ready.json"
    command = [sys.executable, "-m", "stockbook", "mcp", "--http", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(
        [*command, *options], env=environment(home, **environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            with anyio.from_thread.start_blocking_portal() as portal:
                portal.call(_until_there, ready, process)
            yield json.loads(ready.read_text())["url"]
        finally:
            process.terminate()
            process.wait(20)
            assert process.stderr is not None
            assert TOKEN not in process.stderr.read().decode()


async def _until_there(file: Path, process: subprocess.Popen[bytes]) -> None:
    with anyio.fail_after(60):
        while not file.exists():
            assert process.poll() is None, "the server ended"
            await anyio.sleep(0.05)


def posted(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """The status and body of a request for the tools."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    both = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection.request("POST", parts.path, json.dumps(message), both | dict(headers))
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


@pytest.mark.slow
def test_over_http_only_the_token_opens_and_only_under_our_name(home: Path, tmp_path: Path) -> None:
    """With it a client is answered; without, with another, or from a page that a browser was led to, nobody is."""
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client

    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n")
    right = {"Authorization": f"Bearer {TOKEN}"}

    async def talk(url: str) -> Any:
        async with (
            create_mcp_http_client(headers=right) as connection,
            Client(streamable_http_client(url, http_client=connection)) as client,
        ):
            return await answer(client, "query", {"sql": "select count(*) from marts.m"})

    with served(home, "--token-file", str(token_file)) as url:
        reply = anyio.run(talk, url)
        statuses = {
            "right": posted(url, right)[0],
            "none": posted(url, {}),
            "wrong": posted(url, {"Authorization": f"Bearer {TOKEN}x"}),
            "empty": posted(url, {"Authorization": "Bearer "}),
            "basic": posted(url, {"Authorization": f"Basic {TOKEN}"}),
            "another path": posted(url.replace("/mcp", "/elsewhere"), {}),
            "rebound": posted(url, right | {"Host": "evil.example:80"})[0],
            "a page": posted(url, right | {"Origin": "https://evil.example"})[0],
            "too large": posted(url, right | {"X": "y", "Content-Length": "9000000"})[0],
        }

    assert reply["rows"] == [[3]]
    assert {name: status for name, status in statuses.items() if isinstance(status, int)} == {
        "right": 200,
        "rebound": 421,
        "a page": 403,
        "too large": 413,
    }
    refusals = [status for status in statuses.values() if not isinstance(status, int)]
    assert [status for status, _ in refusals] == [401] * 5
    assert len({body for _, body in refusals}) == 1


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        ([], {}, "not served over HTTP without a token"),
        (["--host", "0.0.0.0", "--allow-host", "books"], {}, "not served over HTTP without a token"),
        (["--host", "0.0.0.0"], {"STOCKBOOK_MCP_TOKEN": TOKEN}, "say under which names with --allow-host"),
        ([], {"STOCKBOOK_MCP_TOKEN": "short"}, "STOCKBOOK_MCP_TOKEN must have at least 16 characters; it has 5"),
        (["--token-file", "/nowhere"], {}, "/nowhere was expected to hold the token"),
    ],
)
def test_it_does_not_start_open(
    options: list[str], environ: dict[str, str], said: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a token, with a guessable one, or where any name would do; the message has the next step, no token."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(home))
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    result = CliRunner().invoke(app, ["mcp", "--http", "--port", "0", *options])

    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert TOKEN not in str(result.exception)


def test_without_the_sdk_the_command_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK is an extra: who does not ask for it has nothing of it."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(home))
    monkeypatch.setattr("stockbook.cli.mcp.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["mcp"])

    assert "pip install 'stockbook[mcp]'" in str(result.exception)


def test_names_under_which_it_is_called() -> None:
    """On loopback those of loopback; elsewhere its own address and what the operator names."""
    from stockbook.analyst.over_http import hosts_of, is_loopback

    assert hosts_of("127.0.0.1", ()) == ["127.0.0.1", "localhost", "[::1]"]
    assert hosts_of("::1", ["books.example"]) == ["127.0.0.1", "localhost", "[::1]", "books.example"]
    assert hosts_of("10.0.0.5", ["books.example"]) == ["10.0.0.5", "books.example"]
    assert hosts_of("fd00::1", ()) == ["[fd00::1]"]
    assert [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "10.0.0.5", "books")] == [
        *(True, True, True, False, False)
    ]
