"""
The SHOPLINE side of the shop: fulfillment orders, what happens to them, and the bodies that tell of it.

Bodies have the shapes of the vendor's pages with their inconsistencies: small bodies, composite ids, two spellings
of one key, a list that is a bare text, numbers as text. Times carry the offset of the store's zone.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from stockbook.sandbox import people
from stockbook.sandbox.localtime import DAY, ZONE, Ints, local_of

SHOP_ID = "1610418123456"
_LOCATIONS = (("5327026538935748524", "Germany", "DE"), ("5327026538935748525", "Czechia", "CZ"))
_METHODS = ("shipping", "local", "pick_up", "none", "retail")
_HOUR = 3600


class Told(NamedTuple):
    """One thing that happened: when (UTC seconds), the topic and body that tell it, its number in the shop."""

    at: int
    topic: str
    body: dict[str, Any]
    number: int


class ShoplineShop:
    """One store's fulfillment orders, deterministic by its generator."""

    def __init__(self, rng: np.random.Generator, start: int, end: int, orders: int) -> None:
        """``orders`` orders placed between two instants (UTC seconds)."""
        self.created: Ints = np.sort(rng.integers(start, end, orders))
        self._seeds = rng.integers(0, 2**31, orders)

    @cached_property
    def told(self) -> list[Told]:
        """Everything that is told, in order of time."""
        found = [
            (at, topic, body)
            for number in range(len(self.created))
            for at, topic, body, _ in self._life(number)
        ]
        found.sort(key=lambda one: one[0])
        return [Told(*one, number) for number, one in enumerate(found)]

    def truth(self, clock: int) -> dict[str, dict[str, Any]]:
        """State of every fulfillment order at an instant: status, request status, location, pieces to fulfill."""
        states: dict[str, dict[str, Any]] = {}
        for number in range(int(np.searchsorted(self.created, clock, side="right"))):
            for at, _, _, after in self._life(number):
                if at <= clock:
                    for own, state in after.items():
                        states[own] = {**states.get(own, {}), **state}
        return states

    def personal_values(self) -> Iterator[str]:
        """Distinctive strings of recipients, parcels and messages."""
        for n in range(len(self.created)):
            who = people.person(n % 100_000)
            yield from (who.firstname, who.surname, who.street, who.zipcode, who.phone)
            yield f"{people.MARK.upper()}SL{n:07d}"
            yield from (people.text(kind, n) for kind in ("hold", "request", "cancel", "answer"))

    def _life(self, n: int) -> Iterator[tuple[int, str, dict[str, Any], dict[str, dict[str, Any]]]]:
        """(instant, topic, body, state after it of each order it names) of one order's life."""
        rng = np.random.default_rng(int(self._seeds[n]))
        chance = rng.random(8).tolist()
        gaps = (rng.integers(60, 6 * _HOUR, 12)).tolist()
        order_id, own = f"2105740193282631666{n:07d}", f"400574019329013{n:07d}"
        state: dict[str, Any] = {
            "status": "open",
            "request_status": "unsubmitted",
            "location": _LOCATIONS[n % 2][0],
            "fulfillable": [int(1 + rng.geometric(0.6)) for _ in range(1 + int(chance[0] * 3))],
        }
        at = int(self.created[n])
        whole = _Whole(n, order_id, own, list(state["fulfillable"]))

        def after(**changes: Any) -> dict[str, dict[str, Any]]:
            state.update(changes)
            return {own: dict(state)}

        def named(key: str = "fulfillment_order", composite: bool = False, **fields: Any) -> dict[str, Any]:
            return {key: {"id": f"{order_id}_{own}" if composite else own, **fields}}

        yield at, "fulfillment_order/create", whole.body(state, created=at), after()
        if chance[1] < 0.1:
            at += gaps[0]
            holds = [{"reason": "inventory_out_of_stock", "reason_notes": people.text("hold", n)}]
            yield (
                at,
                "fulfillment_order/on_hold",
                named(status="on_hold", fulfillment_holds=holds),
                after(status="on_hold"),
            )
            at += gaps[1]
            yield at, "fulfillment_order/released", named(composite=True, status="open"), after(status="open")
        if chance[2] < 0.06:
            at += gaps[2]
            moved = _LOCATIONS[(n + 1) % 2][0]
            body = named("original_fulfillment_order", assigned_location_id=state["location"], status="open")
            body |= named("moved_fulfillment_order", assigned_location_id=moved, status="open")
            yield at, "fulfillment_order/location_changed", body, after(location=moved)
        at += gaps[3]
        body = {"fulfillment_order_merchant_request": {"message": people.text("request", n), "notify_customer": False}}
        body |= named("original_fulfillment_order", status="open", requestStatus="submitted")
        body |= named("submitted_fulfillment_order", composite=True, status="open", request_status="submitted")
        yield at, "fulfillment_order/submitted", body, after(request_status="submitted")
        at += gaps[4]
        if chance[3] < 0.05:
            yield (
                at,
                "fulfillment_order/rejected",
                named(request_status="rejected", status="open"),
                after(request_status="rejected"),
            )
            return
        yield (
            at,
            "fulfillment_order/accepted",
            named(request_status="accepted", status="in_progress"),
            after(request_status="accepted", status="in_progress"),
        )
        if chance[4] < 0.1:
            at += gaps[5]
            body = named(request_status="cancellation_requested", status="in_progress")
            body["fulfillment_order"]["fulfillment_order_merchant_request"] = {"message": people.text("cancel", n)}
            yield (
                at,
                "fulfillment_order/cancellation_request_submitted",
                body,
                after(request_status="cancellation_requested"),
            )
            at += gaps[6]
            message = {"message": people.text("answer", n)}
            if chance[5] < 0.6:
                body = named(status="cancelled") | message
                yield at, "fulfillment_order/cancellation_request_accepted", body, after(status="cancelled")
                at += 5
                made = after(request_status="cancellation_accepted")
                yield at, "fulfillment_order/update", whole.body(state), made
                return
            body = named(request_status="cancellation_rejected", status="in_progress") | message
            yield (
                at,
                "fulfillment_order/cancellation_request_rejected",
                body,
                after(request_status="cancellation_rejected"),
            )
        at += gaps[7] + DAY // 2
        yield at, "fulfillments/create", whole.parcel(at, at, None), {}
        at += 3
        made = after(status="closed", request_status="closed", fulfillable=[0] * len(state["fulfillable"]))
        yield at, "fulfillment_order/update", whole.body(state), made
        sent, at = at - 3, at + gaps[8] + DAY
        yield at, "fulfillments/update", whole.parcel(sent, at, "delivered"), {}


class _Whole:
    """The full bodies of one fulfillment order."""

    def __init__(self, n: int, order_id: str, own: str, quantities: list[int]) -> None:
        self.n, self.order_id, self.own, self.quantities = n, order_id, own, quantities

    def body(self, state: dict[str, Any], created: int | None = None) -> dict[str, Any]:
        """The body of ``create`` (with its time) or ``update``."""
        n, who = self.n, people.person(self.n % 100_000)
        location, country, code = next(one for one in _LOCATIONS if one[0] == state["location"])
        fields: dict[str, Any] = {
            "id": self.own,
            "order_id": self.order_id,
            "shop_id": SHOP_ID,
            "status": state["status"],
            "request_status": state["request_status"],
            "supported_actions": "create_fulfillment" if n % 3 else ["create_fulfillment", "move"],
            "assigned_location_id": location,
            "assigned_location": {"location_id": location, "name": "Depot", "country": country, "country_code": code},
            "delivery_method": {"method_type": _METHODS[n % len(_METHODS)]},
            "destination": {
                "name": f"{who.firstname} {who.surname}",
                "first_name": who.firstname,
                "last_name": who.surname,
                "company": who.company,
                "email": who.email,
                "phone": who.phone,
                "address1": who.street,
                "city": who.city,
                "zip": who.zipcode,
                "country": "CZ",
                "country_code": "CZ",
            },
            "fulfillment_holds": [],
            "line_items": [
                {
                    "id": f"{self.own}{place:02d}",
                    "line_item_id": f"{self.order_id[:20]}{place:02d}",
                    "fulfillment_order_id": self.own,
                    "shop_id": SHOP_ID,
                    "variant_id": f"1805740193282631666{(n + place) % 997:07d}",
                    "quantity": ordered,
                    "fulfillable_quantity": left if (n + place) % 2 else str(left),
                }
                for place, (ordered, left) in enumerate(zip(self.quantities, state["fulfillable"], strict=True))
            ],
        }
        if created is not None and n % 4:  # older versions of the body have no time of creation
            fields["created_at"] = _text(created)
        return {"fulfillment_order": fields}

    def parcel(self, created: int, updated: int, shipment: str | None) -> dict[str, Any]:
        """The body of a fulfillment."""
        number = f"{people.MARK.upper()}SL{self.n:07d}"
        return {
            "id": f"6{self.own}",
            "order_id": self.order_id,
            "name": f"#{1000 + self.n}.1",
            "created_at": _text(created),
            "updated_at": _text(updated),
            "status": "success",
            "shipment_status": shipment or "confirmed",
            "tracking_info_list": [
                {
                    "tracking_company": "DHL",
                    "tracking_number": number,
                    "tracking_url": f"https://track.{people.MARK.lower()}.example/{number}",
                }
            ],
            "line_items": [],
        }


def _text(at: int) -> str:
    return local_of(at).replace(tzinfo=ZONE).isoformat()
