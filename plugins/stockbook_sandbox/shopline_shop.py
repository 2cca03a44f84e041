"""
The SHOPLINE side of the shop: fulfillment orders, what happens to them, and the bodies that tell of it.

Bodies have the shapes of the vendor's pages with their inconsistencies: small bodies, composite ids, two spellings
of one key, a list that is a bare text, numbers as text. Times carry the offset of the store's zone.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stockbook_sandbox import people
from stockbook_sandbox.localtime import DAY, NEVER, Ints
from stockbook_sandbox.shopline_bodies import LOCATIONS, WholeBodies, parcels

if TYPE_CHECKING:
    from stockbook_sandbox.channels import Channels
    from stockbook_sandbox.demand import Demand
    from stockbook_sandbox.lives import Lives

_HOUR = 3600


class Message(NamedTuple):
    """A message: when it is sent (UTC seconds), its topic and body, its number in the shop."""

    at: int
    topic: str
    body: dict[str, Any]
    number: int


class ShoplineShop:
    """One store's fulfillment orders, deterministic by its generator."""

    def __init__(self, rng: np.random.Generator, channels: "Channels", d: "Demand", lives: "Lives") -> None:
        """The store's share of the ``channels``: most of its orders are shipped by the warehouse, some it never got."""
        self.sold = channels.shopline
        self.created: Ints = self.sold.created
        self._seeds = rng.integers(0, 2**31, len(self.sold))
        self.order_id = self.sold.number
        starts = np.searchsorted(d.line_order, np.arange(len(d.created) + 1))
        self._warehouse: list[_Warehouse | None] = []
        for n, order in enumerate(self.sold.order.tolist()):
            if order < 0:
                self._warehouse.append(None)
                continue
            quantities = d.line_quantity[starts[order] : starts[order + 1]].tolist()
            quantities[0] += int(self.sold.differs_in_quantity[n])
            sent, cancelled = int(lives.sent[order]), int(lives.cancelled[order])
            if self.sold.differs_in_state[n]:
                # cancelled in the store and shipped nevertheless
                sent, cancelled = int(NEVER), int(self.created[n]) + 3600
            self._warehouse.append(_Warehouse(quantities, sent, cancelled))

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

    def quantities(self, n: int) -> list[int]:
        """Pieces of the lines of an order."""
        return list(self._life(n)[0].after[own_id(n)]["fulfillable"])

    def personal_values(self) -> Iterator[str]:
        """Distinctive strings of recipients, parcels and messages."""
        for n in range(len(self.created)):
            who = people.person(n % 100_000)
            yield from (who.firstname, who.surname, who.street, who.zipcode, who.phone)
            yield from parcels(n)
            yield from (people.text(kind, n) for kind in ("hold", "request", "cancel", "answer"))
        yield from (people.text("location", place) for place in range(len(LOCATIONS)))

    def _life(self, n: int) -> "list[Step]":
        rng = np.random.default_rng(int(self._seeds[n]))
        return _Life(n, self.order_id[n], int(self.created[n]), rng, self._warehouse[n]).steps


def own_id(n: int) -> str:
    """Id of the fulfillment order of an order."""
    return f"400574019329013{n:07d}"


class Step(NamedTuple):
    """One thing in the life of an order: when, the topic and body that tell it, and the state after it by order."""

    at: int
    topic: str
    body: dict[str, Any]
    after: dict[str, dict[str, Any]]


class _Warehouse(NamedTuple):
    """What the warehouse does with an order: pieces of its lines, when it is sent and cancelled (NEVER: not at all)."""

    quantities: list[int]
    sent: int
    cancelled: int


class _Life:
    """The life of one order: created, perhaps held or moved, requested, perhaps cancelled, shipped."""

    def __init__(
        self, n: int, number: str, created: int, rng: np.random.Generator, warehouse: _Warehouse | None
    ) -> None:
        self.n, self.at, self.warehouse = n, created, warehouse
        self.order_id, self.own = number, own_id(n)
        self.chance = rng.random(6).tolist()
        self.gaps = iter(rng.integers(60, 6 * _HOUR, 12).tolist())
        self.state: dict[str, Any] = {
            "status": "open",
            "request_status": "unsubmitted",
            "location": LOCATIONS[n % 2][0],
            "fulfillable": rng.geometric(0.5, 1 + int(self.chance[0] * 3)).tolist(),
        }
        if warehouse is not None:
            self.state["fulfillable"] = list(warehouse.quantities)
        self.whole = WholeBodies(n, self.order_id, self.own, created, list(self.state["fulfillable"]))
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
            self.at += 2
            self._tell("update", self.whole.body(self.state))
            self.at += next(self.gaps)
            self._tell("released", self._named(composite=True, status="open"), status="open")
        if self.chance[2] < 0.06:
            self.at += next(self.gaps)
            moved = LOCATIONS[(self.n + 1) % 2][0]
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
        if self.warehouse is not None and self.warehouse.cancelled < NEVER:
            self.at = max(self.at, self.warehouse.cancelled)
            return not self._cancel(is_accepted=True)
        if self.chance[4] >= 0.1:
            return True
        return not self._cancel(is_accepted=self.warehouse is None and self.chance[5] < 0.6)

    def _submit(self) -> None:
        self.at += next(self.gaps)
        message = {"message": people.text("request", self.n), "notify_customer": False}
        self.whole.requested(self.at, "fulfillment_request", people.text("request", self.n), is_told=self.n % 2 == 0)
        body: dict[str, Any] = {"fulfillment_order_merchant_request": message}
        body |= self._named("original_fulfillment_order", status="open", requestStatus="submitted")
        body |= self._named("submitted_fulfillment_order", composite=True, status="open", request_status="submitted")
        self._tell("submitted", body, request_status="submitted")

    def _cancel(self, *, is_accepted: bool) -> bool:
        self.at += next(self.gaps)
        body = self._named(request_status="cancellation_requested", status="in_progress")
        request = {"message": people.text("cancel", self.n)}
        self.whole.requested(self.at, "cancellation_request", request["message"], is_told=True)
        body["fulfillment_order"]["fulfillment_order_merchant_request"] = request
        self._tell("cancellation_request_submitted", body, request_status="cancellation_requested")
        self.at += next(self.gaps)
        message = {"message": people.text("answer", self.n)}
        if is_accepted:
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
        self.at += next(self.gaps)
        # the store hears of it a little later than the parcel left
        self.at = self.at + DAY // 2 if self.warehouse is None else max(self.at, self.warehouse.sent + 300)
        sent = self.at
        self.steps.append(Step(sent, "fulfillments/create", self.whole.parcel(sent, sent, None), {}))
        self.at += 3
        left = [0] * len(self.state["fulfillable"])
        after = self.state | {"status": "closed", "request_status": "closed", "fulfillable": left}
        self._tell("update", self.whole.body(after), **after)
        self.at += next(self.gaps) + DAY
        body = self.whole.parcel(sent, self.at, "delivered")
        self.steps.append(Step(self.at, "fulfillments/update", body, {}))
