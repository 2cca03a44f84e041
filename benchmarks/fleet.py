"""
A fleet on one machine, as `make fleet` and `make proof-fleet` run it: nights of many accounts on two Celery workers.

Starts PostgreSQL, Redis, an S3 store, an Airflow with two workers that share no folder, and a sandbox shop for each
account; runs nights through the DAG stockbook_fleet_nightly; prints each summary, what it took, a query over all
accounts and what was proved; stops what it started. With --compare every relation of the lake is compared with the file
that one machine makes of the same nights, row by row and account by account.

    python benchmarks/fleet.py                                    # 3 accounts, two nights
    python benchmarks/fleet.py --accounts 2 --orders 1500 --quiet 3   # and three in which nothing is new
    python benchmarks/fleet.py --compare --kill open,extract,books --refuse --accounts 20 --nights 3
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path += [str(PROJECT / "tests" / "support"), str(PROJECT / "benchmarks")]

import psycopg  # noqa: E402
import pytest  # noqa: E402
from fleet_airflow import Airflow, airflow  # noqa: E402
from fleet_proofs import Killer, Proof, own_books, refused, refusing, table  # noqa: E402
from night_rig import nights_before  # noqa: E402  # the tests know how a shop and its nights are made
from postgres import postgres  # noqa: E402
from seaweed import seaweed  # noqa: E402

from stockbook.fleet.control import Control  # noqa: E402
from stockbook.fleet.store import Store  # noqa: E402
from stockbook.lake_url import LakeUrl  # noqa: E402
from stockbook.runs.context import run_id_of  # noqa: E402
from stockbook.warehouse.readers import reader  # noqa: E402
from stockbook_sandbox import Running, Shop, running  # noqa: E402

# a local wall time of the shops
LAST = datetime(2025, 11, 20, 2, 15)  # noqa: DTZ001  # local times of a shop have no zone
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


def night(site: Airflow, shops: dict[str, Running], now: datetime) -> tuple[str, str]:
    """One night of all accounts; prints its summary. The name of its run and how it ended."""
    for server in shops.values():
        server.set_clock(now)
        server.reset_requests()
    began, cpu = time.perf_counter(), site.cpu_seconds()
    name, state = site.run(now)
    took, cpu = time.perf_counter() - began, site.cpu_seconds() - cpu
    standing = site.stockbook("fleet", "status", "--run", run_id_of(name))
    print(standing, f"  {took:.0f} s, {cpu:.0f} CPU-s of Airflow and both workers; DAG run {state}", sep="", flush=True)
    print("  tasks by worker:", site.tasks_by_worker(name), flush=True)
    return name, state


def quiet_night(site: Airflow, shops: dict[str, Running], now: datetime) -> tuple[str, bool]:
    """A night in which nothing is new; what it took of a processor for each account, and whether it was green."""
    before = site.cpu_seconds()
    _, state = night(site, shops, now)
    return f"{state}, {(site.cpu_seconds() - before) / len(shops):.1f} CPU-s an account", state == "success"


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


def main(chosen: argparse.Namespace, folder: Path) -> int:
    """Run it all; how many things are not as they should be."""
    names = [f"shop_{number:02d}" for number in range(1, chosen.accounts + 1)]
    moments = [*nights_before(LAST, chosen.nights)]
    # one a night; the last has what is left
    kills = [chosen.kill[at : at + 1] for at in range(chosen.nights - 1)] + [chosen.kill[chosen.nights - 1 :]]
    proofs = []
    with ExitStack() as stack:
        print(
            f"{len(names)} sandbox shops, PostgreSQL, Redis, an S3 store, Airflow with two workers: {folder}",
            flush=True,
        )
        shops = {
            name: stack.enter_context(
                running(Shop.small(seed=seed, orders=chosen.orders), moments[0] - timedelta(days=1))
            )
            for seed, name in enumerate(names, 1)
        }
        url, broker = stack.enter_context(postgres()), stack.enter_context(redis(folder))
        store = stack.enter_context(seaweed(folder / "store"))
        os.environ.update(store.variables)
        with psycopg.connect(url, autocommit=True) as con:
            for database in ("airflow", "control", "lake"):
                con.execute(f"create database {database}")
        base, messages = url.removesuffix("postgres"), folder / "messages"
        environ = (
            store.variables
            | connections(shops)
            | {
                "STOCKBOOK_HASH_KEY": "a key for a fleet on loopback",
                "STOCKBOOK_STORE": "s3://books/fleet",
                "STOCKBOOK_CONTROL_URL": f"{base}control",
                "STOCKBOOK_LAKE": f"{base}lake",
                "STOCKBOOK_SCHEDULE": "none",
                "STOCKBOOK_ALERT_NOTIFIER": json.dumps(
                    {"notifier": "fleet_messages.Kept", "file": str(messages), "subject": "{{ subject }}"}
                ),
            }
        )
        control = Control(environ["STOCKBOOK_CONTROL_URL"])
        control.migrate()
        began = time.perf_counter()
        requests_of_nights = []
        with airflow(folder, f"{base}airflow", broker, environ, chosen.concurrency) as site:
            print(f"started in {time.perf_counter() - began:.0f} s", flush=True)
            killer = Killer(site, control, Store(environ["STOCKBOOK_STORE"]), shops)
            for number, now in enumerate(moments, 1):
                print(f"\nNight {number} of {chosen.nights}, as of {now:%Y-%m-%d %H:%M}", flush=True)
                is_last = number == chosen.nights
                refusing(shops[names[-1]], chosen.refuse and is_last)
                with killer.at(now, kills[number - 1]):
                    run, state = night(site, shops, now)
                requests_of_nights.append({name: server.requests() for name, server in shops.items()})
                if chosen.refuse and is_last:
                    subjects = [line for line in messages.read_text().splitlines() if "accounts are red" in line]
                    proofs.append(refused(control, run_id_of(run), names[-1], state, subjects))
                    refusing(shops[names[-1]], is_refusing=False)
                    state = site.clear(run)
                    again = messages.read_text().count("accounts are red")
                    print(f"  the token is taken again and the red task cleared: {state}", flush=True)
                    proofs.append(Proof(4, "mended and cleared", f"run {state}, {again} message(s) in all", again == 1))
                proofs.append(Proof(2, f"night {number}", f"{state}, {len(names)} accounts", state == "success"))
            for number in range(1, chosen.quiet + 1):
                print(f"\nQuiet night {number} of {chosen.quiet}, as of {moments[-1]:%Y-%m-%d %H:%M}", flush=True)
                proofs.append(Proof(9, f"quiet night {number}", *quiet_night(site, shops, moments[-1])))
        query(LakeUrl.parse(environ["STOCKBOOK_LAKE"], environ))
        if chosen.compare:
            own = {each.account: each for each in own_books(folder, shops, moments, environ)}
            for name, (_, compared, different, _) in own.items():
                measured = "; ".join([f"{compared} relations compared, {len(different)} different", *different])
                proofs.append(Proof(2, f"{name} against its own machine", measured, bool(compared) and not different))
            for killed in killer.killed:
                at = next(number for number, steps in enumerate(kills) if killed.step in steps)
                proofs += killed.proofs(requests_of_nights[at][killed.account], own[killed.account].requests[at])
        not_killed = set(chosen.kill) - {killed.step for killed in killer.killed}
        proofs += [Proof(3, f"kill -9 in {step}", "nobody was caught in it", is_right=False) for step in not_killed]
    print(table(proofs))
    return sum(not proof.is_right for proof in proofs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=3)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=1, help="accounts at a time on each worker")
    parser.add_argument("--compare", action="store_true", help="with what one machine makes of the same nights")
    parser.add_argument(
        "--kill",
        default="",
        type=lambda text: text.split(",") if text else [],
        metavar="STEP,...",
        help="kill -9 a worker in these steps (open, extract, books), one a night",
    )
    parser.add_argument("--refuse", action="store_true", help="refuse the last account's token in the last night")
    parser.add_argument("--orders", type=int, default=300, help="of each shop")
    parser.add_argument("--quiet", type=int, default=0, help="so many nights more, in which nothing is new")
    chosen = parser.parse_args()
    if chosen.quiet and chosen.compare:
        parser.error("one machine runs no quiet nights: leave --compare or --quiet out")
    with tempfile.TemporaryDirectory(prefix="stockbook-fleet-") as scratch:
        began = time.perf_counter()
        try:
            bad = main(chosen, Path(scratch))
        except pytest.skip.Exception as missing:
            sys.exit(f"{missing}")
    print(f"{(time.perf_counter() - began) / 60:.0f} minutes. Everything that was started is stopped.", end=" ")
    print("All green." if not bad else f"{bad} not as they should be.")
    sys.exit(bool(bad))
