"""
The subscriptions of webhooks at FlickRocket and SHOPLINE: listed, made, moved, removed, and set active again.

fulfillment.cz has no such API: its address is set in the vendor's administration. Both senders stop for good after
their last retry (FlickRocket switches the webhook off, SHOPLINE deletes it), so somebody has to look.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from urllib3.exceptions import HTTPError

from stockbook.bounded_http import OverLimit, Unsendable, ask
from stockbook.clock import Clock
from stockbook.connections import DEFAULT_HOSTS, Account, RawConnection, account_from, extra_of, split_conn_id
from stockbook.errors import BadAnswer, ConfigError, Unauthorized, Unreachable
from stockbook.reaching import advice
from stockbook.secret_text import address
from stockbook.settings import Settings
from stockbook.sources.credentials import Credentials, StaticToken, credentials_of

# the documented topics a night has a use for; the others are of people
FLICKROCKET_TOPICS = (
    "order/create",
    "product/create",
    "product/update",
    "product/delete",
    "app/uninstalled",
    "app/update",
)
SHOPLINE_TOPICS = (
    "fulfillment_order/create",
    "fulfillment_order/update",
    "fulfillment_order/submitted",
    "fulfillment_order/accepted",
    "fulfillment_order/rejected",
    "fulfillment_order/on_hold",
    "fulfillment_order/released",
    "fulfillment_order/location_changed",
    "fulfillment_order/cancellation_request_submitted",
    "fulfillment_order/cancellation_request_accepted",
    "fulfillment_order/cancellation_request_rejected",
    "fulfillments/create",
    "fulfillments/update",
)
TOPICS = {"flickrocket": FLICKROCKET_TOPICS, "shopline": SHOPLINE_TOPICS}
# as documented: the vendor's payload and its text spell one topic differently (docs/apis/flickrocket.md)
SPELLINGS = {"order/create": ("order/create", "orders/create")}
_TOPIC_OF = {spelling: topic for topic, spellings in SPELLINGS.items() for spelling in spellings}

# the oldest body version with everything that is declared of it (docs/apis/shopline.md)
SHOPLINE_VERSION = "v20251201"
LONGEST_ADDRESS = 255
_TAKEN, _DENIED = range(200, 300), (401, 403)
# what an API answers that does not know a topic
_REFUSALS = (400, 404, 409, 422)


class Subscription(msgspec.Struct, frozen=True):
    """One topic, spelled as the sender has it, sent to one address; ``is_active`` is false once the sender gave up."""

    id: str
    spelling: str
    address: str
    is_active: bool

    @property
    def topic(self) -> str:
        """The topic as the sender's events spell it."""
        return _TOPIC_OF.get(self.spelling, self.spelling)


class Moved(NamedTuple):
    """Subscriptions whose address was changed, and those that were removed because they would have sent twice."""

    changed: int
    removed: int


class _NotTaken(BadAnswer):
    """The answer says that what was asked for is not known or not right."""


class Missing(ConfigError):
    """What the subscriptions need is not set; the message says what to set where."""


class Subscriptions:
    """The subscriptions of one account."""

    def __init__(self, conn_id: str, raw: RawConnection, settings: Settings, clock: Clock) -> None:
        """Raises Missing when the connection lacks what managing needs."""
        parts = split_conn_id(conn_id)
        self.source, self.account = parts or ("", "")
        self._conn_id, self._end = conn_id, f"/{self.source}/{self.account}"
        if self.source == "shopline":
            self._credentials, self._base = _of_shopline(conn_id, raw)
            self._names = ("topic", "address", "is_active")
            version = str(raw.extra.get("api_version") or SHOPLINE_VERSION)
            self._path, self._more = f"/admin/openapi/{version}/webhooks", {"api_version": version}
            return
        try:
            account = account_from(conn_id, raw)
            self._credentials = credentials_of(account, clock, settings.token_place, settings.fernet_keys)
        except ConfigError as error:
            raise Missing(str(error)) from None
        self._base, self._path, self._names = _of_flickrocket(account)
        self._more = {"format": "json"}

    def listed(self) -> list[Subscription]:
        """All subscriptions of the app. Raises Unauthorized, Unreachable, BadAnswer."""
        content = self._ask("GET", f"{self._path}.json")
        rows = content.get("webhooks", content.get("webhook", [])) if isinstance(content, dict) else None
        # a list of one may come under the singular name, and as a bare object (docs/apis/flickrocket.md)
        rows = [rows] if isinstance(rows, dict) else rows
        if not isinstance(rows, list):
            raise BadAnswer(f"The webhooks of connection {self._conn_id} must be a list; the answer is something else.")
        return [self._subscription(row) for row in rows if isinstance(row, dict)]

    def place(self, address: str) -> str:
        """Where this account's events go below the address of a receiver. Raises ConfigError for one too long."""
        place = f"{address.rstrip('/')}{self._end}"
        if len(place) > LONGEST_ADDRESS:
            raise ConfigError(f"An address of at most {LONGEST_ADDRESS} characters is expected; it has {len(place)}.")
        return place

    def own(self, there: Iterable[Subscription]) -> list[Subscription]:
        """Those that go to a receiver of this account, wherever it is or was."""
        return [subscription for subscription in there if subscription.address.endswith(self._end)]

    def missing(self, there: Iterable[Subscription]) -> list[str]:
        """The topics that none of these is about."""
        topics = {subscription.topic for subscription in there}
        return [topic for topic in TOPICS[self.source] if topic not in topics]

    def create(self, topic: str, place: str) -> str:
        """
        Subscribe a topic, in the first of its documented spellings that the sender takes; returns that spelling.

        Raises BadAnswer where it takes none.
        """
        name, to, _ = self._names
        *earlier, last = SPELLINGS.get(topic, (topic,))
        for spelling in earlier:
            try:
                self._ask("POST", f"{self._path}.json", {name: spelling, to: place, **self._more})
            except _NotTaken:
                continue
            return spelling
        self._ask("POST", f"{self._path}.json", {name: last, to: place, **self._more})
        return last

    def activate(self, subscription: Subscription) -> None:
        """Switch a subscription on again."""
        self._ask("PUT", f"{self._path}/{subscription.id}.json", {self._names[2]: True})

    def move(self, there: Iterable[Subscription], place: str) -> Moved:
        """
        Send every topic of this account to ``place``, each once.

        A subscription is changed, never made beside another. Cut off at any point it is safe to do again.
        """
        topics: dict[str, list[Subscription]] = {}
        for subscription in self.own(there):
            topics.setdefault(subscription.topic, []).append(subscription)
        changed = removed = 0
        for subscriptions in topics.values():
            # one that is active stays, and of those one that is there already
            first, *doubles = sorted(subscriptions, key=lambda each: (not each.is_active, each.address != place))
            if first.address != place:
                self._ask("PUT", f"{self._path}/{first.id}.json", {"id": first.id, self._names[1]: place})
                changed += 1
            for double in doubles:
                self.remove(double)
            removed += len(doubles)
        return Moved(changed, removed)

    def remove(self, subscription: Subscription) -> None:
        """Delete a subscription."""
        self._ask("DELETE", f"{self._path}/{subscription.id}.json")

    def _subscription(self, row: dict[str, Any]) -> Subscription:
        topic, address, active = self._names
        return Subscription(str(row.get("id")), str(row.get(topic)), str(row.get(address)), bool(row.get(active, True)))

    def _ask(self, method: str, path: str, webhook: dict[str, Any] | None = None) -> Any:
        for renewed in (False, True):
            headers = {
                "Authorization": self._credentials.authorization(),
                "Accept": "application/json",
                "Content-Type": "application/json",
            }
            body = None if webhook is None else msgspec.json.encode({"webhook": webhook})
            try:
                answer = ask(method, f"{self._base}{path}", headers, body)
            # its text quotes the address and may quote more
            except (HTTPError, OverLimit, OSError, Unsendable) as error:
                what = str(error) if isinstance(error, OverLimit) else type(error).__name__
                raise Unreachable(
                    f"The webhooks of connection {self._conn_id} could not be asked for ({what}): {advice(error)}, "
                    "then try again."
                ) from None
            if answer.status not in _DENIED or renewed or not self._credentials.renew():
                break
        if answer.status in _DENIED:
            raise Unauthorized(
                f"Connection {self._conn_id}: {method} {path} was refused with {answer.status}: the token is "
                "wrong, or its scope lacks webhooks."
            )
        if answer.status not in _TAKEN:
            kind = _NotTaken if answer.status in _REFUSALS else BadAnswer
            raise kind(f"Connection {self._conn_id}: {method} {path} was answered {answer.status}.")
        try:
            return msgspec.json.decode(answer.body) if answer.body else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadAnswer(f"Connection {self._conn_id}: {method} {path} got an answer that is not JSON.") from None


def _of_shopline(conn_id: str, raw: RawConnection) -> tuple[Credentials, str]:
    extra = extra_of(conn_id, raw)
    token, handle = extra.get("access_token"), extra.get("shop_handle")
    lacking = [name for name, value in (("access_token", token), ("shop_handle", handle or raw.host)) if not value]
    if lacking:
        raise Missing(
            f"To manage its webhooks connection {conn_id} needs {' and '.join(lacking)} in its extra "
            "(the app's access token and the shop's name before .myshopline.com)."
        )
    host = (raw.host or f"{handle}.myshopline.com").rstrip("/")
    base = address(f"connection {conn_id}", "host", host if "://" in host else f"https://{host}")
    return StaticToken(f"Bearer {token}"), f"{base}:{raw.port}" if raw.port else base


def _of_flickrocket(account: Account) -> tuple[str, str, tuple[str, str, str]]:
    """Base address, path and names: as documented, or with ``webhooks_api: plugin`` as the vendor's plugin calls it."""
    variant = str(account.extra.get("webhooks_api") or "documented")
    if variant not in ("documented", "plugin"):
        raise ConfigError(f"Extra webhooks_api of connection {account.conn_id} must be documented or plugin.")
    base = account.base_url or DEFAULT_HOSTS["flickrocket"]
    if variant == "plugin":
        return base, "/api/webhooks", ("scope", "destination", "is_valid")
    return base, "/admin/webhooks", ("topic", "address", "is_active")
