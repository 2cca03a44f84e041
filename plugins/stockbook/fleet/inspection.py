"""What of a fleet is set up on this machine, and whether what machines share answers: for ``stockbook doctor``."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from stockbook.errors import ConfigError, StockbookError
from stockbook.fleet import accounts, own_reports
from stockbook.fleet.control import Control
from stockbook.fleet.run_log import RunLog
from stockbook.fleet.store import Store
from stockbook.fleet_settings import FleetSettings
from stockbook.settings import Settings

# of scratch, a home and its book in the making
_ROOM = 2_000_000_000


class Look(NamedTuple):
    """Whether all is well with one thing of a fleet, and what there is to say of it."""

    good: bool
    text: str


def looks(
    settings: Settings, listed: Callable[[], list[str]], is_asking: bool, environ: Mapping[str, str] = os.environ
) -> Iterator[Look]:
    """
    A line for each thing; none where this is no fleet. Nobody is asked unless ``is_asking``; an object that is put into
    the store is removed again. What is wrong with the settings themselves is said by the look at all settings.
    """
    try:
        shared = FleetSettings.load(settings.home, environ)
    except ConfigError:
        return
    if shared is None:
        return
    yield _look("scratch", lambda: _scratch(shared))
    if not is_asking:
        yield Look(True, "fleet: a store, a control database and a lake are set (not asked: doctor --try asks)")
        return
    yield _look("store", lambda: _store(shared))
    control = _look("control database", lambda: _control(shared))
    yield control
    yield _look("lake", lambda: _lake(settings, shared, environ))
    yield _look("accounts", lambda: _accounts(shared, listed))
    if control.good:
        yield _look("own reports", lambda: _own_reports(settings, shared))


def _look(what: str, look: Callable[[], str]) -> Look:
    try:
        return Look(True, f"{what}: {look()}")
    except StockbookError as error:
        return Look(False, f"{what}: {error}")


def _scratch(shared: FleetSettings) -> str:
    there = next(folder for folder in (shared.scratch, *shared.scratch.parents) if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{there} may not be written: give this user the folder of STOCKBOOK_SCRATCH, or set another."
        )
    free = shutil.disk_usage(there).free
    if free < _ROOM:
        raise ConfigError(
            f"{free / 1e9:.1f} GB are free at {there}, and a night needs {_ROOM / 1e9:.0f} for each account at a time: "
            "make room, or set STOCKBOOK_SCRATCH to another disk."
        )
    return f"{shared.scratch}, {free / 1e9:,.0f} GB free"


def _store(shared: FleetSettings) -> str:
    store, key = Store(shared.store), f"doctor/{secrets.token_hex(8)}"
    store.put(key, key.encode())
    try:
        content = store.get(key)
    finally:
        store.delete([key])
    if content != key.encode():
        raise ConfigError("The store gives back another object than was put into it: is STOCKBOOK_STORE a store?")
    return "an object was put, read and removed"


def _control(shared: FleetSettings) -> str:
    control = Control(shared.control_url)
    if control.is_ready():
        books = control.books().values()
        published = sum(book.published_book is not None for book in books)
        return f"answers; {len(books)} accounts were begun, {published} published"
    return "answers; the first night makes its tables"


def _lake(settings: Settings, shared: FleetSettings, environ: Mapping[str, str]) -> str:
    from stockbook.fleet.lake import catalog, definitions
    from stockbook.fleet.lake.lake import data_path
    from stockbook.lake_url import LakeUrl
    from stockbook.warehouse.lake import extension_files
    from stockbook.warehouse.readers import reader

    url = LakeUrl.parse(shared.lake, environ)
    extension_files()
    with catalog.connected(url) as pg:
        if not catalog.is_there(pg):
            return "its catalog answers; the first night makes it"
        definitions.require_place(pg, data_path(shared.store))
    # a file of the store is read for it
    with reader(url, settings.limits) as con:
        rows = con.execute("select count(*), max(as_of) from meta.published").fetchall()
    return f"{rows[0][0]} accounts, the newest as of {rows[0][1] or 'never'}"


def _accounts(shared: FleetSettings, listed: Callable[[], list[str]]) -> str:
    names = [
        account.name for account in accounts.read(shared.accounts, listed, Control(shared.control_url).listed_accounts)
    ]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{len(names)}: {shown}"


def _own_reports(settings: Settings, shared: FleetSettings) -> str:
    control = Control(shared.control_url)
    if not control.is_ready() or RunLog(control).own_reports() is None:
        return "no run yet"
    own_reports.require_same(settings.extra_dir, RunLog(control))
    return f"{settings.extra_dir or 'no folder'}, as the latest run had it"
