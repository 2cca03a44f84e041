"""Connections of the inbox: what makes a commit durable on each database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from stockbook.errors import ConfigError, InboxUnavailable
from stockbook.sqlite_errors import reason

_WRITES = "stockbook_writes"


def read_url(text: str) -> URL:
    """
    The URL of an inbox: ``sqlite:///<file>`` or ``postgresql://…``, whose driver is psycopg.

    In a file's name ``%3F`` is a question mark and ``%25`` a per cent sign.

    Raises ConfigError that quotes nothing of it, since it may hold a password.
    """
    url = URL.create("unreadable")
    with suppress(ArgumentError, ValueError):
        url = make_url(text)
    backend = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite", database=unquote(url.database))
    raise ConfigError(
        "STOCKBOOK_INBOX_URL must be postgresql://user:password@host:port/database or sqlite:///file; it is neither."
    )


def connect(url: URL) -> Engine:
    """An engine whose commits are on the disk before they return. Raises ConfigError without the driver."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(Path(str(url.database)), url)
    try:
        engine = create_engine(url, pool_size=2, max_overflow=3, pool_pre_ping=True)
    except (ImportError, NoSuchModuleError):
        raise ConfigError(
            "STOCKBOOK_INBOX_URL names PostgreSQL, whose driver is not installed: pip install 'psycopg[binary]'."
        ) from None

    @event.listens_for(engine, "connect")
    def durable(connection: DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        # whatever the database's or the role's default is: an event that was answered 200 is on the disk
        cursor.execute("set synchronous_commit = on")
        cursor.close()
        connection.commit()

    return engine


def _sqlite(file: Path, url: URL) -> Engine:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        file.touch(mode=0o600)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def durable(connection: DBAPIConnection, _: object) -> None:
        # transactions begin where we say (below), DDL included; the driver's own rules leave DDL outside
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("pragma journal_mode = wal")
        # in WAL mode anything less leaves the latest commits to a power cut
        cursor.execute("pragma synchronous = full")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer that began as a reader could not wait for another writer, only fail
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, alone from its beginning where the database has one writer."""
    with engine.connect().execution_options(**{_WRITES: True}) as con, con.begin():
        yield con


def scrub(engine: Engine) -> None:
    """
    Leave in a SQLite file and its log no byte of what was deleted or changed; PostgreSQL does so by itself.

    Raises InboxUnavailable while another process reads the file.
    """
    if engine.dialect.name != "sqlite":
        return
    connection, is_busy = engine.raw_connection(), True
    # another process may hold the file for longer than we wait
    with suppress(sqlite3.OperationalError):
        cursor = connection.cursor()
        cursor.execute("vacuum")
        cursor.execute("pragma wal_checkpoint(truncate)")
        is_busy = bool((cursor.fetchone() or (0,))[0])
        cursor.close()
    connection.close()
    if is_busy:
        raise InboxUnavailable(
            "The inbox was used by another process while it was cleaned: what was erased may still be in its log. Run "
            "the command again."
        )


def why(error: Exception) -> str:
    """Why the database refused, in words or by the kind of the driver's error; never its text, which quotes values."""
    return reason(getattr(error, "orig", None) or error)


def refusal(url: URL, kind: str) -> ConfigError:
    """
    The sentence for a database that cannot be opened, by the ``kind`` of error and nothing the driver quotes.

    A server's database is not named: in an address that was put together wrongly its name is a part of the password.
    """
    which = f"SQLite, file {Path(str(url.database)).name!r}" if url.get_backend_name() == "sqlite" else "PostgreSQL"
    return ConfigError(
        f"The inbox ({which}) could not be opened: {kind}. Check STOCKBOOK_INBOX_URL, that the server runs and that "
        "its folder can be written."
    )


def damaged(url: URL) -> ConfigError:
    """The sentence for an inbox in a file that is not what was written to it."""
    return ConfigError(
        f"The inbox {Path(str(url.database)).name!r} is damaged: move it with its -wal and -shm away, receivers make a "
        "new one, and read again what events named since the last night that took some: `stockbook hooks reread`."
    )
