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
    """Who is told what. ``now`` texts are of the sandbox's clock."""

    def __init__(self) -> None:
        self.all: dict[int, Subscription] = {}
        self._issued = 900

    def add(self, source: str, topic: str, address: str, now: datetime, api_version: str = "") -> Subscription:
        """Subscribe."""
        self._issued += 1
        text = now.replace(tzinfo=None).isoformat(timespec="seconds")
        made = Subscription(self._issued, source, topic, address, text)
        if api_version:
            made.api_version = api_version
        self.all[made.id] = made
        return made

    def of(self, source: str, topic: str) -> list[Subscription]:
        """Those that are sent a topic. ``orders/create`` is the page's other spelling of ``order/create``."""
        return [
            one
            for one in self.all.values()
            if one.source == source and one.topic.replace("orders/", "order/") == topic and one.is_active
        ]

    def remove(self, source: str, topic: str) -> None:
        """Delete a topic's subscriptions, as SHOPLINE does after its last retry."""
        for one in [one for one in self.all.values() if one.source == source and one.topic == topic]:
            del self.all[one.id]

    def deactivate(self, source: str) -> None:
        """Switch everything off, as FlickRocket does after its last retry: the block is of the whole app."""
        for one in self.all.values():
            if one.source == source:
                one.is_active = False

    # the APIs

    def flickrocket(self, method: str, number: int | None, body: bytes, documented: bool, now: datetime) -> Any:
        """``/admin/webhooks`` (documented) or ``/api/webhooks`` (as the vendor's plugin calls it)."""
        names = ("topic", "address", "is_active") if documented else ("scope", "destination", "is_valid")
        mine = {one.id: one for one in self.all.values() if one.source == "flickrocket"}
        if number is None and method == "GET":
            rows = [_flickrocket(one, names) for one in mine.values()]
            # the plugin accepts the singular key: a list of one may come under it
            return {"webhook": rows[0]} if len(rows) == 1 else {"webhooks": rows}
        if number is None:
            given = _given(body)
            topic, address = given.get(names[0]), given.get(names[1])
            if not isinstance(topic, str) or not isinstance(address, str):
                raise BadQuery(f"{names[0]} and {names[1]} are needed")
            return {"webhook": _flickrocket(self.add("flickrocket", topic, address, now), names)}
        found = mine.get(number)
        if found is None:
            raise NotThere("no such webhook")
        if method == "DELETE":
            del self.all[found.id]
        elif method == "PUT":
            given = _given(body)
            found.topic = str(given.get(names[0], found.topic))
            found.address = str(given.get(names[1], found.address))
            found.is_active = bool(given.get(names[2], found.is_active))
        return {"webhook": _flickrocket(found, names)}

    def shopline(self, method: str, number: int | None, body: bytes, now: datetime) -> Any:
        """``/admin/openapi/<version>/webhooks``."""
        mine = {one.id: one for one in self.all.values() if one.source == "shopline"}
        if number is None and method == "GET":
            return {"webhooks": [_shopline(one) for one in mine.values()]}
        if number is None:
            given = _given(body)
            topic, address, version = (given.get(name) for name in ("topic", "address", "api_version"))
            if not isinstance(topic, str) or not isinstance(address, str) or not isinstance(version, str):
                raise BadQuery("topic, address and api_version are needed")
            if len(address) > LONGEST_ADDRESS or version < OLDEST_API_VERSION:
                raise BadQuery("address is too long or api_version too old")
            return {"webhook": _shopline(self.add("shopline", topic, address, now, version))}
        found = mine.get(number)
        if found is None:
            raise NotThere("no such webhook")
        if method == "DELETE":
            del self.all[found.id]
        elif method == "PUT":
            found.address = str(_given(body).get("address", found.address))
        return {"webhook": _shopline(found)}


def _given(body: bytes) -> dict[str, Any]:
    try:
        inner = msgspec.json.decode(body, type=dict[str, Any]).get("webhook")
    except msgspec.MsgspecError:
        inner = None
    if not isinstance(inner, dict):
        raise BadQuery("an object under webhook is needed")
    return inner


def _flickrocket(one: Subscription, names: tuple[str, str, str]) -> dict[str, Any]:
    topic, address, active = names
    return {
        "id": one.id,
        topic: one.topic,
        address: one.address,
        "format": "json",
        active: one.is_active,
        "updated_at": one.updated_at,
    }


def _shopline(one: Subscription) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "topic": one.topic,
        "address": one.address,
        "api_version": one.api_version,
        "created_at": one.updated_at,
        "updated_at": one.updated_at,
    }
