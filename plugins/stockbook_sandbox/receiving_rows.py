"""Receivings as bytes of JSON: rendered again only while they change."""

import json

from stockbook_sandbox import money, people
from stockbook_sandbox.batches import DAMAGED, NO_LABEL
from stockbook_sandbox.json_text import boolean, quoted, string_or_null
from stockbook_sandbox.localtime import NEVER, Ints, day_text, local_of
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.variant_text import VariantText

_SIZES = (None, "PALLET", "BOX-M", None, "BOX-L")


def receiving_ext_id(n: int) -> str | None:
    """The shop's identifier of a receiving; not all have one."""
    return f"E{n}" if n % 4 else None


def receiving_ext_code(n: int) -> str | None:
    """The shop's number of it, mostly of a goods-received note."""
    return f"00{n:04d}" if n % 5 else None


def delivery_unit_count(n: int) -> int:
    """Handling units a receiving was stocked in."""
    return 1 + n % 3


def package_count(n: int) -> int:
    """Parcels it came in."""
    return (1, 2, 0, 1)[n % 4]


def note_times(shop: Shop, n: int) -> list[int]:
    """When notes on it were written: when it was announced, and when its last item was counted."""
    times = []
    if n % 3 == 0:
        times.append(int(shop.receivings.announced_at[n]) + 1800)
    if n % 7 == 2:
        times.append(int(shop.receivings.closed_at[n]) - 600)
    return times


class ReceivingRows:
    """The receivings of one shop."""

    def __init__(self, shop: Shop, variants: VariantText) -> None:
        """Nothing is rendered yet."""
        self.shop, self._variants = shop, variants
        self._rows: dict[int, tuple[tuple[int, ...], bytes]] = {}
        self._prices: tuple[int, Ints] = -1, shop.receivings.item_price

    def receiving(self, n: int, clock: int) -> bytes:
        """A receiving as it is at an instant: announced, partly counted or closed; prices may be edited after that."""
        shop, r = self.shop, self.shop.receivings
        seen = int(shop.edits.at.searchsorted(clock, side="right"))
        if self._prices[0] != seen:
            self._prices = seen, shop.edits.prices_at(r, clock)
        low, high = int(shop.receiving_start[n]), int(shop.receiving_start[n + 1])
        notes = sum(at <= clock for at in note_times(shop, n))
        # what it shows depends on nothing else than these
        state = (
            int((r.item_at[low:high] <= clock).sum()),
            int(r.closed_at[n] <= clock),
            shop.edits.planned_day(r, n, clock),
            notes,
            *self._prices[1][low:high].tolist(),
        )
        cached = self._rows.get(n)
        if cached is None or cached[0] != state:
            self._rows[n] = cached = state, self._render(n, clock)
        return cached[1]

    def _render(self, n: int, clock: int) -> bytes:
        shop, r = self.shop, self.shop.receivings
        low, high = int(shop.receiving_start[n]), int(shop.receiving_start[n + 1])
        stocked: list[str] = []
        last = -NEVER
        for row in range(low, high):
            if r.item_at[row] <= clock:
                last = max(last, r.item_at[row])
                stocked += self._stocked(n, row)
        items = ",".join(self._item(row, clock) for row in range(low, high))
        closed = bool(r.closed_at[n] <= clock)
        note = people.text("receiving", n)
        notes = [
            {"text": note, "created": local_of(at).isoformat(sep=" ")} for at in note_times(shop, n) if at <= clock
        ]
        received = f'"{local_of(int(last)).date().isoformat()}"' if stocked else "null"
        return (
            f'{{"id":{r.id[n]},"uuid":"{shop.receiving_uuid[n]}",'
            f'"ext_id":{string_or_null(receiving_ext_id(n))},'
            f'"ext_code":{string_or_null(receiving_ext_code(n))},"closed":{boolean(closed)},'
            f'"extra_cost":{money.text(int(r.extra_cost[n]))},"note":{quoted(note if n % 2 else "")},'
            f'"receiving_note":{quoted(note if notes else "")},'
            f'"date_of_delivery":"{day_text(shop.edits.planned_day(r, n, clock))}",'
            f'"items":[{items}],"stock_items":[{",".join(stocked)}],'
            f'"packages":[{self._packages(n)}],"delivery_units":[{self._delivery_units(n, closed)}],'
            f'"notes":{json.dumps(notes, ensure_ascii=False)},"received_at":{received}}}'
        ).encode()

    def _item(self, row: int, clock: int) -> str:
        r, c = self.shop.receivings, self.shop.catalogue
        v, counted = int(r.item_variant[row]), bool(r.item_at[row] <= clock)
        good, damaged = int(r.item_quantity[row]), int(r.item_damaged[row])
        photos = [people.picture("receiving", 3 * row + place) for place in range(row % 3 + 1)]
        return (
            f'{{"variant_id":{c.variant_id[v]},"code":{quoted(c.code[v])},"ext_code":{quoted(c.ext_code[v])},'
            f'"price_per_unit":{money.text(int(self._prices[1][row]))},"quantity":{r.item_announced[row]},'
            f'"received_quantity":{good if counted else "null"},'
            f'"damaged_quantity":{damaged if counted else "null"},'
            f'"photos":{json.dumps(photos if counted and damaged else [])}}}'
        )

    def _stocked(self, n: int, row: int) -> list[str]:
        """What an item became: a row for each batch and quality."""
        r = self.shop.receivings
        v, good, damaged = int(r.item_variant[row]), int(r.item_quantity[row]), int(r.item_damaged[row])
        parts = self.shop.batches.received.get(row, [(NO_LABEL, good)])
        item = self._variants.stock_item
        rows = [item(v, n, label, f'"received_quantity":{pieces}') for label, pieces in parts if pieces]
        if damaged:
            rows.append(item(v, n, parts[0][0], f'"received_quantity":{damaged}', DAMAGED))
        return rows

    def _packages(self, n: int) -> str:
        numbers = [f"{people.tracking_number(n)}{letter}" for letter in ("", "B")[: package_count(n)]]
        return ",".join(f'{{"barcode":"{number}"}}' for number in numbers)

    def _delivery_units(self, n: int, closed: bool) -> str:
        return ",".join(
            f'{{"id":"{n:08x}-0000-4000-9000-{place:012x}","size_id":{string_or_null(_SIZES[(n + place) % 5])},'
            f'"closed":{boolean(closed)}}}'
            for place in range(delivery_unit_count(n))
        )
