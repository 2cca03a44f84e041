"""The FlickRocket side of the shop: price models, rates, products, orders to ship. All times are UTC."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from stockbook_sandbox import people
from stockbook_sandbox.localtime import DAY, NEVER, Ints, utc_text

if TYPE_CHECKING:
    from stockbook_sandbox.catalogue import Catalogue
    from stockbook_sandbox.channels import Channels
    from stockbook_sandbox.demand import Demand
    from stockbook_sandbox.lives import Lives

_MARKETS = (("eur", 1.0), ("usd", 1.1), ("gbp", 0.86), ("czk", 25.0))
_COUNTRIES = (
    ("United Kingdom", "GB", 0.9),
    ("Switzerland", "CH", 1.05),
    ("United States", "US", 1.12),
    ("Poland", "PL", 4.4),
)
_RATES = {"CZK": 25.1, "USD": 1.09, "GBP": 0.86, "CHF": 0.95, "PLN": 4.28, "AED": 4.0, "JPY": 162.0}
_PROVINCES = (("Texas", "TX"), ("Ohio", "OH"), ("Bavaria", "BY"), ("Kent", "KE"))
_BEFORE = 600 * DAY
PHYSICAL = 6
_OTHER_PRODUCTS = 35


class FlickrocketShop:
    """One company's digital and physical goods."""

    def __init__(
        self, rng: np.random.Generator, first: date, last: date, channels: "Channels", prices: int = 40
    ) -> None:
        """Invent prices that change on some days, and a product of each of the ``channels``' goods and others."""
        self.start = (first - date(1970, 1, 1)).days * DAY
        self.end = (last - date(1970, 1, 1)).days * DAY + DAY
        self._prices(rng, prices)
        self._products(rng, len(channels.goods), prices)
        self.sold = channels.flickrocket
        self.created, self.order_id = self.sold.created, self.sold.number
        count = len(self.sold)
        self.person = 80_000 + rng.integers(0, max(1, min(15_000, count)), count)
        self.rate_noise = rng.normal(0, 0.002, (len(_RATES), 4000)).cumsum(axis=1)

    def _prices(self, rng: np.random.Generator, count: int) -> None:
        self.price_id = 700 + np.cumsum(rng.integers(1, 4, count))
        self.price_created = self.start - rng.integers(1, _BEFORE, count)
        late = rng.random(count) < 0.1
        self.price_created[late] = rng.integers(self.start, self.end, int(late.sum()))
        self.price_base = rng.integers(3, 200, count) * 100 - 10
        days = (self.end - self.start) // DAY
        self.price_changes: list[list[tuple[int, float]]] = []
        for created in self.price_created.tolist():
            at = np.sort(self.start + rng.integers(0, days, int(rng.integers(0, 5))) * DAY + rng.integers(0, DAY))
            factors = rng.uniform(0.8, 1.25, len(at)).tolist()
            self.price_changes.append(
                [(when, by) for when, by in zip(at.tolist(), factors, strict=True) if when > created]
            )
        self.price_invalid_at = np.where(rng.random(count) < 0.1, rng.integers(self.start, self.end, count), NEVER)
        self.price_markets = rng.integers(1, len(_MARKETS) + 1, count)
        self.price_countries = rng.integers(0, len(_COUNTRIES) + 1, count)

    def _products(self, rng: np.random.Generator, physical: int, prices: int) -> None:
        count = physical + _OTHER_PRODUCTS
        self.product_number = 75_000 + np.cumsum(rng.integers(1, 9, count))
        long = rng.integers(0, 65_536, (count, 4)).tolist()
        self.product_long = ["-".join(f"{part:04X}" for part in row) for row in long]
        self.product_prices = [
            rng.choice(prices, int(rng.integers(1, 4)), replace=False).tolist() for _ in range(count)
        ]
        self.product_type = np.concatenate(
            [np.full(physical, PHYSICAL), rng.choice((PHYSICAL, 1, 7, 16), _OTHER_PRODUCTS, p=(0.1, 0.4, 0.3, 0.2))]
        )

    def connect(
        self, rng: np.random.Generator, channels: "Channels", c: "Catalogue", d: "Demand", lives: "Lives"
    ) -> None:
        """Ship what the warehouse ships, of the same goods; orders it never got are somehow shipped in the end."""
        sold, count = self.sold, len(self.sold)
        own = np.maximum(sold.order, 0)
        is_known = sold.order >= 0
        # some are told days late that they were sent, those the warehouse never got are sent one to two weeks later
        delay = np.where(sold.differs_in_state, (10 + np.arange(count) % 10) * DAY, rng.integers(300, 7_200, count))
        forgotten = self.created + (7 + np.arange(count) % 8) * DAY
        self.shipped = np.where(is_known, lives.sent[own] + delay, forgotten) if len(d.created) else forgotten
        product_of = {v: n for n, v in enumerate(channels.goods.tolist())}
        # every seventh product names no number, as the page allows, every eleventh one that the warehouse does not know
        self.product_gtin = [
            None if n % 7 == 6 else f"859{9_000_000_000 + n if n % 11 == 10 else int(c.variant_id[v]):010d}"
            for n, v in enumerate(channels.goods.tolist())
        ] + [None] * _OTHER_PRODUCTS
        starts = np.searchsorted(d.line_order, np.arange(len(d.created) + 1))
        lines: list[tuple[int, int]] = []
        self.line_start = [0]
        for n, order in enumerate(sold.order.tolist()):
            if order >= 0:
                low, high = int(starts[order]), int(starts[order + 1])
                pieces = d.line_quantity[low:high].tolist()
                pieces[0] += int(sold.differs_in_quantity[n])
                lines += zip((product_of[v] for v in d.line_variant[low:high].tolist()), pieces, strict=True)
            else:
                lines.append((int(rng.integers(0, max(1, len(channels.goods)))), int(rng.integers(1, 4))))
            self.line_start.append(len(lines))
        self.line_product = [product for product, _ in lines]
        self.line_quantity = [pieces for _, pieces in lines]

    # what can be seen at a clock (an instant)

    def prices(self, clock: int) -> list[dict[str, Any]]:
        """All price models at an instant."""
        return [self._price(n, clock) for n in np.flatnonzero(self.price_created <= clock).tolist()]

    def _price(self, n: int, clock: int) -> dict[str, Any]:
        factor, modified = 1.0, int(self.price_created[n])
        for at, by in self.price_changes[n]:
            if at <= clock:
                factor, modified = by, at
        invalid_at = int(self.price_invalid_at[n])
        if invalid_at <= clock:
            modified = max(modified, invalid_at)
        base = int(self.price_base[n]) * factor
        created_text, modified_text = utc_text(np.array([self.price_created[n], modified]))
        return {
            "id": int(self.price_id[n]),
            "title": f"Standard {int(self.price_id[n])}",
            "valid": 0 if invalid_at <= clock else 1,
            "created_at": created_text,
            "modified_at": modified_text,
            "currencies": [
                {"currency": code, "price": round(base * by)} for code, by in _MARKETS[: int(self.price_markets[n])]
            ],
            "countries": [
                {"country_name": name, "country_code": code, "price": round(base * by)}
                for name, code, by in _COUNTRIES[: int(self.price_countries[n])]
            ],
        }

    def rates(self, clock: int) -> list[dict[str, Any]]:
        """The rates of the day of an instant: units of the currency that one euro buys."""
        day = clock // DAY
        column = int(day) % self.rate_noise.shape[1]
        text = utc_text(np.array([day * DAY]))[0]
        return [
            {
                "currency": code,
                "date": text,
                "rate_to_eur": round(rate * (1 + float(self.rate_noise[n, column]) / 10), 4),
            }
            for n, (code, rate) in enumerate(_RATES.items())
        ]

    def products(self, clock: int) -> list[dict[str, Any]]:
        """All products at an instant, with the prices that are there."""
        shown = set(np.flatnonzero(self.price_created <= clock).tolist())
        return [
            {
                "id": int(number),
                "product_id": self.product_long[n],
                "product_type": int(self.product_type[n]),
                "title": f"Article {int(number)}",
                "version": "1.0" if n % 3 == 0 else "",
                "valid": 1,
                "image": people.picture("product", n) if n % 4 else "",
                "price_license_binding": [
                    {"price_id": int(self.price_id[price]), "license_id": 1 + place}
                    for place, price in enumerate(self.product_prices[n])
                    if price in shown
                ],
            }
            for n, number in enumerate(self.product_number)
        ]

    def fulfillment_rows(self, clock: int) -> Ints:
        """Row numbers of the physical orders placed until an instant."""
        return np.arange(int(np.searchsorted(self.created, clock, side="right")))

    def is_open(self, rows: Ints, clock: int) -> Any:
        """Which of the rows are not shipped at an instant."""
        return self.shipped[rows] > clock

    def fulfillment(self, n: int, clock: int) -> dict[str, Any]:
        """One fulfillment. Undocumented keys are those of include/sources/flickrocket_fields.yml."""
        who = people.person(int(self.person[n]))
        shipped = bool(self.shipped[n] <= clock)
        province, code = _PROVINCES[n % len(_PROVINCES)]
        country, country_code, _ = _COUNTRIES[n % len(_COUNTRIES)]
        number = f"{people.MARK.upper()}FR{n:07d}"
        return {
            "id": self.order_id[n],
            "created_at": utc_text(self.created[n : n + 1])[0],
            "shipping_company_id": 1 + n % 3,
            "status": 100 if shipped else 0,
            "shipping_model": f"Parcel {1 + n % 3}",
            "tracking_number": self._tracking(n) if shipped else "",
            "tracking_url": f"https://track.{people.MARK.lower()}.example/{number}" if shipped else "",
            "customer": {
                "id": people.customer_number(int(self.person[n])),
                "first_name": who.firstname,
                "last_name": who.surname,
                "name": f"{who.firstname} {who.surname}",
                "company": who.company,
                "address1": who.street,
                "address2": people.text("floor", n),
                "zip": who.zipcode,
                "city": who.city,
                # the vendor's sample has these two the wrong way round
                "province": code,
                "province_code": province,
                "country_name": country,
                "country_code": country_code,
                "default": True,
                "token": f"{people.MARK}tok{int(self.person[n])}",
            },
            "line_items": [self._line(line) for line in range(self.line_start[n], self.line_start[n + 1])],
        }

    def parcels(self, n: int) -> list[str]:
        """Numbers of the parcels of an order, once it is shipped."""
        number = f"{people.MARK.upper()}FR{n:07d}"
        return [number, *(f"{number}{letter}" for letter in "BC"[: int(n % 9 == 0) + int(n % 18 == 0)])]

    def _tracking(self, n: int) -> str:
        """They stand in one text, parted by commas or blanks as whoever typed them liked."""
        numbers = self.parcels(n)
        text = (", ", " ", ",", " , ")[n // 9 % 4].join(numbers)
        return f" {text}," if n % 13 == 3 else text

    def _line(self, line: int) -> dict[str, Any]:
        product = self.line_product[line]
        item: dict[str, Any] = {
            "id": int(self.product_number[product]),
            "product_id": self.product_long[product],
            "title": f"Article {int(self.product_number[product])}",
        }
        if product % 3 == 0:
            item["version"] = "1.0"
        item["Quantity"] = self.line_quantity[line]
        if self.product_gtin[product] is not None:
            item["gtin"] = self.product_gtin[product]
        item["weight"] = 100 + product * 7
        return item

    def personal_values(self) -> Iterator[str]:
        """Distinctive strings of customers, parcels and addresses."""
        for number in np.unique(self.person).tolist():
            who = people.person(number)
            yield from (who.firstname, who.surname, who.street, who.zipcode, str(people.customer_number(number)))
            yield f"{people.MARK}tok{number}"
        for n in range(len(self.created)):
            yield from self.parcels(n)
            yield people.text("floor", n)
        yield from (people.picture("product", n) for n in range(len(self.product_number)))
