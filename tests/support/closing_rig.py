"""A home whose months are closed: a copy of the shared home after its first night, without a shop."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import open_books
from night_rig import ONE_THREAD, environment
from shared_home import copy_of

from stockbook.clock import ManualClock
from stockbook.closing.request import Request
from stockbook.closing.signing import Signed
from stockbook.closing.verifying import Verdict, verify
from stockbook.night import closing
from stockbook.night.steps import Night
from stockbook.progress import Silent
from stockbook.settings import Settings

SEPTEMBER, OCTOBER, NOVEMBER = date(2025, 9, 1), date(2025, 10, 1), date(2025, 11, 1)
# what a close reads or writes; pages of the landing are linked, not copied
PARTS = ("published", "state", "runs", "landing/closes")


def copied(home: Path, to: Path, whole: bool = False) -> Path:
    """A copy of a home that a test may close months in; ``whole`` with landed pages and the writer's file."""
    if whole:
        return copy_of(home, to)
    for part in PARTS:
        if (home / part).exists():
            copy_of(home / part, to / part)
    return to


@dataclass
class Closing:
    """Closes months in a home."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime(2025, 11, 18, 9, 0, tzinfo=UTC)))

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return Settings.load(environment("http://127.0.0.1:9", "token", self.home) | ONE_THREAD | self.variables)

    @property
    def night(self) -> Night:
        """What closing needs of a night."""
        return Night(self.settings, self.clock, Silent(), lambda _: None)

    def look(self, month: date, **said: Any) -> list[closing.Looked]:
        """A dry run."""
        return closing.look(self.night, Request(month, **({"by": "Jana"} | said)))

    def close(self, month: date, **said: Any) -> Signed:
        """Sign a month."""
        return closing.close(self.night, Request(month, **({"by": "Jana"} | said)))[0]

    def verify(self) -> Verdict:
        """Verify the home."""
        return verify(self.settings)

    def rows(self, query: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        """A query on the published file."""
        with open_books.asked(self.settings.published) as con:
            return con.execute(query, arguments).fetchall()

    def tamper(self, *statements: str) -> None:
        """Somebody writes to the published file."""
        with duckdb.connect(str(self.settings.published)) as con:
            for statement in statements:
                con.execute(statement)

    def seen(self, day: str) -> None:
        """The published file is of a later night."""
        self.tamper(
            f"update meta.current_run set as_of = '{day} 02:15'", f"update meta.cursor set as_of = '{day} 02:15'"
        )

    def files(self) -> dict[str, bytes]:
        """Every file of the home, but the lock's."""
        return {
            str(file.relative_to(self.home)): file.read_bytes()
            for file in sorted(self.home.rglob("*"))
            if file.is_file() and "lock" not in file.name and "tmp" not in file.parts
        }
