"""The sending side of a sandbox that is being served: events go out as the clock moves on, or on command."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stockbook_sandbox.events import Event, Events
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
        self._orders: queue.Queue[tuple[Callable[[tuple[str, ...]], list[Event]], Sending]] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._events = Events(self.shop)

    def send(self, after: int, until: int, how: Sending | None = None) -> None:
        """Send what happened after one instant and until another (UTC seconds); returns at once."""
        self._put(lambda sources: self._events.between(after, until, sources), how)

    def send_of_app(self, topic: str, at: int) -> None:
        """
        Send FlickRocket's ``app/uninstalled`` or ``app/update`` (UTC seconds); returns at once.

        An app that was uninstalled has no subscriptions any more when its event is out.
        """
        event = self._events.of_app(topic, at)

        def events(sources: tuple[str, ...]) -> list[Event]:
            return [event] if event.source in sources else []

        self._put(events)
        if topic == "app/uninstalled":
            self._put(self._uninstalled)

    def _uninstalled(self, _: tuple[str, ...]) -> list[Event]:
        self.sender.subscriptions.uninstall()
        return []

    def _put(self, events: Callable[[tuple[str, ...]], list[Event]], how: Sending | None = None) -> None:
        self._orders.put((events, how or self.how))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sandbox-hooks", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            events, how = self._orders.get()
            try:
                self.sender.send(events(how.sources), how)
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
