"""
The GET endpoints of fulfillment.cz v2: which rows a query means, in which order, how many a page holds.

A listing answers with a Page of rendered rows; the server wraps it in the envelope. Parameters it
does not know are ignored; limits above the maximum are lowered to it.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from stockbook.errors import ConfigError
from stockbook_sandbox import lives, money
from stockbook_sandbox.catalogue import NULL_CODE, NUMBER_CODE
from stockbook_sandbox.json_rows import DELIVERIES, Renderer
from stockbook_sandbox.levels import levels
from stockbook_sandbox.localtime import Ints, wall_text
from stockbook_sandbox.query import BadQuery, NotThere, Page, Query, wanted
from stockbook_sandbox.shop import Shop, local_days

_CACHED = 8
MOVEMENT_FIELDS = frozenset(
    {
        "id", "variant_id", "movement", "fulfillment_order_id", "preload_id", "reload_id", "price_per_unit",
        "extra_cost_per_unit", "quantity", "damaged_quantity", "created",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Readings:
    """How the sandbox reads what the documentation leaves open."""

    id_from: Literal["inclusive", "exclusive"] = "inclusive"
    movements_by: Literal["id", "created"] = "id"
    """What "newest first" means."""
    orders_by: Literal["created", "-created"] = "created"
    """The order of orders without ``sort``."""


@dataclass
class Fulfillment:
    """The listings of one shop."""

    shop: Shop
    readings: Readings = field(default_factory=Readings)

    def __post_init__(self) -> None:
        """Prepare the sort orders that never change."""
        shop = self.shop
        self.render = Renderer(shop)
        self._order_day = local_days(shop.demand.created)
        self._movement_day = local_days(shop.movements.created)
        self._uuid_row = {uuid: n for n, uuid in enumerate(shop.order_uuid)}
        self._remote: dict[str, list[int]] = {}
        for n, number in enumerate(shop.demand.remote_number):
            self._remote.setdefault(number, []).append(n)
        c = shop.catalogue
        self._product_variants: list[list[int]] = [[] for _ in c.product_id]
        for v, p in enumerate(c.variant_product.tolist()):
            self._product_variants[p].append(v)
        self._products_cache: tuple[object, list[bytes]] = None, []
        self._cache: OrderedDict[tuple[object, ...], Ints] = OrderedDict()
        self.rewritten: dict[str, dict[str, Any] | None] = {}

    def _cached_rows(self, key: tuple[object, ...], make: Callable[[], Ints]) -> Ints:
        """The rows of a query, computed once for all its pages."""
        rows = self._cache.get(key)
        if rows is None:
            rows = self._cache[key] = make()
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return rows

    # listings

    def products(self, query: Query, clock: int) -> Page:
        """Products with their variants; filters mean variants."""
        offset, limit = query.window(100, 100)
        filters = tuple(query.text(name) for name in ("id", "active", "code", "ext_code"))
        if self._products_cache[0] != (clock, filters):
            self._products_cache = (clock, filters), self._product_rows(query, clock)
        rows = self._products_cache[1]
        return Page(rows[offset : offset + limit], len(rows))

    def _product_rows(self, query: Query, clock: int) -> list[bytes]:
        wanted_id = query.number("id")
        product, number = self.shop.catalogue.variant_product.tolist(), self.shop.catalogue.product_id.tolist()
        per_product: dict[int, list[int]] = {}
        for v in self._shown_variants(query, clock):
            per_product.setdefault(product[v], []).append(v)
        chosen = sorted(p for p in per_product if wanted_id is None or number[p] == wanted_id)
        return [msgspec.json.encode(row) for row in self.render.products(chosen, per_product, clock)]

    def product_variants(self, query: Query, clock: int, product_id: int) -> Page:
        """Variants of one product."""
        offset, limit = query.window(100, 100)
        c = self.shop.catalogue
        at = int(np.searchsorted(c.product_id, product_id))
        if at >= len(c.product_id) or c.product_id[at] != product_id:
            raise NotThere("product not found")
        wanted_id = query.number("id")
        variants = set(self._product_variants[at])
        chosen = [v for v in self._shown_variants(query, clock) if v in variants]
        chosen = [v for v in chosen if wanted_id is None or c.variant_id[v] == wanted_id]
        prices = c.prices_at(clock)
        rows = [msgspec.json.encode(self.render.variant(v, prices)) for v in chosen[offset : offset + limit]]
        return Page(rows, len(chosen))

    def _shown_variants(self, query: Query, clock: int) -> list[int]:
        c = self.shop.catalogue
        shown = c.is_listed(clock)
        if query.number("active") == 0:
            return []
        variants: list[int] = np.flatnonzero(shown).tolist()
        code, ext_code = query.text("code"), query.text("ext_code")
        variants = variants if code is None else [v for v in variants if c.code[v] == code]
        return variants if ext_code is None else [v for v in variants if c.ext_code[v] == ext_code]

    def categories(self, query: Query, clock: int) -> Page:
        """The category tree, flat."""
        offset, limit = query.window(100, 1000)
        wanted_id = query.number("id")
        rows = [
            {"id": n, "parent": parent, "name": name}
            for n, parent, name in self.shop.catalogue.categories
            if wanted_id is None or n == wanted_id
        ]
        return Page([msgspec.json.encode(row) for row in rows[offset : offset + limit]], len(rows))

    def receivings(self, query: Query, clock: int) -> Page:
        """Receivings that were announced, oldest first."""
        offset, limit = query.window(100, 1000)
        shop = self.shop
        announced = int(np.searchsorted(shop.receivings.announced_at, clock, side="right"))
        ids, uuids, ext_id = wanted(query, "id", "ids"), wanted(query, "uuid", "uuids"), query.text("ext_id")
        chosen = [
            n
            for n, number in enumerate(shop.receivings.id[:announced].tolist())
            if (ids is None or str(number) in ids)
            and (uuids is None or shop.receiving_uuid[n] in uuids)
            and (ext_id is None or self.render.receiving_ext_id(n) == ext_id)
        ]
        return Page([self.render.receiving(n, clock) for n in chosen[offset : offset + limit]], len(chosen))

    def replenishment(self, query: Query, clock: int) -> Page:
        """Automatic un-boxing rules."""
        c = self.shop.catalogue
        cartons = np.flatnonzero((c.carton_of >= 0) & c.is_listed(clock)).tolist()
        rows = [
            {
                "variant_ext_code": c.ext_code[int(c.carton_of[v])],
                "variant_limit_quantity": 5,
                "mastercase_code": c.code[v],
                "mastercase_quantity": int(c.carton_pieces[v]),
            }
            for v in cartons
        ]
        return Page([msgspec.json.encode(row) for row in rows], len(rows))

    def orders(self, query: Query, clock: int) -> Page:
        """Orders by id, number, status or day of creation."""
        offset, limit = query.window(30, 100)
        first, last = query.day("created_from"), query.day("created_to")
        ids, remote, status = wanted(query, "id", "ids"), query.text("remote_number"), query.text("status")
        sort = query.text("sort") or self.readings.orders_by
        key = ("orders", clock, first, last, status, sort, remote, None if ids is None else tuple(sorted(ids)))
        rows = self._cached_rows(key, lambda: self._order_rows(clock, first, last, ids, remote, status, sort))
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

    def stock_levels(self, query: Query, clock: int) -> Page:
        """Stock of every variant of the catalogue; quantities are the sums of the visible movements."""
        offset, limit = query.window(100, 1000)
        stock = self._cached_rows(("levels", clock), lambda: levels(self.shop, clock))
        c = self.shop.catalogue
        good, damaged = stock[0], stock[1]
        shown = c.is_listed(clock) | (good != 0) | (damaged != 0)
        ids = wanted(query, "variant_id", "variant_ids")
        if ids is not None:
            shown &= np.array([str(number) in ids for number in c.variant_id.tolist()])
        for name, pieces in (
            ("quantity_from", good),
            ("damaged_quantity_from", damaged),
            ("total_quantity_from", good + damaged),
        ):
            least = query.number(name)
            if least is not None:
                shown &= pieces >= least
        chosen = np.flatnonzero(shown)
        rows = []
        for v in chosen[offset : offset + limit].tolist():
            quantity, broken, reserved, requested, boxed, average = stock[:, v].tolist()
            rows.append(
                msgspec.json.encode(
                    {
                        "variant_id": int(c.variant_id[v]),
                        "code": c.code[v],
                        "ext_code": int(c.ext_code[v])
                        if c.ext_kind[v] == NUMBER_CODE and v % 3 == 0
                        else c.ext_code[v],
                        "quantity": quantity,
                        "available_quantity": quantity - reserved - requested,
                        "damaged_quantity": broken,
                        "reserved_quantity": reserved,
                        "requested_quantity": requested,
                        "mastercase_quantity": quantity + boxed,
                        "mastercase_available_quantity": quantity + boxed - reserved - requested,
                        "price_per_unit": money.number(average),
                    }
                )
            )
        return Page(rows, len(chosen))

    def requests(self, query: Query, clock: int) -> Page:
        """Pieces that waiting orders lack at this moment."""
        offset, limit = query.window(100, 1000)
        shop, c = self.shop, self.shop.catalogue
        order = shop.demand.line_order[shop.request_lines]
        requested_at = shop.begun.push[order]
        open_ = np.flatnonzero((requested_at <= clock) & (shop.stock_ready[order] > clock))
        wanted_id = query.number("id")
        if wanted_id is not None:
            open_ = open_[shop.request_id[open_] == wanted_id]
        rows = []
        for n, created in zip(
            open_[offset : offset + limit].tolist(),
            wall_text(requested_at[open_[offset : offset + limit]]),
            strict=True,
        ):
            v = int(shop.demand.line_variant[shop.request_lines[n]])
            rows.append(
                msgspec.json.encode(
                    {
                        "id": int(shop.request_id[n]),
                        "variant_id": int(c.variant_id[v]),
                        "variant_code": c.code[v],
                        "variant_ext_code": None if c.ext_kind[v] == NULL_CODE else c.ext_code[v],
                        "quantity": int(shop.demand.line_quantity[shop.request_lines[n]]),
                        "created": created,
                    }
                )
            )
        return Page(rows, len(open_))

    def movements(self, query: Query, clock: int) -> Page:
        """The ledger, newest first."""
        offset, limit = query.window(100, 1000)
        wanted_id, floor = query.number("id"), query.number("idFrom")
        first, last = query.day("dateFrom"), query.day("dateTo")
        key = ("movements", clock, wanted_id, floor, first, last)
        rows = self._cached_rows(key, lambda: self._movement_rows(clock, wanted_id, floor, first, last))
        page = rows[offset : offset + limit]
        rendered = self.render.movements(page)
        if self.rewritten:
            numbers = self.shop.movements.id[page].tolist()
            rendered = [
                _with_changes(row, self.rewritten.get(str(number)))
                for number, row in zip(numbers, rendered, strict=True)
            ]
        return Page(rendered, len(rows))

    def rewrite(self, changes: dict[str, Any]) -> None:
        """
        Serve movements, by id, with other fields than were booked, or (None) not at all: these and no others.

        A ledger that only grows does not do that; a real one has. Raises ConfigError for an id or field that is none.
        """
        fields = MOVEMENT_FIELDS - {"id"}
        ids = set(map(str, self.shop.movements.id.tolist()))
        for number, change in changes.items():
            if number not in ids:
                raise ConfigError(f"Changes by id of a movement were expected; there is no movement {number!r}.")
            if change is not None and (not isinstance(change, dict) or not change or not fields.issuperset(change)):
                raise ConfigError(
                    f"The change of movement {number} must be null or an object of {', '.join(sorted(fields))}."
                )
        self.rewritten = dict(changes)
        self._cache.clear()

    def _movement_rows(
        self, clock: int, wanted_id: int | None, floor: int | None, first: int | None, last: int | None
    ) -> Ints:
        m, rows = self.shop.movements, self.shop.visible_movements(clock)
        if floor is not None:
            side: Literal["left", "right"] = "left" if self.readings.id_from == "inclusive" else "right"
            rows = rows[np.searchsorted(m.id[rows], floor, side=side) :]
        if wanted_id is not None:
            rows = rows[m.id[rows] == wanted_id]
        gone = [int(number) for number, change in self.rewritten.items() if change is None]
        if gone:
            rows = rows[~np.isin(m.id[rows], gone)]
        if first is not None:
            rows = rows[self._movement_day[rows] >= first]
        if last is not None:
            rows = rows[self._movement_day[rows] <= last]
        if self.readings.movements_by == "created":
            rows = rows[np.argsort(m.created[rows], kind="stable")]
        return rows[::-1]


def _with_changes(row: bytes, changes: dict[str, Any] | None) -> bytes:
    """A rendered row with some of its fields changed, the others to the byte as they were."""
    if not changes:
        return row
    fields = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(fields | changes)


Listing = Callable[[Query, int], Page]


def routes(listings: Fulfillment) -> Mapping[str, Listing]:
    """Path below ``/v2/fulfillment`` -> listing (variants of a product are routed by the server)."""
    return {
        "products": listings.products,
        "product-categories": listings.categories,
        "warehouse-preloads": listings.receivings,
        "transformation-replenishment": listings.replenishment,
        "orders": listings.orders,
        "deliveries": listings.deliveries,
        "delivery-places": listings.delivery_places,
        "warehouse-variants": listings.stock_levels,
        "warehouse-requests": listings.requests,
        "warehouse-movements": listings.movements,
    }
