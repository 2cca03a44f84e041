"""
The events of the shop as each system would send them: what happened, when, under which key.

fulfillment.cz sends thirteen types, none for a problem in dispatch or for goods that arrived; FlickRocket sends new
orders and products and nothing of shipping; SHOPLINE sends what happens to its fulfillment orders.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from stockbook_sandbox import lives
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.localtime import DAY, local_of
from stockbook_sandbox.shop import Shop

SOURCES = ("fulfillment_cz", "flickrocket", "shopline")

TYPES = {
    "created": ("OrderCreated",),
    "released": ("OrderUpdated",),
    "waiting_for_storage": ("OrderStatusChangedToWaitingForStorage",),
    "pushed_to_expedition": ("OrderPushedToExpedition",),
    "sent_back": ("OrderStatusChangedToCreated",),
    "packed": ("OrderPacked",),
    "sent": ("OrderSent", "OrderDeliveryChanged"),
    "not_sent": ("OrderNotSent",),
    "delivered": ("OrderDelivered", "OrderDeliveryChanged"),
    "returned": ("OrderReturned", "OrderDeliveryChanged"),
    "cancelled": ("OrderCanceled",),
    "restored": ("OrderRestored",),
}
"""Event types per kind of milestone; kinds that are not here have none (docs/apis/fulfillment_cz.md)."""

_NOT_IN_EVENTS = (
    "status", "status_note", "expedition", "stock_items", "packages", "invoice", "damaged", "dispatch_date",
)  # fmt: skip
COMPANY = 1202


class Event(NamedTuple):
    """One event: when (UTC seconds), its source, the source's name of it, a key of ours, what it is about, the body."""

    at: int
    source: str
    topic: str
    key: str
    subject: str
    body: dict[str, Any]


class Events:
    """The events of a shop. Not thread-safe: it renders orders."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._renderer = Renderer(shop)

    def between(self, after: int, until: int, sources: tuple[str, ...] = SOURCES) -> list[Event]:
        """What happened after one instant and until another (UTC seconds), in order of time."""
        events: list[Event] = []
        if "fulfillment_cz" in sources:
            events += self._fulfillment_cz(after, until)
        if "flickrocket" in sources:
            events += self._flickrocket(after, until)
            events += self._products(after, until)
        if "shopline" in sources:
            events += self._shopline(after, until)
        return sorted(events, key=lambda event: event.at)

    def _fulfillment_cz(self, after: int, until: int) -> Iterator[Event]:
        milestones = self.shop.lives
        for row in np.flatnonzero((milestones.at > after) & (milestones.at <= until)).tolist():
            kind, order, at = (
                lives.KINDS[int(milestones.kind[row])],
                int(milestones.order[row]),
                int(milestones.at[row]),
            )
            for topic in TYPES.get(kind, ()):
                key = self._uuid(f"fulfillment_cz/{row}/{topic}")
                body = {
                    "event_id": key,
                    "event_type": topic,
                    "data": self._data(order, topic, at),
                    "created": local_of(at).isoformat(sep=" "),
                }
                yield Event(at, "fulfillment_cz", topic, key, self.shop.order_uuid[order], body)

    def _data(self, order: int, topic: str, at: int) -> dict[str, Any]:
        own = self.shop.order_uuid[order]
        if topic not in ("OrderCreated", "OrderUpdated", "OrderPacked", "OrderDeliveryChanged", "OrderNotSent"):
            return {"id": own}
        shown: dict[str, Any] = json.loads(self._renderer.order(order, at))
        if topic == "OrderNotSent":
            return {"id": own, "note": shown["status_note"]}
        if topic in ("OrderPacked", "OrderDeliveryChanged"):
            return {"id": own, "delivery": shown["delivery"]}
        data = {name: value for name, value in shown.items() if name not in _NOT_IN_EVENTS}
        data["tickets"] = [{"barcode": ticket["barcode"]} for ticket in shown["tickets"]]
        if topic == "OrderCreated":
            data["warehouse_id"] = self._uuid(f"warehouse/{self.shop.seed}")
        return data

    def _flickrocket(self, after: int, until: int) -> Iterator[Event]:
        shop = self.shop.flickrocket
        for n in np.flatnonzero((shop.created > after) & (shop.created <= until)).tolist():
            yield self._flickrocket_event(int(shop.created[n]), "order/create", "order", shop.order_id[n])
        late = np.flatnonzero((shop.price_created > after) & (shop.price_created <= until))
        for price in late.tolist():
            for n, bound in enumerate(shop.product_prices):
                if price in bound:
                    number, at = str(int(shop.product_number[n])), int(shop.price_created[price])
                    yield self._flickrocket_event(at, "product/update", "product", number, shop.product_long[n])

    def of_app(self, topic: str, at: int) -> Event:
        """What FlickRocket sends of the app itself."""
        return self._flickrocket_event(at, topic, "app", "4711")

    def _products(self, after: int, until: int) -> Iterator[Event]:
        """Some products are written anew, and one comes and goes within an hour, so that no listing ever has it."""
        shop = self.shop.flickrocket
        days = max(1, (shop.end - shop.start) // DAY)
        numbers = [int(number) for number in shop.product_number]
        for n, number in enumerate(numbers):
            noon = shop.start + (n * 13 % days) * DAY + DAY // 2
            steps = [(noon, "product/update", number, shop.product_long[n])]
            if n % 3 == 0:
                brief, long = numbers[-1] + 1 + n, f"FFFF-0000-0000-{n:04X}"
                steps += [(noon + 60, "product/create", brief, long), (noon + 3600, "product/delete", brief, long)]
            for at, topic, own, name in steps:
                if after < at <= until:
                    yield self._flickrocket_event(at, topic, "product", str(own), name)

    def _flickrocket_event(self, at: int, topic: str, kind: str, own: str, long: str | None = None) -> Event:
        data = {"type": kind, "id": own} | ({"long_id": long} if long else {})
        body = {"company_id": COMPANY, "producer": "shop", "scope": topic, "data": data}
        return Event(at, "flickrocket", topic, f"{topic}/{own}/{at}", own, body)

    def _shopline(self, after: int, until: int) -> Iterator[Event]:
        for message in self.shop.shopline.messages:
            if after < message.at <= until:
                digest = hashlib.sha256(f"{self.shop.seed}/shopline/{message.number}".encode()).hexdigest()
                yield Event(message.at, "shopline", message.topic, digest[:24], str(message.number), message.body)

    def _uuid(self, name: str) -> str:
        d = hashlib.sha256(f"{self.shop.seed}/{name}".encode()).hexdigest()
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-8{d[17:20]}-{d[20:32]}"
