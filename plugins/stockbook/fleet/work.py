"""What a step of an account's night is given on whatever worker it runs: the account held, its home restored."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from stockbook import hash_key
from stockbook.clock import Clock, SystemClock
from stockbook.connections import RawConnection
from stockbook.errors import ConfigError, RunLocked, StockbookError
from stockbook.fleet import accounts, own_reports, proof_place
from stockbook.fleet.accounts import FleetAccount
from stockbook.fleet.clock import SharedClock
from stockbook.fleet.control import Control
from stockbook.fleet.holding import Holding, hold
from stockbook.fleet.home import Home, is_current
from stockbook.fleet.publishing import catch_up
from stockbook.fleet.run_log import RunLog
from stockbook.fleet.store import Store
from stockbook.fleet_settings import FleetSettings, require
from stockbook.night.steps import Night
from stockbook.places import of_this_machine
from stockbook.progress import Progress
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.fleet.lake.lake import Lake


@dataclass(frozen=True)
class Fleet:
    """A worker of a fleet: its settings, what it shares with the others, and where connections are."""

    settings: Settings
    shared: FleetSettings
    clock: Clock
    progress: Progress
    look_up: Callable[[str], RawConnection | None]
    listed: Callable[[], list[str]]

    @classmethod
    def load(
        cls,
        clock: Clock,
        progress: Progress,
        look_up: Callable[[str], RawConnection | None],
        listed: Callable[[], list[str]],
        environ: Mapping[str, str] = os.environ,
    ) -> "Fleet":
        """Of the environment; the control database gets its tables. Raises ConfigError, ControlUnavailable."""
        settings = Settings.load(environ)
        fleet = cls(settings, require(settings.home, environ), clock, progress, look_up, listed)
        fleet.control.migrate()
        return fleet

    @classmethod
    def here(cls, progress: Progress) -> "Fleet":
        """Of this process: its environment, and the connections of this machine."""
        places = of_this_machine()
        return cls.load(SystemClock(), progress, places.look_up, places.conn_ids)

    @cached_property
    def control(self) -> Control:
        """The control database."""
        return Control(self.shared.control_url)

    @cached_property
    def run_log(self) -> RunLog:
        """How runs and nights went."""
        return RunLog(self.control)

    @cached_property
    def store(self) -> Store:
        """The object store."""
        return Store(self.shared.store)

    @cached_property
    def lake(self) -> "Lake":
        """The lake readers attach."""
        from stockbook.fleet.lake.lake import Lake, data_path
        from stockbook.lake_url import LakeUrl

        url = LakeUrl.parse(self.shared.lake, os.environ)
        own, models_dir = own_reports.in_lake(self.settings), self.settings.models_dir
        return Lake(url, data_path(self.shared.store), self.shared.scratch, models_dir, own=own)

    def accounts(self) -> list[FleetAccount]:
        """The accounts that the settings choose."""
        return accounts.read(self.shared.accounts, self.listed, self.control.listed_accounts)

    def account(self, name: str) -> FleetAccount:
        """One of them. Raises ConfigError when it is not among them any more."""
        for account in self.accounts():
            if account.name == name:
                return account
        raise ConfigError(f"Account {name} is not in STOCKBOOK_ACCOUNTS any more: it was there when the run began.")

    def listed_or_former(self, name: str) -> FleetAccount:
        """An account that is listed, or was once: its books are in the store all the same."""
        return next((each for each in self.accounts() if each.name == name), FleetAccount(name, ()))

    def settings_of(self, account: FleetAccount) -> Settings:
        """The settings of an account's nights: a home of its own on the scratch disk, its zone and its policies."""
        return replace(
            self.settings,
            home=self.shared.scratch / account.name,
            zone=account.zone or self.settings.zone,
            policy_dir=account.policy_dir or self.settings.policy_dir,
        )

    def conn_ids_of(self, account: FleetAccount) -> list[str]:
        """An account's connections; of one that lists none, those of its name that there are."""
        if account.conn_ids:
            return list(account.conn_ids)
        return [conn_id for conn_id in accounts.possible(account.name) if self.look_up(conn_id) is not None]


@dataclass(frozen=True)
class Work:
    """An account in the hands of this process: its home on this disk, and a night over it that tells nobody."""

    account: FleetAccount
    holding: Holding
    home: Home
    night: Night


@contextmanager
def taken(fleet: Fleet, account: FleetAccount, run_id: str, step: str) -> Iterator[Work]:
    """
    Hold an account for a step; homes on this disk that others wrote since are removed.

    Raises as ``hold``, and as ``require_same`` for another folder of own reports.
    """
    own_reports.require_same(fleet.settings.extra_dir, fleet.run_log)
    settings = fleet.settings_of(account)
    discard_outdated(fleet, but=account.name)
    key = hash_key.fingerprint(settings.hash_key) if settings.hash_key else None
    with hold(fleet.control, account.name, run_id, step, key) as holding:
        clock = SharedClock(fleet.clock, holding.now())
        home = Home(settings, fleet.store, holding, clock)
        quiet = replace(settings, alert_notifier="", report_notifier="", packs_notifier="")
        night = Night(quiet, clock, fleet.progress, fleet.look_up, landed=home.landed, events_of=account.name)
        yield Work(account, holding, home, night)


def discard_outdated(fleet: Fleet, but: str = "") -> None:
    """
    Remove from this disk each home that is not what is saved, and that nobody works on: it would be fetched anew.

    Until then it may have people in it who were forgotten since; so may what a proof that was killed had laid there.
    """
    proof_place.discard_left(fleet.shared.scratch)
    for name, book in fleet.control.books().items():
        folder = fleet.shared.scratch / name
        if name == but or not folder.is_dir() or is_current(folder, book):
            continue
        with suppress(RunLocked), hold(fleet.control, name, "discard", "discard", wait=False):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def at_work(fleet: Fleet, account: FleetAccount, run_id: str, step: str) -> Iterator[Work]:
    """
    The same for a step of a night.

    What goes wrong is noted in the control database, so that the summary of the run knows it, and raised.
    """
    began = fleet.clock.monotonic()
    try:
        with taken(fleet, account, run_id, step) as work:
            yield work
    except Exception as error:
        seconds = fleet.clock.monotonic() - began
        note_red(fleet, run_id, account.name, step, error, seconds)
        raise


def restored(fleet: Fleet, work: Work) -> None:
    """Restore the home as it was saved, for a step that writes the book."""
    if catch_up(work.holding, fleet.lake):
        fleet.progress.note(f"{work.account.name}: the lake was ahead of the published pointer, which was moved")
    work.home.restore()
    work.home.distrust()


def bring_pages(fleet: Fleet, work: Work) -> None:
    """Bring the morning report to the store, for those who look at it on another machine."""
    folder = work.night.settings.published.parent
    files = (file for file in folder.glob("*.*") if file.suffix in (".html", ".json"))
    fleet.store.put_many((f"reports/{work.account.name}/{file.name}", file.read_bytes()) for file in files)


def fetch_pages(fleet: Fleet, work: Work) -> None:
    """Bring them from the store, for a step that may change them."""
    folder = work.night.settings.published.parent
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(fleet.store.list(f"reports/{work.account.name}/"))
    for key, content in zip(keys, fleet.store.get_many(keys), strict=True):
        (folder / key.rpartition("/")[2]).write_bytes(content)


def note_red(fleet: Fleet, run_id: str, name: str, step: str, error: Exception, seconds: float | None = None) -> None:
    """Write down why an account's night is not published, as well as it can be."""
    kind = type(error).__name__
    reason = f"{kind}: {error}" if isinstance(error, StockbookError) else f"an unexpected {kind}"
    try:
        fleet.run_log.note(run_id, name, "red", step, reason, seconds=seconds)
    except StockbookError as failure:
        fleet.progress.note(f"{name}: its failure could not be noted: {failure}")


def moment(as_of: datetime | None) -> str:
    """A local time as people read it."""
    return f"{as_of:%Y-%m-%d %H:%M}" if as_of else "never"
