"""
The control database of a fleet: which book of an account is the newest and which is published, and how its nights went.

What only the holder of an account may change is in ``holding``. Every call opens a connection of its own, so that a
database that was away is there again for the next; an error says its kind and nothing the driver quotes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
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
    readers see: book, run, generation and local as-of. ``program`` is the version that wrote last.
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


class Held(NamedTuple):
    """Who holds an account: run, step, machine and since when (UTC)."""

    run_id: str
    step: str
    machine: str
    since: datetime


class AccountNight(NamedTuple):
    """How the night of an account went in a fleet's run: ``status`` is open, read, published or red."""

    run_id: str
    account: str
    status: str
    step: str
    reason: str | None
    as_of: datetime | None
    seconds: float | None
    updated_at: datetime


class FleetRun(NamedTuple):
    """A run of the fleet and the accounts it was begun with."""

    run_id: str
    opened_at: datetime
    accounts: list[str]
    status: str


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

    def begin(self, run_id: str, accounts: Iterable[str]) -> FleetRun:
        """Begin a run of the fleet, or go on with the one of this name: its accounts stay."""
        with self.opened() as con:
            con.execute(
                "insert into fleet_run (run_id, accounts) values (%s, %s) on conflict (run_id) do nothing",
                [run_id, list(accounts)],
            )
        return self.run(run_id)

    def run(self, run_id: str = "") -> FleetRun:
        """A run of the fleet; the latest without a name. Raises ConfigError when there is none."""
        which = "where run_id = %s" if run_id else "order by opened_at desc limit 1"
        with self.opened() as con:
            row = con.execute(
                f"select run_id, opened_at, accounts, status from fleet_run {which}", [run_id] if run_id else []
            ).fetchone()
        if row is None:
            raise ConfigError(
                f"No run of the fleet {'is called ' + repr(run_id) if run_id else 'was ever begun'}: "
                "`stockbook fleet run` begins one."
            )
        return FleetRun(*row)

    def accounts_before(self, run_id: str) -> list[str] | None:
        """The accounts of the run before this one; None for the first."""
        with self.opened() as con:
            row = con.execute(
                "select accounts from fleet_run where opened_at < (select opened_at from fleet_run where run_id = %s) "
                "order by opened_at desc limit 1",
                [run_id],
            ).fetchone()
        return None if row is None else list(row[0])

    def end(self, run_id: str, status: str) -> None:
        """Note how a run of the fleet ended."""
        with self.opened() as con:
            con.execute(
                "update fleet_run set status = %s, finished_at = clock_timestamp() where run_id = %s", [status, run_id]
            )

    def nights(self, run_id: str) -> dict[str, AccountNight]:
        """How each account's night went in a run of the fleet, by account."""
        with self.opened() as con:
            rows = con.execute(
                f"select {', '.join(AccountNight._fields)} from account_night where run_id = %s order by account",
                [run_id],
            ).fetchall()
        return {row[1]: AccountNight(*row) for row in rows}

    def note(
        self,
        run_id: str,
        account: str,
        status: str,
        step: str,
        reason: str | None = None,
        as_of: datetime | None = None,
        seconds: float | None = None,
        report: str | None = None,
    ) -> None:
        """Write down how far an account's night is; one that was published stays so."""
        with self.opened() as con:
            con.execute(
                """
                insert into account_night (run_id, account, status, step, reason, as_of, seconds, report)
                values (%s, %s, %s, %s, %s, %s, %s, %s::json)
                on conflict (run_id, account) do update set
                    status = excluded.status, step = excluded.step, reason = excluded.reason,
                    as_of = coalesce(excluded.as_of, account_night.as_of), seconds = excluded.seconds,
                    report = coalesce(excluded.report, account_night.report), updated_at = clock_timestamp()
                where account_night.status <> 'published' or excluded.status = 'published'
                """,
                [run_id, account, status, step, reason, as_of, seconds, report],
            )

    def report(self, run_id: str, account: str) -> str | None:
        """The run report of an account's night, as JSON; None where it did not end."""
        with self.opened() as con:
            row = con.execute(
                "select report::text from account_night where run_id = %s and account = %s", [run_id, account]
            ).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def told_once(self, run_id: str, what: str) -> Iterator[bool]:
        """
        Whether this was not told yet; what is told in the block is remembered when it ends well.

        Two summaries of one run wait for each other. A crash in the block tells it a second time, never not at all.
        """
        with self.opened() as con, con.transaction():
            con.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"told {run_id}"])
            row = con.execute("select 1 from alert_sent where run_id = %s and what = %s", [run_id, what]).fetchone()
            yield row is None
            con.execute("insert into alert_sent values (%s, %s) on conflict do nothing", [run_id, what])

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
