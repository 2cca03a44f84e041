"""``stockbook sandbox``: serve the invented shop, or write what is true of it."""

import json
import os
import urllib.parse
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stockbook.errors import ConfigError, Unreachable

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop

app = typer.Typer(
    no_args_is_help=True, help="An invented (or replayed) shop behind both APIs, with a clock and faults."
)

Seed = Annotated[int, typer.Option(help="The same seed gives the same shop, to the byte.")]
Variants = Annotated[int, typer.Option(help="Variants in the catalogue.")]
OrdersCount = Annotated[int, typer.Option("--orders-count", help="Orders of the year.")]
History = Annotated[
    Path | None,
    typer.Option("--orders", help="Replay this order history (CSV or Parquet, layout of the Online Retail data set)."),
]
DateFormat = Annotated[
    str,
    typer.Option(
        "--date-format",
        help="How --orders writes its times, as strptime has it (%d.%m.%Y %H:%M), or seconds, or milliseconds; "
        "empty: the only format all rows have.",
    ),
]
Which = Annotated[
    Literal["invented", "examples"],
    typer.Option(
        "--shop", help="examples: the worked examples of docs/valuation.md, for nights on 10 March and 10 June 2025."
    ),
]


def _local(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"A local time like 2025-06-01T02:15:00 was expected; got {text!r}.") from None


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 chooses a free one.")] = 0,
    seed: Seed = 1,
    variants: Variants = 2_000,
    orders_count: OrdersCount = 12_000,
    orders: History = None,
    date_format: DateFormat = "",
    which: Which = "invented",
    clock: Annotated[
        str, typer.Option(help="Local wall time of the shop; default: 02:15 on the day after its last.")
    ] = "",
    token: Annotated[str, typer.Option(help="The token both APIs accept.")] = "sandbox-token",  # noqa: S107 - of an invented shop
    hooks_to: Annotated[
        str, typer.Option(help="Send events here as the clock moves on: <this>/<source>/<account>, on loopback.")
    ] = "",
    hooks_account: Annotated[str, typer.Option(help="The account events are sent for.")] = "main",
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="Write JSON with url, token and clock here once connections are accepted."),
    ] = None,
) -> None:
    """Serve fulfillment.cz, FlickRocket and SHOPLINE's subscriptions on one loopback port until interrupted."""
    from stockbook_sandbox.serving import serve as run
    from stockbook_sandbox.state import Sandbox

    start = _local(clock) if clock else None
    shop = _shop(which, seed, variants, orders_count, orders, date_format)
    night = datetime.combine(shop.last + timedelta(days=1), time(2, 15))
    sandbox = Sandbox(shop, start or night, token, hooks_to=hooks_to, hooks_account=hooks_account)
    run(
        sandbox,
        host,
        port,
        ready_file,
        lambda url: print(f"sandbox listening on {url} token {token} clock {sandbox.clock.isoformat()}", flush=True),
    )


@app.command()
def truth(
    at: Annotated[str, typer.Option(help="Local wall time.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    url: Annotated[str, typer.Option(help="Ask this running sandbox instead of building the shop.")] = "",
    seed: Seed = 1,
    variants: Variants = 2_000,
    orders_count: OrdersCount = 12_000,
    orders: History = None,
    date_format: DateFormat = "",
    which: Which = "invented",
) -> None:
    """Write what is true at a clock (stock, orders with milestones, counts), from the shop's own ledger."""
    when = _local(at)
    if url:
        body = _truth_of(f"{url.rstrip('/')}/_sandbox/truth?{urllib.parse.urlencode({'at': at})}")
    else:
        shop = _shop(which, seed, variants, orders_count, orders, date_format)
        body = json.dumps(shop.truth(when), ensure_ascii=False).encode()
    partial = out.with_name(f".{out.name}.part")
    try:
        partial.write_bytes(body)
        os.replace(partial, out)
    except OSError as error:
        raise ConfigError(f"The truth could not be written to {out}: {error.strerror}.") from None
    typer.echo(f"truth at {when.isoformat(sep=' ')} written to {out} ({len(body):,} bytes)")


def _shop(which: str, seed: int, variants: int, orders: int, history: Path | None, date_format: str) -> "Shop":
    if which == "examples":
        from stockbook_sandbox.examples import ExampleShop

        return ExampleShop()
    from stockbook_sandbox.shop import Shop

    return Shop(seed=seed, variants=variants, orders=orders, history=history, date_format=date_format)


def _truth_of(address: str) -> bytes:
    if not address.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise ConfigError("The sandbox's --url must be http on loopback, as serve printed it.")
    import urllib3

    from stockbook.bounded_http import Limits, OverLimit, ask

    try:
        answer = ask("GET", address, {}, limits=Limits(megabytes=1_000, seconds=300), read=300)
    except (urllib3.exceptions.HTTPError, OverLimit) as error:
        what = str(error) if isinstance(error, OverLimit) else type(error).__name__
        raise Unreachable(f"A running sandbox was expected at the --url; {what}.") from None
    if answer.status != 200:
        raise Unreachable(f"A running sandbox was expected at the --url; it answered {answer.status}.")
    return answer.body
