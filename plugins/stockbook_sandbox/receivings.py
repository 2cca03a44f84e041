"""Receivings of a supply plan: announced, counted item by item, closed."""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import Catalogue, ids_with_gaps
from stockbook_sandbox.localtime import DAY, Ints, WorkingHours, to_local
from stockbook_sandbox.supply import Supply

HOUR = 3600


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


def receive(
    rng: np.random.Generator, catalogue: Catalogue, supply: Supply, hours: WorkingHours
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
    price = _prices(rng, catalogue, item_variant, at)

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


def _prices(rng: np.random.Generator, catalogue: Catalogue, variant: Ints, at: Ints) -> Ints:
    """What items cost: near the catalogue's purchase price, some to four decimals, some in whole koruny."""
    cost = catalogue.purchase_at(variant, at) * rng.integers(970, 1031, len(variant)) // 1000
    price = np.where(rng.random(len(variant)) < 0.1, money.rounded(cost, 4), money.rounded(cost, 2))
    return np.where(rng.random(len(variant)) < 0.15, np.maximum(money.rounded(price, 0), money.SCALE), price)
