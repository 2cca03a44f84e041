"""
The health of the receiver, beside that of what stands behind it (``health/parts.py``), each part with its own status.

Only what keeps events out makes the whole unavailable: that is what a balancer must know. A red night or a full disk
is reported beside it, and is an error only at the address of its own part. Nothing here is a secret, a path or a
person's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from stockbook.health import parts as whole
from stockbook.health.parts import LOOKS, OK, UNAVAILABLE, Part

if TYPE_CHECKING:
    from stockbook.webhooks.app import Desk

PARTS = ("receiver", *LOOKS)

ASKED_EVERY = 1.0
"""Seconds for which an answer holds: asking writes to the disk, and anybody may ask."""

ANSWERS_WITHIN = 5.0
"""Seconds; an inbox that needs longer has senders hang up."""

REMEMBERED = 60.0
"""Seconds for which an event that could not be taken counts, until another one is taken."""


def takes_events(parts: Mapping[str, Part]) -> bool:
    """Whether an event that is sent now would be stored. One that waits for long is stored all the same."""
    return bool(parts["receiver"]["status"] == OK and parts["inbox"]["status"] != UNAVAILABLE)


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
                    **await asyncio.to_thread(self._behind),
                }
            return self._parts

    async def _state_of(self, part: Callable[[], Awaitable[Part]]) -> Part:
        try:
            return await part()
        except Exception as error:
            self._log("The receiver is not healthy: %s", error)
            return {"status": UNAVAILABLE}

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

        def asked() -> Part:
            inbox.probe()
            return whole.waiting(inbox.counts(), self._desk.clock)

        return await asyncio.wait_for(asyncio.to_thread(asked), ANSWERS_WITHIN)

    def _behind(self) -> dict[str, Part]:
        try:
            return whole.look(self._desk.settings(), self._desk.clock, self._log, without=("inbox",))
        except Exception as error:  # settings that cannot be read
            self._log("What stands behind the receiver could not be looked at: %s", error)
            return {name: {"status": UNAVAILABLE} for name in LOOKS if name != "inbox"}
