"""
The demo: a shop in a sandbox, three nights through Airflow, and what came of them.

It lives in a folder of its own (``data/demo``), with its own Airflow home and keys, and stops
everything it started.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from stockbook import project
from stockbook.cli.demo_findings import Withheld, charts_without_data, counted, withhold_a_loss
from stockbook.cli.demo_hooks import receiving
from stockbook.cli.demo_sandbox import SANDBOX_SECRET, SANDBOX_TOKEN, DemoFailed, Server, sandbox
from stockbook.clock import Clock, SystemClock
from stockbook.dag_names import NIGHTLY
from stockbook.errors import ConfigError
from stockbook.night.configuration import SCHEDULES
from stockbook.orchestration.home import environment, prepare
from stockbook.runs import report
from stockbook.runs.report import Report
from stockbook.warehouse.readers import reader

# an idle night must not take longer than this through Airflow (issue of the first night)
IDLE_LIMIT = 45.0
# of the shop's last week the days in which something is open: it ends on a weekend
NIGHTS_BEFORE_LAST = (6, 5, 4)
# so much of what happened before the first night is sent
HEARD_BEFORE = timedelta(days=8)


def run_demo(orders: Path | None, home: Path | None, date_format: str = "") -> None:
    """Three nights, a fourth with nothing new, and the comparison with the sandbox's own truth. Prints as it goes."""
    if orders is not None and not orders.is_file():
        raise ConfigError(f"ORDERS must be a file with a real order history (CSV or Parquet); {orders} is none.")
    clock = SystemClock()
    began = clock.monotonic()
    place = home or project.folder(instead="name a folder with --home") / "data" / ("demo-orders" if orders else "demo")
    place = place.absolute()
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    _say(f"Preparing an Airflow home in {place / 'airflow'}")
    prepare(place / "airflow")
    with (
        receiving(night_environment(place, Server("http://127.0.0.1", SANDBOX_TOKEN))) as receiver,
        sandbox(place, orders, date_format, receiver.url) as server,
    ):
        _say(f"The sandbox answers at {server.url}, and sends its webhooks to {receiver.url}")
        env = night_environment(place, server)
        # a sandbox starts at 02:15 on the day after its shop's last
        last = datetime.fromisoformat(server.get("clock")["now"])
        nights = [last - timedelta(days=back) for back in NIGHTS_BEFORE_LAST]
        withheld = withhold_a_loss(server, nights[0])
        heard = nights[0] - HEARD_BEFORE
        for number, now in enumerate(nights, 1):
            receiver.move_clock(server, heard, now)
            heard = now
            wait = ": it reads a whole year, a minute or two" if number == 1 else ""
            _say(f"\nNight {number} of 3, as of {now:%Y-%m-%d %H:%M} local{wait}")
            seconds, run_report = airflow_night(place, env, now, clock)
            typer.echo(report.text(run_report))
            _say(f"  through Airflow: {seconds:.1f} s")
        _say("\nThe last night again, with nothing new")
        idle, run_report = airflow_night(place, env, nights[-1], clock)
        wanted = f"at most {IDLE_LIMIT:.0f} s wanted"
        _say(f"  through Airflow: {idle:.1f} s ({wanted}), the run itself {run_report.seconds:.1f} s")
        _compare(place, server, nights[-1], withheld)
    _tell_findings(place, is_invented=orders is None)
    _show(place)
    took = clock.monotonic() - began
    _say(f"\nThe demo took {took:.0f} s. Everything it started is stopped; its files stay in {place}.")


def _say(text: str) -> None:
    typer.echo(text)


def night_environment(place: Path, server: Server) -> dict[str, str]:
    """What a night over the sandbox needs: connections, home, a key of its own."""
    extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
    connection = {"conn_type": "http", "host": server.url, "password": server.token, "extra": extra}
    # the same of every sandbox
    flickrocket = {**connection, "extra": {**extra, "app_secret": SANDBOX_SECRET}}
    managed = {**extra, "access_token": server.token, "shop_handle": "sandbox"}
    shopline = {**connection, "password": SANDBOX_SECRET, "extra": managed}
    key = place / "hash-key"
    if not key.exists():
        # the same key makes the same demo, to the row
        key.write_text(os.environ.get("STOCKBOOK_HASH_KEY") or secrets.token_hex(32))
        key.chmod(0o600)
    variables = environment(place / "airflow")
    return {name: value for name, value in variables.items() if not name.startswith("AIRFLOW_CONN_")} | {
        "AIRFLOW_CONN_FULFILLMENT_CZ": json.dumps(connection),
        "AIRFLOW_CONN_FLICKROCKET": json.dumps(flickrocket),
        "AIRFLOW_CONN_SHOPLINE": json.dumps(shopline),
        "STOCKBOOK_HOME": str(place / "home"),
        "STOCKBOOK_HASH_KEY": key.read_text(),
    }


def airflow_night(place: Path, env: dict[str, str], now: datetime, clock: Clock) -> tuple[float, Report]:
    """One night by ``airflow dags test stockbook_nightly``: its seconds, start of Airflow included, and its report."""
    before = _reports(place)
    log = place / f"night-{now:%Y-%m-%d}.log"
    conf = json.dumps({"as_of": now.isoformat()})
    began = clock.monotonic()
    with log.open("ab") as out:
        done = subprocess.run(  # noqa: S603  # our own program with our own words
            [str(Path(sys.executable).parent / "airflow"), "dags", "test", NIGHTLY, "--conf", conf],
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = clock.monotonic() - began
    new = _reports(place) - before
    if len(new) != 1:
        raise DemoFailed(f"Airflow ended with code {done.returncode} and no run report; its log is {log}.")
    run_report = report.read(new.pop().parent)
    if run_report is None or run_report.status != "published":
        raise DemoFailed(f"The night is red: {run_report.reason if run_report else 'no report'} Its log is {log}.")
    return seconds, run_report


def _reports(place: Path) -> set[Path]:
    return set((place / "home" / "runs").glob("*/report.json"))


def _compare(place: Path, server: Server, now: datetime, withheld: Withheld | None) -> None:
    truth = server.get("truth", at=now.isoformat())
    gap = {} if withheld is None else {withheld.variant_id: withheld.pieces}
    differing = differences(place / "home" / "published" / "warehouse.duckdb", truth, gap)
    variants, orders = len(truth["stock"]), len(truth["orders"])
    if differing:
        raise DemoFailed(f"The published file differs from the sandbox's truth: {'; '.join(differing[:5])}.")
    _say(
        f"\nCompared with the sandbox's own truth: quantities of both pools equal for all {variants:,} variants, "
        f"status equal for all {orders:,} orders, nothing open in the reconciliation"
        + ("." if withheld is None else " but the movement that was kept back on purpose.")
    )


def _tell_findings(place: Path, *, is_invented: bool) -> None:
    """Raises DemoFailed when the invented shop has nothing to find of some kind."""
    published = place / "home" / "published" / "warehouse.duckdb"
    counts = counted(published)
    _say("\nTo be found in it:")
    for name, count in counts.items():
        _say(f"  {name:<35}  {count:>4,}")
    missing = [name for name, count in counts.items() if not count]
    if missing and is_invented:
        raise DemoFailed(
            f"The demo was expected to show something of every kind; there are no {', no '.join(missing)}."
        )
    empty = charts_without_data(published)
    if empty and is_invented:
        raise DemoFailed(f"No chart of the dashboards was expected to be empty; these are: {'; '.join(empty)}.")


def differences(published: Path, truth: dict[str, Any], gap: Mapping[str, int] | None = None) -> list[str]:
    """
    Where a published file differs from a sandbox's truth (see docs/sandbox.md), in words; empty when it does not.

    ``gap``: by variant, pieces that the ledger has too many because the sandbox keeps rows of it back.
    """
    gap = gap or {}
    with reader(published) as con:
        stock: dict[str, tuple[int, int]] = {}
        for variant, pool, quantity in con.execute(
            "select variant_id, pool, quantity from marts.fct_stock_balance where valid_to is null"
        ).fetchall():
            sellable, damaged = stock.get(str(variant), (0, 0))
            more = (quantity, 0) if pool == "sellable" else (0, quantity)
            stock[str(variant)] = (sellable + more[0], damaged + more[1])
        orders = dict(con.execute("select order_id, source_status from marts.fct_order").fetchall())
        open_rows = len(con.execute("from reports.stock_reconciliation_open").fetchall())
    true_stock = {
        key: (row["quantity"] + gap.get(key, 0), row["damaged_quantity"]) for key, row in truth["stock"].items()
    }
    differing = [
        f"variant {key}: {stock.get(key, (0, 0))} published, {true_stock.get(key, (0, 0))} true"
        for key in sorted(stock.keys() | true_stock.keys())
        if stock.get(key, (0, 0)) != true_stock.get(key, (0, 0))
    ]
    statuses = {key: row["status"] for key, row in truth["orders"].items()}
    differing += [
        f"order {key}: {orders.get(key)} published, {statuses.get(key)} true"
        for key in sorted(orders.keys() | statuses.keys())
        if orders.get(key) != statuses.get(key)
    ]
    if open_rows != len(gap):
        differing.append(f"{open_rows} rows open in the stock reconciliation")
    return differing


def _show(place: Path) -> None:
    published = place / "home" / "published" / "warehouse.duckdb"
    with reader(published) as con:
        currency, method, basis = con.execute(
            "select valuation_currency, headline_method, headline_basis from marts.dim_valuation_setting"
        ).fetchall()[0]
        _say(f"\nStock value at the end of the day ({currency}, {method}, {basis} cost)")
        con.sql("""
            select date, quantity, round(stock_value, 2) as stock_value, damaged_quantity
            from reports.stock_value_daily
            order by date desc
            limit 5
        """).show()
        _say("On-time dispatch by due day")
        con.sql("""
            select due_date, orders, on_time, late, overdue, round(100 * on_time_rate, 1) as on_time_percent
            from reports.sla_daily
            where due_date <= (select cast(as_of as date) from meta.current_run)
            order by due_date desc
            limit 5
        """).show()
    home = place / "home"
    run = f"STOCKBOOK_HOME={home} {_programs() / 'stockbook'}"
    # the sandbox has stopped: a night, drain or clearing that began by itself would spoil what there is to see
    still = " ".join(f"{name}=none" for name in SCHEDULES)
    airflow = f"AIRFLOW_HOME={place / 'airflow'} {still} {run} start"
    _say("The doors:")
    _say(f"  morning report   {home / 'published' / 'report.html'}")
    _say(f"  data dictionary  {home / 'published' / 'dictionary' / 'index.html'}")
    _say(f"  dashboards       {run} bi serve")
    _say(f"  page in Airflow  {airflow}")
    _say("                   says user and password; then http://127.0.0.1:8080/stockbook/morning/")
    _say(f"  SQL              {run} sql")
    _say(f"                   {run} sql \"from reports.stock_value_on(date '{_day(published)}') limit 10\"")
    _say(f"  published file   {published}: any DuckDB client, read-only, at any moment, during a night too")


def _programs() -> Path:
    return Path(sys.executable).parent


def _day(published: Path) -> str:
    with reader(published) as con:
        return str(con.execute("select cast(as_of as date) from meta.current_run").fetchall()[0][0])
