"""How the runs of a fleet and the nights in them went, as the control database keeps it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from stockbook.errors import ConfigError
from stockbook.fleet.control import Control


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


class RunLog:
    """Runs, nights and what was told of them."""

    def __init__(self, control: Control) -> None:
        """In this database."""
        self._control = control

    def begin(self, run_id: str, accounts: Iterable[str], own_reports: str = "") -> FleetRun:
        """
        Begin a run of the fleet, or go on with the one of this name: its accounts stay.

        ``own_reports`` is the digest of the folder that its workers must have.
        """
        with self._control.opened() as con:
            con.execute(
                "insert into fleet_run (run_id, accounts, own_reports) values (%s, %s, %s) "
                "on conflict (run_id) do update set own_reports = excluded.own_reports",
                [run_id, list(accounts), own_reports],
            )
        return self.run(run_id)

    def own_reports(self) -> str | None:
        """The digest of the folder that the latest run was begun with; None where none was, or not with one."""
        with self._control.opened() as con:
            row = con.execute("select own_reports from fleet_run order by opened_at desc limit 1").fetchone()
        return None if row is None else row[0]

    def run(self, run_id: str = "") -> FleetRun:
        """A run of the fleet; the latest without a name. Raises ConfigError when there is none."""
        which = "where run_id = %s" if run_id else "order by opened_at desc limit 1"
        with self._control.opened() as con:
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
        with self._control.opened() as con:
            row = con.execute(
                "select accounts from fleet_run where opened_at < (select opened_at from fleet_run where run_id = %s) "
                "order by opened_at desc limit 1",
                [run_id],
            ).fetchone()
        return None if row is None else list(row[0])

    def end(self, run_id: str, status: str) -> None:
        """Note how a run of the fleet ended."""
        with self._control.opened() as con:
            con.execute(
                "update fleet_run set status = %s, finished_at = clock_timestamp() where run_id = %s", [status, run_id]
            )

    def nights(self, run_id: str) -> dict[str, AccountNight]:
        """How each account's night went in a run of the fleet, by account."""
        with self._control.opened() as con:
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
        with self._control.opened() as con:
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
        with self._control.opened() as con:
            row = con.execute(
                "select report::text from account_night where run_id = %s and account = %s", [run_id, account]
            ).fetchone()
        return None if row is None else row[0]

    def reports(self, run_id: str) -> Iterator[tuple[str, str]]:
        """The account and the run report of each night of a run that ended."""
        query = "select account, report::text from account_night where run_id = %s and report is not null"
        with self._control.opened() as con:
            yield from con.execute(query, [run_id])

    @contextmanager
    def told_once(self, run_id: str, what: str) -> Iterator[bool]:
        """
        Whether this was not told yet; what is told in the block is remembered when it ends well.

        Two summaries of one run wait for each other. A crash in the block tells it a second time, never not at all.
        """
        with self._control.opened() as con, con.transaction():
            con.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"told {run_id}"])
            row = con.execute("select 1 from alert_sent where run_id = %s and what = %s", [run_id, what]).fetchone()
            yield row is None
            con.execute("insert into alert_sent values (%s, %s) on conflict do nothing", [run_id, what])
