"""The sending side of a sandbox that is being served: events go out as the clock moves on, or on command."""

import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from stockbook_sandbox.events import Events
from stockbook_sandbox.sender import Sender
from stockbook_sandbox.sending import Sending
from stockbook_sandbox.shop import Shop


@dataclass
class Hooks:
    """A sender with a thread of its own, so that the APIs answer while it waits for its retries."""

    shop: Shop
    sender: Sender
    how: Sending = field(default_factory=Sending)

    def __post_init__(self) -> None:
        """Nothing is sent yet."""
        self._orders: queue.Queue[tuple[int, int, Sending]] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._events = Events(self.shop)

    def send(self, after: int, until: int, how: Sending | None = None) -> None:
        """Send what happened after one instant and until another (UTC seconds); returns at once."""
        self._orders.put((after, until, how or self.how))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sandbox-hooks", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            after, until, how = self._orders.get()
            try:
                self.sender.send(self._events.between(after, until, how.sources), how)
            finally:
                self._orders.task_done()

    def stop(self) -> None:
        """Drop everything that waits to be sent."""
        while not self._orders.empty():
            self._orders.get()
            self._orders.task_done()
        self.sender.stop()

    def wait(self) -> None:
        """Until everything was sent or given up."""
        self._orders.join()

    def numbers(self) -> dict[str, Any]:
        """What became of what was sent, whether it is still going on, and the subscriptions."""
        return {
            "to": self.sender.to,
            "is_sending": self._orders.unfinished_tasks > 0,
            **self.sender.outcome.numbers(),
            "subscriptions": [
                {"source": subscription.source, "topic": subscription.topic, "is_active": subscription.is_active}
                for subscription in self.sender.subscriptions.all.values()
            ],
        }
