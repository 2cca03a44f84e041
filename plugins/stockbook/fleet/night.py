"""
An account's night in three steps, and its end: each may run on any worker, and again after one died in it.

An account's night is an ordinary night over a home that holds this account alone. Around it: the account is held, its
home restored before and saved after, and what was published there is published in the lake.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from stockbook.errors import ConfigError, StockbookError
from stockbook.extra_folder import Problem
from stockbook.fleet.publishing import publish
from stockbook.fleet.turns import turn
from stockbook.fleet.work import Fleet, Work, at_work, bring_pages, restored
from stockbook.night import steps
from stockbook.night.extra import notes_of
from stockbook.night.extracting import extract_all
from stockbook.runs import context as runs
from stockbook.runs import report
from stockbook.runs.context import Parameters, run_id_of
from stockbook.runs.report import Report

OPEN, EXTRACT, BOOKS, END = "open", "extract", "books", "end"
# how far a night is whose listings are complete
READ = "read"


def open_account(fleet: Fleet, name: str, account_name: str, parameters: Parameters | Mapping[str, object]) -> None:
    """Restore an account's home and open its night: judge, drain its events, plan what will be asked."""
    run_id = run_id_of(name)
    account = fleet.account(account_name)
    with at_work(fleet, account, run_id, OPEN) as work:
        restored(fleet, work)
        run = steps.open_run(work.night, run_id, parameters, fleet.conn_ids_of(account))
        work.home.save(run_id, OPEN)
        work.home.trust()
        fleet.run_log.note(run_id, account_name, OPEN, OPEN, as_of=run.as_of)


def extract_account(fleet: Fleet, name: str, account_name: str) -> None:
    """Read an account's sources to the landing; what is complete in the store already is not asked again."""
    run_id = run_id_of(name)
    account = fleet.account(account_name)
    with at_work(fleet, account, run_id, EXTRACT) as work, turn(fleet, account):
        work.home.restore()
        work.night.lock.take(run_id)
        run = runs.read(work.night.settings, run_id)
        work.home.fetch_landing()
        try:
            extract_all(work.night, run)
        finally:
            work.home.all_landed(run.night)
            work.home.save(run_id, EXTRACT)
            work.home.trust()
        fleet.run_log.note(run_id, account_name, READ, EXTRACT)


def books_of_account(fleet: Fleet, name: str, account_name: str) -> Report:
    """Load, check, build, check, save, publish; a night that goes red once rows are in staging saves its book too."""
    from stockbook.warehouse.connect import held_open

    run_id = run_id_of(name)
    account = fleet.account(account_name)
    with at_work(fleet, account, run_id, BOOKS) as work:
        restored(fleet, work)
        night = work.night
        night.lock.take(run_id)
        run = runs.read(night.settings, run_id)
        try:
            with held_open(night.settings):
                steps.load(night, run_id)
                steps.settle(night, run_id)
        finally:
            work.home.save(run_id, BOOKS)
        try:
            with night.at(run, "publish", "lake") as step:
                step.extra = _publish(fleet, work, run_id, run.as_of)
                step.notes += notes_of(night.settings, step.extra)
        except Exception:
            work.home.save(run_id, BOOKS)
            raise
        # from here on the night is published, whatever else fails
        _after(fleet, work, run_id)
        done = _finished(fleet, work, run_id)
        _note(fleet, account_name, done)
        return done


def end_account(fleet: Fleet, name: str, account_name: str) -> Report | None:
    """Write the report of a night that is not to be tried again, and remember it as red; None of one not begun."""
    run_id = run_id_of(name)
    account = fleet.account(account_name)
    with at_work(fleet, account, run_id, END) as work:
        restored(fleet, work)
        folder = runs.folder(work.night.settings, run_id)
        if not (folder / "run.json").exists():
            return report.read(folder)
        work.night.lock.take(run_id)
        done = steps.finish(work.night, run_id)
        work.home.save(run_id, END)
        work.home.trust()
        _note(fleet, account_name, done)
        return done


def _publish(fleet: Fleet, work: Work, run_id: str, as_of: datetime) -> list[Problem]:
    book = work.home.published_book
    if not book:
        raise ConfigError(f"Account {work.account.name} has no saved book: run its night from the beginning.")
    return publish(work.holding, fleet.lake, work.night.settings.published, book, run_id, work.home.generation, as_of)


def _after(fleet: Fleet, work: Work, run_id: str) -> None:
    try:
        steps.settle_events(work.night, run_id)
        bring_pages(fleet, work)
    except StockbookError as error:
        # the events wait as taken, and the next night knows them by their key
        fleet.progress.note(f"{work.account.name}: published, and the end could not be noted everywhere: {error}")


def _finished(fleet: Fleet, work: Work, run_id: str) -> Report:
    settings = work.night.settings
    telling = replace(
        settings,
        alert_notifier=fleet.settings.alert_notifier,
        report_notifier=fleet.settings.report_notifier,
        packs_notifier=fleet.settings.packs_notifier,
    )
    night = replace(work.night, settings=telling)
    unsent: StockbookError | None = None
    try:
        done = steps.finish(night, run_id)
    except StockbookError as error:
        unsent = error
    try:
        work.home.save(run_id, END)
        work.home.trust()
    except StockbookError as error:
        # readers have the night; what was marked as sent is sent once more by the next
        fleet.progress.note(f"{work.account.name}: published, and its end could not be saved: {error}")
    if unsent is not None:
        fleet.progress.note(f"{work.account.name}: published, and somebody could not be told: {unsent}")
        folder = runs.folder(settings, run_id)
        written = report.read(folder)
        if written is None:
            raise unsent
        done = written
    return done


def _note(fleet: Fleet, account_name: str, done: Report) -> None:
    status = "published" if done.status == "published" else "red"
    step = done.failed_step or BOOKS
    encoded = msgspec.json.encode(done).decode()
    fleet.run_log.note(
        done.run_id, account_name, status, step, done.reason, as_of=done.as_of, seconds=done.seconds, report=encoded
    )
