"""The listings of orders: the orders, and the ways they are delivered."""

from typing import Literal

import msgspec
import numpy as np

from stockbook_sandbox import lives
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.localtime import Ints
from stockbook_sandbox.order_rows import DELIVERIES
from stockbook_sandbox.query import BadQuery, Page, Query, RowCache, wanted
from stockbook_sandbox.shop import Shop, local_days


class OrderListings:
    """Orders as they are at a clock. ``default_sort`` is their order without ``sort``."""

    def __init__(self, shop: Shop, render: Renderer, default_sort: Literal["created", "-created"]) -> None:
        """Index the orders by id and number."""
        self.shop, self.render, self._default_sort = shop, render, default_sort
        self._order_day = local_days(shop.demand.created)
        self._uuid_row = {uuid: n for n, uuid in enumerate(shop.order_uuid)}
        self._remote: dict[str, list[int]] = {}
        for n, number in enumerate(shop.demand.remote_number):
            self._remote.setdefault(number, []).append(n)
        self._cache = RowCache()

    def orders(self, query: Query, clock: int) -> Page:
        """Orders by id, number, status or day of creation."""
        offset, limit = query.window(30, 100)
        first, last = query.day("created_from"), query.day("created_to")
        ids, remote, status = wanted(query, "id", "ids"), query.text("remote_number"), query.text("status")
        sort = query.text("sort") or self._default_sort
        key = ("orders", clock, first, last, status, sort, remote, None if ids is None else tuple(sorted(ids)))
        rows = self._cache.rows(key, lambda: self._order_rows(clock, first, last, ids, remote, status, sort))
        page = rows[offset : offset + limit].tolist()
        return Page([self.render.order(n, clock) for n in page], len(rows))

    def _order_rows(
        self,
        clock: int,
        first: int | None,
        last: int | None,
        ids: set[str] | None,
        remote: str | None,
        status: str | None,
        sort: str,
    ) -> Ints:
        shop = self.shop
        visible = shop.visible_orders(clock)
        if ids is not None:
            rows = np.array(sorted(self._uuid_row[uuid] for uuid in ids if uuid in self._uuid_row), dtype=np.int64)
        elif remote is not None:
            rows = np.array(self._remote.get(remote, []), dtype=np.int64)
        else:
            rows = np.arange(visible)
        rows = rows[rows < visible]
        if first is not None:
            rows = rows[self._order_day[rows] >= first]
        if last is not None:
            rows = rows[self._order_day[rows] <= last]
        if status is not None:
            meant = np.array([lives.STATUS_AFTER[kind] == status for kind in lives.KINDS])
            rows = rows[meant[shop.kinds_at(clock)[rows]]]
        return rows[::-1] if sort.startswith("-") else rows

    def deliveries(self, query: Query, clock: int) -> Page:
        """Delivery methods; the answer has no total."""
        return Page(
            [msgspec.json.encode({"id": n, "name": name, "has_place": place}) for n, name, place in DELIVERIES], None
        )

    def delivery_places(self, query: Query, clock: int) -> Page:
        """Pick-up places of one method; the answer has no total and the limit no maximum."""
        delivery = query.number("deliveryId")
        if delivery is None:
            raise BadQuery("deliveryId is mandatory")
        offset, limit = query.window(30, None)
        has_places = {n: bool(place) for n, _, place in DELIVERIES}.get(delivery, False)
        count = self.shop.places if has_places else 0
        rows = [
            {
                "id": delivery * 100_000 + n,
                "ext_id": f"P{delivery}-{n:05d}",
                "country_id": "cz" if n % 10 else "sk",
                "place": f"Výdejna {n}",
                "street": f"Skladová {n}",
                "city": ("Praha", "Brno", "Ostrava")[n % 3],
                "zipcode": f"{100 + n % 800} {n % 100:02d}",
                "url": f"https://places.example/{delivery}/{n}",
                "note": "",
            }
            for n in range(offset, min(count, offset + limit))
        ]
        return Page([msgspec.json.encode(row) for row in rows], None)
