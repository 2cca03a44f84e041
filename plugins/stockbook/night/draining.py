"""The drain as a step: the inbox into staging, at the opening of a night or between two nights."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stockbook.clock import local
from stockbook.errors import ConfigError, InboxUnavailable
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.lock import DRAIN

if TYPE_CHECKING:
    import duckdb

    from stockbook.webhooks.drain import Drained


def drain(night: Night, name: str) -> "Drained":
    """
    Take the inbox into staging between two nights.

    Raises RunLocked while a night is under way: its events wait for the next drain, and for the next night.
    """
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.schema import create_all
    from stockbook.webhooks.drain import take_inbox

    run_id = runs.run_id_of(name)
    # a night may go on after hours, when somebody clears its failed task: the lock stays its own
    night.lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with night.lock.step(run_id, DRAIN), writer(night.settings) as con:
            create_all(con, night.tables)
            now = local(night.clock, night.settings.zone)
            return take_inbox(con, night.settings, night.tables, run_id, now, night.clock)
    finally:
        night.lock.release(run_id)


def forget_subscriptions(night: Night, name: str, given_up: Iterable[tuple[str, str]]) -> None:
    """
    Forget the topics of these sources and accounts, which were given up on purpose.

    Raises RunLocked while a night is under way.
    """
    from stockbook.warehouse import meta
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.schema import create_all

    if not night.settings.warehouse.exists():
        return
    run_id = runs.run_id_of(name)
    night.lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with night.lock.step(run_id, DRAIN), writer(night.settings) as con:
            create_all(con, night.tables)
            for source, account in given_up:
                meta.forget_subscriptions(con, source, account)
    finally:
        night.lock.release(run_id)


def drain_first(night: Night, con: "duckdb.DuckDBPyConnection", run: RunContext) -> list[str]:
    """Take the inbox before plans are made, so that tonight reads what its events name. A night can do without."""
    from stockbook.webhooks.drain import take_inbox

    try:
        drained = take_inbox(con, night.settings, night.tables, run.run_id, run.as_of, night.clock, night.events_of)
    except (ConfigError, InboxUnavailable) as error:
        return [f"warning: no events were taken: {error}"]
    return drained.sentences()


def settle_events(night: Night, run_id: str) -> None:
    """Mark as drained what a night took of its one account's events. Raises InboxUnavailable, ConfigError."""
    from stockbook.webhooks.drain import settle_inbox

    if night.events_of is not None:
        settle_inbox(night.settings, night.events_of, run_id, night.clock)
