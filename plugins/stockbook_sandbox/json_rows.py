"""
Rows of the shop as bytes of JSON, exactly as the API would print them.

A row is rendered for its first page and cached: a movement never changes, an order only with its next
milestone. Pages are joins of such fragments.
"""

from typing import Any

import numpy as np

from stockbook_sandbox import money, people
from stockbook_sandbox.catalogue import PURCHASE, RETAIL, WHOLESALE
from stockbook_sandbox.json_text import string_or_null
from stockbook_sandbox.ledger import OUT
from stockbook_sandbox.localtime import Ints, wall_text
from stockbook_sandbox.order_rows import OrderRows
from stockbook_sandbox.receiving_rows import ReceivingRows
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.variant_text import VariantText


class Renderer:
    """Fragments of one shop. Not thread-safe: one server, one event loop."""

    def __init__(self, shop: Shop) -> None:
        """Prepare what every row of a variant shares; nothing else is rendered yet."""
        self.shop = shop
        self._movements: list[bytes | None] = [None] * len(shop.movements.id)
        variants = VariantText(shop)
        self._orders = OrderRows(shop, variants)
        self.receivings = ReceivingRows(shop, variants)

    # movements

    def movements(self, rows: Ints) -> list[bytes]:
        """Fragments of movements, in the order of ``rows``."""
        wanted = rows.tolist()
        missing = [row for row in wanted if self._movements[row] is None]
        if missing:
            self._render_movements(np.array(missing))
        return [self._movements[row] or b"" for row in wanted]

    def _render_movements(self, rows: Ints) -> None:
        shop, m = self.shop, self.shop.movements
        receiving = np.append(shop.receivings.id, 0)[m.receiving[rows]]
        columns = zip(
            rows.tolist(), m.id[rows].tolist(), shop.catalogue.variant_id[m.variant[rows]].tolist(),
            m.direction[rows].tolist(), m.order[rows].tolist(), receiving.tolist(), m.reload_id[rows].tolist(),
            m.price[rows].tolist(), m.extra_cost[rows].tolist(), m.quantity[rows].tolist(), m.damaged[rows].tolist(),
            wall_text(m.created[rows]), strict=True,
        )  # fmt: skip
        for (
            row,
            number,
            variant,
            direction,
            order,
            came_with,
            reload_id,
            price,
            extra,
            quantity,
            damaged,
            created,
        ) in columns:
            self._movements[row] = (
                f'{{"id":{number},"variant_id":{variant},"movement":"{"out" if direction == OUT else "in"}",'
                f'"fulfillment_order_id":{string_or_null(shop.order_uuid[order] if order >= 0 else None)},'
                f'"preload_id":{came_with or "null"},"reload_id":{reload_id if reload_id >= 0 else "null"},'
                f'"price_per_unit":{money.text(price)},"extra_cost_per_unit":{money.text(extra)},'
                f'"quantity":{quantity},"damaged_quantity":{damaged},"created":"{created}"}}'
            ).encode()

    def order(self, n: int, clock: int) -> bytes:
        """An order as it is at an instant."""
        return self._orders.order(n, clock)

    # the rest: small listings, as objects

    def products(self, chosen: list[int], variants: dict[int, list[int]], clock: int) -> list[Any]:
        """Products with the variants given for each."""
        c, prices, names = (
            self.shop.catalogue,
            self.shop.catalogue.prices_at(clock),
            self.shop.catalogue.names_at(clock),
        )
        return [
            {
                "id": int(c.product_id[p]),
                "category_id": int(c.product_category[p]) or None,
                "name": names[p],
                "variants": [self.variant(v, prices) for v in variants[p]],
            }
            for p in chosen
        ]

    def variant(self, v: int, prices: Ints) -> dict[str, Any]:
        """A variant of the catalogue with the prices of a moment."""
        c = self.shop.catalogue
        row: dict[str, Any] = {
            "id": int(c.variant_id[v]),
            "size_id": ("A4", None, "A5", "XL")[v % 4],
            "name": c.variant_name[v],
            "code": c.code[v],
            "ext_code": c.ext_code[v],
            "ean": f"859{int(c.variant_id[v]):010d}",
            "price_purchase": None if c.is_unpriced[v] else money.number(int(prices[PURCHASE, v])),
            "price_wholesale": money.number(int(prices[WHOLESALE, v])) if v % 9 else None,
            "price_retail": money.number(int(prices[RETAIL, v])),
            "preview_image": people.picture("preview", v),
        }
        # a newer copy of the page has it, an older one has not: some rows do
        if v % 5:
            row["tracking"] = {
                "expiration": bool(c.tracks_expiration[v]),
                "batch_number": bool(c.tracks_batch[v]),
                "lot_id": bool(c.tracks_lot[v]),
                "serial_number": v % 50 == 1,
            }
        return row

    def receiving(self, n: int, clock: int) -> bytes:
        """A receiving as it is at an instant."""
        return self.receivings.receiving(n, clock)
