"""
Rows of the shop as bytes of JSON, exactly as the API would print them.

A row is rendered when it is first asked for and kept: a movement never changes, an order only with
its next milestone. Pages are joins of such fragments.
"""

import json
from typing import Any

import numpy as np

from stockbook_sandbox import lives, money, people
from stockbook_sandbox.catalogue import NULL_CODE, NUMBER_CODE, PURCHASE, RETAIL, WHOLESALE
from stockbook_sandbox.ledger import OUT
from stockbook_sandbox.localtime import NEVER, Ints, day_text, local_of, wall_text
from stockbook_sandbox.shop import Shop

DELIVERIES = (
    (1, "Kurýr na adresu", 0), (2, "Výdejní místo", 1), (3, "Pošta do ruky", 0), (5, "Box", 1), (8, "Kurýr večer", 0),
    (9, "Osobní odběr", 0),
)  # fmt: skip
_PROBLEM_SOURCES = ("packing", "picking", "address")
_DELIVERY_STATUS = {"sent": '"inTransit"', "delivered": '"delivered"', "returned": '"returned"'}
_EXPEDITION_STATUS = {
    "created": "waiting", "waiting_for_storage": "waiting", "in_expedition": "inProgress",
    "problem_in_expedition": "problem", "cancelled": "waiting", "not_sent": "problem",
}  # fmt: skip


def quoted(text: str) -> str:
    """A JSON string, not escaped beyond need."""
    return json.dumps(text, ensure_ascii=False)


class Renderer:
    """Fragments of one shop. Not thread-safe: one server, one event loop."""

    def __init__(self, shop: Shop) -> None:
        """Prepare what every row of a variant shares; nothing else is rendered yet."""
        self.shop = shop
        c = shop.catalogue
        self._movements: list[bytes | None] = [None] * len(shop.movements.id)
        self._receivings: dict[int, bytes] = {}
        self._orders: dict[int, tuple[tuple[int, bool], bytes]] = {}
        base = [c.product_name[p] for p in c.variant_product.tolist()]
        names = [f"{name} {size}".strip() for name, size in zip(base, c.variant_name, strict=True)]
        self._line_head: list[str] = []
        self._item_head: list[str] = []
        for n, (code, ext_code) in enumerate(zip(c.code, c.ext_code, strict=True)):
            kind = int(c.ext_kind[n])
            ext = "null" if kind == NULL_CODE else ext_code if kind == NUMBER_CODE else quoted(ext_code)
            item_ext = "null" if kind == NULL_CODE else quoted(ext_code)
            self._line_head.append(
                f'{{"name":{quoted(names[n])},"image":{quoted(people.picture("variant", n))},'
                f'"code":{quoted(code)},"ext_code":{ext},"quantity":'
            )
            self._item_head.append(f'{{"variant_id":{c.variant_id[n]},"code":{quoted(code)},"ext_code":{item_ext},')

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
                f'"fulfillment_order_id":{_string_or_null(shop.order_uuid[order] if order >= 0 else None)},'
                f'"preload_id":{came_with or "null"},"reload_id":{reload_id if reload_id >= 0 else "null"},'
                f'"price_per_unit":{money.text(price)},"extra_cost_per_unit":{money.text(extra)},'
                f'"quantity":{quantity},"damaged_quantity":{damaged},"created":"{created}"}}'
            ).encode()

    # orders

    def order(self, n: int, clock: int) -> bytes:
        """An order as it is at an instant."""
        shop = self.shop
        passed = shop.milestones_passed(n, clock)
        released = int(shop.begun.released[n])
        state = passed, int(shop.demand.created[n]) < released > clock
        cached = self._orders.get(n)
        if cached and cached[0] == state:
            return cached[1]
        row = self._render_order(n, passed, state[1]).encode()
        self._orders[n] = state, row
        return row

    def _render_order(self, n: int, passed: int, on_hold: bool) -> str:
        shop = self.shop
        d = shop.demand
        first = int(shop.lives.starts[n])
        kinds = [lives.KINDS[kind] for kind in shop.lives.kind[first : first + passed].tolist()]
        status = lives.STATUS_AFTER[kinds[-1]]
        is_packed = "packed" in kinds
        who = people.person(int(d.person[n]))
        delivery, method, _ = DELIVERIES[int(shop.order_delivery[n])]
        value = int(shop.order_value[n])
        cod = bool(shop.order_is_cod[n])
        due = value + 89 * money.SCALE if cod else 0
        invoice = (
            quoted(people.invoice(n, shop.invoice_bytes)) if shop.order_chance[0, n] < shop.shares.invoice else "null"
        )
        day = int(shop.begun.dispatch_day[n])
        shipment = _DELIVERY_STATUS.get(status, "null") if "sent" in kinds else "null"
        label = quoted(people.tracking_number(n)) if is_packed else "null" if n % 2 else '""'
        note = people.text("note", n) if shop.order_chance[2, n] < shop.shares.note else ""
        status_note = people.text("status", n) if status in ("problem_in_expedition", "not_sent") else ""
        low, high = int(shop.line_start[n]), int(shop.line_start[n + 1])
        lines = list(zip(d.line_variant[low:high].tolist(), d.line_quantity[low:high].tolist(), strict=True))
        products = ",".join([f"{self._line_head[v]}{q}}}" for v, q in lines])
        items = packages = ""
        if is_packed:
            items = ",".join([self._stock_item(v, n, f'"quantity":{q}') for v, q in lines])
            packages = self._packages(n, lines)
        return (
            f'{{"id":"{shop.order_uuid[n]}","number":"{shop.order_number[n]}","remote_number":{quoted(d.remote_number[n])},'
            f'"currency_id":"{d.currency[n]}","on_hold":{_bool(on_hold)},"status":"{status}","status_note":{quoted(status_note)},'
            f'"expedition":{{"status":"{_EXPEDITION_STATUS.get(status, "done")}",'
            f'"problem":{self._problem(n, status)}}},'
            f'"recipient":{{"email":{quoted(who.email)},"phone":"{who.phone}","firstname":{quoted(who.firstname)},'
            f'"surname":{quoted(who.surname)},"street":{quoted(who.street)},"city":{quoted(who.city)},'
            f'"zipcode":{quoted(who.zipcode)},"company":{quoted(who.company)}}},'
            f'"delivery":{{"id":{delivery},"value":{money.text(value)},"name":{quoted(method)},'
            f'"tracking_number":{label},"status":{shipment}}},'
            f'"payment":{{"cod":{_bool(cod)},"variable_symbol":"{people.variable_symbol(n)}","price":{money.text(due)}}},'
            f'"products":[{products}],"stock_items":[{items}],"packages":[{packages}],'
            f'"invoice":{invoice},"damaged":false,"note":{quoted(note)},"tickets":[{self._ticket(n)}],'
            f'"dispatch_date":{_string_or_null(day_text(day) if day >= 0 else None)},'
            f'"created":"{local_of(int(d.created[n])).isoformat(sep=" ")}"}}'
        )

    def _problem(self, n: int, status: str) -> str:
        if status != "problem_in_expedition":  # a solved problem leaves no trace: only polling sees it
            return "null"
        solution = quoted(people.text("solution", n)) if n % 2 else "null"
        return (
            f'{{"source":"{_PROBLEM_SOURCES[n % 3]}","description":{quoted(people.text("problem", n))},'
            f'"solution":{solution},"postponed":{_bool(n % 4 == 0)},"photos":[{quoted(people.picture("problem", n))}]}}'
        )

    def _ticket(self, n: int) -> str:
        if self.shop.order_chance[1, n] >= self.shop.shares.ticket:
            return ""
        return f'{{"barcode":"{people.tracking_number(n)}","data":{quoted(people.label(n))}}}'

    def _stock_item(self, variant: int, source: int, quantity: str, quality: int = 1) -> str:
        # the documentation's table says int, its sample a UUID: both occur
        number = int(self.shop.catalogue.variant_id[variant])
        inventory = str(number * 10 + 1) if variant % 2 else f'"{number:08x}-0000-4000-8000-{source:012x}"'
        tracked = bool(self.shop.catalogue.tracks_expiration[variant])
        expiration, batch = (
            (f'"{day_text(21_000 + source % 900)}"', f'"B{source % 97:04d}"') if tracked else ("null", "null")
        )
        return (
            f'{self._item_head[variant]}"inventory_id":{inventory},"quality":{quality},"expiration":{expiration},'
            f'"batch_number":{batch},"lot_id":null,{quantity}}}'
        )

    def _packages(self, n: int, lines: list[tuple[int, int]]) -> str:
        half = len(lines) // 2
        groups = [lines[:half], lines[half:]] if len(lines) > 1 and n % 11 == 0 else [lines]
        tail = self.shop.order_uuid[n][9:]
        packages = []
        for place, group in enumerate(groups):
            items = ",".join([self._item_head[v] + f'"quantity":{q}}}' for v, q in group])
            packages.append(f'{{"id":"{place:08x}-{tail}","items":[{items}]}}')
        return ",".join(packages)

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
                    stocked.append(self._stock_item(v, n, f'"received_quantity":{good}'))
                if damaged:
                    stocked.append(self._stock_item(v, n, f'"received_quantity":{damaged}', quality=0))
        closed = bool(r.closed_at[n] <= clock)
        note = people.text("receiving", n)
        planned = day_text(int(r.planned_day[n]))
        notes = f'[{{"text":{quoted(note)},"created":"{planned} 07:00:00"}}]' if n % 3 == 0 else "[]"
        received = f'"{local_of(int(last)).date().isoformat()}"' if stocked else "null"
        return (
            f'{{"id":{r.id[n]},"uuid":"{shop.receiving_uuid[n]}",'
            f'"ext_id":{_string_or_null(self.receiving_ext_id(n))},'
            f'"ext_code":{_string_or_null(f"00{n:04d}" if n % 5 else None)},"closed":{_bool(closed)},'
            f'"extra_cost":{money.text(int(r.extra_cost[n]))},"note":{quoted(note if n % 2 else "")},'
            f'"receiving_note":{quoted(note if n % 3 == 0 else "")},"date_of_delivery":"{planned}",'
            f'"items":[{",".join(items)}],"stock_items":[{",".join(stocked)}],'
            f'"packages":[{{"barcode":"{people.tracking_number(n)}"}}],'
            f'"delivery_units":[{{"id":"{n:08x}-0000-4000-9000-000000000000","size_id":null,"closed":{_bool(closed)}}}],'
            f'"notes":{notes},"received_at":{received}}}'
        ).encode()


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _string_or_null(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'
