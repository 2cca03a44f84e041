"""A whole Stockbook over a small sandbox shop: what the tests of nights are made with."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from stockbook import connections, night
from stockbook.clock import Clock, SystemClock
from stockbook.night import Night
from stockbook.progress import Progress, Silent
from stockbook.runs.context import parse_parameters
from stockbook.runs.report import Report
from stockbook.sandbox import Running
from stockbook.settings import Settings

KEY = "a key for tests, long enough"


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


@dataclass
class Rig:
    """A sandbox and a home; ``night`` runs one."""

    server: Running
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress = field(default_factory=Silent)
    made: int = 0

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a night."""
        return environment(self.server.url, self.server.token, self.home) | self.variables

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
        )

    def night(self, as_of: datetime, name: str = "", move_clock: bool = True, **parameters: Any) -> Report:
        """Move the shop's clock and run the whole night as of it."""
        if move_clock:
            self.server.set_clock(as_of)
        self.made += 1
        given = parse_parameters({"as_of": as_of.isoformat(), **parameters})
        ids = connections.conn_ids_in_environment(self.environ)
        return night.run_all(self.tonight(), name or f"run{self.made}", given, ids)

    def hashes(self, schema: str = "marts") -> dict[str, tuple[int, int]]:
        """Rows and content hash of every published table of a schema."""
        return hashes(self.settings.published, schema)

    def rows(self, query: str, given: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """A query on the published file."""
        with duckdb.connect(str(self.settings.published), read_only=True) as con:
            return con.execute(query, given).fetchall()


def hashes(file: Path, schema: str = "marts") -> dict[str, tuple[int, int]]:
    """Rows and content hash of every table of a schema in a file; equal content, equal hash, whatever the order."""
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where schema_name = ?", [schema]).fetchall()
        return {
            name: con.execute(
                f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from {schema}.{name} as t"
            ).fetchall()[0]
            for (name,) in sorted(names)
        }


def nights_before(end: datetime, count: int) -> list[datetime]:
    """The last ``count`` nights up to and with ``end``."""
    return [end - timedelta(days=back) for back in reversed(range(count))]
