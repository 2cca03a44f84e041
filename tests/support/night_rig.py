"""A whole Stockbook over a small sandbox shop: what the tests of nights are made with."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import open_books

from stockbook import connections
from stockbook.clock import Clock, SystemClock
from stockbook.declarations import of_layer
from stockbook.errors import SourceError
from stockbook.night import extracting, loading
from stockbook.night import steps as night
from stockbook.night.steps import Night
from stockbook.progress import Progress, Silent
from stockbook.runs import context
from stockbook.runs.context import RunContext, parse_parameters
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.sources.http import RetryPolicy
from stockbook.warehouse.connect import held_open
from stockbook_sandbox import Running

OF_A_DAY = {"stock_levels": "snapshot_date", "currency_rates": "rate_date"}
KEY = "a key for tests, long enough"
# threads of DuckDB: on a small shop a second one takes more than it gives
ONE_THREAD = {"STOCKBOOK_THREADS": "1"}
TWO_THREADS = {"STOCKBOOK_THREADS": "2"}
# what a night does once its run is open, in order, of a run by its id
STEPS: dict[str, Callable[[Night, str], object]] = {
    "extract": lambda tonight, run_id: extracting.extract_all(tonight, context.read(tonight.settings, run_id)),
    "load": night.load,
    "check_staging": lambda tonight, run_id: night.check(tonight, run_id, "check_staging"),
    "build": night.build,
    "check_marts": lambda tonight, run_id: night.check(tonight, run_id, "check_marts"),
    "publish": night.publish,
    "finish": night.finish,
}


def environment(url: str, token: str, home: Path, **more: str) -> dict[str, str]:
    """The variables a night over a sandbox needs."""
    extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
    connection = json.dumps({"conn_type": "http", "host": url, "password": token, "extra": extra})
    return {
        "AIRFLOW_CONN_FULFILLMENT_CZ": connection,
        "AIRFLOW_CONN_FLICKROCKET": connection,
        "STOCKBOOK_HOME": str(home),
        "STOCKBOOK_HASH_KEY": KEY,
        **more,
    }


def leave_out_checks(put: Callable[[Any, str, Any], object]) -> None:
    """
    Nights of this process ask no checks, which change no row, and start nothing that checks need.

    ``put`` sets an attribute: a test's ``monkeypatch.setattr``.
    """
    put(night, "check", lambda *_: None)
    for step in (extracting, loading):
        put(step, "prepare", lambda _: None)


@dataclass
class Rig:
    """A sandbox and a home; ``night`` runs one."""

    server: Running
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress = field(default_factory=Silent)
    retries: RetryPolicy | None = None
    made: int = 0
    red: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a night."""
        return environment(self.server.url, self.server.token, self.home) | ONE_THREAD | self.variables

    @property
    def settings(self) -> Settings:
        """The settings of a night."""
        return Settings.load(self.environ)

    def tonight(self) -> Night:
        """What the steps need."""
        return Night(
            self.settings,
            self.clock,
            self.progress,
            lambda conn_id: connections.from_environment(conn_id, self.environ),
            self.retries,
        )

    def night(self, as_of: datetime, name: str = "", move_clock: bool = True, **parameters: Any) -> Report:
        """Move the shop's clock and run the whole night as of it."""
        if move_clock:
            self.server.set_clock(as_of)
        self.made += 1
        parsed = parse_parameters({"as_of": as_of.isoformat(), **parameters})
        ids = connections.conn_ids_in_environment(self.environ)
        return night.run_all(self.tonight(), name or f"run{self.made}", parsed, ids)

    def books(
        self, as_of: datetime, name: str = "", tries: int = 1, build: bool = True, **parameters: Any
    ) -> RunContext:
        """
        A night without checks, comments and publication: what it does to staging and the marts of the writer's file.

        Each account is extracted up to ``tries`` times, as a task that is tried again. Leaves no lock behind.
        """
        self.server.set_clock(as_of)
        self.made += 1
        tonight = self.tonight()
        parsed = parse_parameters({"as_of": as_of.isoformat(), **parameters})
        ids = connections.conn_ids_in_environment(self.environ)
        with held_open(tonight.settings), patch.object(loading, "prepare"):
            run = night.open_run(tonight, name or f"run{self.made}", parsed, ids, whole_run_here=True)
            try:
                for conn_id in run.conn_ids:
                    self._extract(tonight, run, conn_id, tries)
                night.load(tonight, run.run_id)
                if build:
                    # two thousand statements, of which no row depends
                    with patch("stockbook.models.build.write_comments"):
                        night.build(tonight, run.run_id)
            finally:
                tonight.lock.release(run.run_id)
        return run

    def _extract(self, tonight: Night, run: RunContext, conn_id: str, tries: int) -> None:
        for left in reversed(range(tries)):
            try:
                night.extract(tonight, run.run_id, conn_id)
            except SourceError as error:
                self.red.append(str(error))
                if not left:
                    raise
            else:
                return

    def marts(self) -> dict[str, tuple[int, int]]:
        """Rows and content hash of every mart in the writer's file."""
        return hashes(self.settings.warehouse)

    def staged(self, *without: str) -> dict[str, tuple[int, int]]:
        """Rows and content hash of staging in the writer's file, less what tells who wrote a row and when."""
        return hashes(self.settings.warehouse, "staging", without=("_run_id", "_loaded_at", *without))

    def current(self, last: datetime) -> dict[str, list[Any]]:
        """
        What staging says of the source after the night ``last``: every table's rows that are not deleted, of what is of
        a day the last one's, without the columns that tell who read them and when.
        """
        rows = {}
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as con:
            for table in of_layer(self.tonight().tables, "staging"):
                if table.table != "quarantine":
                    columns = ", ".join(name for name in table.columns if not name.startswith("_"))
                    day = OF_A_DAY.get(table.table)
                    only = f"and {day} = date '{last:%Y-%m-%d}'" if day else ""
                    query = f"select {columns} from {table.name} where _deleted_at is null {only} order by all"
                    rows[table.table] = con.execute(query).fetchall()
        return rows

    def hashes(self, schema: str = "marts") -> dict[str, tuple[int, int]]:
        """Rows and content hash of every published table of a schema."""
        with open_books.asked(self.settings.published) as con:
            return _hashes(con, schema)

    def rows(self, query: str, arguments: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """A query on the published file."""
        with open_books.asked(self.settings.published) as con:
            return con.execute(query, arguments).fetchall()


class Kept:
    """Hashes of a home that nobody changes any more: worked out once."""

    def __init__(self, rig: Rig) -> None:
        self.marts, self.staged, self.hashes = cache(rig.marts), cache(rig.staged), cache(rig.hashes)


def hashes(file: Path, schema: str = "marts", without: tuple[str, ...] = ()) -> dict[str, tuple[int, int]]:
    """
    Rows and content hash of every table of a schema in a file; equal content, equal hash, whatever the order.

    Columns ``without`` are left out.
    """
    with duckdb.connect(str(file), read_only=True) as con:
        return _hashes(con, schema, without)


def _hashes(con: duckdb.DuckDBPyConnection, schema: str, without: tuple[str, ...] = ()) -> dict[str, tuple[int, int]]:
    tables = con.execute("select table_name from duckdb_tables() where schema_name = ?", [schema]).fetchall()
    by_table = {}
    for (name,) in sorted(tables):
        columns = con.execute(f"describe {schema}.{name}").fetchall() if without else []
        left_out = ", ".join(sorted({column for column, *_ in columns}.intersection(without)))
        rows = f"select * {f'exclude ({left_out})' if left_out else ''} from {schema}.{name}"
        query = f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from ({rows}) as t"
        by_table[name] = con.execute(query).fetchall()[0]
    return by_table


def nights_before(end: datetime, count: int) -> list[datetime]:
    """The last ``count`` nights up to and with ``end``."""
    return [end - timedelta(days=back) for back in reversed(range(count))]
