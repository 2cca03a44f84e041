"""``stockbook mcp``: figures and tables for assistants, by the Model Context Protocol."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stockbook.errors import ConfigError


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP, not over stdio.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; TLS belongs in front of it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 chooses a free one.")] = 8500,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; default: the variable STOCKBOOK_MCP_TOKEN.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name under which it is called too, as the proxy in front has it.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="Write JSON with the url here once connections are accepted.")
    ] = None,
) -> None:
    """Serve metrics, tables and read-only SQL to assistants (Model Context Protocol), over stdio or HTTP."""
    from stockbook.settings import Settings, token

    settings = Settings.load()
    if find_spec("mcp") is None:
        raise ConfigError("`stockbook mcp` needs the SDK of the protocol: pip install 'stockbook[mcp]'.")
    from stockbook.analyst.asking import Questions
    from stockbook.analyst.server import create

    with Questions(settings) as questions:
        server = create(settings, questions)
        if not http:
            server.run()
            return
        from stockbook.analyst.over_http import serve

        secret = settings.analyst_token
        if token_file is not None:
            try:
                # the line break at the end is the editor's
                written = token_file.read_text().removesuffix("\n")
            except (OSError, UnicodeError):
                raise ConfigError(f"{token_file} was expected to hold the token as text; it cannot be read.") from None
            secret = token(written, "--token-file", "the analyst server")
        serve(
            server,
            secret,
            host,
            port,
            allow_host or (),
            ready_file,
            lambda url: typer.echo(f"answering assistants on {url}"),
        )
