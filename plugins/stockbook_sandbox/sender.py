"""
The sender of events: FlickRocket's one after another, the others each by itself, until accepted or given up.

The waits between tries are the documented ones times a factor.
"""

import heapq
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

import urllib3

from stockbook.bounded_http import Limits, OverLimit, limited, open_answer, whole
from stockbook.clock import Clock, SystemClock
from stockbook.errors import ConfigError
from stockbook_sandbox.events import Event
from stockbook_sandbox.sending import ACCEPTED, RETRIES, Outcome, Sending
from stockbook_sandbox.signing import DEFAULT_SECRET, Signer
from stockbook_sandbox.subscriptions import FLICKROCKET_TOPICS, SHOPLINE_TOPICS, Subscriptions

_REFUSED = 0.05


@dataclass(order=True)
class _Delivery:
    due: float
    order: int
    event: Event = field(compare=False)
    attempt: int = field(compare=False, default=0)
    is_extra: bool = field(compare=False, default=False)
    is_forged: bool = field(compare=False, default=False)


class Sender:
    """Sends events of one account of each system to where they are subscribed. Made once, used from one thread."""

    def __init__(
        self,
        to: str,
        token: str,
        subscriptions: Subscriptions,
        account: str = "main",
        secret: str = DEFAULT_SECRET,
        clock: Clock | None = None,
    ) -> None:
        """``to`` is the base address: ``<to>/<source>/<account>`` gets the events. Raises ConfigError off loopback."""
        if urlsplit(to).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError("Events of the sandbox go to loopback only: expected an address such as "
                              "http://127.0.0.1:8080/stockbook/hooks.")  # fmt: skip
        self.to, self.account = to.rstrip("/"), account
        self.subscriptions = subscriptions
        self.outcome = Outcome()
        self._signer = Signer(token, secret)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stop = threading.Event()
        self._prepare(Sending())

    def _prepare(self, how: Sending) -> None:
        self._how = how
        self._draw = random.Random(how.seed)  # noqa: S311 - faults on order
        self._began = self._clock.monotonic()
        self._timeout, self._limits = urllib3.Timeout(how.timeout), Limits(megabytes=1, seconds=how.timeout)
        self._pool = limited(urllib3.PoolManager(maxsize=how.connections + 1), self._limits)
        self._waiting: list[_Delivery] = []
        self._in_work = 0

    def address(self, source: str) -> str:
        """Where a source's events go."""
        return f"{self.to}/{source}/{self.account}"

    def subscribe_all(self, now: datetime) -> None:
        """Every topic of FlickRocket and SHOPLINE, to our addresses."""
        for source, topics in (("flickrocket", FLICKROCKET_TOPICS), ("shopline", SHOPLINE_TOPICS)):
            for topic in topics:
                self.subscriptions.add(source, topic, self.address(source), now)

    def stop(self) -> None:
        """Give up what is being sent."""
        self._stop.set()

    def send(self, events: list[Event], how: Sending | None = None) -> Outcome:
        """Send events and try again until each was accepted or given up; what became of everything sent so far."""
        self._stop.clear()
        self._prepare(how or Sending())
        how, draw = self._how, self._draw
        wanted = [event for event in events if event.source in how.sources]
        wanted.sort(key=lambda event: event.at + draw.random() * how.disorder)
        rocket = [event for event in wanted if event.source == "flickrocket"]
        independent = [event for event in wanted if event.source != "flickrocket"]
        self._waiting = [_Delivery(0.0, number, event) for number, event in enumerate(independent)]
        first_copies = list(self._waiting)
        self._waiting += [
            replace(delivery, is_extra=True) for delivery in first_copies if draw.random() < how.duplicates
        ]
        self._waiting += [
            replace(delivery, is_extra=True, is_forged=True)
            for delivery in first_copies
            if draw.random() < how.forgeries
        ]
        heapq.heapify(self._waiting)
        with ThreadPoolExecutor(how.connections + 1, thread_name_prefix="sandbox-hooks") as pool:
            done = [pool.submit(self._one_by_one, rocket), *(pool.submit(self._work) for _ in range(how.connections))]
        self._pool.clear()
        for future in done:
            future.result()
        return self.outcome

    # fulfillment.cz and SHOPLINE: each message by itself

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            try:
                self._try(delivery)
            finally:
                with self._changed:
                    self._in_work -= 1
                    self._changed.notify_all()

    def _next(self) -> _Delivery | None:
        with self._changed:
            while not self._stop.is_set():
                if self._waiting:
                    wait = self._waiting[0].due - (self._clock.monotonic() - self._began)
                    if wait <= 0:
                        self._in_work += 1
                        return heapq.heappop(self._waiting)
                    self._changed.wait(min(wait, 0.5))
                elif self._in_work:
                    self._changed.wait(0.5)
                else:
                    return None
            return None

    def _try(self, delivery: _Delivery) -> None:
        event = delivery.event
        address = self._subscribed(event)
        if address is None:
            with self._lock:
                self.outcome.not_subscribed.add(event.key)
            return
        status = self._post(event, address, delivery.is_forged)
        gaps = RETRIES[event.source]
        if status == ACCEPTED and not delivery.is_extra:
            with self._lock:
                self.outcome.accepted.add(event.key)
        if delivery.is_forged or status == ACCEPTED:
            return
        if delivery.attempt >= len(gaps):
            if not delivery.is_extra:
                self._give_up(event)
            return
        delivery.due = self._clock.monotonic() - self._began + gaps[delivery.attempt] / self._how.speed
        delivery.attempt += 1
        with self._changed:
            heapq.heappush(self._waiting, delivery)
            self._changed.notify()

    def _give_up(self, event: Event) -> None:
        with self._lock:
            self.outcome.given_up.add(event.key)
        if event.source == "shopline":
            self.subscriptions.remove("shopline", event.topic)
        elif event.source == "flickrocket":
            self.subscriptions.deactivate("flickrocket")

    # FlickRocket: one after another; a failure blocks the app

    def _one_by_one(self, events: list[Event]) -> None:
        queue = [(event, False) for event in events]
        failures = 0
        while queue and not self._stop.is_set():
            event, is_extra = queue[0]
            address = self._subscribed(event)
            if address is None:
                with self._lock:
                    self.outcome.not_subscribed.add(event.key)
                queue.pop(0)
                continue
            if not is_extra and self._draw.random() < self._how.forgeries:
                self._post(event, address, forged=True)
            if self._post(event, address) == ACCEPTED:
                failures = 0
                queue.pop(0)
                with self._lock:
                    self.outcome.accepted.add(event.key)
                if not is_extra and self._draw.random() < self._how.duplicates:
                    queue.insert(0, (event, True))
                continue
            gaps = RETRIES["flickrocket"]
            if failures >= len(gaps):
                self._give_up(event)
                queue.pop(0)
                failures = 0
                continue
            self._stop.wait(gaps[failures] / self._how.speed)
            failures += 1

    # one request

    def _subscribed(self, event: Event) -> str | None:
        if event.source == "fulfillment_cz":
            return self.address(event.source)
        subscriptions = self.subscriptions.of(event.source, event.topic)
        return subscriptions[0].address if subscriptions else None

    def _post(self, event: Event, address: str, forged: bool = False) -> int:
        if (self._clock.monotonic() - self._began) * self._how.speed < self._how.outage:
            status = 0
        else:
            body, headers = self._signer.signed(event, self._how.encoding, forged)
            try:
                with open_answer(self._pool, "POST", address, headers, self._timeout, body) as answer:
                    whole(answer, self._limits)
                    status = answer.status
            except (urllib3.exceptions.HTTPError, OverLimit):
                status = 0
                # on loopback a refusal comes at once; elsewhere it takes its time
                self._stop.wait(_REFUSED)
            if not forged and self._draw.random() < self._how.lost_answers:
                status = 0
        with self._lock:
            (self.outcome.forged if forged else self.outcome.answers)[status] += 1
        return status
