"""
The health of the receiver and of what stands behind it: four parts, each with its own status.

Only what keeps events out makes the whole unavailable: that is what a balancer must know. A red night or a full disk
is reported beside it, and is an error only at the address of its own part. Nothing here is a secret, a path or a
person's.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stockbook.errors import StockbookError
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.webhooks.app import Desk

OK = "ok"
PARTS = ("receiver", "inbox", "disk", "last_night")
KEEP_OUT = ("receiver", "inbox")
"""The parts without which no event is taken."""

LOW = 500_000_000
"""Bytes of free space below which nights and inbox are in danger."""

LATE = timedelta(hours=36)
ASKED_EVERY = 1.0
"""Seconds for which an answer holds: asking writes to the disk, and anybody may ask."""

ANSWERS_WITHIN = 5.0
"""Seconds; an inbox that needs longer has senders hang up."""

REMEMBERED = 60.0
"""Seconds for which an event that could not be taken counts, until another one is taken."""

Part = dict[str, Any]


class _Ended(msgspec.Struct):
    """What health shows of a run's report."""

    status: str
    as_of: datetime
    finished_at: datetime
    failed_step: str | None = None


class Health:
    """The health of a desk, looked at no more than once a second."""

    def __init__(self, desk: "Desk", log: Callable[[str, Exception], None]) -> None:
        """``log`` gets what is wrong, in words that may be logged."""
        self._desk, self._log = desk, log
        self._parts: dict[str, Part] = {}
        self._looked_at = float("-inf")
        self._looking: asyncio.Lock | None = None
        self._refused_at: float | None = None

    def took(self, is_stored: bool) -> None:
        """Note what became of an event: stored, or one that had to be refused though its sender was right."""
        refused_at = None if is_stored else self._desk.clock.monotonic()
        if (refused_at is None) != (self._refused_at is None):
            self._looked_at = float("-inf")
        self._refused_at = refused_at

    async def parts(self) -> dict[str, Part]:
        """Each part with its ``status``: ok, or another word."""
        if self._looking is None:
            self._looking = asyncio.Lock()
        async with self._looking:
            now = self._desk.clock.monotonic()
            if now - self._looked_at >= ASKED_EVERY:
                self._looked_at = now
                self._parts = {
                    "receiver": await self._state_of(self._receiver),
                    "inbox": await self._state_of(self._inbox),
                    "disk": await self._state_of(self._disk),
                    "last_night": await self._state_of(self._last_night),
                }
            return self._parts

    async def _state_of(self, part: Callable[[], Awaitable[Part]]) -> Part:
        try:
            return await part()
        except Exception as error:
            self._log("The receiver is not healthy: %s", error)
            return {"status": "unavailable"}

    async def _receiver(self) -> Part:
        await self._desk.open()
        accounts = await self._desk.accounts.current()
        able = sum(bool(account.secrets) for account in accounts.values())
        if not able:
            return {"status": "nobody can send", "accounts": 0}
        failed = self._refused_at
        if failed is not None and self._desk.clock.monotonic() - failed < REMEMBERED:
            return {"status": "refusing", "accounts": able}
        return {"status": OK, "accounts": able}

    async def _inbox(self) -> Part:
        inbox, _ = await self._desk.open()
        await asyncio.wait_for(asyncio.to_thread(inbox.probe), ANSWERS_WITHIN)
        return {"status": OK}

    async def _disk(self) -> Part:
        free = await asyncio.to_thread(lambda: _free(self._desk.settings().home))
        return {"status": OK if free >= LOW else "low", "free_megabytes": free // 1_000_000}

    async def _last_night(self) -> Part:
        ended = await asyncio.to_thread(lambda: last_ended(self._desk.settings()))
        if ended is None:
            return {"status": "none"}
        is_late = self._desk.clock.utc() - ended.finished_at > LATE
        status = "red" if ended.status != "published" else "late" if is_late else OK
        part: Part = {"status": status, "as_of": ended.as_of.isoformat(), "ended_at": ended.finished_at.isoformat()}
        return part | ({"failed_step": ended.failed_step} if status == "red" else {})


def last_ended(settings: Settings) -> _Ended | None:
    """The run of a home that ended last; None where none ever did."""
    reports: list[_Ended] = []
    for file in sorted(settings.runs.glob("*/report.json"), key=_written)[-5:]:
        try:
            reports.append(msgspec.json.decode(file.read_bytes(), type=_Ended))
        except (OSError, msgspec.DecodeError):
            raise StockbookError("The report of a run could not be read.") from None
    return max(reports, key=lambda report: report.finished_at, default=None)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _free(folder: Path) -> int:
    """Bytes that may be written where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize
