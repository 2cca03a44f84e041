"""
Where rotating tokens are kept: encrypted, in the state database or one that machines share, for one process at a time.

A refresh token can be spent once. So a renewal leaves a mark before it asks, the new pair is on the disk
before the old one is removed, and a file lock keeps two processes from spending the same one. Between the
source's answer and our disk nothing can help: the mark then tells what happened.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import (
    URL,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from stockbook.errors import ConfigError, ControlUnavailable
from stockbook.sqlite_errors import is_damaged, reason

_META = MetaData()
_TOKENS = Table(
    "oauth_token",
    _META,
    Column("conn_id", String, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("origin", String, nullable=False),
    Column("access_token", LargeBinary),
    Column("refresh_token", LargeBinary, nullable=False),
    Column("expires_at", String),
    Column("stored_at", String, nullable=False),
    Column("spending_since", String),
)


@dataclass(frozen=True)
class Pair:
    """
    An access token and the refresh token that follows it.

    ``access`` is None before the first renewal, ``expires_at`` (UTC) None where the source did not say.
    ``spending_since`` is set while a renewal with this refresh token has not told its outcome.
    """

    access: str | None = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime | None = None
    spending_since: datetime | None = None


class TokenStore:
    """The tokens of a home. Every call opens the database anew: nothing is kept between processes or threads."""

    def __init__(self, place: Path | str, keys: tuple[bytes, ...]) -> None:
        """
        ``place`` is a folder of this machine or the address of a PostgreSQL that several share.

        ``keys`` are Fernet keys: the first encrypts, any decrypts. Raises ConfigError without one.
        """
        if not keys:
            raise ConfigError(
                "Rotating tokens are kept encrypted and need a Fernet key; there is none: "
                "set STOCKBOOK_FERNET_KEY, or use Airflow's (AIRFLOW__CORE__FERNET_KEY or airflow.cfg)."
            )
        try:
            self._cipher = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigError(
                "STOCKBOOK_FERNET_KEY (or Airflow's fernet_key) must be 32 bytes in URL-safe base64; it is not: "
                "make one with cryptography's Fernet.generate_key()."
            ) from None
        self._place = _Folder(place) if isinstance(place, Path) else _Shared(place)
        # two processes that begin together must not both make the table
        with self.alone("state"), self._place.errors_named():
            _META.create_all(self._place.engine)

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold the tokens of a connection against every other process and thread."""
        with self._place.alone(name):
            yield

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        with self._place.errors_named(), self._place.engine.connect() as con:
            yield con

    def latest(self, conn_id: str, origin: str) -> Pair | None:
        """The newest pair that grew out of ``origin``. Raises ConfigError when it was encrypted with another key."""
        query = (
            _TOKENS.select()
            .where(_TOKENS.c.conn_id == conn_id, _TOKENS.c.origin == origin)
            .order_by(_TOKENS.c.generation.desc())
            .limit(1)
        )
        with self._opened() as con:
            row = con.execute(query).first()
        if row is None:
            return None
        try:
            return Pair(
                access=None if row.access_token is None else self._cipher.decrypt(row.access_token).decode(),
                refresh=self._cipher.decrypt(row.refresh_token).decode(),
                expires_at=_moment(row.expires_at),
                spending_since=_moment(row.spending_since),
            )
        except InvalidToken:
            raise ConfigError(
                f"The stored token of connection {conn_id} was encrypted with another key, or is damaged: set the "
                "Fernet key it was stored with (several are read, separated by commas), or authorise again."
            ) from None

    def keep(self, conn_id: str, origin: str, pair: Pair, now: datetime) -> None:
        """Put a pair on the disk as the newest, then forget the earlier ones."""
        with self._opened() as con, con.begin():
            rows = con.execute(_TOKENS.select().where(_TOKENS.c.conn_id == conn_id)).all()
            generation = 1 + max((row.generation for row in rows), default=0)
            con.execute(
                _TOKENS.insert().values(
                    conn_id=conn_id,
                    generation=generation,
                    origin=origin,
                    access_token=None if pair.access is None else self._cipher.encrypt(pair.access.encode()),
                    refresh_token=self._cipher.encrypt(pair.refresh.encode()),
                    expires_at=_text(pair.expires_at),
                    stored_at=_text(now),
                    spending_since=_text(pair.spending_since),
                )
            )
        self._forget(conn_id, generation)

    def _forget(self, conn_id: str, before: int) -> None:
        # a transaction of its own: were it cut off, both pairs would be there and the newer one be taken
        with self._opened() as con, con.begin():
            con.execute(_TOKENS.delete().where(_TOKENS.c.conn_id == conn_id, _TOKENS.c.generation < before))

    def mark(self, conn_id: str, origin: str, since: datetime | None) -> None:
        """Note that the newest refresh token is being spent, or that it was not."""
        with self._opened() as con, con.begin():
            con.execute(
                _TOKENS.update()
                .where(_TOKENS.c.conn_id == conn_id, _TOKENS.c.origin == origin)
                .values(spending_since=_text(since))
            )


class _Folder:
    """A file of this machine, and a lock beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "state.db"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._file.exists():
            os.close(os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o600))
        self.engine = create_engine(URL.create("sqlite", database=str(self._file)), poolclass=NullPool)

        @event.listens_for(self.engine, "connect")
        def durable(connection: DBAPIConnection, _: object) -> None:
            cursor = connection.cursor()
            cursor.execute("pragma busy_timeout = 60000")
            # a commit is on the disk, its journal's removal too, before the next statement
            cursor.execute("pragma synchronous = extra")
            # what is deleted is overwritten
            cursor.execute("pragma secure_delete = on")
            cursor.close()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        lock = self._folder / f"{name}.lock"
        lock.touch(mode=0o600)
        with lock.open("ab") as file:
            # an open file of its own for every holder: the kernel's lock then counts for threads too
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            what = reason(error.orig)
            back = ": move it away and authorise FlickRocket's connection again" if is_damaged(error.orig) else ""
            # without its cause, which may quote what was to be stored
            raise ConfigError(f"The tokens in {self._file} could not be read or written, {what}{back}.") from None


class _Shared:
    """A database that several machines share, and a lock in it that falls with its session."""

    def __init__(self, address: str) -> None:
        url = make_url(address).set(drivername="postgresql+psycopg")
        self.engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})

        @event.listens_for(self.engine, "connect")
        def durable(connection: DBAPIConnection, _: object) -> None:
            cursor = connection.cursor()
            cursor.execute("set synchronous_commit = on")
            cursor.close()
            connection.commit()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        # a renewal in the block may take a minute, and must not be done by two
        with self.errors_named(), self.engine.connect() as con:
            con.execute(
                text("select pg_advisory_lock(hashtextextended(:name, 2))"), {"name": f"stockbook token {name}"}
            )
            yield

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # without its cause, which may quote what was to be stored, and the address
            raise ControlUnavailable(
                f"The tokens in the control database could not be read or written ({type(error.orig).__name__})."
            ) from None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
