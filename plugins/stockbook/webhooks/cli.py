"""``stockbook hooks``: the receiver of webhooks."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Webhooks: the receiver, and what the vendors' subscriptions need.")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; TLS belongs in front of it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 chooses a free one.")] = 8400,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Write JSON with the base url here once connections are accepted."),
    ] = None,
) -> None:
    """Receive webhooks without Airflow, until interrupted."""
    from stockbook import connections
    from stockbook.clock import SystemClock
    from stockbook.settings import Settings
    from stockbook.webhooks.app import Desk
    from stockbook.webhooks.serving import serve as run

    desk = Desk(Settings.load, SystemClock(), connections.conn_ids_in_environment, connections.from_environment)
    run(desk, host, port, ready_file, lambda url: typer.echo(f"receiving webhooks on {url}/hooks/<source>/<account>"))
