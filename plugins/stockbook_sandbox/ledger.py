"""
The warehouse's ledger: every movement of stock, numbered in the order it was written.

A movement's ``created`` is when the goods moved, ``visible`` the instant from which the API shows
it. Most are the same. Some are written minutes to days later (back-dated), and a few become
visible a few minutes after a higher id.
"""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import PURCHASE, Catalogue, ids_with_gaps
from stockbook_sandbox.lives import Lives, Shares
from stockbook_sandbox.localtime import DAY, NEVER, Flags, Ints, WorkingHours, to_local, to_utc
from stockbook_sandbox.supply import Supply

HOUR = 3600
IN, OUT = 0, 1


@dataclass
class Movements:
    """The ledger sorted by id. ``order``, ``receiving`` are indices, ``reload_id`` an id; -1 for none."""

    id: Ints
    variant: Ints
    direction: Ints
    order: Ints
    receiving: Ints
    reload_id: Ints
    price: Ints
    extra_cost: Ints
    quantity: Ints
    damaged: Ints
    created: Ints
    visible: Ints


@dataclass
class Receivings:
    """Receivings sorted by id, and their items sorted by receiving."""

    id: Ints
    announced_at: Ints
    planned_day: Ints
    extra_cost: Ints
    closed_at: Ints
    item_receiving: Ints
    item_variant: Ints
    item_price: Ints
    item_announced: Ints
    item_quantity: Ints
    item_damaged: Ints
    item_at: Ints
    """When the item was counted and booked in."""


class _Parts:
    """Columns of movements gathered block by block."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, Ints]] = []

    def add(self, count: int, **columns: Ints | int) -> None:
        defaults: dict[str, Ints | int] = {
            "order": -1,
            "receiving": -1,
            "reload_id": -1,
            "price": int(money.NULL),
            "extra_cost": int(money.NULL),
        }
        filled = {**defaults, "quantity": 0, "damaged": 0, **columns}
        self.blocks.append(
            {name: np.broadcast_to(np.asarray(column, dtype=np.int64), (count,)) for name, column in filled.items()}
        )

    def column(self, name: str) -> Ints:
        return np.concatenate([block[name] for block in self.blocks])


def receive(
    rng: np.random.Generator, catalogue: Catalogue, supply: Supply, shares: Shares, hours: WorkingHours
) -> tuple[Receivings, Ints]:
    """
    Receivings of a supply plan, and per item the pieces a carton feeds (0 for an ordinary item).

    A piece that is fed by cartons is delivered in them: its item names the carton.
    """
    variant, round_ = np.nonzero(supply.quantity)
    pieces = supply.quantity[variant, round_]
    due = supply.rounds[catalogue.supplier[variant], round_]
    late = supply.late_until[variant, round_]
    fed_by = np.full(len(catalogue.variant_id), -1)
    is_carton = np.flatnonzero(catalogue.carton_of >= 0)
    fed_by[catalogue.carton_of[is_carton]] = is_carton
    carton = fed_by[variant]
    in_cartons = carton >= 0
    per_carton = np.where(in_cartons, catalogue.carton_pieces[carton], 1)
    item_variant = np.where(in_cartons, carton, variant)
    needed = pieces // per_carton
    spare = np.where(in_cartons, rng.integers(0, 2, len(variant)), 0)
    quantity = needed + spare
    damage = np.where((rng.random(len(variant)) < 0.06) & ~in_cartons, rng.binomial(quantity, 0.03) + 1, 0)
    slip = rng.random(len(variant))
    announced = quantity + damage + np.where(slip < 0.02, rng.integers(1, 4, len(variant)), 0)
    announced = np.where(slip > 0.99, np.maximum(1, announced - 1), announced)
    # cartons come early in the morning, so that they can be opened before noon
    before = np.where(
        in_cartons, rng.integers(3 * HOUR, 4 * HOUR, len(variant)), rng.integers(60, 3 * HOUR, len(variant))
    )
    at = np.where(late > 0, late, due) - before
    cost = catalogue.purchase_at(item_variant, at) * rng.integers(970, 1031, len(variant)) // 1000
    price = np.where(rng.random(len(variant)) < 0.1, money.rounded(cost, 4), money.rounded(cost, 2))
    price = np.where(rng.random(len(variant)) < 0.15, np.maximum(money.rounded(price, 0), money.SCALE), price)

    key = catalogue.supplier[variant] * supply.rounds.shape[1] + round_
    keys, receiving = np.unique(key, return_inverse=True)
    due_of = supply.rounds[keys // supply.rounds.shape[1], keys % supply.rounds.shape[1]]
    announced_at = due_of - rng.integers(3 * DAY, 12 * DAY, len(keys))
    rank = np.argsort(announced_at, kind="stable")
    place = np.empty(len(keys), dtype=np.int64)
    place[rank] = np.arange(len(keys))
    announced_at, due_of = announced_at[rank], due_of[rank]
    receiving = place[receiving]
    order = np.lexsort((at, receiving))
    receiving = receiving[order]
    item_at = at[order]
    closed = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(closed, receiving, item_at)
    planned = hours.nearest_day(to_local(due_of) // DAY - rng.choice(3, len(keys), p=(0.8, 0.15, 0.05)))
    receivings = Receivings(
        id=ids_with_gaps(rng, 3_000, len(keys)),
        announced_at=announced_at,
        planned_day=np.minimum(planned, to_local(due_of) // DAY),
        extra_cost=np.where(rng.random(len(keys)) < 0.5, rng.integers(2, 40, len(keys)) * 50 * money.SCALE, 0),
        closed_at=closed + rng.integers(1, 30, len(keys)) * HOUR,
        item_receiving=receiving,
        item_variant=item_variant[order],
        item_price=price[order],
        item_announced=announced[order],
        item_quantity=quantity[order],
        item_damaged=damage[order],
        item_at=item_at,
    )
    return receivings, np.where(in_cartons, needed, 0)[order]


@dataclass
class Losses:
    """Pieces that vanish or break outside any order, planned before the supply so that stock covers them."""

    variant: Ints
    at: Ints
    quantity: Ints
    is_damage: Flags


def losses(rng: np.random.Generator, sold: Ints, count: int, start: int, end: int, hours: WorkingHours) -> Losses:
    """``count`` losses of 1 or 2 pieces of variants among ``sold``, in working hours."""
    at = to_utc(hours.add(to_local(rng.integers(start, end, count)), rng.integers(0, 5 * HOUR, count)))
    return Losses(
        variant=rng.choice(sold, count),
        at=at,
        quantity=rng.integers(1, 3, count),
        is_damage=rng.random(count) < 0.4,
    )


def write(
    rng: np.random.Generator,
    catalogue: Catalogue,
    receivings: Receivings,
    opened: Ints,
    lost: Losses,
    lives: Lives,
    line_order: Ints,
    line_variant: Ints,
    line_quantity: Ints,
    returns: tuple[Ints, Ints, Ints],
    repeated_hour: int | None,
    shares: Shares,
    hours: WorkingHours,
) -> Movements:
    """
    The whole ledger. ``returns``: line, pieces and instant of goods that customers sent back.

    ``opened``: cartons of each receiving item that are opened the same morning.
    """
    parts = _Parts()

    r = receivings
    count = len(r.item_variant)
    units = np.bincount(r.item_receiving, weights=r.item_quantity + r.item_damaged, minlength=len(r.id)).astype(
        np.int64
    )
    extra = (r.extra_cost // np.maximum(units, 1))[r.item_receiving]
    extra = np.where((extra == 0) & (r.item_receiving % 2 == 0), money.NULL, extra)
    price = np.where(rng.random(count) < shares.null_price, money.NULL, r.item_price)
    price = np.where(rng.random(count) < shares.zero_price, 0, price)
    parts.add(
        count, variant=r.item_variant, direction=IN, receiving=r.item_receiving, price=price, extra_cost=extra,
        quantity=r.item_quantity, damaged=r.item_damaged, created=r.item_at,
    )  # fmt: skip

    cartons = np.flatnonzero(opened)
    carton = r.item_variant[cartons]
    opening = r.item_at[cartons] + rng.integers(HOUR, 2 * HOUR, len(cartons))
    reload_id = ids_with_gaps(rng, 700, len(cartons))[np.argsort(np.argsort(opening))]
    piece_price = r.item_price[cartons] // catalogue.carton_pieces[carton]
    parts.add(
        len(cartons), variant=carton, direction=OUT, reload_id=reload_id, quantity=opened[cartons], created=opening,
        price=np.where(rng.random(len(cartons)) < 0.5, r.item_price[cartons], money.NULL),
    )  # fmt: skip
    parts.add(
        len(cartons), variant=catalogue.carton_of[carton], direction=IN, reload_id=reload_id, created=opening,
        quantity=opened[cartons] * catalogue.carton_pieces[carton],
        price=np.where(rng.random(len(cartons)) < 0.9, piece_price, money.NULL),
    )  # fmt: skip

    left = lives.packed[line_order] < NEVER
    parts.add(
        int(left.sum()), variant=line_variant[left], direction=OUT, order=line_order[left],
        quantity=line_quantity[left], created=lives.packed[line_order][left],
    )  # fmt: skip

    unsold = np.flatnonzero(lives.came_back[line_order] < NEVER)
    parts.add(
        len(unsold), variant=line_variant[unsold], direction=IN, order=line_order[unsold],
        quantity=line_quantity[unsold], created=lives.came_back[line_order[unsold]],
    )  # fmt: skip
    line, pieces, at = returns
    broken = rng.binomial(pieces, shares.damaged_on_return)
    parts.add(
        len(line), variant=line_variant[line], direction=IN, order=line_order[line], quantity=pieces - broken,
        damaged=broken, created=at,
    )  # fmt: skip

    real = lost.quantity > 0
    parts.add(
        int(real.sum()), variant=lost.variant[real], direction=OUT, quantity=lost.quantity[real], created=lost.at[real]
    )
    broke = real & lost.is_damage
    parts.add(
        int(broke.sum()),
        variant=lost.variant[broke],
        direction=IN,
        damaged=lost.quantity[broke],
        created=lost.at[broke],
    )
    spoiled = np.flatnonzero((r.item_damaged > 0) & (rng.random(count) < 0.3))
    gone = to_utc(hours.add(to_local(r.item_at[spoiled]), rng.integers(30, 300, len(spoiled)) * HOUR))
    parts.add(
        len(spoiled), variant=r.item_variant[spoiled], direction=OUT, damaged=r.item_damaged[spoiled], created=gone
    )
    find_count = max(1, len(lost.at) // 3)
    find_at = to_utc(hours.add(to_local(rng.choice(r.item_at, find_count)), rng.integers(5, 200, find_count) * HOUR))
    parts.add(
        find_count, variant=rng.choice(r.item_variant, find_count), direction=IN, quantity=1, created=find_at,
        price=np.where(rng.random(find_count) < 0.3, money.SCALE * 5, money.NULL),
    )  # fmt: skip
    if repeated_hour is not None:
        # a stock-take at night writes rows in both passes of the hour that comes twice
        passes = repeated_hour + np.array([-2400, -600, 1200, 3000])
        parts.add(4, variant=rng.choice(r.item_variant, 4), direction=IN, quantity=1, created=passes)
    return _numbered(rng, parts, shares)


def _numbered(rng: np.random.Generator, parts: _Parts, shares: Shares) -> Movements:
    created, direction = parts.column("created").copy(), parts.column("direction")
    order, receiving, reload_id = parts.column("order"), parts.column("receiving"), parts.column("reload_id")
    n = len(created)
    # An issue written later and a receipt dated earlier both leave more on the books, never less than nothing.
    is_late = (rng.random(n) < shares.backdated) & (reload_id < 0)
    delay = np.where(rng.random(n) < 0.5, rng.integers(120, 3 * HOUR, n), rng.integers(3 * HOUR, 60 * HOUR, n))
    written = np.where(is_late & (direction == OUT), created + delay, created)
    # goods cannot come back before they left, nor be counted before they were announced: only finds are dated back
    is_find = is_late & (direction == IN) & (order < 0) & (receiving < 0)
    created = np.where(is_find, created - delay, created)
    visible = written.copy()
    straggles = (rng.random(n) < shares.late_commit) & (direction == OUT) & (reload_id < 0)
    visible[straggles] += rng.integers(60, 600, int(straggles.sum()))
    rank = np.lexsort((np.arange(n), written))
    return Movements(
        id=ids_with_gaps(rng, 1_000_000, n, widest=3),
        variant=parts.column("variant")[rank],
        direction=direction[rank],
        order=order[rank],
        receiving=receiving[rank],
        reload_id=reload_id[rank],
        price=parts.column("price")[rank],
        extra_cost=parts.column("extra_cost")[rank],
        quantity=parts.column("quantity")[rank],
        damaged=parts.column("damaged")[rank],
        created=created[rank],
        visible=visible[rank],
    )


def average_prices(movements: Movements, seen: Ints, variants: int, prices: Ints) -> Ints:
    """
    Perpetual average purchase price of each variant's undamaged pieces over the rows ``seen``; NULL where none came.

    In order of ``created``, then id; bare (without extra cost); a receipt without a price comes at
    the current average, else at the catalogue's purchase price, and so do returns.
    """
    rows = seen[np.lexsort((movements.id[seen], movements.created[seen], movements.variant[seen]))]
    variant, direction = movements.variant[rows], movements.direction[rows]
    quantity = movements.quantity[rows]
    signed = np.where(direction == IN, quantity, -quantity)
    running = np.cumsum(signed)
    first = np.searchsorted(variant, np.arange(variants))
    base = (
        np.where(first > 0, running[np.maximum(first - 1, 0)], 0) if len(rows) else np.zeros(variants, dtype=np.int64)
    )
    before = (running - signed - base[variant]) if len(rows) else running
    receipt = np.flatnonzero((direction == IN) & (quantity > 0) & (movements.order[rows] < 0))
    owner = variant[receipt]
    rank = np.arange(len(receipt)) - np.searchsorted(owner, owner)
    average = np.full(variants, np.nan)
    fallback = np.where(prices[PURCHASE] == money.NULL, 0, prices[PURCHASE]) / money.SCALE
    for step in range(int(rank.max()) + 1 if len(rank) else 0):
        at = receipt[rank == step]
        who = variant[at]
        current = np.where(np.isnan(average[who]), fallback[who], average[who])
        price = movements.price[rows[at]]
        cost = np.where(price == money.NULL, current, price / money.SCALE)
        on_hand = np.maximum(before[at], 0)
        average[who] = (on_hand * current + quantity[at] * cost) / (on_hand + quantity[at])
    return np.where(np.isnan(average), money.NULL, np.round(np.nan_to_num(average) * 10_000).astype(np.int64) * 100)
