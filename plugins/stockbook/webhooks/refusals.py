"""
What the receiver's log says of requests that are refused: the sender learns a status and no more, and not every vendor
shows it to anybody, so a secret that is wrong on one side would be silence.

Anybody can send anything: a line is written once an hour for each connection and status, and quotes nothing of the
request. All accounts that have no connection are one.
"""

import logging

from stockbook.clock import Clock
from stockbook.connections import conn_id_of
from stockbook.webhooks.accounts import Accounts

SAID_EVERY = 3600.0
"""Seconds."""

_REASONS = {
    405: "this was no POST, but a browser, a monitor or `stockbook hooks status --try`",
    408: "they took too long to come",
    413: "they are larger than is taken",
    415: "they are packed, or not called JSON by their label",
}
_log = logging.getLogger(__name__)


class Refusals:
    """The refusals of a process."""

    def __init__(self, clock: Clock) -> None:
        """None so far."""
        self._clock = clock
        self._said_at: dict[tuple[str, int], float] = {}

    def note(self, source: str, account: str, accounts: Accounts, status: int) -> None:
        """A request for an account of a source that there is was refused."""
        sender = accounts.get((source, account))
        subject = source if sender is None else conn_id_of(source, account)
        now = self._clock.monotonic()
        if now - self._said_at.get((subject, status), float("-inf")) < SAID_EVERY:
            return
        self._said_at[subject, status] = now
        if sender is None:
            reason = "their address ends in an account that has no connection"
        elif not sender.secrets:
            reason = f"connection {subject} holds no secret for events"
        elif status == 401:
            reason = f"their sender's secret is not that of connection {subject}, or the shop not the one it names"
        else:
            reason = _REASONS.get(status, "they are not what this source documents")
        _log.warning(
            "Events of %s are refused with %d: %s (docs/webhooks.md). This is said once an hour.",
            source,
            status,
            reason,
        )
