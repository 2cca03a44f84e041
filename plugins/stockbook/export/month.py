"""
The month that is exported: which days, of which account, signed by whom, and known as of which night.

A month that nobody signed is exported all the same, as a draft: whoever signs wants to see it before. A month that has
not begun, or in which nothing moved yet, is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from stockbook.errors import ConfigError
from stockbook.export.pack_files import plain
from stockbook.months import last_day

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Close:
    """A close in force, as ``fct_period_close`` has it."""

    close_id: str
    sequence: int
    as_of: datetime
    known_on: date
    closed_at: datetime
    closed_by: str
    note: str | None
    reason: str | None
    valuation_currency: str
    day_zone: str
    settings: str
    previous_digest: str | None
    digest: str


@dataclass(frozen=True)
class Month:
    """A month of an account in the published file. ``close`` is None while it is a draft."""

    first: date
    account: str
    close: Close | None
    run_id: str
    as_of: datetime
    zone: str
    version: str
    currency: str
    method: str
    basis: str

    @property
    def last(self) -> date:
        """Its last day."""
        return last_day(self.first)

    @property
    def is_over(self) -> bool:
        """Whether the published night came after its last day."""
        return self.as_of.date() > self.last

    @property
    def title(self) -> str:
        """As people say it: October 2026."""
        return f"{self.first:%B %Y}"

    @property
    def known(self) -> str:
        """Up to when its figures are known, as a part of a sentence."""
        return f"as of {self.as_of:%Y-%m-%d %H:%M} {self.zone}"

    @property
    def file_name(self) -> str:
        """The name of its files, without what they hold and without an ending."""
        return f"{self.first:%Y-%m}-{plain(self.account)}" + (f"-{self.close.sequence}" if self.close else "-DRAFT")


def months(con: "duckdb.DuckDBPyConnection", first: date, account: str = "") -> list[Month]:
    """
    The month of every account that has stock or movements in it, or of one.

    Raises ConfigError for a month that has not begun, and for one of which there is nothing.
    """
    run = _one(
        con,
        "select r.run_id, r.as_of, c.zone, r.version from meta.current_run as c join meta.run as r using (run_id)",
    )
    if first > run[1].date():
        raise ConfigError(f"{first:%B %Y} has not begun: the last published night is of {run[1]:%Y-%m-%d}.")
    setting = _one(con, "select valuation_currency, headline_method, headline_basis from marts.dim_valuation_setting")
    there = [
        name
        for (name,) in con.execute(
            "select distinct account from reports.stock_movements_monthly where month = ? order by account", [first]
        ).fetchall()
    ]
    if account and account not in there:
        raise ConfigError(f"There is nothing of {first:%B %Y} of an account {account!r}; there is {_list(there)}.")
    if not there:
        raise ConfigError(f"Nothing had moved by the end of {first:%B %Y}: the first movement came later.")
    return [Month(first, name, _close(con, first, name), *run, *setting) for name in there if account in ("", name)]


def closes_in_force(con: "duckdb.DuckDBPyConnection") -> list[tuple[date, str, str]]:
    """First day, account and id of every close in force, the newest month first."""
    return con.execute(
        "select month, account, close_id from marts.fct_period_close where is_in_force order by month desc, account"
    ).fetchall()


def _close(con: "duckdb.DuckDBPyConnection", first: date, account: str) -> Close | None:
    columns = ", ".join(Close.__dataclass_fields__)
    row = con.execute(
        f"select {columns} from marts.fct_period_close where month = ? and account = ? and is_in_force",
        [first, account],
    ).fetchone()
    return Close(*row) if row else None


def _one(con: "duckdb.DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    row = con.execute(query).fetchone()
    if row is None:
        raise LookupError(f"expected a row from: {query}")
    return tuple(row)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing of any"
