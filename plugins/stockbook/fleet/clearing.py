"""
An account without the people on the fleet's list and those of old orders: its newest home, and everything that is
older or beside it.

Each account is held as for a step of a night. Its home is brought here with every night that is landed, erased by what
erases a home of one machine, saved and pointed to, and published; only then what is older goes. What is left to do is
worked out from the list and the account's ``personal_years``: killed anywhere, the next clearing does the rest. The
snapshots of the lake are of all accounts, and go at the end, once.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from stockbook import declaration_files, retention_policy
from stockbook.erasure.applying import apply, replaced
from stockbook.errors import ConfigError, StockbookError
from stockbook.fleet import erasure_list
from stockbook.fleet.control import Book
from stockbook.fleet.erasure_list import SharedErasures
from stockbook.fleet.lake.maintenance import forget_past
from stockbook.fleet.night import require_between_nights
from stockbook.fleet.publishing import publish
from stockbook.fleet.upkeep import first_night, prune
from stockbook.fleet.work import Fleet, Work, bring_pages, fetch_pages, restored, taken
from stockbook.night import retained_people
from stockbook.night.retained_people import People
from stockbook.projection.erasures import FILE
from stockbook.runs.lock import FORGET
from stockbook.settings import Settings

_NIGHTS = "nights of the control database"

Look = Callable[[Settings], object]
"""Looks at an account's home before anything of it is erased."""


class Cleared(NamedTuple):
    """
    What was done: rows by place, objects of the store that went, hashes learned, what could not be done and why.

    ``by_age`` says of each account whose older orders tell of nobody now, of which day, and who that was.
    """

    rows: Counter[str]
    objects: int
    learned: set[str]
    by_age: dict[str, People]
    refused: dict[str, str]

    def then(self, other: "Cleared") -> "Cleared":
        """With what was done after it: who was gone by then is not seen again."""
        by_age = dict(self.by_age)
        for name, people in other.by_age.items():
            hashes = by_age[name].hashes if name in by_age else frozenset[str]()
            by_age[name] = people._replace(hashes=hashes | people.hashes)
        return Cleared(
            self.rows + other.rows,
            self.objects + other.objects,
            self.learned | other.learned,
            by_age,
            self.refused | other.refused,
        )


class _Account(NamedTuple):
    cleared: Cleared
    position: int
    # whether what is older may tell of somebody
    has_past: bool


def behind(fleet: Fleet) -> list[str]:
    """Accounts of which something older may tell of somebody on the list, or of an order of too many years ago."""
    with fleet.control.opened() as con:
        last = erasure_list.asked(con)
    now = fleet.control.now()
    begun = [book for book in fleet.control.books().values() if book.home is not None]
    return [book.account for book in begun if book.erased_to < last or _is_due(fleet, book, now)]


def _is_due(fleet: Fleet, book: Book, now: datetime) -> bool:
    settings = fleet.settings_of(fleet.listed_or_former(book.account))
    try:
        before = retention_policy.of(settings).personal_before(now)
    except ConfigError:
        return True  # what is wrong is said when the account is cleared
    return before not in (None, book.personal_before)


def clear(
    fleet: Fleet, names: Iterable[str], run_id: str, look: Look = lambda _: None, *, is_anew: bool = False
) -> Cleared:
    """
    Clear some accounts, and the lake's past once; an account that is refused keeps no other from it.

    What one account tells of a person may stand in another: it is done again until nothing new is learned. ``is_anew``
    clears what is older too where it is noted that nobody is in it. Raises LakeUnavailable, ControlUnavailable; then
    nothing counts as cleared, and is done again. That somebody is gone by age is for the caller to note, once proved.
    """
    done: dict[str, _Account] = {}
    cleared = Cleared(Counter(), 0, set(), {}, {})
    has_past = False
    left = list(names)
    while left:
        for name in left:
            try:
                done[name] = _clear(fleet, name, run_id, look, is_anew)
            except StockbookError as error:
                done.pop(name, None)
                cleared.refused[name] = str(error)
                continue
            cleared = cleared.then(done[name].cleared)
            has_past |= done[name].has_past
        with fleet.control.opened() as con:
            last = erasure_list.asked(con)
        left = [name for name, account in done.items() if account.position < last]
    if has_past:
        lake = fleet.lake
        files = forget_past(lake.url, lake.data_path, fleet.shared.scratch, fleet.control.now()).files
        cleared = cleared._replace(objects=cleared.objects + files)
    if done:
        fleet.control.note_erased({name: account.position for name, account in done.items()})
    return cleared


def _clear(fleet: Fleet, name: str, run_id: str, look: Look, is_anew: bool) -> _Account:
    with taken(fleet, fleet.listed_or_former(name), run_id, FORGET) as work:
        require_between_nights(fleet, name, "nobody was forgotten in it yet", "run this again")
        restored(fleet, work)
        work.home.fetch_landing(every_night=True)
        fetch_pages(fleet, work)
        settings = work.night.settings
        look(settings)
        tables, now = declaration_files.load(settings.models_dir), work.night.clock.utc()
        people = retained_people.of(settings, tables, retention_policy.of(settings).personal_before(now))
        state = _state_of(settings)
        erasures = SharedErasures(
            settings,
            settings.home / FILE,
            now,
            partial(work.holding.share_erasures, is_asked=True),
            people.before,
        )
        rows = apply(settings, tables, erasures)
        work.home.landed_anew()
        _bring(fleet, work, run_id, is_amended=_state_of(settings) != state)
        rows += _clear_nights(fleet, name, erasures)
        book = work.holding.book()
        with fleet.control.opened() as con:
            position = erasure_list.covered(con, erasure_list.content_of(settings))
            is_asked = book.erased_to < erasure_list.asked(con)
        objects, has_past = 0, is_anew or is_asked or people.has_orders or bool(rows)
        if has_past:
            objects = prune(fleet.store, book, first_night(settings, now), books=0) + _remove_uncommitted(fleet, name)
        # in the store it is searched; here may be what no index names
        shutil.rmtree(settings.home)
        by_age = {name: people} if people.before is not None else {}
        return _Account(Cleared(rows, objects, erasures.added, by_age, {}), position, has_past)


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
