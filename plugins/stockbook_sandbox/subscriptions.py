"""
The subscription APIs of the sandbox: FlickRocket's webhooks in both variants, SHOPLINE's.

fulfillment.cz has none: its address is set in the vendor's administration.
"""

from datetime import datetime
from typing import Any

import msgspec

from stockbook_sandbox.query import BadQuery, NotThere

FLICKROCKET_TOPICS = (
    "order/create", "product/create", "product/update", "product/delete", "customer/create", "customer/update",
    "subscriber/create", "subscriber/update", "groupmember/create", "groupmember/update", "newsrecipient/create",
    "newsrecipient/update", "app/uninstalled", "app/update",
)  # fmt: skip
SHOPLINE_TOPICS = (
    *(f"fulfillment_order/{what}" for what in (
        "create", "update", "submitted", "accepted", "rejected", "on_hold", "released", "location_changed",
        "cancellation_request_submitted", "cancellation_request_accepted", "cancellation_request_rejected",
    )),
    "fulfillments/create", "fulfillments/update",
)  # fmt: skip
ORDER_TOPICS = ("order/create", "orders/create")
LONGEST_ADDRESS = 255
OLDEST_API_VERSION = "v20240601"


class Subscription(msgspec.Struct):
    """One topic sent to one address; ``is_active`` is false once FlickRocket gave up."""

    id: int
    source: str
    topic: str
    address: str
    updated_at: str
    is_active: bool = True
    api_version: str = OLDEST_API_VERSION


class Subscriptions:
    """
    Which topic goes to which address. ``now`` is the sandbox's clock.

    ``order_topics`` are the spellings of FlickRocket's order topic that are taken: its pages show two.
    """

    def __init__(self) -> None:
        self.order_topics: tuple[str, ...] = ORDER_TOPICS
        self.all: dict[int, Subscription] = {}
        self._issued = 900

    def add(self, source: str, topic: str, address: str, now: datetime, api_version: str = "") -> Subscription:
        """Subscribe."""
        self._issued += 1
        text = now.replace(tzinfo=None).isoformat(timespec="seconds")
        subscription = Subscription(self._issued, source, topic, address, text)
        if api_version:
            subscription.api_version = api_version
        self.all[subscription.id] = subscription
        return subscription

    def of(self, source: str, topic: str) -> list[Subscription]:
        """The active subscriptions of a topic. ``orders/create`` is the page's other spelling of ``order/create``."""
        return [
            subscription
            for subscription in self.of_source(source)
            if subscription.topic.replace("orders/", "order/") == topic and subscription.is_active
        ]

    def of_source(self, source: str) -> list[Subscription]:
        """All of a source."""
        return [subscription for subscription in self.all.values() if subscription.source == source]

    def remove(self, source: str, topic: str) -> None:
        """Delete a topic's subscriptions, as SHOPLINE does after its last retry."""
        for subscription in self.of_source(source):
            if subscription.topic == topic:
                del self.all[subscription.id]

    def deactivate(self, source: str) -> None:
        """Switch everything off, as FlickRocket does after its last retry: the block is of the whole app."""
        for subscription in self.of_source(source):
            subscription.is_active = False

    def uninstall(self) -> None:
        """Forget everything of FlickRocket's, as happens when its app is uninstalled."""
        self.all = {number: each for number, each in self.all.items() if each.source != "flickrocket"}

    # the APIs

    def flickrocket(self, method: str, number: int | None, body: bytes, documented: bool, now: datetime) -> Any:
        """``/admin/webhooks`` (documented) or ``/api/webhooks`` (as the vendor's plugin calls it)."""
        names = ("topic", "address", "is_active") if documented else ("scope", "destination", "is_valid")
        webhooks = {subscription.id: subscription for subscription in self.of_source("flickrocket")}
        if number is None and method == "GET":
            rows = [_flickrocket(subscription, names) for subscription in webhooks.values()]
            # the plugin accepts the singular key: a list of one may come under it
            return {"webhook": rows[0]} if len(rows) == 1 else {"webhooks": rows}
        if number is None:
            fields = _webhook_of(body)
            topic, address = fields.get(names[0]), fields.get(names[1])
            if not isinstance(topic, str) or not isinstance(address, str):
                raise BadQuery(f"{names[0]} and {names[1]} are needed")
            if topic not in FLICKROCKET_TOPICS[1:] and topic not in self.order_topics:
                raise BadQuery("no such topic")
            return {"webhook": _flickrocket(self.add("flickrocket", topic, address, now), names)}
        subscription = webhooks.get(number)
        if subscription is None:
            raise NotThere("no such webhook")
        if method == "DELETE":
            del self.all[subscription.id]
        elif method == "PUT":
            fields = _webhook_of(body)
            subscription.topic = str(fields.get(names[0], subscription.topic))
            subscription.address = str(fields.get(names[1], subscription.address))
            subscription.is_active = bool(fields.get(names[2], subscription.is_active))
        return {"webhook": _flickrocket(subscription, names)}

    def shopline(self, method: str, number: int | None, body: bytes, now: datetime) -> Any:
        """``/admin/openapi/<version>/webhooks``."""
        webhooks = {subscription.id: subscription for subscription in self.of_source("shopline")}
        if number is None and method == "GET":
            return {"webhooks": [_shopline(subscription) for subscription in webhooks.values()]}
        if number is None:
            fields = _webhook_of(body)
            topic, address, version = (fields.get(name) for name in ("topic", "address", "api_version"))
            if not isinstance(topic, str) or not isinstance(address, str) or not isinstance(version, str):
                raise BadQuery("topic, address and api_version are needed")
            if len(address) > LONGEST_ADDRESS or version < OLDEST_API_VERSION:
                raise BadQuery("address is too long or api_version too old")
            return {"webhook": _shopline(self.add("shopline", topic, address, now, version))}
        subscription = webhooks.get(number)
        if subscription is None:
            raise NotThere("no such webhook")
        if method == "DELETE":
            del self.all[subscription.id]
        elif method == "PUT":
            subscription.address = str(_webhook_of(body).get("address", subscription.address))
        return {"webhook": _shopline(subscription)}


def _webhook_of(body: bytes) -> dict[str, Any]:
    try:
        inner = msgspec.json.decode(body, type=dict[str, Any]).get("webhook")
    except msgspec.MsgspecError:
        inner = None
    if not isinstance(inner, dict):
        raise BadQuery("an object under webhook is needed")
    return inner


def _flickrocket(subscription: Subscription, names: tuple[str, str, str]) -> dict[str, Any]:
    topic, address, active = names
    return {
        "id": subscription.id,
        topic: subscription.topic,
        address: subscription.address,
        "format": "json",
        active: subscription.is_active,
        "updated_at": subscription.updated_at,
    }


def _shopline(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": str(subscription.id),
        "topic": subscription.topic,
        "address": subscription.address,
        "api_version": subscription.api_version,
        "created_at": subscription.updated_at,
        "updated_at": subscription.updated_at,
    }
