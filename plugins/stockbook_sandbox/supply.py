"""
Which goods arrive when, so that stock is mostly there and never negative.

Suppliers come in rounds. Each round brings what will be issued until the next one, plus a
reserve: receipts up to any instant cover the issues planned up to it. A few items arrive days
late; every order that needs one of them then waits, which only moves issues later and so breaks
no other item's cover.
"""

from dataclasses import dataclass

import numpy as np

from stockbook_sandbox import lives
from stockbook_sandbox.catalogue import Catalogue
from stockbook_sandbox.localtime import DAY, NEVER, Flags, Ints, WorkingHours, to_local, to_utc
from stockbook_sandbox.shares import Shares

HOUR = 3600


@dataclass
class Supply:
    """Receipts by variant and round (matrices), and who had to wait."""

    rounds: Ints
    """Instant of each supplier's rounds (supplier x round; NEVER where there is none): goods are in stock by then."""
    quantity: Ints
    """Undamaged pieces that arrive (variant x round)."""
    late_until: Ints
    """Instant at which a late item is in stock (variant x round; 0 when it came with its round)."""
    stock_ready: Ints
    """Per order: when its missing goods arrived; NEVER when none were missing."""
    waiting_line: Flags


def rounds_of(rng: np.random.Generator, suppliers: int, start: int, end: int, hours: WorkingHours) -> Ints:
    """Every supplier's rounds at noon of working days; the first ones lie before ``start``."""
    rounds: list[Ints] = []
    for _ in range(suppliers):
        cycle = int(rng.integers(12, 31))
        first = int(to_local(np.array([start]))[0]) // DAY - 8 - int(rng.integers(0, 12))
        last = int(to_local(np.array([end]))[0]) // DAY
        days = np.arange(first, last, cycle)
        days[1:] += rng.integers(-2, 3, len(days) - 1)
        days[0] = min(days[0], first)
        rounds.append(to_utc(hours.nearest_day(days) * DAY + 12 * HOUR))
    widest = max(len(days) for days in rounds)
    matrix = np.full((suppliers, widest), NEVER)
    for n, days in enumerate(rounds):
        matrix[n, : len(days)] = days
    return matrix


def round_of(rounds: Ints, supplier: Ints, at: Ints) -> Ints:
    """The latest round at or before each instant (NEVER falls into the last one); -1 before the first."""
    latest = np.empty(len(at), dtype=np.int64)
    order = np.argsort(supplier, kind="stable")
    edges = np.searchsorted(supplier[order], np.arange(len(rounds) + 1))
    for n, row in enumerate(rounds):
        lines = order[edges[n] : edges[n + 1]]
        times = row[row < NEVER]
        latest[lines] = np.searchsorted(times, at[lines], side="right") - 1
    return latest


def plan(
    rng: np.random.Generator,
    catalogue: Catalogue,
    begun: lives.Beginnings,
    line_order: Ints,
    line_variant: Ints,
    line_quantity: Ints,
    loss_variant: Ints,
    loss_at: Ints,
    loss_quantity: Ints,
    rounds: Ints,
    shares: Shares,
    hours: WorkingHours,
) -> Supply:
    """
    Plan receipts for the issues of ``begun.packed`` and the planned losses, and delay some.

    Changes ``begun``: orders that wait are packed later. A loss at a variant whose
    goods are late is dropped by setting its quantity to 0.
    """
    variants, width = len(catalogue.variant_id), rounds.shape[1]
    is_issued = begun.packed[line_order] < NEVER
    variant = np.concatenate([line_variant[is_issued], loss_variant])
    at = np.concatenate([begun.packed[line_order][is_issued], loss_at])
    pieces = np.concatenate([line_quantity[is_issued], loss_quantity])
    cell = variant * width + round_of(rounds, catalogue.supplier[variant], at)
    demand = np.bincount(cell, weights=pieces, minlength=variants * width).astype(np.int64).reshape(variants, width)

    arrives = rounds[catalogue.supplier]
    feeds = np.zeros(variants, dtype=np.int64)
    is_carton = catalogue.carton_of >= 0
    feeds[catalogue.carton_of[is_carton]] = catalogue.carton_pieces[is_carton]
    lines_per_order = max(1.0, len(line_order) / max(1, len(begun.packed)))
    chance = min(0.5, shares.waiting / (0.1 * lines_per_order))
    is_fed = (feeds > 0).reshape(-1, 1)
    late_until = _late(rng, arrives, (demand > 0) & ~is_fed, chance, hours)
    quantity = _quantities(rng, demand, arrives < NEVER, late_until > 0, feeds, is_carton)
    late_until[quantity == 0] = 0

    is_ever_late: Flags = np.logical_or.reduce(late_until > 0, axis=1)
    affected = np.flatnonzero(is_issued & is_ever_late[line_variant])
    stock_ready, waiting_line = _make_wait(
        rng, begun, affected, line_order, line_variant, late_until, rounds, catalogue.supplier, hours
    )
    lost = round_of(rounds, catalogue.supplier[loss_variant], loss_at)
    loss_quantity[loss_at < late_until[loss_variant, lost]] = 0
    return Supply(rounds, quantity, late_until, stock_ready, waiting_line)


def _late(rng: np.random.Generator, arrives: Ints, possible: Flags, chance: float, hours: WorkingHours) -> Ints:
    """When late items arrive (0 for those in time); the first round is never late, nor is one as late as the next."""
    late = possible & (arrives < NEVER) & (rng.random(arrives.shape) < chance)
    late[:, 0] = False
    days = rng.integers(1, 5, arrives.shape)
    late_until = np.zeros(arrives.shape, dtype=np.int64)
    late_until[late] = to_utc(hours.nearest_day(to_local(arrives[late]) // DAY + days[late]) * DAY + 12 * HOUR)
    following = np.concatenate([arrives[:, 1:], np.full((len(arrives), 1), NEVER)], axis=1)
    late_until[late_until >= following] = 0
    return late_until


def _quantities(
    rng: np.random.Generator, demand: Ints, exists: Flags, late: Flags, feeds: Ints, is_carton: Flags
) -> Ints:
    """Pieces of each round: what it has to last for, a reserve (none before a late round), whole cartons."""
    reserve = (demand * rng.uniform(0.05, 0.4, demand.shape)).astype(np.int64) + rng.integers(0, 4, demand.shape)
    reserve[:, :-1] *= ~late[:, 1:]
    reserve[~exists] = 0
    never_sold = demand.sum(axis=1) == 0
    count = int(never_sold.sum())
    reserve[never_sold] = 0
    reserve[never_sold, 0] = rng.integers(0, 30, count) * (rng.random(count) < 0.5)
    lot = np.where(feeds > 0, feeds, 1)[:, None]
    wanted = -(-(np.cumsum(demand, axis=1) + reserve) // lot) * lot
    wanted[is_carton] = 0
    # a round brings nothing where the reserve already covers it
    steady = np.maximum.accumulate(np.where(exists, wanted, 0), axis=1)
    pieces: Ints = np.diff(steady, axis=1, prepend=0)
    return pieces


def _make_wait(
    rng: np.random.Generator,
    begun: lives.Beginnings,
    affected: Ints,
    line_order: Ints,
    line_variant: Ints,
    late_until: Ints,
    rounds: Ints,
    supplier: Ints,
    hours: WorkingHours,
) -> tuple[Ints, Flags]:
    """Pack every order behind the latest of its late goods; a later packing can meet another late item, so repeat."""
    stock_ready = np.full(len(begun.packed), NEVER)
    waiting_line = np.zeros(len(line_order), dtype=bool)
    work = rng.gamma(2.0, 1.0 * HOUR, len(begun.packed)).astype(np.int64)
    while len(affected):
        when = begun.packed[line_order[affected]]
        row = line_variant[affected]
        until = late_until[row, round_of(rounds, supplier[row], when)]
        is_short = when < until
        short = affected[is_short]
        waiting_line[short] = True
        arrived = np.zeros(len(begun.packed), dtype=np.int64)
        np.maximum.at(arrived, line_order[short], until[is_short])
        moved = np.unique(line_order[short])
        stock_ready[moved] = arrived[moved]
        begun.packed[moved] = lives.repack(stock_ready[moved] + 300, work[moved], hours)
        affected = affected[np.isin(line_order[affected], moved)]
    return stock_ready, waiting_line
