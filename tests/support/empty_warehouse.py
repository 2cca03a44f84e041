"""Empty warehouses in memory, each for one test after another: making the tables takes longer than most tests."""

from pathlib import Path
from weakref import finalize

import duckdb

from stockbook.declaration_files import load
from stockbook.warehouse.meta import write_file_format
from stockbook.warehouse.migrations import FORMAT
from stockbook.warehouse.schema import create_all

MODELS = Path(__file__).parents[2] / "include" / "sql"


class Database:
    """A database with what `create_all` makes; ``views`` are kept from test to test, by name with their selects."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        create_all(self.con, load(MODELS))
        self.views: dict[str, str] = {}
        self._own = {name: sql for name, (sql, _) in self._tables().items()}

    def _tables(self) -> dict[str, tuple[str, int]]:
        listed = "select database_name || '.' || schema_name || '.' || table_name, sql, estimated_size"
        return {name: (sql, rows) for name, sql, rows in self.con.execute(f"{listed} from duckdb_tables()").fetchall()}

    def empty(self) -> None:
        """Make anew what has rows or another shape, and drop what is not of `create_all`."""
        attached = "select database_name from duckdb_databases() where not internal and database_name <> 'memory'"
        for (name,) in self.con.execute(attached).fetchall():
            self.con.execute(f"detach {name}")
        views = "select schema_name || '.' || view_name from duckdb_views() where not internal and not temporary"
        for (name,) in self.con.execute(views).fetchall():
            if name not in self.views:
                self.con.execute(f"drop view {name}")
        tables = self._tables()
        for name in tables.keys() - self._own.keys():
            self.con.execute(f"drop table {name}")
        for name, sql in self._own.items():
            if tables.get(name) != (sql, 0):
                self.con.execute(sql.replace("CREATE TABLE", "CREATE OR REPLACE TABLE", 1))
        write_file_format(self.con, FORMAT)


class Pool:
    """Databases that nobody has a connection to."""

    def __init__(self) -> None:
        self._idle: list[Database] = []

    def take(self) -> tuple[duckdb.DuckDBPyConnection, Database]:
        """A connection to an empty one, which is free for the next when the connection is gone."""
        database = self._idle.pop() if self._idle else Database()
        database.empty()
        con = database.con.cursor()
        finalize(con, self._idle.append, database).atexit = False
        return con, database
