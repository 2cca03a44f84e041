"""
The inbox: events of webhooks, durable before their sender is answered, until a night takes them.

A transactional database of its own (SQLite in the home, or PostgreSQL by URL), because receivers are
many, never stop and must not wait for the warehouse. It holds declared fields only, treated like every
other personal value before they come here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockbook.inbox.event import Arrival, InboxCount, InboxEvent
    from stockbook.inbox.store import Inbox

__all__ = ["Arrival", "Inbox", "InboxCount", "InboxEvent"]


def __getattr__(name: str) -> Any:
    # SQLAlchemy waits until an inbox is opened: the command line imports this package at every start
    if name == "Inbox":
        from stockbook.inbox.store import Inbox

        return Inbox
    if name in ("Arrival", "InboxCount", "InboxEvent"):
        from stockbook.inbox import event

        return getattr(event, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
