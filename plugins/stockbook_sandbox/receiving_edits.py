"""What is edited on receivings after they were announced: promises, and prices weeks after the goods were closed."""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.ledger import IN, Movements
from stockbook_sandbox.localtime import DAY, NEVER, Ints, WorkingHours, to_local
from stockbook_sandbox.receivings import Receivings

HOUR = 3600
LATE = 60 * DAY
"""How long ago, at the end of the shop, the goods of its last edit came."""


@dataclass
class ReceivingEdits:
    """Edits of prices sorted by time, and per receiving the first promised day and when it was put off."""

    at: Ints
    item: Ints
    price: Ints
    first_planned_day: Ints
    postponed_at: Ints
    """When the promised day became ``planned_day``; NEVER where it always was."""

    @classmethod
    def none(cls, r: Receivings) -> "ReceivingEdits":
        """Receivings that nobody edits."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, r.planned_day, np.full(len(r.id), NEVER))

    def prices_at(self, r: Receivings, clock: int) -> Ints:
        """What the items of all receivings cost at an instant."""
        prices = r.item_price.copy()
        seen = int(np.searchsorted(self.at, clock, side="right"))
        # repeated indices: the last assignment wins, which is the latest edit
        prices[self.item[:seen]] = self.price[:seen]
        return prices

    def planned_day(self, r: Receivings, n: int, clock: int) -> int:
        """The day a receiving is promised for at an instant."""
        # where it was never put off the first day is the only one
        return int(self.first_planned_day[n] if self.postponed_at[n] > clock else r.planned_day[n])


def edit(
    rng: np.random.Generator, r: Receivings, m: Movements, end: int, share: float, hours: WorkingHours
) -> ReceivingEdits:
    """
    Edit the price of about half of the items whose goods were booked in without one, and of ``share`` of the others.

    The first kind changes what the stock cost, the second does not. One of the first kind, where there is one, is
    edited in the last week of the shop, two months after its goods came. About a tenth of the receivings are put off.
    """
    unpriced = (m.direction == IN) & (m.receiving >= 0) & (m.price == money.NULL)
    keys = set(zip(m.receiving[unpriced].tolist(), m.variant[unpriced].tolist(), strict=True))
    pairs = zip(r.item_receiving.tolist(), r.item_variant.tolist(), strict=True)
    has_no_price = np.array([pair in keys for pair in pairs], dtype=bool)
    count = len(r.item_variant)
    chance, by, after = rng.random(count), rng.uniform(0.7, 1.3, count), rng.integers(20 * DAY, 80 * DAY, count)
    closed = r.closed_at[r.item_receiving]
    at = closed + after
    chosen = np.flatnonzero((chance < np.where(has_no_price, 0.5, share)) & (at < end - 5 * DAY))
    late = np.flatnonzero(has_no_price & (closed < end - LATE))
    if share and len(late):
        last = late[-1:]
        at[last] = end - 4 * DAY - 20 * HOUR
        chosen = np.concatenate([chosen[chosen != last[0]], last])
    chosen = chosen[np.argsort(at[chosen], kind="stable")]
    price = np.maximum(money.rounded((r.item_price[chosen] * by[chosen]).astype(np.int64)), money.SCALE // 100)
    first, put_off = _promises(rng, r, share, hours)
    return ReceivingEdits(at[chosen], chosen, price, first, put_off)


def _promises(rng: np.random.Generator, r: Receivings, share: float, hours: WorkingHours) -> tuple[Ints, Ints]:
    count = len(r.id)
    moves = (rng.random(count) < 0.1) & bool(share)
    first = hours.nearest_day(r.planned_day - rng.integers(2, 6, count))
    # before it comes: the goods of all items come after the promised day began
    moved_at = r.announced_at + rng.integers(6 * HOUR, 2 * DAY, count)
    moves &= (first < r.planned_day) & (first > to_local(r.announced_at) // DAY)
    return np.where(moves, first, r.planned_day), np.where(moves, moved_at, NEVER)
