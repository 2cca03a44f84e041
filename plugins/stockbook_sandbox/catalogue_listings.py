"""The listings of the catalogue: products with their variants, categories, rules of un-boxing."""

from typing import Any, Literal

import msgspec
import numpy as np

from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.query import NotThere, Page, Query
from stockbook_sandbox.shop import Shop


class CatalogueListings:
    """Products and what belongs to them, as they are at a clock."""

    def __init__(self, shop: Shop, render: Renderer, unasked: Literal["all", "active"]) -> None:
        """Group the variants by product. ``unasked`` is what is shown without ``active``."""
        self.shop, self.render, self._unasked = shop, render, unasked
        c = shop.catalogue
        self._product_variants: list[list[int]] = [[] for _ in c.product_id]
        for v, p in enumerate(c.variant_product.tolist()):
            self._product_variants[p].append(v)
        self._products_cache: tuple[object, list[bytes]] = None, []

    def products(self, query: Query, clock: int) -> Page:
        """Products with their variants; filters mean variants."""
        offset, limit = query.window(100, 100)
        filters = tuple(query.text(name) for name in ("id", "active", "code", "ext_code", "sort"))
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
        rows = _sorted(self.render.products(chosen, per_product, clock), query)
        return [msgspec.json.encode(row) for row in rows]

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
        rows = _sorted([self.render.variant(v, prices) for v in chosen], query)
        return Page([msgspec.json.encode(row) for row in rows[offset : offset + limit]], len(chosen))

    def _shown_variants(self, query: Query, clock: int) -> list[int]:
        c = self.shop.catalogue
        shown = c.is_listed(clock)
        active = query.number("active")
        if active is not None or self._unasked == "active":
            shown &= c.is_active(clock) == (active != 0)
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
        return Page([msgspec.json.encode(row) for row in _sorted(rows, query)[offset : offset + limit]], len(rows))

    def replenishment(self, query: Query, clock: int) -> Page:
        """Automatic un-boxing rules; the limits of some are raised in the middle of the year."""
        c = self.shop.catalogue
        is_raised = clock > (self.shop.start + self.shop.end) // 2
        cartons = np.flatnonzero((c.carton_of >= 0) & c.is_listed(clock)).tolist()
        rows = [
            {
                "variant_ext_code": c.ext_code[int(c.carton_of[v])],
                "variant_limit_quantity": limit_quantity(v, is_raised=is_raised),
                "mastercase_code": c.code[v],
                "mastercase_quantity": int(c.carton_pieces[v]),
            }
            for v in cartons
        ]
        return Page([msgspec.json.encode(row) for row in rows], len(rows))


def limit_quantity(carton: int, *, is_raised: bool) -> int:
    """Pieces below which a carton is opened."""
    return 5 + carton % 4 * 5 + (10 if is_raised and carton % 5 == 0 else 0)


def _sorted(rows: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Rows by the field that ``sort`` names, descending behind a minus; a name that is no field is ignored."""
    name = query.text("sort") or ""
    field = name.removeprefix("-")
    if not rows or field not in rows[0] or isinstance(rows[0][field], list):
        return rows
    nulls = [row for row in rows if row[field] is None]
    named = [row for row in rows if row[field] is not None]
    return [*nulls, *sorted(named, key=lambda row: row[field], reverse=name.startswith("-"))]
