"""
An account without the people on the fleet's list: its newest home, and everything that is older or beside it.

Each account is held as for a step of a night. Its home is brought here with every night that is landed, erased by what
erases a home of one machine, saved and pointed to, and published; only then what is older goes. What is left to do is
worked out from the list alone: killed anywhere, the next clearing does the rest. The snapshots of the lake are of all
accounts, and go at the end, once.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from stockbook import declarations, retention_policy
from stockbook.erasure.applying import apply, replaced
from stockbook.errors import StockbookError
from stockbook.fleet import erasure_list
from stockbook.fleet.accounts import FleetAccount
from stockbook.fleet.erasure_list import SharedErasures
from stockbook.fleet.lake.maintenance import forget_past
from stockbook.fleet.night import require_between_nights
from stockbook.fleet.publishing import publish
from stockbook.fleet.upkeep import prune
from stockbook.fleet.work import Fleet, Work, bring_pages, fetch_pages, restored, taken
from stockbook.projection.erasures import FILE
from stockbook.runs.lock import FORGET
from stockbook.settings import Settings

_NIGHTS = "nights of the control database"

Look = Callable[[Settings], object]
"""Looks at an account's home before anything of it is erased."""


class Cleared(NamedTuple):
    """What was done: rows by place, objects of the store that went, hashes learned, what could not be done and why."""

    rows: Counter[str]
    objects: int
    learned: set[str]
    refused: dict[str, str]


class _Account(NamedTuple):
    rows: Counter[str]
    objects: int
    learned: set[str]
    position: int


def behind(fleet: Fleet) -> list[str]:
    """Accounts of which something older may tell of somebody on the list."""
    with fleet.control.opened() as con:
        last = erasure_list.asked(con)
    return [name for name, book in fleet.control.books().items() if book.home is not None and book.erased_to < last]


def clear(fleet: Fleet, names: Iterable[str], run_id: str, look: Look = lambda _: None) -> Cleared:
    """
    Clear some accounts, and the lake's past once; an account that is refused keeps no other from it.

    What one account tells of a person may stand in another: it is done again until nothing new is learned. Raises
    LakeUnavailable, ControlUnavailable; then nothing counts as cleared, and is done again.
    """
    done: dict[str, _Account] = {}
    refused: dict[str, str] = {}
    rows, objects, learned = Counter[str](), 0, set[str]()
    left = list(names)
    while left:
        for name in left:
            try:
                done[name] = _clear(fleet, name, run_id, look)
            except StockbookError as error:
                done.pop(name, None)
                refused[name] = str(error)
                continue
            rows += done[name].rows
            objects += done[name].objects
            learned |= done[name].learned
        with fleet.control.opened() as con:
            last = erasure_list.asked(con)
        left = [name for name, account in done.items() if account.position < last]
    if done:
        lake = fleet.lake
        objects += forget_past(lake.url, lake.data_path, fleet.shared.scratch, fleet.control.now()).files
        fleet.control.note_erased({name: account.position for name, account in done.items()})
    return Cleared(rows, objects, learned, refused)


def _clear(fleet: Fleet, name: str, run_id: str, look: Look) -> _Account:
    with taken(fleet, account_of(fleet, name), run_id, FORGET) as work:
        require_between_nights(fleet, name, "nobody was forgotten in it yet", "run this again")
        restored(fleet, work)
        work.home.fetch_landing(every_night=True)
        fetch_pages(fleet, work)
        settings = work.night.settings
        look(settings)
        before = _state_of(settings)
        erasures = SharedErasures(
            settings,
            settings.home / FILE,
            work.night.clock.utc(),
            partial(work.holding.share_erasures, is_asked=True),
        )
        rows = apply(settings, declarations.load(settings.models_dir), erasures)
        work.home.landed_anew()
        _bring(fleet, work, run_id, is_amended=_state_of(settings) != before)
        rows += _clear_nights(fleet, name, erasures)
        days = retention_policy.of(fleet.settings).landed_pages_days
        objects = prune(fleet.store, work.holding.book(), fleet.control.now() - timedelta(days=days), books=0)
        objects += _remove_uncommitted(fleet, name)
        with fleet.control.opened() as con:
            position = erasure_list.covered(con, (settings.home / FILE).read_bytes())
        # in the store it is searched; here may be what no index names
        shutil.rmtree(settings.home)
        return _Account(rows, objects, erasures.added, position)


def account_of(fleet: Fleet, name: str) -> FleetAccount:
    """An account that is listed, or was once: its books are in the store all the same."""
    return next((each for each in fleet.accounts() if each.name == name), FleetAccount(name, ()))


def _bring(fleet: Fleet, work: Work, run_id: str, *, is_amended: bool) -> None:
    """Save the home and give readers the erased file in the place of the one of the same night."""
    home, book = work.home, work.holding.book()
    home.save(run_id, FORGET, is_amended=is_amended)
    if is_amended and book.published_run is not None and book.published_as_of is not None:
        file = work.night.settings.published
        publish(
            work.holding,
            fleet.lake,
            file,
            home.published_book,
            book.published_run,
            home.generation,
            book.published_as_of,
        )
    bring_pages(fleet, work)


def _clear_nights(fleet: Fleet, name: str, erasures: SharedErasures) -> Counter[str]:
    """What the control database quotes of reports."""

    def change(text: str) -> str | None:
        new = replaced(text.encode(), erasures)
        return None if new is None else new.decode()

    return +Counter({_NIGHTS: fleet.run_log.rewrite(name, change)})


def _remove_uncommitted(fleet: Fleet, name: str) -> int:
    """Remove files that a killed publication of an account left, which the lake never had; while it is held."""
    folders, files = fleet.lake.files()
    there = (key for folder in sorted(folders) for key in fleet.store.list(f"lake/{folder}account={name}/"))
    gone = [key for key in there if key.removeprefix("lake/") not in files]
    fleet.store.delete(gone)
    return len(gone)


def _state_of(settings: Settings) -> tuple[int, int] | None:
    try:
        state = settings.published.stat()
    except FileNotFoundError:
        return None
    return state.st_mtime_ns, state.st_size
