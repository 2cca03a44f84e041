"""
The analyst server over HTTP: nobody gets beyond the door without the token, and only under names it was told.

The names are against pages that make a browser call it (DNS rebinding). TLS belongs in front of it.
"""

import hmac
import json
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.middleware.authentication import AuthenticationMiddleware

from stockbook.atomic_files import write_atomically
from stockbook.errors import ConfigError
from stockbook.listening import listening, url_of

if TYPE_CHECKING:
    from mcp.server import MCPServer

PATH = "/mcp"
_OF_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_CONNECTIONS = 100


class Door:
    """Lets in who has the token."""

    def __init__(self, token: str) -> None:
        """``token`` is never empty."""
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who it is, in the SDK's words. Wrong tokens take as long as the right one."""
        if not hmac.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token="", client_id="analyst", scopes=[])  # not kept


def application(server: "MCPServer[None]", token: str, hosts: Sequence[str]) -> Any:
    """The ASGI application: ``PATH`` behind the token, reached under ``hosts`` only."""
    names = [name for host in hosts for name in (host, f"{host}:*")]
    security = TransportSecuritySettings(
        allowed_hosts=names, allowed_origins=[f"{scheme}://{name}" for scheme in ("http", "https") for name in names]
    )
    # without sessions: each request is answered by itself, and nothing of it stays
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=1_000_000,
        transport_security=security,
    )
    guarded = RequireAuthMiddleware(app, [])

    async def door(scope: Any, receive: Any, send: Any) -> None:
        # what starts and ends the application is no request
        await (app if scope["type"] == "lifespan" else guarded)(scope, receive, send)

    return AuthenticationMiddleware(door, BearerAuthBackend(Door(token)))


def hosts_of(host: str, allowed: Sequence[str]) -> list[str]:
    """The names under which the server may be called. Raises ConfigError where no name could be right."""
    if is_loopback(host):
        return [*_OF_LOOPBACK, *allowed]
    if host in ("0.0.0.0", "::") and not allowed:  # noqa: S104  # asked whether it is
        raise ConfigError(f"{host} is every address of this machine: say under which names with --allow-host.")
    return [f"[{host}]" if ":" in host else host, *allowed]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    server: "MCPServer[None]",
    token: str,
    host: str,
    port: int,
    allowed: Sequence[str],
    ready_file: Path | None,
    announce: Callable[[str], None],
) -> None:
    """
    Serve until interrupted. ``announce`` gets the address, ``ready_file`` then holds it as JSON.

    Raises ConfigError without a token, on loopback too: other users of the machine reach it there.
    """
    if not token:
        raise ConfigError(
            "The analyst server is not served over HTTP without a token: set STOCKBOOK_MCP_TOKEN, or name a file with "
            "--token-file. Over stdio it needs none."
        )
    app = application(server, token, hosts_of(host, allowed))
    bound = listening(host, port)
    url = url_of(host, bound) + PATH
    if ready_file is not None:
        # the socket takes connections from here on
        bound.listen(_CONNECTIONS)
        write_atomically(ready_file, json.dumps({"url": url}).encode())
    announce(url)
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        # paths and addresses of strangers are not for our logs
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        # nothing here depends on who the client is
        proxy_headers=False,
    )
    uvicorn.Server(config).run([bound])
