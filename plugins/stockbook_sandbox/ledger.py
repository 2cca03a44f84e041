"""
The warehouse's ledger: every movement of stock, numbered in the order it was written.

A movement's ``created`` is when the goods moved, ``visible`` the instant from which the API shows
it. Most are the same. Some are written minutes to days later (back-dated), and a few become
visible a few minutes after a higher id.
"""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import Catalogue, ids_with_gaps
from stockbook_sandbox.demand import Demand
from stockbook_sandbox.lives import Lives
from stockbook_sandbox.localtime import NEVER, Flags, Ints, WorkingHours, to_local, to_utc
from stockbook_sandbox.receivings import Receivings
from stockbook_sandbox.shares import Shares

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


class _Blocks:
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
    demand: Demand,
    returns: tuple[Ints, Ints, Ints],
    repeated_hour: int | None,
    shares: Shares,
    hours: WorkingHours,
) -> Movements:
    """
    The whole ledger. ``returns``: line, pieces and instant of goods that customers sent back.

    ``opened``: cartons of each receiving item that are opened the same morning.
    """
    blocks = _Blocks()
    _add_receipts(rng, blocks, receivings, shares)
    _add_openings(rng, blocks, catalogue, receivings, opened)
    _add_issues_and_returns(rng, blocks, lives, demand, returns, shares)
    _add_losses(rng, blocks, receivings, lost, hours)
    _add_finds(rng, blocks, receivings, len(lost.at), repeated_hour, hours)
    return _numbered(rng, blocks, shares)


def _add_receipts(rng: np.random.Generator, blocks: _Blocks, r: Receivings, shares: Shares) -> None:
    count = len(r.item_variant)
    units = np.bincount(r.item_receiving, weights=r.item_quantity + r.item_damaged, minlength=len(r.id)).astype(
        np.int64
    )
    extra = (r.extra_cost // np.maximum(units, 1))[r.item_receiving]
    extra = np.where((extra == 0) & (r.item_receiving % 2 == 0), money.NULL, extra)
    price = np.where(rng.random(count) < shares.null_price, money.NULL, r.item_price)
    price = np.where(rng.random(count) < shares.zero_price, 0, price)
    blocks.add(
        count, variant=r.item_variant, direction=IN, receiving=r.item_receiving, price=price, extra_cost=extra,
        quantity=r.item_quantity, damaged=r.item_damaged, created=r.item_at,
    )  # fmt: skip


def _add_openings(rng: np.random.Generator, blocks: _Blocks, catalogue: Catalogue, r: Receivings, opened: Ints) -> None:
    """Cartons out and their pieces in, under one reload id."""
    cartons = np.flatnonzero(opened)
    carton = r.item_variant[cartons]
    opening = r.item_at[cartons] + rng.integers(HOUR, 2 * HOUR, len(cartons))
    reload_id = ids_with_gaps(rng, 700, len(cartons))[np.argsort(np.argsort(opening))]
    piece_price = r.item_price[cartons] // catalogue.carton_pieces[carton]
    blocks.add(
        len(cartons), variant=carton, direction=OUT, reload_id=reload_id, quantity=opened[cartons], created=opening,
        price=np.where(rng.random(len(cartons)) < 0.5, r.item_price[cartons], money.NULL),
    )  # fmt: skip
    blocks.add(
        len(cartons), variant=catalogue.carton_of[carton], direction=IN, reload_id=reload_id, created=opening,
        quantity=opened[cartons] * catalogue.carton_pieces[carton],
        price=np.where(rng.random(len(cartons)) < 0.9, piece_price, money.NULL),
    )  # fmt: skip


def _add_issues_and_returns(
    rng: np.random.Generator,
    blocks: _Blocks,
    lives: Lives,
    demand: Demand,
    returns: tuple[Ints, Ints, Ints],
    shares: Shares,
) -> None:
    order, variant, quantity = demand.line_order, demand.line_variant, demand.line_quantity
    left = lives.packed[order] < NEVER
    blocks.add(
        int(left.sum()), variant=variant[left], direction=OUT, order=order[left], quantity=quantity[left],
        created=lives.packed[order][left],
    )  # fmt: skip
    unsold = np.flatnonzero(lives.came_back[order] < NEVER)
    blocks.add(
        len(unsold), variant=variant[unsold], direction=IN, order=order[unsold], quantity=quantity[unsold],
        created=lives.came_back[order[unsold]],
    )  # fmt: skip
    line, pieces, at = returns
    broken = rng.binomial(pieces, shares.damaged_on_return)
    blocks.add(
        len(line), variant=variant[line], direction=IN, order=order[line], quantity=pieces - broken, damaged=broken,
        created=at,
    )  # fmt: skip


def _add_losses(rng: np.random.Generator, blocks: _Blocks, r: Receivings, lost: Losses, hours: WorkingHours) -> None:
    """Pieces that vanish; pieces that break, out as good and in as damaged; damaged receipts that are thrown away."""
    real = lost.quantity > 0
    blocks.add(
        int(real.sum()), variant=lost.variant[real], direction=OUT, quantity=lost.quantity[real], created=lost.at[real]
    )
    broke = real & lost.is_damage
    blocks.add(
        int(broke.sum()), variant=lost.variant[broke], direction=IN, damaged=lost.quantity[broke],
        created=lost.at[broke],
    )  # fmt: skip
    spoiled = np.flatnonzero((r.item_damaged > 0) & (rng.random(len(r.item_variant)) < 0.3))
    gone = to_utc(hours.add(to_local(r.item_at[spoiled]), rng.integers(30, 300, len(spoiled)) * HOUR))
    blocks.add(
        len(spoiled), variant=r.item_variant[spoiled], direction=OUT, damaged=r.item_damaged[spoiled], created=gone
    )


def _add_finds(
    rng: np.random.Generator,
    blocks: _Blocks,
    r: Receivings,
    losses: int,
    repeated_hour: int | None,
    hours: WorkingHours,
) -> None:
    """Pieces that turn up again, a third as often as pieces are lost."""
    count = max(1, losses // 3)
    at = to_utc(hours.add(to_local(rng.choice(r.item_at, count)), rng.integers(5, 200, count) * HOUR))
    blocks.add(
        count, variant=rng.choice(r.item_variant, count), direction=IN, quantity=1, created=at,
        price=np.where(rng.random(count) < 0.3, money.SCALE * 5, money.NULL),
    )  # fmt: skip
    if repeated_hour is not None:
        # a stock-take at night writes rows in both passes of the hour that comes twice
        passes = repeated_hour + np.array([-2400, -600, 1200, 3000])
        blocks.add(4, variant=rng.choice(r.item_variant, 4), direction=IN, quantity=1, created=passes)


def _numbered(rng: np.random.Generator, blocks: _Blocks, shares: Shares) -> Movements:
    created, direction = blocks.column("created").copy(), blocks.column("direction")
    order, receiving, reload_id = blocks.column("order"), blocks.column("receiving"), blocks.column("reload_id")
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
        variant=blocks.column("variant")[rank],
        direction=direction[rank],
        order=order[rank],
        receiving=receiving[rank],
        reload_id=reload_id[rank],
        price=blocks.column("price")[rank],
        extra_cost=blocks.column("extra_cost")[rank],
        quantity=blocks.column("quantity")[rank],
        damaged=blocks.column("damaged")[rank],
        created=created[rank],
        visible=visible[rank],
    )
