"""The full bodies of SHOPLINE's fulfillment orders and parcels, as its pages show them."""

from typing import Any

from stockbook_sandbox import people
from stockbook_sandbox.localtime import DAY, ZONE, local_of

SHOP_ID = "1610418123456"
LOCATIONS = (
    ("5327026538935748524", "Lager Köln", "Köln", "Nordrhein-Westfalen", "Germany", "DE"),
    ("5327026538935748525", "Sklad Jeneč", "Jeneč", "Středočeský kraj", "Czechia", "CZ"),
)
"""Id, name, town, province, country and its code."""
_PROVINCES = (("Praha", "10"), ("Jihomoravský kraj", "64"), ("Moravskoslezský kraj", "80"))
_METHODS = ("shipping", "local", "pick_up", "none", "retail")
_ACTIONS: dict[str, tuple[Any, ...]] = {
    "open": ("create_fulfillment", ["create_fulfillment", "move"], ["create_fulfillment", "move", "hold"]),
    "in_progress": ("create_fulfillment", ["create_fulfillment"], ["create_fulfillment", "hold"]),
    "on_hold": ("release_hold", ["release_hold"], ["release_hold", "move"]),
}
"""What may be done, by status: a bare text where the page shows one."""


def window(n: int, created: int) -> tuple[int, int] | None:
    """When an order is to be with its customer, at the earliest and latest; two fifths name no such times."""
    return (created + (1 + n % 2) * DAY, created + (3 + n % 5) * DAY) if n % 5 < 3 else None


class WholeBodies:
    """The full bodies of one fulfillment order."""

    def __init__(self, n: int, order_id: str, own: str, created: int, quantities: list[int]) -> None:
        self.n, self.order_id, self.own, self.quantities = n, order_id, own, quantities
        self._window = window(n, created)
        self._requests: list[dict[str, Any]] = []

    def requested(self, at: int, kind: str, message: str, *, is_told: bool) -> None:
        """The merchant asked for something: later bodies list it."""
        options = {"notify_customer": is_told}
        self._requests.append({"kind": kind, "message": message, "request_options": options, "send_at": _text(at)})

    def body(self, state: dict[str, Any], created: int | None = None) -> dict[str, Any]:
        """The body of ``create`` (with its time) or ``update``."""
        n = self.n
        status = state["status"]
        fields: dict[str, Any] = {
            "id": self.own,
            "order_id": self.order_id,
            "shop_id": SHOP_ID,
            "status": status,
            "request_status": state["request_status"],
            "supported_actions": _ACTIONS[status][n % 3] if status in _ACTIONS else [],
            "assigned_location_id": state["location"],
            "assigned_location": _location(state["location"]),
            "delivery_method": self._delivery_method(),
            "destination": self._destination(),
            "fulfillment_holds": [],
            "line_items": self._lines(state["fulfillable"]),
        }
        if status == "on_hold":
            fields["fulfillment_holds"] = [{"reason": "inventory_out_of_stock", "reason_note": people.text("hold", n)}]
        if self._requests:
            fields["merchant_requests"] = [dict(request) for request in self._requests]
        if created is not None and n % 4:  # older versions of the body have no time of creation
            fields["created_at"] = _text(created)
        return {"fulfillment_order": fields}

    def _delivery_method(self) -> dict[str, Any]:
        method = {"method_type": _METHODS[self.n % len(_METHODS)]}
        if self._window is None:
            return method
        earliest, latest = self._window
        return {**method, "min_delivery_date_time": _text(earliest), "max_delivery_date_time": _text(latest)}

    def _destination(self) -> dict[str, Any]:
        who = people.person(self.n % 100_000)
        province, code = _PROVINCES[self.n % len(_PROVINCES)]
        destination = {
            "name": f"{who.firstname} {who.surname}",
            "first_name": who.firstname,
            "last_name": who.surname,
            "company": who.company,
            "email": who.email,
            "phone": who.phone,
            "address1": who.street,
            "city": who.city,
            "province": province,
            "province_code": code,
            "zip": who.zipcode,
            "country": "CZ",
            "country_code": "CZ",
        }
        if _METHODS[self.n % len(_METHODS)] == "local":
            store = self.n // len(_METHODS) % 4
            destination |= {"delivery_store_code": f"A{120 + store}", "delivery_store_name": f"Prodejna {120 + store}"}
        return destination

    def _lines(self, fulfillable: list[int]) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{self.own}{place:02d}",
                "line_item_id": f"{self.order_id[:20]}{place:02d}",
                "fulfillment_order_id": self.own,
                "shop_id": SHOP_ID,
                "variant_id": f"1805740193282631666{(self.n + place) % 997:07d}",
                "country_code_of_origin": "CZ",
                "quantity": ordered,
                "fulfillable_quantity": left if (self.n + place) % 2 else str(left),
            }
            for place, (ordered, left) in enumerate(zip(self.quantities, fulfillable, strict=True))
        ]

    def parcel(self, created: int, updated: int, shipment: str | None) -> dict[str, Any]:
        """The body of a fulfillment."""
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
                    "tracking_number": numbers,
                    "tracking_url": f"https://track.{people.MARK.lower()}.example/{numbers.split(',')[0]}",
                }
                for numbers in _typed(parcels(self.n), self.n)
            ],
            "line_items": [],
        }


def parcels(n: int) -> list[str]:
    """Numbers of the parcels of an order."""
    number = f"{people.MARK.upper()}SL{n:07d}"
    return [number, *(f"{number}{letter}" for letter in "BC"[: int(n % 8 == 0) + int(n % 16 == 0)])]


def _typed(numbers: list[str], n: int) -> list[str]:
    """Each in an entry of its own, or all in one text."""
    return [", ".join(numbers)] if n % 24 == 8 else numbers


def _location(own: str) -> dict[str, Any]:
    place, (_, name, city, province, country, code) = next(
        (place, row) for place, row in enumerate(LOCATIONS) if row[0] == own
    )
    return {
        "location_id": own,
        "name": name,
        "address1": people.text("location", place),
        "city": city,
        "province": province,
        "zip": f"{200 + place} 01",
        "country": country,
        "country_code": code,
        "phone": people.person(place).phone,
    }


def _text(at: int) -> str:
    return local_of(at).replace(tzinfo=ZONE).isoformat()
