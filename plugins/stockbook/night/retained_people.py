"""
Who ordered, of orders older than ``personal_years``: gone from every place, as erasure takes people from them.

What a source still sends of such an order lands without its person (``projection/erased.py``), so this is done once a
month, when the day moves; which day was done last stands in the home.
"""

from datetime import date
from typing import NamedTuple

from stockbook.atomic_files import write_atomically
from stockbook.declarations import Table
from stockbook.night.tonight import Night
from stockbook.projection.erasures import Erasures
from stockbook.retention_policy import Retention
from stockbook.settings import Settings

_DONE = "personal.before"


class People(NamedTuple):
    """
    Who ordered before a day, or nobody without one: whether there are orders of then, and whose they are.

    ``hashes`` are of those who never ordered since, and of whom no event tells: they are to be nowhere any more.
    """

    before: date | None
    has_orders: bool = False
    hashes: frozenset[str] = frozenset()


def of(settings: Settings, tables: dict[str, Table], before: date | None) -> People:
    """Those whom a home's books tell of."""
    from stockbook.erasure.finding import columns_of, is_before, people_before, people_of_events, personal_in
    from stockbook.warehouse.connect import for_questions

    if before is None or not settings.warehouse.exists():
        return People(before)
    with for_questions(settings.warehouse) as con:
        columns = columns_of(con)
        personal = personal_in(tables, columns)
        has_orders = any(is_before(con, each, before) for each in personal)
        hashes = people_before(con, personal, before) - people_of_events(con, columns)
    return People(before, has_orders, frozenset(hashes))


def count(night: Night, policy: Retention) -> int:
    """How many rows of staging tell of somebody and are too old."""
    from stockbook.erasure.finding import columns_of, old_orders, personal_in
    from stockbook.warehouse.connect import for_questions

    before = policy.personal_before(night.clock.utc())
    if before is None or not night.settings.warehouse.exists():
        return 0
    with for_questions(night.settings.warehouse) as con:
        return sum(len(old_orders(con, each, before)) for each in personal_in(night.tables, columns_of(con)))


def drop(night: Night, policy: Retention) -> int:
    """Take them from landed pages, inbox, both DuckDB files and notes of runs; how many rows. Killed, it is redone."""
    from stockbook.erasure.applying import apply

    before = policy.personal_before(night.clock.utc())
    if before is None:
        # set again, everybody is to be looked for anew: what landed until then tells of them
        (night.settings.state / _DONE).unlink(missing_ok=True)
    if before in (None, _done(night.settings)):
        return 0
    rows = apply(night.settings, night.tables, Erasures.of(night.settings, night.clock.utc()))
    night.settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(night.settings.state / _DONE, before.isoformat().encode())
    return sum(rows.values())


def _done(settings: Settings) -> date | None:
    try:
        return date.fromisoformat((settings.state / _DONE).read_text())
    except (FileNotFoundError, ValueError):
        return None
