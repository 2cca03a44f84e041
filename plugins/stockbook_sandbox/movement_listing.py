"""The listing of the ledger, which a test can make serve other rows than were booked."""

from typing import Any, Literal

import msgspec
import numpy as np

from stockbook.errors import ConfigError
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.localtime import Ints
from stockbook_sandbox.query import Page, Query, RowCache
from stockbook_sandbox.shop import Shop, local_days

MOVEMENT_FIELDS = frozenset(
    {
        "id", "variant_id", "movement", "fulfillment_order_id", "preload_id", "reload_id", "price_per_unit",
        "extra_cost_per_unit", "quantity", "damaged_quantity", "created",
    }
)  # fmt: skip


class MovementListing:
    """Movements, newest first. ``id_from`` and ``by`` are readings of what the documentation leaves open."""

    def __init__(
        self, shop: Shop, render: Renderer, id_from: Literal["inclusive", "exclusive"], by: Literal["id", "created"]
    ) -> None:
        """Serve the ledger as it was booked."""
        self.shop, self.render, self._id_from, self._by = shop, render, id_from, by
        self._movement_day = local_days(shop.movements.created)
        self._cache = RowCache()
        self.rewritten: dict[str, dict[str, Any] | None] = {}

    def movements(self, query: Query, clock: int) -> Page:
        """The ledger, newest first."""
        offset, limit = query.window(100, 1000)
        wanted_id, floor = query.number("id"), query.number("idFrom")
        first, last = query.day("dateFrom"), query.day("dateTo")
        key = ("movements", clock, wanted_id, floor, first, last)
        rows = self._cache.rows(key, lambda: self._movement_rows(clock, wanted_id, floor, first, last))
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
            side: Literal["left", "right"] = "left" if self._id_from == "inclusive" else "right"
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
        if self._by == "created":
            rows = rows[np.argsort(m.created[rows], kind="stable")]
        return rows[::-1]


def _with_changes(row: bytes, changes: dict[str, Any] | None) -> bytes:
    """A rendered row with some of its fields changed, the others to the byte as they were."""
    if not changes:
        return row
    fields = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(fields | changes)
