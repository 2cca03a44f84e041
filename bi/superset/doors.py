"""
How Superset opens the published file: as every other reader does, by ``stockbook.warehouse.connect``.

``use`` puts a dialect of ours in the place of duckdb-engine's: whatever opens ``duckdb://`` in Superset (charts,
SQL Lab, the test of a connection, a database an administrator adds) reaches the file it names, read-only, and nothing
else. Superset's Python has no ``stockbook`` installed: the few modules this needs are read from the folder of the other
environment's package (``BI_PACKAGE``), and nothing else of that environment.
"""

import os
import sys
import threading
import time
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import unquote

import duckdb_engine
from sqlalchemy.dialects import registry

PACKAGE = Path(os.environ["BI_PACKAGE"])
spec = spec_from_file_location("stockbook", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)])
sys.modules["stockbook"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["stockbook"])

from stockbook.lake_url import VARIABLE, LakeUrl  # noqa: E402  # of the package above
from stockbook.limits import Limits  # noqa: E402
from stockbook.warehouse.allowed_statements import readable  # noqa: E402
from stockbook.warehouse.readers import interrupted_after, opened  # noqa: E402

# the address of the lake: where it is and its password stand in the environment
LAKE = "lake:"
KEPT_SECONDS = 60
# never more than a share of the machine the night runs on
LIMITS = replace(Limits.load(os.environ, Path(os.environ["BI_HOME"]) / "tmp"), threads=2)


class Shared:
    """One opening of each file for all who ask at a time: their memory is limited together."""

    def __init__(self):
        """Nothing is open."""
        self.lock = threading.Lock()
        self.opened = {}
        self.kept = None
        # set by a program that soon ends: what it opened stays open
        self.all_stay = False

    def take(self, path):
        """A connection to a file, and what to give back when it is closed."""
        with self.lock:
            is_lake = str(path) == LAKE
            state = path.stat() if not is_lake and path.exists() else None
            # a night publishes another file under the same name
            key = (str(path), state and state.st_ino, state and state.st_mtime_ns)
            if is_lake:
                # opening one takes a second of a core: it stays open, and one whose catalog went away not for long
                key = (LAKE, time.monotonic() // KEPT_SECONDS)
            if key not in self.opened:
                source = LakeUrl.parse(os.environ[VARIABLE], os.environ) if is_lake else path
                self.opened[key] = [opened(source, LIMITS), int(is_lake or self.all_stay)]
                if is_lake:
                    earlier, self.kept = self.kept, key
                    if earlier is not None:
                        self._let_go(earlier)
            self.opened[key][1] += 1
            cursor = self.opened[key][0].cursor()
            return (cursor.execute("use lake") if is_lake else cursor), key

    def give(self, key):
        """Close the file when nobody asks any more."""
        with self.lock:
            self._let_go(key)

    def _let_go(self, key):
        self.opened[key][1] -= 1
        if not self.opened[key][1]:
            self.opened.pop(key)[0].close()


SHARED = Shared()


class Cursor(duckdb_engine.CursorWrapper):
    """Runs what readers may ask."""

    def execute(self, statement, parameters=None, context=None):
        """Refuse what is not for readers; a query over the limit of seconds is interrupted."""
        con = self.connection.opened
        if statement.lower() not in ("commit", "rollback"):
            readable(con, statement)
        with interrupted_after(con, LIMITS.seconds):
            super().execute(statement, parameters, context)

    def executemany(self, statement, parameters=None, context=None):
        """Refuse what is not for readers."""
        readable(self.connection.opened, statement)
        super().executemany(statement, parameters, context)


class Connection(duckdb_engine.ConnectionWrapper):
    """A connection that gives its share of the file back."""

    def __init__(self, opened, key):
        """Of ``Shared.take``."""
        super().__init__(opened)
        self.opened, self.key = opened, key

    def cursor(self):
        """A cursor that refuses."""
        return Cursor(self.opened, self)

    def close(self):
        """Close it, once."""
        if not self.closed:
            super().close()
            SHARED.give(self.key)


class Dialect(duckdb_engine.Dialect):
    """DuckDB for readers."""

    supports_statement_cache = False

    def connect(self, *cargs, **cparams):
        """Whatever a database's settings ask for, the file is opened as readers open it."""
        # an address has no other way to say "?" and "%"
        return Connection(*SHARED.take(Path(unquote(cparams.get("database") or cargs[0]))))


def use():
    """Make it the dialect of ``duckdb://``, in every way SQLAlchemy finds one."""
    for name in ("duckdb", "duckdb.duckdb_engine"):
        registry.register(name, __name__, "Dialect")
