"""
Rows of the shop as bytes of JSON, exactly as the API would print them.

A row is rendered for its first page and cached: a movement never changes, an order only with its next
milestone. Pages are joins of such fragments.
"""

import json
from typing import Any

import numpy as np

from stockbook_sandbox import money, people
from stockbook_sandbox.catalogue import PURCHASE, RETAIL, WHOLESALE
from stockbook_sandbox.json_text import boolean, quoted, string_or_null
from stockbook_sandbox.ledger import OUT
from stockbook_sandbox.localtime import NEVER, Ints, day_text, local_of, wall_text
from stockbook_sandbox.order_rows import OrderRows
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.variant_text import VariantText


class Renderer:
    """Fragments of one shop. Not thread-safe: one server, one event loop."""

    def __init__(self, shop: Shop) -> None:
        """Prepare what every row of a variant shares; nothing else is rendered yet."""
        self.shop = shop
        self._movements: list[bytes | None] = [None] * len(shop.movements.id)
        self._receivings: dict[int, bytes] = {}
        self._variants = VariantText(shop)
        self._orders = OrderRows(shop, self._variants)

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
            "price_purchase": money.number(int(prices[PURCHASE, v])),
            "price_wholesale": money.number(int(prices[WHOLESALE, v])) if v % 9 else None,
            "price_retail": money.number(int(prices[RETAIL, v])),
            "preview_image": people.picture("preview", v),
        }
        # a newer copy of the page has it, an older one has not: some rows do
        if v % 5:
            row["tracking"] = {
                "expiration": bool(c.tracks_expiration[v]),
                "batch_number": bool(c.tracks_expiration[v]),
                "lot_id": False,
                "serial_number": v % 50 == 1,
            }
        return row

    def receiving_ext_id(self, n: int) -> str | None:
        """The shop's identifier of a receiving; not all have one."""
        return f"E{n}" if n % 4 else None

    def receiving(self, n: int, clock: int) -> bytes:
        """A receiving as it is at an instant: announced, partly counted or closed (then it never changes again)."""
        is_closed = bool(self.shop.receivings.closed_at[n] <= clock)
        row = self._receivings.get(n) if is_closed else None
        if row is None:
            row = self._render_receiving(n, clock)
            if is_closed:
                self._receivings[n] = row
        return row

    def _render_receiving(self, n: int, clock: int) -> bytes:
        shop, r, c = self.shop, self.shop.receivings, self.shop.catalogue
        low, high = int(shop.receiving_start[n]), int(shop.receiving_start[n + 1])
        items, stocked, last = [], [], -NEVER
        for row in range(low, high):
            v, counted = int(r.item_variant[row]), bool(r.item_at[row] <= clock)
            good, damaged = int(r.item_quantity[row]), int(r.item_damaged[row])
            photos = [people.picture("receiving", row)] if counted and damaged else []
            items.append(
                f'{{"variant_id":{c.variant_id[v]},"code":{quoted(c.code[v])},"ext_code":{quoted(c.ext_code[v])},'
                f'"price_per_unit":{money.text(int(r.item_price[row]))},"quantity":{r.item_announced[row]},'
                f'"received_quantity":{good if counted else "null"},'
                f'"damaged_quantity":{damaged if counted else "null"},"photos":{json.dumps(photos)}}}'
            )
            if counted:
                last = max(last, r.item_at[row])
                if good:
                    stocked.append(self._variants.stock_item(v, n, f'"received_quantity":{good}'))
                if damaged:
                    stocked.append(self._variants.stock_item(v, n, f'"received_quantity":{damaged}', quality=0))
        closed = bool(r.closed_at[n] <= clock)
        note = people.text("receiving", n)
        planned = day_text(int(r.planned_day[n]))
        notes = f'[{{"text":{quoted(note)},"created":"{planned} 07:00:00"}}]' if n % 3 == 0 else "[]"
        received = f'"{local_of(int(last)).date().isoformat()}"' if stocked else "null"
        return (
            f'{{"id":{r.id[n]},"uuid":"{shop.receiving_uuid[n]}",'
            f'"ext_id":{string_or_null(self.receiving_ext_id(n))},'
            f'"ext_code":{string_or_null(f"00{n:04d}" if n % 5 else None)},"closed":{boolean(closed)},'
            f'"extra_cost":{money.text(int(r.extra_cost[n]))},"note":{quoted(note if n % 2 else "")},'
            f'"receiving_note":{quoted(note if n % 3 == 0 else "")},"date_of_delivery":"{planned}",'
            f'"items":[{",".join(items)}],"stock_items":[{",".join(stocked)}],'
            f'"packages":[{{"barcode":"{people.tracking_number(n)}"}}],'
            f'"delivery_units":[{{"id":"{n:08x}-0000-4000-9000-000000000000","size_id":null,"closed":{boolean(closed)}}}],'
            f'"notes":{notes},"received_at":{received}}}'
        ).encode()
