"""Which orders of the warehouse were sold over FlickRocket and SHOPLINE, and how what these say of them differs."""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox.demand import Demand
from stockbook_sandbox.lives import Lives
from stockbook_sandbox.localtime import NEVER, Flags, Ints

MOST_LINES = 4
NEVER_REACHED = 0.05
"""Share of a channel's orders that the warehouse never heard of."""
OTHER_QUANTITY = 0.02
"""Share of the others of which it was told one piece less."""
OTHER_STATE = 0.015
"""Share of the others that are shipped and open in the channel for weeks, or cancelled in the channel and shipped."""


@dataclass
class Sold:
    """The orders of one channel, sorted by time; parallel columns."""

    order: Ints
    """The order of the warehouse; -1 for one that never reached it."""
    number: list[str]
    """What the channel calls it, which the warehouse knows as its remote number."""
    created: Ints
    differs_in_quantity: Flags
    differs_in_state: Flags

    def __len__(self) -> int:
        """How many."""
        return len(self.order)


@dataclass
class Channels:
    """What each channel sold, and the variants that FlickRocket has as physical products."""

    flickrocket: Sold
    shopline: Sold
    goods: Ints
    unknown_to_shopline: Ints
    """Orders of the warehouse whose remote number can only be one of SHOPLINE's, which does not know them."""


def choose(
    rng: np.random.Generator, d: Demand, lives: Lives, variants: int, start: int, end: int, *, renumber: bool
) -> Channels:
    """
    A tenth of the orders each, of few lines; FlickRocket has the best sold variants only.

    ``renumber`` gives SHOPLINE's orders the remote numbers it would give them, and to a few that it does not know.
    """
    orders = len(d.created)
    wanted = max(20, orders // 10)
    lines = np.bincount(d.line_order, minlength=orders)
    is_small = lines <= MOST_LINES
    sold = np.bincount(d.line_variant, minlength=variants)
    most = max(35, min(variants // 20, 200))
    goods = np.sort(np.argsort(-sold, kind="stable")[: min(most, int((sold > 0).sum()))])
    has_other = np.zeros(orders, dtype=bool)
    has_other[d.line_order[~np.isin(d.line_variant, goods)]] = True
    # FlickRocket knows no cancellation: its orders were sent in the end
    candidates = np.flatnonzero(is_small & ~has_other & (lives.sent < NEVER) & (lives.cancelled == NEVER))
    # half of them at most, so that SHOPLINE's orders are of the same goods, too
    flickrocket = _sold(rng, candidates, min(wanted, len(candidates) // 2), d, start, end, "8")
    is_free = is_small.copy()
    is_free[flickrocket.order[flickrocket.order >= 0]] = False
    ends = (lives.sent < NEVER) | (lives.cancelled < NEVER)
    candidates = np.flatnonzero(is_free & ends)
    shopline = _sold(rng, candidates, min(wanted, len(candidates)), d, start, end, "9")
    unknown = np.zeros(0, dtype=np.int64)
    if renumber:
        is_free[shopline.order[shopline.order >= 0]] = False
        unknown = np.flatnonzero(is_free & ends)[50::200]
        shopline.number = [f"2105740193282631666{n:07d}" for n in range(len(shopline))]
        numbers = zip(shopline.order.tolist(), shopline.number, strict=True)
        strangers = ((order, f"2105740193282640000{order:07d}") for order in unknown.tolist())
        for order, number in (*numbers, *strangers):
            if order >= 0:
                d.remote_number[order] = number
    return Channels(flickrocket, shopline, goods, unknown)


def _sold(
    rng: np.random.Generator, candidates: Ints, wanted: int, d: Demand, start: int, end: int, prefix: str
) -> Sold:
    lost = max(1, round(wanted * NEVER_REACHED))
    order = rng.choice(candidates, max(0, wanted - lost), replace=False)
    created = d.created[order] - rng.integers(30, 600, len(order))
    order = np.concatenate([order, np.full(lost, -1)])
    created = np.concatenate([created, rng.integers(start, end, lost)])
    rank = np.argsort(created, kind="stable")
    order, created = order[rank], created[rank]
    taken = set(d.remote_number)
    unknown = (
        number for number in (f"{prefix}{n:09d}" for n in range(1, len(taken) + lost + 1)) if number not in taken
    )
    numbers = [d.remote_number[n] if n >= 0 else next(unknown) for n in order.tolist()]
    fate = rng.random(len(order))
    # of each kind there is one, however few the orders
    reached = np.flatnonzero(order >= 0)
    fate[reached[len(reached) // 3 :][:1]] = 0
    fate[reached[2 * len(reached) // 3 :][:1]] = 1
    return Sold(
        order=order,
        number=numbers,
        created=created,
        differs_in_quantity=(order >= 0) & (fate < OTHER_QUANTITY),
        differs_in_state=(order >= 0) & (fate > 1 - OTHER_STATE),
    )
