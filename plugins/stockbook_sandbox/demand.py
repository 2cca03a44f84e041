"""What customers ordered and when: invented, or a real order history replayed."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from stockbook_sandbox import catalogue as cat
from stockbook_sandbox import money
from stockbook_sandbox.localtime import DAY, Ints, day_number, to_local, to_utc

# the catalogue is priced in koruny; what is ordered in euros is charged in euros
KORUNY_PER_EURO = 25


@dataclass
class Demand:
    """
    Orders sorted by creation, and their lines sorted by order.

    ``return_*``: pieces of a line that came back, and the instant its cancellation was written (a real history only).
    """

    created: Ints
    person: Ints
    remote_number: list[str]
    currency: list[str]
    line_order: Ints
    line_variant: Ints
    line_quantity: Ints
    line_amount: Ints
    """Price of a piece on the order, in millionths."""
    return_line: Ints
    return_quantity: Ints
    return_at: Ints


def invent(
    rng: np.random.Generator, catalogue: cat.Catalogue, orders: int, first: date, last: date, never_sold: float = 0.05
) -> Demand:
    """``orders`` orders between two local days, with seasons, evenings, few favourites, the hour that comes twice."""
    days = day_number(last) - day_number(first) + 1
    day = np.arange(days)
    weights = 1 + 0.15 * np.sin(day / 9) + 0.9 * np.exp(-(((day - 275) / 25) ** 2))
    weights *= np.where((day_number(first) + day + 3) % 7 >= 5, 0.75, 1.0)
    hours = np.array([2, 1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 7, 7, 7, 7, 7, 7, 8, 9, 11, 11, 8, 4], dtype=float)
    local = (
        (day_number(first) + rng.choice(days, orders, p=weights / weights.sum())) * DAY
        + rng.choice(24, orders, p=hours / hours.sum()) * 3600
        + rng.integers(0, 3600, orders)
    )
    created = to_utc(local, rng.integers(0, 2, orders))
    repeated = fold_hour_between(first, last)
    if repeated is not None:
        moved = rng.choice(orders, min(6, orders), replace=False)
        created[moved] = repeated - 3600 * (np.arange(len(moved)) % 2) + rng.integers(0, 3600, len(moved))
    created.sort()

    pieces = np.flatnonzero(catalogue.carton_of < 0)
    sold = rng.permutation(pieces)[: max(1, int(len(pieces) * (1 - never_sold)))]
    popularity = 1 / (np.arange(len(sold)) + 3) ** 0.8
    lines_of = np.minimum(rng.geometric(0.45, orders), min(12, len(sold)))
    line_order = np.repeat(np.arange(orders), lines_of)
    line_variant = sold[rng.choice(len(sold), len(line_order), p=popularity / popularity.sum())]
    quantity = np.minimum(rng.geometric(0.7, len(line_order)), 12)
    # one line per variant and order
    _, first_lines = np.unique(line_order * len(catalogue.variant_id) + line_variant, return_index=True)
    first_lines.sort()
    line_order, line_variant, quantity = line_order[first_lines], line_variant[first_lines], quantity[first_lines]
    none = np.zeros(0, dtype=np.int64)
    person = rng.integers(0, max(1, orders * 2 // 3), orders)
    is_euro = rng.random(orders) < 0.08
    retail = catalogue.prices[cat.RETAIL][line_variant]
    return Demand(
        created=created,
        person=person,
        remote_number=[f"{first.year}{n:06d}" for n in range(1, orders + 1)],
        currency=np.where(is_euro, "EUR", "CZK").tolist(),
        line_order=line_order,
        line_variant=line_variant,
        line_quantity=quantity.astype(np.int64),
        line_amount=np.where(is_euro[line_order], money.rounded(retail // KORUNY_PER_EURO), retail),
        return_line=none,
        return_quantity=none,
        return_at=none,
    )


def fold_hour_between(first: date, last: date) -> int | None:
    """The instant at which the repeated hour's second pass begins, when it lies between two local days."""
    start, end = day_number(first) * DAY, (day_number(last) + 1) * DAY
    hours = np.arange(start, end, 3600)
    offsets = to_local(hours) - hours
    back = np.flatnonzero(np.diff(offsets) < 0)
    return int(hours[back[0] + 1]) if len(back) else None
