"""
What is older than ``retention.yml`` keeps it: shown class by class, and removed.

The end of every night, the command and the maintenance of a day all do this and nothing else; what is to go is worked
out anew each time, so what was killed is done by the next. Whoever calls holds the home's lock.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from stockbook import retention_policy
from stockbook.errors import ConfigError
from stockbook.night import landings, retained_books, retained_people
from stockbook.night.landed_nights import reach
from stockbook.night.retained_books import QUARANTINE, STOCK_LEVELS, OldRows
from stockbook.night.tonight import Night
from stockbook.retention_policy import Retention
from stockbook.runs import context as runs
from stockbook.settings import Settings

# however old: what health, the morning report and the fleet look at
NEWEST_RUNS = 20
# of a border it only matters whether there is one
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


class Due(NamedTuple):
    """
    What of a class is older than it is kept, and what a later replay cannot answer without it.

    ``rule`` is the class and its value in the file. ``bytes`` are those of files, None of rows in the writer's file.
    """

    rule: str
    what: str
    rows: int
    bytes: int | None
    oldest: date | None
    newest: date | None
    lost: str

    def sentence(self) -> str:
        """How much there is, and of when."""
        size = "" if self.bytes is None else f", {self.bytes / 1e6:,.1f} MB"
        span = "" if self.oldest is None else f", of {self.oldest} to {self.newest}"
        return f"{self.rule}: {self.rows:,} {self.what}{size}{span}"


class _Files(NamedTuple):
    """Folders that are too old, each with when it was begun."""

    folders: list[tuple[Path, datetime]]

    def due(self, rule: str, what: str, lost: str) -> Iterator[Due]:
        if self.folders:
            # a folder that was being made when its night was killed has no time
            days = [at.date() for _, at in self.folders if at.year > 1]
            size = _freed(folder for folder, _ in self.folders)
            yield Due(rule, what, len(self.folders), size, min(days, default=None), max(days, default=None), lost)


def look(night: Night, keep: str = "") -> list[Due]:
    """What would go now; nothing is changed. ``keep`` is a night's folder of landed pages that stays."""
    policy = retention_policy.of(night.settings)
    landed = _landed(night, policy, keep)
    return [
        *landed.due(*_text_of_landed(night, policy, landed)),
        *_inbox(night, policy, is_dry=True),
        *_runs(night, policy).due(*_text_of_runs(policy)),
        *_due_rows(policy, _rows_to_go(night.settings, policy)),
        *_due_people(policy, retained_people.count(night, policy)),
    ]


def drop(night: Night, name: str, keep: str = "") -> list[Due]:
    """Remove what is too old, in the name of a run; what went. A second time there is nothing."""
    policy = retention_policy.of(night.settings)
    return drop_but_people(night, name, keep) + _due_people(policy, retained_people.drop(night, policy))


def drop_but_people(night: Night, name: str, keep: str = "") -> list[Due]:
    """The same for every class but who ordered: in a fleet they stand in more places than a home."""
    policy = retention_policy.of(night.settings)
    landed, old_runs = _landed(night, policy, keep), _runs(night, policy)
    # told before they are gone, when their sizes are known
    gone = [*landed.due(*_text_of_landed(night, policy, landed)), *_inbox(night, policy, is_dry=False)]
    gone += old_runs.due(*_text_of_runs(policy))
    _remove(night.settings, [folder for folder, _ in (*landed.folders, *old_runs.folders)])
    return gone + _due_rows(policy, drop_rows(night, policy, name))


def drop_files(night: Night, keep: str) -> None:
    """Remove landed nights and runs that are too old: the end of every night, a red one too."""
    policy = retention_policy.of(night.settings)
    folders = [*_landed(night, policy, keep).folders, *_runs(night, policy).folders]
    _remove(night.settings, [folder for folder, _ in folders])


def drop_rows(night: Night, policy: Retention, name: str) -> list[OldRows]:
    """Remove rows of the writer's file that are too old; it is not opened where all rows stay for ever."""
    from stockbook.warehouse.connect import writer

    if not night.settings.warehouse.exists() or not retained_books.borders(policy, _ANY):
        return []
    with writer(night.settings) as con:
        return retained_books.drop(con, policy, night.tables, name)


def cannot_answer(settings: Settings) -> list[str]:
    """What the file says of each class that does not stay for ever, and what is lost with it, in sentences."""
    policy = retention_policy.of(settings)
    said = [f"landed_pages_days {policy.landed_pages_days}", f"inbox_days {policy.inbox_days}"]
    lost = []
    for name, value in (
        ("runs_days", policy.runs_days),
        ("quarantine_months", policy.quarantine_months),
        ("stock_levels_daily_months", policy.stock_levels_daily_months),
        ("personal_years", policy.personal_years),
    ):
        if value is not None:
            said.append(f"{name} {value}")
            lost.append(f"{name}: {LOST[name]}")
    forever = "" if lost else "; all else for ever"
    return [f"retention: {', '.join(said)}{forever}", *(f"retention, {text}" for text in lost)]


LOST = {
    "runs_days": (
        "reports, results of checks and counts of listings of earlier runs; that a run was, as of when, and how it "
        "ended stays (meta.run)"
    ),
    "quarantine_months": (
        "which earlier rows broke their declaration and never came right; an order that misses a part because of one "
        "is not flagged for it any more"
    ),
    "stock_levels_daily_months": (
        "the counted stock of an earlier day that is not the last night of its month; since when something is out of "
        "stock, differs or is due that began earlier, and what was not sold because of it, are told by month ends"
    ),
    "personal_years": (
        "which earlier orders had the same recipient or customer, and their towns: whoever orders again counts as new"
    ),
}


def _landed(night: Night, policy: Retention, keep: str) -> _Files:
    before = night.clock.utc() - timedelta(days=policy.landed_pages_days)
    return _Files(landings.opened_before(night.settings, before, keep))


def _text_of_landed(night: Night, policy: Retention, landed: _Files) -> tuple[str, str, str]:
    gone = {folder.name for folder, _ in landed.folders}
    then = reach(night.settings.landing, night.tables, gone) if gone else ""
    lost = f"what was observed before the nights that stay. Then {then}"
    return f"landed_pages_days {policy.landed_pages_days}", "nights of landed pages", lost


def _runs(night: Night, policy: Retention) -> _Files:
    if policy.runs_days is None:
        return _Files([])
    before = night.clock.utc() - timedelta(days=policy.runs_days)
    begun = sorted((_begun(night.settings, folder), folder) for folder in night.settings.runs.glob("*"))
    return _Files([(folder, at) for at, folder in begun[:-NEWEST_RUNS] if at < before])


def _begun(settings: Settings, folder: Path) -> datetime:
    try:
        return runs.read(settings, folder.name).started_at
    except ConfigError:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)


def _text_of_runs(policy: Retention) -> tuple[str, str, str]:
    return f"runs_days {policy.runs_days}", "folders of runs", LOST["runs_days"]


def _inbox(night: Night, policy: Retention, is_dry: bool) -> Iterator[Due]:
    from stockbook.webhooks.drain import has_inbox, open_inbox

    if not has_inbox(night.settings):
        return
    before = night.clock.utc() - timedelta(days=policy.inbox_days)
    with open_inbox(night.settings) as inbox:
        count, size, first, last = inbox.drained_before(before)
        if not is_dry and count:
            inbox.drop_drained_before(before)
    if count:
        lost = (
            "an event of these that its sender repeats later counts as a new one; what it said stays in "
            "staging.webhook_events"
        )
        days = (first and first.date(), last and last.date())
        yield Due(f"inbox_days {policy.inbox_days}", "events of the inbox", count, size, *days, lost)


def _rows_to_go(settings: Settings, policy: Retention) -> list[OldRows]:
    from stockbook.warehouse.connect import for_questions

    if not settings.warehouse.exists() or not retained_books.borders(policy, _ANY):
        return []
    with for_questions(settings.warehouse) as con:
        return retained_books.old_rows(con, policy)


def _due_rows(policy: Retention, rows: Iterable[OldRows]) -> list[Due]:
    names = {QUARANTINE: "quarantine_months", STOCK_LEVELS: "stock_levels_daily_months"}
    return [
        Due(
            f"{(name := names.get(old.table, 'runs_days'))} {getattr(policy, name)}",
            f"rows of {old.table}",
            old.rows,
            None,
            old.oldest,
            old.newest,
            LOST[name],
        )
        for old in rows
    ]


def _due_people(policy: Retention, rows: int) -> list[Due]:
    what = "rows of people of old orders, each place counted"
    lost = LOST["personal_years"]
    return [Due(f"personal_years {policy.personal_years}", what, rows, None, None, None, lost)] if rows else []


def _freed(folders: Iterable[Path]) -> int:
    """The bytes that go with some folders: of a page that other nights have too, none."""
    links: dict[int, list[int]] = {}
    for folder in folders:
        for file in folder.rglob("*"):
            state = file.stat()
            if file.is_file():
                links.setdefault(state.st_ino, [state.st_size, state.st_nlink])[1] -= 1
    return sum(size for size, left in links.values() if left <= 0)


def _remove(settings: Settings, folders: list[Path]) -> None:
    """Each is moved away whole before anything in it goes: a killed removal leaves no half night behind."""
    away = settings.home / "tmp" / "retention"
    shutil.rmtree(away, ignore_errors=True)
    for number, folder in enumerate(folders):
        away.mkdir(parents=True, exist_ok=True)
        os.replace(folder, away / f"{number}-{folder.name}")
    shutil.rmtree(away, ignore_errors=True)
