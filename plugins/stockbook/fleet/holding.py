"""
One worker at a time on an account: a lock of PostgreSQL that its session holds, and that falls with it.

Everything only the holder may do (move a pointer, let the lake commit) is done by that very session. So taking an
account over is ending the session: from then on its worker can move nothing.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stockbook.errors import ConfigError, HoldingLost, RunLocked
from stockbook.fleet import erasure_list
from stockbook.fleet.control import LOCK, Book, Control, named_errors
from stockbook.version import VERSION

if TYPE_CHECKING:
    import psycopg


# for five seconds
LOOKS = 25


class Holding:
    """An account in the hands of this process."""

    def __init__(self, con: "psycopg.Connection[Any]", account: str) -> None:
        """Made by ``hold``."""
        self._con = con
        self.account = account

    def book(self) -> Book:
        """Where the account's books are."""
        with self._own():
            row = self._con.execute(
                f"select {', '.join(Book._fields)} from account_book where account = %s", [self.account]
            ).fetchone()
        return Book(*row) if row is not None else Book(self.account)

    def now(self) -> datetime:
        """The clock all workers agree on."""
        with self._own():
            row = self._con.execute("select clock_timestamp()").fetchone()
        return row[0]  # type: ignore[index,no-any-return]  # a select without a table gives a row

    def save(self, before: int, generation: int, home: str, latest_book: str | None, hash_key: str | None) -> None:
        """Point to a newer home, and to its book. Raises HoldingLost where the books are not those of ``before``."""
        with self._own():
            moved = self._con.execute(
                "update account_book set generation = %s, home = %s, latest_book = %s, "
                "hash_key = coalesce(hash_key, %s), program = %s, updated_at = clock_timestamp() "
                "where account = %s and generation = %s",
                [generation, home, latest_book, hash_key, VERSION, self.account, before],
            ).rowcount
        if not moved:
            raise self._lost()

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """One transaction around a lake's COMMIT and the move of the published pointer."""
        with self._own(), self._con.transaction():
            yield

    def require(self, generation: int) -> None:
        """Raise HoldingLost unless this session still holds the account, and its books are of ``generation``."""
        with self._own():
            row = self._con.execute(
                "select generation from account_book where account = %s for update", [self.account]
            ).fetchone()
        if row is None or row[0] != generation:
            raise self._lost()

    def publish(self, book: str, run_id: str, generation: int, as_of: datetime) -> None:
        """Point to the published book."""
        with self._own():
            self._con.execute(
                "update account_book set published_book = %s, published_run = %s, published_generation = %s, "
                "published_as_of = %s, updated_at = clock_timestamp() where account = %s",
                [book, run_id, generation, as_of, self.account],
            )

    def share_erasures(self, content: bytes, *, is_asked: bool = False) -> bytes:
        """Put the lines of a home's list of who is forgotten on the fleet's; all of that."""
        with self._own():
            return erasure_list.together(self._con, content, is_asked=is_asked)

    def _lost(self) -> HoldingLost:
        return HoldingLost(
            f"The session that held account {self.account} has ended: another worker took the account over, or the "
            "control database was away. Nothing more of this step is kept."
        )

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Statements of the holder's session: when that has ended, the account is lost."""
        from psycopg import OperationalError

        with named_errors("asked"):
            try:
                yield
            except OperationalError:
                if not self._con.closed:
                    raise
            else:
                return
        raise self._lost() from None


@contextmanager
def hold(
    control: Control, account: str, run_id: str, step: str, hash_key: str | None = None, *, wait: bool = True
) -> Iterator[Holding]:
    """
    Hold an account for a step; ``hash_key`` is the fingerprint of this worker's key. Whoever was killed a moment ago
    may still hold it: unless told not to ``wait``, it is tried for some seconds.

    Raises RunLocked, which names the holder, while another process has it; ConfigError when this worker has another
    key than the account's books, or an older program than wrote them; ControlUnavailable.
    """
    con = control.connect(f"stockbook {account}"[:63])
    try:
        with named_errors("asked"):
            con.execute("set statement_timeout = '30s'")
            if not _taken(con, account, LOOKS if wait else 0):
                raise RunLocked(_busy(con, account, run_id))
            # a new account takes the whole list before it has anything
            con.execute(
                "insert into account_book (account, erased_to) "
                "select %s, coalesce(max(number), 0) from erasure_line on conflict do nothing",
                [account],
            )
            con.execute(
                "insert into account_holder (account, run_id, step, machine, backend) "
                "values (%s, %s, %s, %s, pg_backend_pid()) on conflict (account) do update set "
                "run_id = excluded.run_id, step = excluded.step, machine = excluded.machine, "
                "backend = excluded.backend, since = clock_timestamp()",
                [account, run_id, step, f"{socket.gethostname()} (process {os.getpid()})"],
            )
        holding = Holding(con, account)
        _refuse_other_worker(holding.book(), hash_key)
        yield holding
    finally:
        with suppress(Exception):  # the session may be gone already; closing it lets go in any case
            con.execute("delete from account_holder where account = %s and backend = pg_backend_pid()", [account])
            # the server ends a session in its own time: the next step must not meet its lock
            con.execute("select pg_advisory_unlock_all()")
        con.close()


def _taken(con: "psycopg.Connection[Any]", account: str, looks: int) -> bool:
    """Take the lock; that of a process that was killed a moment ago falls when the server notices."""
    for last in (*[False] * looks, True):
        row = con.execute(f"select pg_try_advisory_lock({LOCK.format(account='%s::text')})", [account]).fetchone()
        if row is not None and row[0]:
            return True
        if not last:
            con.execute("select pg_sleep(0.2)")
    return False


def _refuse_other_worker(book: Book, hash_key: str | None) -> None:
    if book.hash_key and hash_key and book.hash_key != hash_key:
        raise ConfigError(
            f"STOCKBOOK_HASH_KEY of this worker is not the key the books of account {book.account} were begun with: it "
            "would make other customers of the same people. Give every worker the same key."
        )
    if book.program and _order(book.program) > _order(VERSION):
        raise ConfigError(
            f"This worker runs Stockbook {VERSION}, and {book.program} wrote the books of account {book.account}: "
            "update this worker."
        )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split("."))


def _busy(con: "psycopg.Connection[Any]", account: str, run_id: str) -> str:
    row = con.execute(
        "select run_id, step, machine, since from account_holder where account = %s", [account]
    ).fetchone()
    who = "another worker"
    if row is not None:
        who = f"run {row[0]} (step {row[1]}, on {row[2]}, since {row[3]:%Y-%m-%d %H:%M:%S} UTC)"
    return (
        f"Account {account} is held by {who}: run {run_id} was not started on it. Wait for it to end, or end it with "
        f"`stockbook fleet take-over {account}`."
    )
