"""
A fleet on one machine, as `make fleet` and `make proof-fleet` run it: nights of many accounts on two Celery workers.

Starts PostgreSQL, Redis, an S3 store, an Airflow with two workers that share no folder, and a sandbox shop for each
account; runs nights through the DAG stockbook_fleet_nightly; prints each summary, what it took, and a query over all
accounts; stops what it started. With --compare every relation of the lake is compared with the file that one machine
makes of the same nights, row by row and account by account.

    python benchmarks/fleet.py                                    # 3 accounts, two nights
    python benchmarks/fleet.py --accounts 20 --nights 3 --compare # make proof-fleet
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Thread

PROJECT = Path(__file__).resolve().parents[1]
sys.path += [str(PROJECT / "tests" / "support"), str(PROJECT / "benchmarks")]

import psycopg  # noqa: E402
import pytest  # noqa: E402
from fleet_airflow import Airflow, airflow  # noqa: E402
from night_rig import nights_before  # noqa: E402  # the tests know how a shop and its nights are made
from postgres import postgres  # noqa: E402
from seaweed import seaweed  # noqa: E402

from stockbook.fleet.control import Control  # noqa: E402
from stockbook.fleet.lake.relations import SCHEMAS  # noqa: E402
from stockbook.lake_url import LakeUrl  # noqa: E402
from stockbook.warehouse.connect import reader  # noqa: E402
from stockbook_sandbox import Running, Shop, running  # noqa: E402

# a local wall time of the shops
LAST = datetime(2025, 11, 20, 2, 15)  # noqa: DTZ001  # local times of a shop have no zone
# of one run, and when it ran: different on each machine
OF_THE_RUN = ("_run_id", "_loaded_at")
OVER_ALL = """
select v.account, p.as_of, sum(v.quantity) as pieces
from reports.stock_value_daily as v
inner join meta.published as p on v.account = p.account and v.date = cast(p.as_of as date) - 1
group by all order by all
"""


def connections(shops: dict[str, Running]) -> dict[str, str]:
    """Each account's connections as variables: a shop of its own behind both APIs."""
    variables = {}
    for name, server in shops.items():
        extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
        connection = {"conn_type": "http", "host": server.url, "password": server.token, "extra": extra}
        for source in ("FULFILLMENT_CZ", "FLICKROCKET"):
            variables[f"AIRFLOW_CONN_{source}__{name.upper()}"] = json.dumps(connection)
    return variables


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A broker on loopback that keeps nothing."""
    import shutil
    import socket

    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "redis.log").open("wb") as log:
        words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def kill_at(site: Airflow, control: Control, step: str) -> None:
    """Kill the worker that is at this step of the first account that gets there, and say when another goes on."""
    while not (at_work := {name: holder for name, holder in control.held().items() if holder.step == step}):
        time.sleep(0.5)
    account, holder = next(iter(at_work.items()))
    name = site.kill_worker_of(int(holder.machine.rpartition(" ")[2].rstrip(")")))
    killed = time.perf_counter()
    print(f"  worker {name} was killed in step {step} of {account}", flush=True)
    while (other := control.held().get(account)) is None or other.machine == holder.machine:
        time.sleep(0.5)
    print(f"  another went on with {account} after {time.perf_counter() - killed:.0f} s", flush=True)


def night(site: Airflow, shops: dict[str, Running], now: datetime, kill: Callable[[], None] | None = None) -> bool:
    """One night of all accounts; prints its summary. Whether it was green."""
    for server in shops.values():
        server.set_clock(now)
    began, cpu = time.perf_counter(), site.cpu_seconds()
    if kill is not None:
        Thread(target=kill, daemon=True).start()
    run_id, state = site.run(now)
    took, cpu = time.perf_counter() - began, site.cpu_seconds() - cpu
    standing = site.stockbook("fleet", "status", "--run", run_id)
    print(standing, f"  {took:.0f} s, {cpu:.0f} CPU-s of Airflow and both workers; DAG run {state}", sep="", flush=True)
    print("  tasks by worker:", site.tasks_by_worker(run_id), flush=True)
    return state == "success"


def embedded(folder: Path, account: str, server: Running, nights: list[datetime], environ: dict[str, str]) -> Path:
    """The published file that one machine makes of an account's nights."""
    home = folder / "embedded" / account
    own = {name: text for name, text in environ.items() if not name.startswith(("AIRFLOW_CONN_", "STOCKBOOK_"))}
    own |= {name: text for name, text in environ.items() if name.endswith(f"__{account.upper()}")}
    own |= {"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": environ["STOCKBOOK_HASH_KEY"]}
    for now in nights:
        server.set_clock(now)
        words = [sys.executable, "-m", "stockbook", "run", "--as-of", now.isoformat()]
        subprocess.run(words, env=own, check=True, capture_output=True)
    return home / "published" / "warehouse.duckdb"


def differences(file: Path, lake: LakeUrl, account: str) -> tuple[int, list[str]]:
    """How many relations of the books were compared, and those of which the lake has other rows for the account."""
    compared, different = 0, []
    with reader(file) as own, reader(lake) as shared:
        names = own.execute(
            "select schema_name || '.' || table_name from duckdb_columns() where not internal and schema_name in "
            f"{tuple(schema for schema in SCHEMAS if schema != 'meta')} group by all order by all"
        ).fetchall()
        for (name,) in names:
            columns = [row[0] for row in own.execute(f"describe {name}").fetchall() if row[0] not in OF_THE_RUN]
            texts = ", ".join(f'cast("{column}" as varchar) as "{column}"' for column in columns)
            measured = f"select count(*), sum(cast(hash(r) as hugeint)) from (select {texts} from {name}"
            here = own.execute(f"{measured}) as r").fetchall()
            there = shared.execute(f"{measured} where account = $1) as r", [account]).fetchall()
            compared += 1
            if here != there:
                different.append(f"{name}: {here[0][0]} rows in its own file, {there[0][0]} in the lake")
    return compared, different


def query(lake: LakeUrl) -> None:
    """Print a query over all accounts, and how long it took with and without opening the lake."""
    began = time.perf_counter()
    with reader(lake) as con:
        opened = time.perf_counter()
        relation = con.sql(OVER_ALL)
        print(relation)
        answered = time.perf_counter()
        rows = con.execute("select sum(quantity) from marts.fct_stock_movement").fetchall()
        print(f"opened in {opened - began:.2f} s, answered in {answered - opened:.2f} s; ", end="")
        print(f"all movements summed ({rows[0][0]} pieces) in {time.perf_counter() - answered:.2f} s", flush=True)


def main(accounts: int, nights: int, compare: bool, concurrency: int, kill: str, folder: Path) -> int:
    """Run it all; how many accounts or relations are not as they should be."""
    names = [f"shop_{number:02d}" for number in range(1, accounts + 1)]
    moments = [*nights_before(LAST, nights)]
    wrong = 0
    with ExitStack() as stack:
        print(
            f"{accounts} sandbox shops, PostgreSQL, Redis, an S3 store, Airflow with two workers: {folder}", flush=True
        )
        shops = {
            name: stack.enter_context(running(Shop.small(seed=seed), moments[0] - timedelta(days=1)))
            for seed, name in enumerate(names, 1)
        }
        url, broker = stack.enter_context(postgres()), stack.enter_context(redis(folder))
        store = stack.enter_context(seaweed(folder / "store"))
        with psycopg.connect(url, autocommit=True) as con:
            for database in ("airflow", "control", "lake"):
                con.execute(f"create database {database}")
        base = url.removesuffix("postgres")
        environ = (
            store.variables
            | connections(shops)
            | {
                "STOCKBOOK_HASH_KEY": "a key for a fleet on loopback",
                "STOCKBOOK_STORE": "s3://books/fleet",
                "STOCKBOOK_CONTROL_URL": f"{base}control",
                "STOCKBOOK_LAKE": f"{base}lake",
                "STOCKBOOK_SCHEDULE": "none",
            }
        )
        lake = LakeUrl.parse(environ["STOCKBOOK_LAKE"], environ)
        control = Control(environ["STOCKBOOK_CONTROL_URL"])
        control.migrate()
        began = time.perf_counter()
        with airflow(folder, f"{base}airflow", broker, environ, concurrency) as site:
            print(f"started in {time.perf_counter() - began:.0f} s", flush=True)
            for number, now in enumerate(moments, 1):
                print(f"\nNight {number} of {nights}, as of {now:%Y-%m-%d %H:%M}", flush=True)
                at_first = partial(kill_at, site, control, kill)
                wrong += not night(site, shops, now, at_first if kill and number == 1 else None)
        query(lake)
        if compare:
            for name, server in shops.items():
                file = embedded(folder, name, server, moments, os.environ | environ)
                compared, different = differences(file, lake, name)
                print(f"{name}: {compared} relations compared with its own run, {len(different)} different", flush=True)
                print(*(f"  {line}" for line in different), sep="\n", end="\n" if different else "")
                wrong += len(different) or not compared
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=3)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=1, help="accounts at a time on each worker")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument(
        "--kill", default="", metavar="STEP", help="kill -9 a worker in this step (open, extract, books)"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stockbook-fleet-") as scratch:
        try:
            bad = main(chosen.accounts, chosen.nights, chosen.compare, chosen.concurrency, chosen.kill, Path(scratch))
        except pytest.skip.Exception as missing:
            sys.exit(f"{missing}")
    print("Everything that was started is stopped.", "All green." if not bad else f"{bad} not as they should be.")
    sys.exit(bool(bad))
