"""The listings of stock: levels, receivings, and the pieces that waiting orders lack."""

import msgspec
import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import NULL_CODE, NUMBER_CODE
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.levels import levels
from stockbook_sandbox.localtime import wall_text
from stockbook_sandbox.query import Page, Query, RowCache, wanted
from stockbook_sandbox.receiving_rows import receiving_ext_id
from stockbook_sandbox.shop import Shop


class StockListings:
    """Stock as it is at a clock."""

    def __init__(self, shop: Shop, render: Renderer) -> None:
        """Nothing is computed yet."""
        self.shop, self.render = shop, render
        self._cache = RowCache()

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
            and (ext_id is None or receiving_ext_id(n) == ext_id)
        ]
        return Page([self.render.receiving(n, clock) for n in chosen[offset : offset + limit]], len(chosen))

    def stock_levels(self, query: Query, clock: int) -> Page:
        """Stock of every variant of the catalogue; quantities are the sums of the visible movements."""
        offset, limit = query.window(100, 1000)
        stock = self._cache.rows(("levels", clock), lambda: levels(self.shop, clock))
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
