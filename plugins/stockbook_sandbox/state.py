"""A shop being served: everything about it that changes while it is."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stockbook_sandbox.faults import Faults
from stockbook_sandbox.flickrocket import Bucket, Flickrocket, Tokens
from stockbook_sandbox.hooks import Hooks
from stockbook_sandbox.listings import Fulfillment, Readings, routes
from stockbook_sandbox.localtime import utc_of
from stockbook_sandbox.sender import Sender
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.signing import DEFAULT_SECRET
from stockbook_sandbox.subscriptions import Subscriptions

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - opens an invented shop on loopback only

_NUMBER = re.compile(r"/\d+(?=[/.]|$)")


@dataclass
class Sandbox:
    """
    A shop being served: its clock, its token, its faults, its counters.

    ``clock`` is local wall time (its ``fold`` counts); ``seconds_per_request`` moves it on with every
    API request, so that rows appear while a client pages.
    """

    shop: Shop
    clock: datetime
    token: str = DEFAULT_TOKEN
    readings: Readings = field(default_factory=Readings)
    singular_key: bool = True
    bucket: Bucket = field(default_factory=Bucket)
    seconds_per_request: float = 0.0
    token_lifetime: timedelta = timedelta(hours=1)
    hooks_to: str = ""
    """Base address that events are sent to as the clock moves on; empty: none are."""
    hooks_account: str = "main"
    app_secret: str = DEFAULT_SECRET

    def __post_init__(self) -> None:
        """Make the endpoints."""
        self.listings = Fulfillment(self.shop, self.readings)
        self.routes = routes(self.listings)
        self.flickrocket = Flickrocket(self.shop.flickrocket, self.singular_key)
        self.tokens = Tokens(self.token, self.token_lifetime)
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        self.bytes_sent = 0
        self._passed = 0.0
        self._now = utc_of(self.clock)
        self.subscriptions = Subscriptions()
        self.hooks: Hooks | None = None
        if self.hooks_to:
            sender = Sender(self.hooks_to, self.token, self.subscriptions, self.hooks_account, self.app_secret)
            self.hooks = Hooks(self.shop, sender)
            sender.subscribe_all(self.clock)

    @property
    def now(self) -> int:
        """The clock as an instant."""
        return self._now + int(self._passed)

    def set_clock(self, clock: datetime) -> None:
        """Move the clock to a local wall time, forwards or backwards; forwards events go out."""
        before = self.now
        self._now, self._passed = utc_of(clock), 0.0
        if self.hooks is not None and self._now > before:
            self.hooks.send(before, self._now)

    def tick(self) -> int:
        """The instant at which a request is answered; moves the clock on where it is set to move."""
        now = self.now
        self._passed += self.seconds_per_request
        return now

    def count(self, method: str, path: str) -> None:
        """Count a request under its path with numbers taken out."""
        self.counts[f"{method} {_NUMBER.sub('/<id>', path)}"] += 1
