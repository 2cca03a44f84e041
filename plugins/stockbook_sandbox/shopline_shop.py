"""
The SHOPLINE side of the shop: fulfillment orders, what happens to them, and the bodies that tell of it.

Bodies have the shapes of the vendor's pages with their inconsistencies: small bodies, composite ids, two spellings
of one key, a list that is a bare text, numbers as text. Times carry the offset of the store's zone.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from stockbook_sandbox import people
from stockbook_sandbox.localtime import DAY, ZONE, Ints, local_of

SHOP_ID = "1610418123456"
_LOCATIONS = (("5327026538935748524", "Germany", "DE"), ("5327026538935748525", "Czechia", "CZ"))
_METHODS = ("shipping", "local", "pick_up", "none", "retail")
_HOUR = 3600


class Message(NamedTuple):
    """A message: when it is sent (UTC seconds), its topic and body, its number in the shop."""

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
    def messages(self) -> list[Message]:
        """Every message the store sends, in order of time."""
        steps = [(at, topic, body) for number in range(len(self.created)) for at, topic, body, _ in self._life(number)]
        steps.sort(key=lambda step: step[0])
        return [Message(*step, number) for number, step in enumerate(steps)]

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

    def _life(self, n: int) -> "list[Step]":
        return _Life(n, int(self.created[n]), np.random.default_rng(int(self._seeds[n]))).steps


class Step(NamedTuple):
    """One thing in the life of an order: when, the topic and body that tell it, and the state after it by order."""

    at: int
    topic: str
    body: dict[str, Any]
    after: dict[str, dict[str, Any]]


class _Life:
    """The life of one order: created, perhaps held or moved, requested, perhaps cancelled, shipped."""

    def __init__(self, n: int, created: int, rng: np.random.Generator) -> None:
        self.n, self.at = n, created
        self.order_id, self.own = f"2105740193282631666{n:07d}", f"400574019329013{n:07d}"
        self.chance = rng.random(6).tolist()
        self.gaps = iter(rng.integers(60, 6 * _HOUR, 12).tolist())
        self.state: dict[str, Any] = {
            "status": "open",
            "request_status": "unsubmitted",
            "location": _LOCATIONS[n % 2][0],
            "fulfillable": rng.geometric(0.5, 1 + int(self.chance[0] * 3)).tolist(),
        }
        self.whole = _Whole(n, self.order_id, self.own, list(self.state["fulfillable"]))
        self.steps: list[Step] = []
        self._tell("create", self.whole.body(self.state, created=created))
        self._hold_and_move()
        if self._request():
            self._ship()

    def _tell(self, topic: str, body: dict[str, Any], **changes: Any) -> None:
        self.state.update(changes)
        self.steps.append(Step(self.at, f"fulfillment_order/{topic}", body, {self.own: dict(self.state)}))

    def _named(self, key: str = "fulfillment_order", composite: bool = False, **fields: Any) -> dict[str, Any]:
        return {key: {"id": f"{self.order_id}_{self.own}" if composite else self.own, **fields}}

    def _hold_and_move(self) -> None:
        if self.chance[1] < 0.1:
            self.at += next(self.gaps)
            holds = [{"reason": "inventory_out_of_stock", "reason_notes": people.text("hold", self.n)}]
            self._tell("on_hold", self._named(status="on_hold", fulfillment_holds=holds), status="on_hold")
            self.at += next(self.gaps)
            self._tell("released", self._named(composite=True, status="open"), status="open")
        if self.chance[2] < 0.06:
            self.at += next(self.gaps)
            moved = _LOCATIONS[(self.n + 1) % 2][0]
            body = self._named("original_fulfillment_order", assigned_location_id=self.state["location"], status="open")
            body |= self._named("moved_fulfillment_order", assigned_location_id=moved, status="open")
            self._tell("location_changed", body, location=moved)

    def _request(self) -> bool:
        self._submit()
        self.at += next(self.gaps)
        if self.chance[3] < 0.05:
            self._tell("rejected", self._named(request_status="rejected", status="open"), request_status="rejected")
            # asked again, and taken: no order stays open for ever
            self._submit()
            self.at += next(self.gaps)
        body = self._named(request_status="accepted", status="in_progress")
        self._tell("accepted", body, request_status="accepted", status="in_progress")
        return self.chance[4] >= 0.1 or not self._cancel()

    def _submit(self) -> None:
        self.at += next(self.gaps)
        message = {"message": people.text("request", self.n), "notify_customer": False}
        body: dict[str, Any] = {"fulfillment_order_merchant_request": message}
        body |= self._named("original_fulfillment_order", status="open", requestStatus="submitted")
        body |= self._named("submitted_fulfillment_order", composite=True, status="open", request_status="submitted")
        self._tell("submitted", body, request_status="submitted")

    def _cancel(self) -> bool:
        self.at += next(self.gaps)
        body = self._named(request_status="cancellation_requested", status="in_progress")
        request = {"message": people.text("cancel", self.n)}
        body["fulfillment_order"]["fulfillment_order_merchant_request"] = request
        self._tell("cancellation_request_submitted", body, request_status="cancellation_requested")
        self.at += next(self.gaps)
        message = {"message": people.text("answer", self.n)}
        if self.chance[5] < 0.6:
            body = self._named(status="cancelled") | message
            self._tell("cancellation_request_accepted", body, status="cancelled")
            self.at += 5
            after = self.state | {"request_status": "cancellation_accepted"}
            self._tell("update", self.whole.body(after), **after)
            return True
        body = self._named(request_status="cancellation_rejected", status="in_progress") | message
        self._tell("cancellation_request_rejected", body, request_status="cancellation_rejected")
        return False

    def _ship(self) -> None:
        self.at += next(self.gaps) + DAY // 2
        sent = self.at
        self.steps.append(Step(sent, "fulfillments/create", self.whole.parcel(sent, sent, None), {}))
        self.at += 3
        left = [0] * len(self.state["fulfillable"])
        after = self.state | {"status": "closed", "request_status": "closed", "fulfillable": left}
        self._tell("update", self.whole.body(after), **after)
        self.at += next(self.gaps) + DAY
        body = self.whole.parcel(sent, self.at, "delivered")
        self.steps.append(Step(self.at, "fulfillments/update", body, {}))


class _Whole:
    """The full bodies of one fulfillment order."""

    def __init__(self, n: int, order_id: str, own: str, quantities: list[int]) -> None:
        self.n, self.order_id, self.own, self.quantities = n, order_id, own, quantities

    def body(self, state: dict[str, Any], created: int | None = None) -> dict[str, Any]:
        """The body of ``create`` (with its time) or ``update``."""
        n, who = self.n, people.person(self.n % 100_000)
        location, country, code = next(row for row in _LOCATIONS if row[0] == state["location"])
        fields: dict[str, Any] = {
            "id": self.own,
            "order_id": self.order_id,
            "shop_id": SHOP_ID,
            "status": state["status"],
            "request_status": state["request_status"],
            "supported_actions": _actions(n, state["status"]),
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


def _actions(n: int, status: str) -> str | list[str]:
    """What may be done with an order: a list of one comes as a bare text."""
    if status == "on_hold":
        return "release_hold"
    if status not in ("open", "in_progress"):
        return []
    return ["create_fulfillment", "move", "hold"] if n % 3 == 0 else "create_fulfillment"


def _text(at: int) -> str:
    return local_of(at).replace(tzinfo=ZONE).isoformat()
