"""
What happens to an order after it was created: milestones with their instants.

Two stages, because goods decide the middle: ``begin`` says when an order would be packed if every
piece were there, the supply plan may make it wait, and ``finish`` draws the rest from the final
instants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stockbook_sandbox.localtime import DAY, NEVER, Flags, Ints, WorkingHours, to_local, to_utc
from stockbook_sandbox.shares import Shares

HOUR = 3600

KINDS = (
    "created", "released", "waiting_for_storage", "stock_ready", "pushed_to_expedition", "sent_back", "problem",
    "problem_solved", "packed", "sent", "not_sent", "delivered", "returned", "cancelled", "restored",
)  # fmt: skip
KIND = {name: n for n, name in enumerate(KINDS)}
STATUS_AFTER = {
    "created": "created",
    "released": "created",
    "waiting_for_storage": "waiting_for_storage",
    "stock_ready": "waiting_for_storage",
    "pushed_to_expedition": "in_expedition",
    "sent_back": "created",
    "problem": "problem_in_expedition",
    "problem_solved": "in_expedition",
    "packed": "packed",
    "sent": "sent",
    "not_sent": "not_sent",
    "delivered": "delivered",
    "returned": "returned",
    "cancelled": "cancelled",
    "restored": "created",
}


@dataclass
class Beginnings:
    """Instants (UTC; NEVER where it does not happen) of the first half of each order's life."""

    released: Ints
    dispatch_day: Ints
    """Local day before which the order must not leave; -1 for none."""
    first_push: Ints
    push: Ints
    """The push that leads to packing; later than ``first_push`` after a restore or a correction."""
    cancelled: Ints
    restored: Ints
    sent_back: Ints
    has_problem: Flags
    packed: Ints
    """When it would be packed if no goods were missing."""


def begin(rng: np.random.Generator, created: Ints, shares: Shares, hours: WorkingHours) -> Beginnings:
    """Draw the first half of every order's life."""
    n = len(created)

    def chosen(share: float) -> Flags:
        return rng.random(n) < share

    on_hold = chosen(shares.on_hold)
    released = np.where(on_hold, created + rng.integers(HOUR // 2, 60 * HOUR, n), created)
    future = chosen(shares.future_dispatch) & ~on_hold
    dispatch_day = np.where(future, to_local(created) // DAY + rng.integers(2, 15, n), -1)
    start = np.where(future, np.maximum(released, to_utc(dispatch_day * DAY)), released)
    first_push = start + rng.integers(60, 600, n)

    is_slow = rng.choice(3, n, p=(0.86, 0.11, 0.03))
    work = np.choose(
        is_slow,
        (rng.gamma(2.0, 1.1 * HOUR, n), rng.uniform(6 * HOUR, 14 * HOUR, n), rng.uniform(15 * HOUR, 45 * HOUR, n)),
    ).astype(np.int64)
    has_problem = chosen(shares.problem)
    work += np.where(has_problem, rng.integers(4 * HOUR, 30 * HOUR, n), 0)
    sent_back = chosen(shares.sent_back) & ~has_problem
    back_at = first_push + rng.integers(HOUR // 4, 3 * HOUR, n)
    push = np.where(sent_back, back_at + rng.integers(HOUR, 40 * HOUR, n), first_push)
    packed = _packed(push, work, hours)

    is_cancelled = chosen(shares.cancelled) & ~sent_back
    is_restored = is_cancelled & chosen(shares.restored)
    cancelled = created + 60 + (rng.random(n) * np.maximum(packed - created - 120, 1)).astype(np.int64)
    restored = cancelled + rng.integers(HOUR, 48 * HOUR, n)
    released = np.where(is_restored & on_hold & (cancelled <= released), np.maximum(released, restored + 1), released)
    start = np.maximum(start, released)
    push = np.where(is_restored, np.maximum(restored, start) + rng.integers(60, 600, n), push)
    packed = np.where(is_restored, _packed(push, work, hours), packed)
    packed = np.where(is_cancelled & ~is_restored, NEVER, packed)
    return Beginnings(
        released=released,
        dispatch_day=dispatch_day,
        first_push=first_push,
        push=push,
        cancelled=np.where(is_cancelled, cancelled, NEVER),
        restored=np.where(is_restored, restored, NEVER),
        sent_back=np.where(sent_back, back_at, NEVER),
        has_problem=has_problem & ~is_cancelled,
        packed=packed,
    )


def _packed(push: Ints, work: Ints, hours: WorkingHours) -> Ints:
    """The instant ``work`` seconds of working time after a push; always later than the push and inside the day."""
    return to_utc(hours.add(to_local(push), work + 300))


def repack(push: Ints, work: Ints, hours: WorkingHours) -> Ints:
    """As the first packing, from a later push: for orders that had to wait."""
    return _packed(push, work, hours)


@dataclass
class Lives:
    """
    Every milestone of every order, sorted by order and time, as parallel columns.

    ``starts[i]`` is where order i's milestones begin; ``kind`` indexes KINDS.
    """

    order: Ints
    at: Ints
    kind: Ints
    starts: Ints
    packed: Ints
    sent: Ints
    delivered: Ints
    came_back: Ints
    """When goods that never reached the customer were booked back in; NEVER else."""
    returned: Ints
    cancelled: Ints
    """The cancellation still in force at the end, NEVER else (before any restore: see the milestones)."""


def finish(
    rng: np.random.Generator,
    created: Ints,
    begun: Beginnings,
    stock_ready: Ints,
    shares: Shares,
    hours: WorkingHours,
    returned_at: Ints | None = None,
) -> Lives:
    """
    Draw the second half. ``stock_ready`` is NEVER for orders that did not wait.

    ``returned_at``: instants of returns known from a real history (NEVER for none); invented otherwise.
    """
    n = len(created)
    packed = begun.packed
    ships = packed < NEVER
    calm = np.where(ships, packed, created)  # any sane time where nothing is packed: the result is masked
    local = to_local(calm)
    evening = to_utc(local // DAY * DAY + 18 * HOUR + rng.integers(1200, 3600, n))
    not_sent = ships & (rng.random(n) < shares.not_sent)
    fate = rng.choice(3, n, p=(0.5, 0.25, 0.25))
    # most leave on the next working day, some are forgotten for one to two weeks; none for ever
    delay = np.where(fate == 0, HOUR, (5 + np.arange(n) % 6) * 10 * HOUR)
    again = to_utc(hours.add(to_local(evening), delay) // DAY * DAY + 18 * HOUR + rng.integers(1200, 3600, n))
    sent = np.where(ships, np.where(not_sent, np.where(fate == 1, NEVER, again), evening), NEVER)
    given_up = not_sent & (fate == 1)
    cancelled_late = np.where(given_up, to_utc(hours.add(to_local(evening), rng.integers(5, 30, n) * HOUR)), NEVER)

    goes = sent < NEVER
    from_there = to_local(np.where(goes, sent, calm))
    transit = rng.choice((0, 1, 2, 4), n, p=(0.72, 0.2, 0.06, 0.02)) * 10 * HOUR + rng.integers(HOUR, 9 * HOUR, n)
    arrives = goes & (rng.random(n) >= shares.undelivered)
    delivered = np.where(arrives, to_utc(hours.add(from_there, transit)), NEVER)
    refused = np.where(goes & ~arrives, to_utc(hours.add(from_there, rng.integers(80, 130, n) * HOUR)), NEVER)
    if returned_at is None:
        wanted = arrives & (rng.random(n) < shares.returned)
        back = to_utc(hours.add(to_local(np.where(arrives, delivered, calm)), rng.integers(30, 200, n) * HOUR))
        returned = np.where(wanted, back, refused)
    else:
        is_returned = returned_at < NEVER
        earliest = np.where(arrives, delivered, np.where(goes, refused, NEVER))
        returned = np.where(is_returned & goes, np.maximum(returned_at, earliest + HOUR), refused)
    came_back = np.where(given_up, cancelled_late, refused)

    waited = stock_ready < NEVER
    restored = begun.restored
    final_cancel = np.where((begun.cancelled < NEVER) & (restored == NEVER), begun.cancelled, NEVER)
    pushed = np.where(ships, np.where(waited, stock_ready + rng.integers(30, 300, n), begun.push), NEVER)
    span = np.where(ships, packed - np.where(ships, pushed, packed), 0)
    problem = np.where(begun.has_problem & ships, pushed + (span * rng.uniform(0.1, 0.4, n)).astype(np.int64), NEVER)
    solved = np.where(problem < NEVER, pushed + (span * rng.uniform(0.6, 0.95, n)).astype(np.int64), NEVER)
    # before a restore or a correction there was an earlier push; an order that waits is pushed once goods are there
    is_second = (restored < NEVER) | (begun.sent_back < NEVER)
    early_push = np.where(is_second | ~ships, begun.first_push, NEVER)
    early_push = np.where(begun.cancelled <= begun.first_push, NEVER, early_push)
    released = np.where(begun.released > created, begun.released, NEVER)
    released = np.where((begun.cancelled <= released) & (restored == NEVER), NEVER, released)
    begin_waiting = np.where(waited, begun.push, NEVER)

    columns = (
        ("created", created),
        ("released", released),
        ("pushed_to_expedition", early_push),
        ("sent_back", begun.sent_back),
        ("cancelled", begun.cancelled),
        ("restored", restored),
        ("waiting_for_storage", begin_waiting),
        ("stock_ready", np.where(waited, stock_ready, NEVER)),
        ("pushed_to_expedition", pushed),
        ("problem", problem),
        ("problem_solved", solved),
        ("packed", packed),
        ("not_sent", np.where(not_sent, evening, NEVER)),
        ("sent", sent),
        ("cancelled", cancelled_late),
        ("delivered", delivered),
        ("returned", returned),
    )
    order, at, kind = _milestones(columns)
    return Lives(
        order=order,
        at=at,
        kind=kind,
        starts=np.searchsorted(order, np.arange(n + 1)),
        packed=packed,
        sent=sent,
        delivered=delivered,
        came_back=came_back,
        returned=returned,
        cancelled=np.minimum(final_cancel, cancelled_late),
    )


def _milestones(columns: Sequence[tuple[str, Ints]]) -> tuple[Ints, Ints, Ints]:
    """Order, instant and kind of every milestone that happens, by order and time; at one instant as listed."""
    order = np.concatenate([np.flatnonzero(at < NEVER) for _, at in columns])
    at = np.concatenate([at[at < NEVER] for _, at in columns])
    kind = np.concatenate([np.full(int((at < NEVER).sum()), KIND[name]) for name, at in columns])
    sequence = np.concatenate([np.full(int((at < NEVER).sum()), place) for place, (_, at) in enumerate(columns)])
    sort = np.lexsort((sequence, at, order))
    return order[sort], at[sort], kind[sort]
