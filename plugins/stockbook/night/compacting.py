"""
The writer's file written anew, so that the disk gets back what deleted rows left in it.

DuckDB uses free blocks again and never gives them back. A night needs some for what it builds, so a file that is half
free is as large as nights make it; one that is mostly free was left by retention, erasure or a time of many changes.
"""

import shutil
from typing import NamedTuple

from stockbook.backup.snapshot import at_rest
from stockbook.errors import ConfigError, DiskRefused
from stockbook.night.tonight import Night
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import COMPACT
from stockbook.settings import Settings
from stockbook.warehouse.connect import for_questions
from stockbook.warehouse.rewriting import rewrite

MOSTLY = 0.6
"""The free share from which on the daily task writes the file anew."""


class Space(NamedTuple):
    """Bytes of the writer's file, and of them those in blocks that hold nothing."""

    size: int
    free: int

    @property
    def share(self) -> float:
        """The free share, 0 to 1."""
        return self.free / self.size if self.size else 0.0


def compact(night: Night, at_least: float = 0.0, is_dry: bool = False) -> list[str]:
    """
    Write the writer's file anew where more than a share of it is free, or only look; what there is to say.

    Waits for a night under way, an hour at most (RunLocked). Killed, it leaves the file as it was. Raises ConfigError
    in a fleet, DiskRefused where the disk has no room for the two copies that are made.
    """
    settings = night.settings
    if settings.is_of_fleet:
        raise ConfigError("This machine works for a fleet: the books of its accounts lie in the store (docs/fleet.md).")
    if not settings.warehouse.exists():
        return [f"There is no {settings.warehouse} yet: the first night makes it."]
    run_id = run_id_of(f"compact-{night.clock.utc():%Y%m%dT%H%M%S}")
    with at_rest(settings, night.clock, night.progress, run_id, COMPACT):
        before = _space(settings)
        sentence = f"The writer's file takes {before.size / 1e6:,.1f} MB, {before.share:.0%} of it free"
        if is_dry or before.share <= at_least:
            return [f"{sentence}: nothing was done."]
        _require_room(settings, before)
        rewrite(settings, settings.warehouse, lambda _: True, lambda: None)
        after = _space(settings)
    return [f"{sentence}: written anew, it takes {after.size / 1e6:,.1f} MB."]


def _space(settings: Settings) -> Space:
    with for_questions(settings.warehouse) as con:
        rows = con.execute(
            "select block_size * total_blocks, block_size * free_blocks from pragma_database_size()"
            " where database_name = current_database()"
        ).fetchall()
    return Space(*rows[0])


def _require_room(settings: Settings, space: Space) -> None:
    needed, free = 2 * space.size - space.free, shutil.disk_usage(settings.home).free
    if free < needed:
        raise DiskRefused(
            f"Writing the books anew takes {needed / 1e6:,.0f} MB meanwhile, and the disk of {settings.home} has "
            f"{free / 1e6:,.0f} MB left. Make room, then run it again; nothing was begun."
        )
