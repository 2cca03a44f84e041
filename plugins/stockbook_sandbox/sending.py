"""
How the shop's events are sent: retried, sometimes twice, out of order, or not at all; and what became of them.

FlickRocket sends one after another and is blocked as a whole after a failure; SHOPLINE and fulfillment.cz send
each message by itself.
"""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from stockbook_sandbox.events import SOURCES

RETRIES: dict[str, tuple[float, ...]] = {
    # nothing is documented: an unverified stand-in
    "fulfillment_cz": (60, 300, 900, 3600, 10800),
    "flickrocket": (60, 180, 300, 600, 900, 1800, 3600, 7200, 21600, 50400, 86400),
    "shopline": (0, 5, 10, 30, 45, 60, 120, 300, 720, 2280, 3600, 7200, *(14400,) * 7),
}
"""Seconds to wait after each failed try, per source; after the last one a sender gives up (docs/apis)."""

ACCEPTED = 200


class Sending(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    How events are sent.

    ``speed`` divides every wait. Shares from 0 to 1: ``duplicates`` are sent once more though they were accepted,
    ``lost_answers`` are answered and the answer does not arrive, ``forgeries`` are sent besides with a wrong
    signature. ``disorder`` (seconds of the shop's time) is how far an event may fall behind. ``outage``: for so many
    seconds (before ``speed``) from the beginning nothing gets through. ``encoding`` of SHOPLINE's signature: base64,
    hex, or mixed.
    """

    sources: tuple[str, ...] = SOURCES
    duplicates: float = 0.0
    lost_answers: float = 0.0
    forgeries: float = 0.0
    disorder: float = 0.0
    outage: float = 0.0
    speed: float = 1.0
    connections: int = 8
    timeout: float = 5.0
    encoding: str = "base64"
    seed: int = 0


@dataclass
class Outcome:
    """What became of what was sent, by keys of events; counts of answers by status (0: none arrived)."""

    accepted: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    not_subscribed: set[str] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)
    forged: Counter[int] = field(default_factory=Counter)

    def numbers(self) -> dict[str, object]:
        """The same as plain numbers."""
        return {
            "accepted": len(self.accepted),
            "given_up": len(self.given_up),
            "not_subscribed": len(self.not_subscribed),
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
            "forged_answers": {str(status): count for status, count in sorted(self.forged.items())},
        }
