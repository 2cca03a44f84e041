"""A worker of a fleet over a sandbox shop: its variables, and what became of its nights."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from night_rig import KEY

from stockbook.clock import SystemClock
from stockbook.fleet.publishing import publish
from stockbook.fleet.work import Fleet, restored, taken
from stockbook.places import of_this_machine
from stockbook.progress import Progress, Silent
from stockbook.warehouse.publish import published_as_of
from stockbook_sandbox import Running

# a password of the databases: whatever is said, it is not
HUSH = "a-password-nobody-may-see"


def databases(server: str, *names: str) -> list[str]:
    """The addresses of new databases of a server, with a password in each."""
    with psycopg.connect(server, autocommit=True) as con:
        for name in names:
            con.execute(f"create database {name}")
    return [server.removesuffix("postgres").replace("stockbook@", f"stockbook:{HUSH}@") + name for name in names]


def variables(folder: Path, store: str, control: str, lake: str) -> dict[str, str]:
    """What makes a process a worker of a fleet whose disk is ``folder``."""
    return {
        "STOCKBOOK_HOME": str(folder / "home"),
        "STOCKBOOK_HASH_KEY": KEY,
        "STOCKBOOK_STORE": store,
        "STOCKBOOK_CONTROL_URL": control,
        "STOCKBOOK_LAKE": lake,
        "STOCKBOOK_SCRATCH": str(folder / "scratch"),
    }


def connections(server: Running, *more: str) -> dict[str, str]:
    """The account main of a shop, both its APIs; ``more`` read the same stock, and ``red`` with a refused token."""
    extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
    good = {"conn_type": "http", "host": server.url, "password": server.token, "extra": extra}
    named = {"FULFILLMENT_CZ": good, "FLICKROCKET": good}
    for name in more:
        named[f"FULFILLMENT_CZ__{name.upper()}"] = good | ({"password": "refused"} if name == "red" else {})
    return {f"AIRFLOW_CONN_{name}": json.dumps(connection) for name, connection in named.items()}


@dataclass
class Site:
    """A fleet by its environment; ``fleet`` is a worker of it."""

    environ: Mapping[str, str]
    folder: Path
    progress: Progress = field(default_factory=Silent)

    def fleet(self, **changes: str) -> Fleet:
        """A worker with some of its variables changed."""
        environ = {**self.environ, **changes}
        places = replace(of_this_machine(), environ=environ)
        return Fleet.load(SystemClock(), self.progress, places.look_up, places.conn_ids, environ)

    def let_go(self) -> bool:
        """Whether nobody holds an account, once the database has noticed that a killed process is gone."""
        control, clock = self.fleet().control, SystemClock()
        end = clock.monotonic() + 30
        while control.held() and clock.monotonic() < end:
            clock.sleep(0.05)
        return control.held() == {}

    def published(self, account: str = "main") -> tuple[Any, Any]:
        """Run, generation and book of an account, as the pointer has them and as the lake has them."""
        fleet = self.fleet()
        book, there = fleet.control.books().get(account), fleet.lake.published(account)
        pointer = None if book is None else (book.published_run, book.published_generation, book.published_book)
        return pointer, None if there is None else (there.run_id, there.generation, there.book)


def move_in(fleet: Fleet, account: str, home: Path) -> None:
    """Give an account the home that one machine has after a published night, and readers of the lake that night."""
    run_id = "moved-in"
    with taken(fleet, fleet.account(account), run_id, "books") as work:
        restored(fleet, work)
        settings = work.night.settings
        for part in ("state", "runs", "published", "landing"):
            shutil.copytree(home / part, settings.home / part, dirs_exist_ok=True)
        shutil.copyfile(home / settings.warehouse.name, settings.warehouse)
        for night in settings.landing.glob("*-*-*"):
            work.home.all_landed(night.name)
        work.home.save(run_id, "books")
        as_of = published_as_of(settings)
        assert as_of is not None
        file, book = settings.published, work.home.published_book
        publish(work.holding, fleet.lake, file, book, run_id, work.home.generation, as_of)
        work.home.trust()


def programs() -> dict[str, str]:
    """What a process of these tests needs of the environment it is started in."""
    return {name: text for name, text in os.environ.items() if name in ("PATH", "AIRFLOW_HOME") or "PYTHON" in name}
