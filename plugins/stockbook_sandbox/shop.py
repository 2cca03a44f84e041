"""
The shop behind the sandbox: what it sold, what the warehouse did, and what of it can be seen when.

Built once from a seed (or from a real order history) as columns; everything asked of it afterwards
depends on a clock only. Two shops of the same arguments are equal to the byte.
"""

from collections.abc import Iterator
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stockbook_sandbox import batches, channels, damaged_sales, ledger, lives, receiving_edits, supply, unpriced_find
from stockbook_sandbox import catalogue as cat
from stockbook_sandbox import demand as dem
from stockbook_sandbox.flickrocket_shop import FlickrocketShop
from stockbook_sandbox.localtime import (
    DAY,
    NEVER,
    Flags,
    Ints,
    WorkingHours,
    day_number,
    local_of,
    to_local,
    to_utc,
    utc_of,
)
from stockbook_sandbox.receivings import receive
from stockbook_sandbox.replayed_demand import replay
from stockbook_sandbox.shares import INVENTED, REPLAYED, Shares
from stockbook_sandbox.shopline_shop import ShoplineShop
from stockbook_sandbox.truth import personal_values, truth

_CACHED_CLOCKS = 4


def _uuids(rng: np.random.Generator, count: int) -> list[str]:
    digits = rng.bytes(16 * count).hex()
    uuids = []
    for at in range(0, 32 * count, 32):
        d = digits[at : at + 32]
        uuids.append(f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{'89ab'[int(d[16], 16) % 4]}{d[17:20]}-{d[20:]}")
    return uuids


class Shop:
    """A fulfillment account, a FlickRocket company and a SHOPLINE store, deterministic by seed."""

    def __init__(
        self,
        seed: int = 1,
        variants: int = 2_000,
        orders: int = 12_000,
        first: date = date(2025, 3, 1),
        last: date = date(2026, 2, 28),
        history: Path | str | None = None,
        date_format: str = "",
        shares: Shares | None = None,
        invoice_bytes: int = 200,
        places: int = 150,
    ) -> None:
        """
        Build the shop of a seed: ``orders`` orders between the local days ``first`` and ``last``.

        ``history`` replays an order history instead (then variants, orders and days come from it); ``date_format`` is
        how it writes its times, where that cannot be seen of its rows.
        ``shares`` says how often things happen, ``invoice_bytes`` how big a PDF is, ``places`` how
        many pick-up places a delivery method has. Raises ConfigError when the history cannot be read.
        """
        self.seed, self.invoice_bytes, self.places = seed, invoice_bytes, places
        self.shares = shares or (INVENTED if history is None else REPLAYED)
        if history is None:
            suppliers = max(3, variants // 60)
            self.catalogue = cat.invent(self._rng("catalogue"), variants, suppliers)
            self.demand = dem.invent(self._rng("demand"), self.catalogue, orders, first, last)
        else:
            suppliers = 60
            self.catalogue, self.demand = replay(self._rng("demand"), Path(history), suppliers, date_format)
            first, last = local_of(int(self.demand.created[0])).date(), local_of(int(self.demand.created[-1])).date()
        self.first, self.last = first, last
        self._build(suppliers)
        d, c = self.demand, self.catalogue
        self.channels = channels.choose(
            self._rng("channels"), d, self.lives, len(c.variant_id), self.start, self.end, renumber=history is None
        )
        self.flickrocket = FlickrocketShop(self._rng("flickrocket"), first, last, self.channels)
        self.flickrocket.connect(self._rng("connect"), self.channels, c, d, self.lives)
        self.shopline = ShoplineShop(self._rng("shopline"), self.channels, d, self.lives)

    @classmethod
    def small(cls, seed: int = 1, **changes: Any) -> "Shop":
        """60 variants, 300 orders and three months with an hour that comes twice; builds in well under a second."""
        settings: dict[str, Any] = {
            "variants": 60, "orders": 300, "first": date(2025, 9, 1), "last": date(2025, 11, 30), "places": 40,
            **changes,
        }  # fmt: skip
        return cls(seed=seed, **settings)

    def _rng(self, part: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *part.encode()])

    def _build(self, suppliers: int) -> None:
        d, c, shares = self.demand, self.catalogue, self.shares
        hours = WorkingHours(
            date.fromordinal(self.first.toordinal() - 90), date.fromordinal(self.last.toordinal() + 400)
        )
        self.start = int(to_utc(np.array([day_number(self.first) * DAY]))[0])
        self.end = int(to_utc(np.array([(day_number(self.last) + 1) * DAY]))[0])
        rng = self._rng("lives")
        cat.add_changes(self._rng("changes"), c, self.start, self.end)
        cat.add_traits(self._rng("traits"), c, self.start, self.end)
        begun = lives.begin(rng, d.created, shares, hours)
        returned_at = self._apply_credits(begun)

        rng = self._rng("supply")
        rounds = supply.rounds_of(rng, suppliers, self.start, self.end, hours)
        lost = ledger.losses(
            rng,
            np.unique(d.line_variant),
            max(4, int(len(d.line_order) * shares.correction)),
            self.start,
            self.end,
            hours,
        )
        plan = supply.plan(
            rng, c, begun, d.line_order, d.line_variant, d.line_quantity, lost.variant, lost.at, lost.quantity, rounds,
            shares, hours,
        )  # fmt: skip
        self.begun, self.stock_ready, self.waiting_line = begun, plan.stock_ready, plan.waiting_line
        self.lives = lives.finish(rng, d.created, begun, plan.stock_ready, shares, hours, returned_at)

        rng = self._rng("ledger")
        self.receivings, opened = receive(rng, c, plan, hours)
        self.movements = ledger.write(
            rng, c, self.receivings, opened, lost, self.lives, d, self._returned_lines(rng),
            dem.fold_hour_between(self.first, self.last), shares, hours,
        )  # fmt: skip
        self._late_catalogue(self._rng("late"))
        # what follows has generators of its own: a shop of a seed keeps what it had before there was any of it
        self.is_damaged_sale = damaged_sales.sell(
            self._rng("damaged sales"), self.movements, d.line_order, len(d.created), shares.damaged_sale
        )
        self.edits = receiving_edits.edit(
            self._rng("edits"), self.receivings, self.movements, self.end, shares.price_edit, hours
        )
        is_sold = np.isin(np.arange(len(c.variant_id)), d.line_variant)
        self.movements = unpriced_find.find(c, self.movements, self.receivings, is_sold, self.end)
        self._number_orders()

    def _number_orders(self) -> None:
        """Draw the orders' ids, deliveries and payments, and number the requests for missing pieces."""
        d = self.demand
        rng = self._rng("orders")
        self.order_uuid = _uuids(rng, len(d.created))
        self.order_number = [f"FF{n}" for n in cat.ids_with_gaps(rng, 2_990_000_000, len(d.created), 900).tolist()]
        self.order_delivery = rng.choice(6, len(d.created), p=(0.35, 0.25, 0.15, 0.12, 0.08, 0.05))
        self.order_is_cod = (rng.random(len(d.created)) < 0.3) & (np.array(d.currency) == "CZK")
        self.order_chance = rng.random((3, len(d.created)))
        """Per order three draws: for an invoice, a ticket, a note."""
        self.line_start = np.searchsorted(d.line_order, np.arange(len(d.created) + 1))
        self.order_value = (
            np.bincount(
                d.line_order, weights=d.line_quantity * (d.line_amount // 10_000), minlength=len(d.created)
            ).astype(np.int64)
            * 10_000
        )
        self.receiving_uuid = _uuids(rng, len(self.receivings.id))
        self.receiving_start = np.searchsorted(self.receivings.item_receiving, np.arange(len(self.receivings.id) + 1))
        self.request_lines = np.flatnonzero(self.waiting_line)
        requested_at = self.begun.push[d.line_order[self.request_lines]]
        self.request_lines = self.request_lines[np.argsort(requested_at, kind="stable")]
        self.request_id = cat.ids_with_gaps(rng, 9_000, len(self.request_lines))

    def _apply_credits(self, begun: lives.Beginnings) -> Ints | None:
        """Turn credits of a real history into cancellations (whole order, before packing) or returns."""
        d = self.demand
        if not len(d.return_line):
            return None if self.shares.returned else np.full(len(d.created), NEVER)
        order = d.line_order[d.return_line]
        ordered = np.bincount(d.line_order, weights=d.line_quantity, minlength=len(d.created))
        is_early = d.return_at < begun.packed[order]
        early = np.bincount(order, weights=d.return_quantity * is_early, minlength=len(d.created))
        at = np.full(len(d.created), NEVER)
        np.minimum.at(at, order, d.return_at)
        cancelled = early == ordered
        begun.cancelled = np.where(cancelled, at, begun.cancelled)
        begun.packed = np.where(cancelled, NEVER, begun.packed)
        return np.where(cancelled, NEVER, at)

    def _returned_lines(self, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
        d, milestones = self.demand, self.lives
        is_return = (milestones.returned < NEVER) & (milestones.came_back == NEVER)
        if len(d.return_line):
            order = d.line_order[d.return_line]
            is_chosen = is_return[order]
            line, order = d.return_line[is_chosen], order[is_chosen]
            return (
                line,
                d.return_quantity[is_chosen],
                np.maximum(d.return_at[is_chosen], milestones.delivered[order] + 3600),
            )
        line = np.flatnonzero(is_return[d.line_order])
        is_first = np.diff(d.line_order[line], prepend=-1) > 0
        line = line[is_first | (rng.random(len(line)) < 0.4)]
        pieces = np.where(rng.random(len(line)) < 0.7, d.line_quantity[line], np.maximum(1, d.line_quantity[line] // 2))
        return line, pieces, milestones.returned[d.line_order[line]]

    def _late_catalogue(self, rng: np.random.Generator) -> None:
        """Let some variants enter the catalogue just before they are first announced, and some unsold ones leave it."""
        c, r = self.catalogue, self.receivings
        first = np.full(len(c.variant_id), NEVER)
        np.minimum.at(first, r.item_variant, r.announced_at[r.item_receiving])
        feeds = c.carton_of >= 0
        np.minimum.at(first, c.carton_of[feeds], first[feeds])
        np.minimum.at(first, self.movements.variant, self.movements.created)
        np.minimum.at(first, self.demand.line_variant, self.demand.created[self.demand.line_order])
        is_new = (first > self.start + 20 * DAY) & (first < NEVER)
        c.added_at = np.where(is_new, first - rng.integers(1, 10, len(first)) * DAY, c.added_at)
        idle = np.flatnonzero(first == NEVER)
        leaving = idle[: max(0, len(idle) // 4)]
        c.removed_at[leaving] = rng.integers(self.start, self.end, len(leaving))

    @cached_property
    def batches(self) -> batches.Batches:
        """Batches of tracked goods: what came, which order was filled from which, what is left."""
        return batches.write(self, self._rng("batches"))

    # what can be seen at a clock

    @cached_property
    def _visible(self) -> Any:
        @lru_cache(_CACHED_CLOCKS)
        def visible(clock: int) -> Ints:
            return np.flatnonzero(self.movements.visible <= clock)

        return visible

    def visible_movements(self, clock: int) -> Ints:
        """Row numbers (ascending by id) of the movements that the API shows at an instant."""
        rows: Ints = self._visible(clock)
        return rows

    def visible_orders(self, clock: int) -> int:
        """How many orders exist at an instant: they are the first ones."""
        return int(np.searchsorted(self.demand.created, clock, side="right"))

    def stock(self, clock: int) -> tuple[Ints, Ints]:
        """Undamaged and damaged pieces per variant: the sums of the visible movements."""
        m, rows = self.movements, self.visible_movements(clock)
        sign = np.where(m.direction[rows] == ledger.IN, 1, -1)
        size = len(self.catalogue.variant_id)
        good = np.bincount(m.variant[rows], weights=sign * m.quantity[rows], minlength=size)
        damaged = np.bincount(m.variant[rows], weights=sign * m.damaged[rows], minlength=size)
        return good.astype(np.int64), damaged.astype(np.int64)

    def kinds_at(self, clock: int) -> Ints:
        """The latest milestone (an index into ``lives.KINDS``) of every visible order."""
        n = self.visible_orders(clock)
        starts, passed = self.lives.starts[:n], self.lives.at[: self.lives.starts[n]] <= clock
        if not n:
            return np.zeros(0, dtype=np.int64)
        return self.lives.kind[starts + np.add.reduceat(passed, starts) - 1]

    def milestones_passed(self, order: int, clock: int) -> int:
        """How many milestones of an order have happened at an instant."""
        low, high = int(self.lives.starts[order]), int(self.lives.starts[order + 1])
        return int(np.searchsorted(self.lives.at[low:high], clock, side="right"))

    def on_hold(self, clock: int) -> Flags:
        """Which visible orders are held back by the shop."""
        n = self.visible_orders(clock)
        return (self.begun.released[:n] > clock) & (self.begun.released[:n] > self.demand.created[:n])

    def instant(self, clock: datetime | int) -> int:
        """A clock (naive local wall time, or an instant already) as UTC seconds."""
        return clock if isinstance(clock, int) else utc_of(clock)

    def truth(self, clock: datetime | int) -> dict[str, Any]:
        """What is true at a clock, in plain JSON types, from the shop's own ledger."""
        return truth(self, self.instant(clock))

    def personal_values(self) -> Iterator[str]:
        """Every distinctive string that must never be found on a disk."""
        return personal_values(self)


def local_days(utc: Ints) -> Ints:
    """Local day (counted from 1970-01-01) of instants."""
    return to_local(utc) // DAY
