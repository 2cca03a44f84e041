"""What `fleet.py` proves of its nights: a worker killed in a step, a token refused, books as one machine makes them."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import requests
from fleet_airflow import Airflow

from stockbook import connections
from stockbook.clock import SystemClock
from stockbook.fleet.control import Control, Held
from stockbook.fleet.lake.relations import SCHEMAS
from stockbook.fleet.run_log import RunLog
from stockbook.fleet.store import Store
from stockbook.lake_url import LakeUrl
from stockbook.landing.manifest import MANIFEST, Manifest
from stockbook.night import steps
from stockbook.progress import Silent
from stockbook.runs.context import parse_parameters
from stockbook.settings import Settings
from stockbook.warehouse.readers import reader
from stockbook_sandbox import Running

# heartbeat time-out and a minute
SOON = 120
# of one run, and when it ran: different on each machine
OF_THE_RUN = ("_run_id", "_loaded_at")
Counts = dict[str, int]
Answer = TypeVar("Answer")


class Proof(NamedTuple):
    """A line of the table: the point of the fleet's list of what must be shown, and what was measured."""

    point: int
    what: str
    measured: str
    is_right: bool


class Killed(NamedTuple):
    """A worker that was killed in a step of an account: requests of the night until then, and those that landed."""

    step: str
    account: str
    asked: Counts
    landed: int
    seconds: float

    def proofs(self, requests_of_night: Counts, undisturbed: Counts) -> Iterator[Proof]:
        """That another went on soon, and asked for nothing again that was complete."""
        what = f"kill -9 in {self.step} of {self.account}"
        yield Proof(3, what, f"another went on after {self.seconds:.0f} s", self.seconds <= SOON)
        again = sum(max(0, count - undisturbed.get(path, 0)) for path, count in requests_of_night.items())
        begun = sum(self.asked.values()) - self.landed
        yield Proof(3, what, f"{again} requests again, {begun} were of incomplete listings", again <= begun)


class Killer:
    """Kills the worker that is at a step of the first account that gets there, and starts it again."""

    def __init__(self, site: Airflow, control: Control, store: Store, shops: dict[str, Running]) -> None:
        self._site, self._control, self._store, self._shops = site, control, store, shops
        self._over, self._night = threading.Event(), ""
        self.killed: list[Killed] = []

    @contextmanager
    def at(self, now: datetime, wanted: list[str]) -> Iterator[None]:
        """Kill in each of these steps, one after the other, while the night as of ``now`` goes on."""
        self._over.clear()
        self._night = f"{now:%Y%m%dT%H%M%S}-"
        thread = threading.Thread(target=self._kill_all, args=[wanted], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _kill_all(self, wanted: list[str]) -> None:
        for step in wanted:
            self._kill(step)

    def _kill(self, step: str) -> None:
        stopped = self._until(lambda: self._stopped(step))
        if stopped is None:
            return
        account, holder, worker = stopped
        until_then = self._shops[account].requests()
        self._site.kill_worker(worker)
        killed = time.perf_counter()
        print(f"  worker {worker} was killed in step {step} of {account}", flush=True)
        landed = self._landed(account)
        self._site.start_worker(worker)
        other = self._until(
            lambda: (now := self._control.held().get(account)) is not None and now.machine != holder.machine
        )
        seconds = time.perf_counter() - killed if other else float("inf")
        print(f"  another went on with {account} after {seconds:.0f} s", flush=True)
        self.killed.append(Killed(step, account, until_then, landed, seconds))

    def _until(self, ask: Callable[[], Answer | None]) -> Answer | None:
        while not self._over.is_set():
            if answer := ask():
                return answer
            time.sleep(0.05)
        return None

    def _stopped(self, step: str) -> tuple[str, Held, str] | None:
        """An account whose holder stands still in the step (of reading: with a listing landed), and its worker."""
        for account, holder in self._control.held().items():
            pid = int(holder.machine.rpartition(" ")[2].rstrip(")"))
            worker = self._site.worker_of(pid) if holder.step == step else None
            if worker is None:
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                is_far_enough = step != "extract" or self._landed(account)
                if is_far_enough and self._control.held().get(account) == holder:
                    return account, holder, worker
                os.kill(pid, signal.SIGCONT)
        return None

    def _landed(self, account: str) -> int:
        """How many requests the complete listings of an account's night took."""
        keys = self._store.list(f"landing/{account}/")
        wanted = [key for key in keys if key.split("/")[2].startswith(self._night) and key.endswith(f"/{MANIFEST}")]
        return sum(msgspec.json.decode(text, type=Manifest).requests for text in self._store.get_many(wanted))


def refusing(server: Running, is_refusing: bool = True) -> None:
    """Let a shop refuse its token from now on, or take it again."""
    server.faults([{"kind": "status", "status": 401, "path": "/v2/*"}] if is_refusing else [])


def refused(control: Control, run_id: str, account: str, state: str, messages: list[str]) -> Proof:
    """That the account is the only red one, and that somebody was told of it once."""
    nights = RunLog(control).nights(run_id)
    red = [name for name, night in nights.items() if night.status != "published"]
    measured = f"{len(nights) - len(red)} published; red: {', '.join(red)}; {len(messages)} message(s); run {state}"
    return Proof(4, f"the token of {account} refused", measured, red == [account] and len(messages) == 1)


class Own(NamedTuple):
    """What one machine makes of an account's nights, compared with the lake, and what it asked for in each night."""

    account: str
    compared: int
    different: list[str]
    requests: list[Counts]


def own_books(
    folder: Path, shops: dict[str, Running], nights: list[datetime], environ: dict[str, str]
) -> Iterator[Own]:
    """Of each account, two at a time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        working = [
            pool.submit(_own_books, name, server.url, folder / "own" / name, nights, environ)
            for name, server in shops.items()
        ]
        yield from (each.result() for each in working)


def _own_books(account: str, url: str, home: Path, nights: list[datetime], environ: dict[str, str]) -> Own:
    own = {name: text for name, text in environ.items() if name.endswith(f"__{account.upper()}")}
    own |= {"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": environ["STOCKBOOK_HASH_KEY"]}
    settings, requests_of_nights = Settings.load(own), []
    night = steps.Night(settings, SystemClock(), Silent(), lambda conn_id: connections.from_environment(conn_id, own))
    for number, now in enumerate(nights):
        requests.post(f"{url}/_sandbox/clock", json={"now": now.isoformat()}, timeout=60).raise_for_status()
        requests.delete(f"{url}/_sandbox/requests", timeout=60).raise_for_status()
        parameters = parse_parameters({"as_of": now.isoformat()})
        steps.run_all(night, f"night-{number}", parameters, connections.conn_ids_in_environment(own))
        requests_of_nights.append(requests.get(f"{url}/_sandbox/requests", timeout=60).json()["requests"])
    lake = LakeUrl.parse(environ["STOCKBOOK_LAKE"], environ)
    return Own(account, *_differences(settings.published, lake, account), requests_of_nights)


def _differences(file: Path, lake: LakeUrl, account: str) -> tuple[int, list[str]]:
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


def table(proofs: list[Proof]) -> str:
    """The proofs as a person reads them, by their points."""
    width = max((len(proof.what) for proof in proofs), default=0)
    lines = [
        f"  {proof.point:>2}  {'ok ' if proof.is_right else 'NO '} {proof.what:<{width}}  {proof.measured}"
        for proof in sorted(proofs, key=lambda proof: proof.point)
    ]
    return "\n".join(["point", *lines])
