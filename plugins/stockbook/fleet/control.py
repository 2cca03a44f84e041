"""
The control database of a fleet: which accounts there are, which of their books are the newest and the published one.

What only the holder of an account may change is in ``holding``, how nights went in ``run_log``. Every call opens a
connection of its own, so that a database that was away is there again for the next; an error says its kind and nothing
the driver quotes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from stockbook.errors import ConfigError, ControlUnavailable
from stockbook.fleet.alive import ALIVE
from stockbook.fleet.migrations import MIGRATIONS

if TYPE_CHECKING:
    import psycopg

_OPTIONS = (
    "-c statement_timeout=30000 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 -c timezone=UTC"
)
# longer than a transaction of the lake may be idle
_FENCED_SECONDS = 70
_MIGRATING = 0x666C656574  # any number that is ours


class Book(NamedTuple):
    """
    Where the books of an account are.

    ``home`` is the index of the newest saved home, ``generation`` counts the books saved. The published ones are those
    readers see: book, run, generation and local as-of. ``program`` is the version that wrote last. Up to the line
    ``erased_to`` of the list of who is forgotten everybody is gone, from older books and from the lake too; so is who
    ordered before the day ``personal_before``, where people go by age.
    """

    account: str
    generation: int = 0
    home: str | None = None
    latest_book: str | None = None
    published_book: str | None = None
    published_run: str | None = None
    published_generation: int | None = None
    published_as_of: datetime | None = None
    hash_key: str | None = None
    program: str | None = None
    erased_to: int = 0
    personal_before: date | None = None


class Held(NamedTuple):
    """Who holds an account: run, step, machine and since when (UTC)."""

    run_id: str
    step: str
    machine: str
    since: datetime


class Control:
    """The database, by its address."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet."""
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)

    def __repr__(self) -> str:
        return "Control(...)"

    def connect(self, name: str = "stockbook") -> "psycopg.Connection[Any]":
        """A connection that commits each statement. Raises ControlUnavailable, ConfigError without the driver."""
        try:
            import psycopg
        except ImportError:
            raise ConfigError("A fleet needs PostgreSQL's driver: pip install 'stockbook[fleet]'.") from None

        with named_errors("opened"):
            words: dict[str, Any] = ALIVE | {"application_name": name, "options": _OPTIONS}
            return psycopg.connect(self._url, autocommit=True, **words)

    @contextmanager
    def opened(self) -> "Iterator[psycopg.Connection[Any]]":
        """A connection for a few statements. Raises ControlUnavailable."""
        con = self.connect()
        try:
            with named_errors("asked"):
                yield con
        finally:
            con.close()

    def is_ready(self) -> bool:
        """
        Whether the tables are there. Raises ConfigError where this user may not make them, ControlUnavailable.

        Makes none.
        """
        with self.opened() as con:
            if _one(con.execute("select to_regclass('fleet_migration') is not null")):
                return True
            if not _one(con.execute("select has_schema_privilege(current_schema(), 'create')")):
                raise ConfigError(
                    "The user of STOCKBOOK_CONTROL_URL may make no table there: let it own the database, or "
                    "`grant create on schema public` to it."
                )
            return False

    def migrate(self) -> None:
        """Bring the tables to the newest form; does nothing when they are. Raises ConfigError for newer ones."""
        with self.opened() as con, con.transaction():
            con.execute("select pg_advisory_xact_lock(%s)", [_MIGRATING])
            con.execute("create table if not exists fleet_migration (number integer primary key)")
            row = con.execute("select coalesce(max(number), 0) from fleet_migration").fetchone()
            number = int(row[0]) if row else 0
            if number > len(MIGRATIONS):
                raise ConfigError(
                    f"The control database was made by a newer Stockbook (form {number}, this one knows "
                    f"{len(MIGRATIONS)}): update this worker."
                )
            for at, statements in enumerate(MIGRATIONS[number:], number + 1):
                con.execute(statements)
                con.execute("insert into fleet_migration values (%s)", [at])

    def now(self) -> datetime:
        """The database's clock: the one all workers agree on."""
        with self.opened() as con:
            return _one(con.execute("select clock_timestamp()"))  # type: ignore[no-any-return]  # a timestamptz

    def books(self) -> dict[str, Book]:
        """All accounts that were ever begun, by name."""
        with self.opened() as con:
            rows = con.execute(f"select {', '.join(Book._fields)} from account_book order by account").fetchall()
        return {row[0]: Book(*row) for row in rows}

    def listed_accounts(self) -> list[tuple[str, list[str], str | None, str | None]]:
        """The rows of ``fleet_account``, which an operator fills: name, connections, zone, folder of policies."""
        with self.opened() as con:
            return con.execute(
                "select account, conn_ids, zone, policy_dir from fleet_account order by account"
            ).fetchall()

    def held(self) -> dict[str, Held]:
        """Who holds which account now: the lock of one that died is gone, whatever its row says."""
        with self.opened() as con:
            rows = con.execute(
                "select b.account, h.run_id, h.step, h.machine, h.since from account_book as b "
                "inner join account_holder as h on b.account = h.account "
                f"where h.backend in ({_BACKENDS.format(account='b.account')}) order by b.account"
            ).fetchall()
        return {row[0]: Held(*row[1:]) for row in rows}

    def cut(self, account: str) -> int:
        """
        End the session that holds an account; how many there were.

        A holder that stands between a lake's COMMIT and the published pointer has its row locked, and is waited for.
        One that hangs there loses its transaction of the lake meanwhile, which may be idle no longer than that.
        """
        from psycopg.errors import LockNotAvailable

        with self.opened() as con, con.transaction():
            con.execute(f"set local statement_timeout = 0; set local lock_timeout = '{_FENCED_SECONDS}s'")
            with suppress(LockNotAvailable), con.transaction():
                con.execute("select 1 from account_book where account = %s for update", [account])
            rows = con.execute(
                f"select pg_terminate_backend(pid, 5000) from ({_BACKENDS.format(account='%s::text')}) as holder",
                [account],
            ).fetchall()
        return len(rows)

    def note_erased(self, positions: Mapping[str, int]) -> None:
        """Note of accounts up to which line of the list of who is forgotten everybody is gone from all there is."""
        with self.opened() as con, con.transaction(), con.cursor() as cursor:
            cursor.executemany(
                "update account_book set erased_to = greatest(erased_to, %s) where account = %s",
                [(number, account) for account, number in positions.items()],
            )

    def note_personal(self, borders: Mapping[str, date | None]) -> None:
        """Note of accounts before which day nobody who ordered is known any more in all there is; None of any day."""
        with self.opened() as con, con.transaction(), con.cursor() as cursor:
            cursor.executemany(
                "update account_book set personal_before = %s where account = %s",
                [(before, account) for account, before in borders.items()],
            )

    def forget(self, account: str) -> None:
        """Forget an account; its objects stay in the store."""
        with self.opened() as con, con.transaction():
            con.execute("delete from account_holder where account = %s", [account])
            con.execute("delete from account_book where account = %s", [account])


LOCK = "hashtextextended('stockbook account ' || {account}, 0)"
_BACKENDS = (
    "select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1 "
    "and database = (select oid from pg_database where datname = current_database()) "
    f"and (classid::bigint << 32) | objid::bigint = {LOCK}"
)


@contextmanager
def named_errors(what: str) -> Iterator[None]:
    """Say what failed by its kind; the cause is not chained, which may quote the address."""
    from psycopg import Error

    kind = ""
    try:
        yield
    except Error as error:
        kind = type(error).__name__
    if kind:
        raise ControlUnavailable(
            f"The control database of STOCKBOOK_CONTROL_URL could not be {what} ({kind}): does the server run, and may "
            "this user? Readers keep what was published; the next night goes on."
        ) from None


def _one(cursor: Any) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]
