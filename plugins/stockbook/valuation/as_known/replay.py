"""
Stock as it was known: which nights changed what was known of the past, and the balances in between.

A night that only brings movements later than all before *appends*: balances known until then stay
as they are. A night that brings a row in front of known ones, another form of a row, or takes one
away, *revises*: what was known until then and from then on are two histories. Histories are
replayed one revision after the other, so that what each of them did to the balances is seen.
Variants are replayed together with those that transformations tie them to (a *family*).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stockbook.valuation import transformations
from stockbook.valuation.receiving_lines import Lines, stated
from stockbook.valuation.replay import DefaultCosts, Movements, Replay
from stockbook.valuation.replay import replay as replay_movements
from stockbook.valuation.replay_tables import POOLS
from stockbook.valuation.transformations import Leg

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

NEVER = np.int64(2**40)
ALWAYS = np.int64(-1)
# of a night that revises a family more often than this one event is made
MOST_EVENTS = 50
# parts of a day that are known from different nights; day and part make one number
PARTS = 2**20


@dataclass(frozen=True)
class Versions:
    """
    Forms of movements in replay order, one entry each; days are numbers from 1970-01-01.

    ``known_from`` and ``known_to`` say when a form was known (``NEVER``: until now). ``account``,
    ``variant``, ``family``, ``order``, ``transformation`` and ``lot`` (receiving_lines.py) are numbers from 0, -1 for
    none; ``own_price`` is the row's own price or -1. ``moved_at`` is the time of a row; rows of one ``moment`` sort by
    id alone. An opening row has ``is_opening``; what is counted less the movements ``before_count`` is
    its quantity (``counted``, by variant and pool; -1 where nothing is opened).
    """

    account: Ints
    movement_id: Ints
    version: Ints
    variant: Ints
    family: Ints
    is_in: npt.NDArray[np.bool_]
    quantity: Ints
    damaged_quantity: Ints
    own_price: Array
    lot: Ints
    extra_cost: Array
    day: Ints
    moved_at: Ints
    moment: Ints
    order: Ints
    transformation: Ints
    known_from: Ints
    known_to: Ints
    is_opening: npt.NDArray[np.bool_]
    before_count: npt.NDArray[np.bool_]
    counted: Ints
    count_day: Ints

    def __len__(self) -> int:
        return len(self.movement_id)

    def taken(self, rows: Array) -> "Versions":
        """Some of the rows."""
        by_variant = {"counted", "count_day"}
        return replace(
            self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__ if name not in by_variant}
        )


@dataclass(frozen=True)
class Prices:
    """
    Versions of default costs by variant, then day; each in force and known from ``from_day``.

    ``known_from`` is ``ALWAYS`` for the versions of an account's first load.
    """

    variant: Ints
    from_day: Ints
    known_from: Ints
    price: Array
    is_known: npt.NDArray[np.bool_]


@dataclass
class Event:
    """One revision: rows that came to be known and rows that ceased to be, on a night."""

    night: int
    cause: str
    movement_id: int | None
    version: int | None
    came: list[int]
    went: list[int]
    prices: list[int]


@dataclass(frozen=True)
class Step:
    """
    Balances of the families with at least ``number`` revisions, after so many of them.

    One entry per balance: ``known`` is the night its last movement was known from (``ALWAYS`` where a
    revision brought it), ``late`` the row that alone made it and came later than the night after its
    day, else -1; ``night`` and ``next_night`` bound the history (``ALWAYS``, ``NEVER``).
    """

    number: int
    variant: Ints
    family: Ints
    pool: Ints
    code: Ints
    day: Ints
    known: Ints
    late: Ints
    night: Ints
    next_night: Ints
    replay: Replay


def revisions(rows: Versions, prices: Prices) -> dict[int, list[Event]]:
    """The revisions of each family, oldest first, one row at a time; one for the whole night where a night has many."""
    by_key: dict[int, dict[tuple[int, int], Event]] = defaultdict(dict)
    keys = list(zip(rows.account.tolist(), rows.movement_id.tolist(), strict=True))
    begun = set(zip(keys, rows.known_from.tolist(), strict=True))
    ended = set(zip(keys, rows.known_to.tolist(), strict=True))

    def event(family: int, night: int, movement: int, cause: str, version: int | None) -> Event:
        return by_key[family].setdefault((night, movement), Event(night, cause, movement, version, [], [], []))

    for row in np.flatnonzero(rows.known_to < NEVER).tolist():
        movement, family, night = int(rows.movement_id[row]), int(rows.family[row]), int(rows.known_to[row])
        cause = "changed" if (keys[row], night) in begun else "gone"
        event(family, night, movement, cause, int(rows.version[row])).went.append(row)
    revising = _is_revising(rows)
    for row in range(len(rows)):
        movement, family, night = int(rows.movement_id[row]), int(rows.family[row]), int(rows.known_from[row])
        if (night, movement) in by_key[family] or revising[row]:
            is_other_form = (keys[row], night) in ended
            cause = "changed" if is_other_form else "late" if rows.version[row] <= 1 else "reappeared"
            arrival = event(family, night, movement, cause, None)
            arrival.version = int(rows.version[row])
            arrival.came.append(row)
    for place, family in _late_prices(rows, prices):
        # after the movements of the night: they are replayed with what was known before it
        night = int(prices.known_from[place])
        price_change = event(family, night, 2**62 + int(prices.variant[place]), "default_cost", None)
        price_change.movement_id = None
        price_change.prices.append(place)
    return {family: _by_night([events[key] for key in sorted(events)]) for family, events in by_key.items()}


def _is_revising(rows: Versions) -> npt.NDArray[np.bool_]:
    """Rows that came to be known after one that sorts behind them, or after another leg of their transformation."""
    is_revising = np.zeros(len(rows), np.bool_)
    order = np.argsort(rows.variant, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(rows.variant[order])) + 1):
        since = rows.known_from[group]
        earliest_behind = np.minimum.accumulate(since[::-1])[::-1]
        is_revising[group[:-1]] = earliest_behind[1:] < since[:-1]
    legs = np.flatnonzero(rows.transformation >= 0)
    if len(legs):
        first = np.full(int(rows.transformation[legs].max()) + 1, NEVER)
        np.minimum.at(first, rows.transformation[legs], rows.known_from[legs])
        is_revising[legs] |= rows.known_from[legs] > first[rows.transformation[legs]]
        # an IN may be replayed behind rows of its moment, which then came in front of it
        together = np.unique(np.stack([rows.variant, rows.moment], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
        earliest = np.full(len(rows), NEVER)
        np.minimum.at(earliest, together, rows.known_from)
        has_leg = np.zeros(len(rows), np.bool_)
        has_leg[together[legs]] = True
        is_revising |= has_leg[together] & (rows.known_from > earliest[together])
    # what was opened was made of what was known then
    is_revising |= rows.before_count & (rows.known_from > rows.count_day[rows.variant])
    return is_revising & ~rows.is_opening


def _late_prices(rows: Versions, prices: Prices) -> Iterator[tuple[int, int]]:
    """Prices that changed the cost of movements known before them: first ones, and those of rows dated ahead."""
    first_known: dict[int, int] = {}
    ahead: dict[int, list[tuple[int, int]]] = defaultdict(list)
    family: dict[int, int] = {}
    for row in range(len(rows)):
        variant, since = int(rows.variant[row]), int(rows.known_from[row])
        family[variant] = int(rows.family[row])
        first_known[variant] = min(since, first_known.get(variant, since))
        if rows.day[row] > since:
            ahead[variant].append((since, int(rows.day[row])))
    before = -1
    for place, (number, since) in enumerate(zip(prices.variant.tolist(), prices.known_from.tolist(), strict=True)):
        is_first, before = number != before, number
        if since == ALWAYS or number not in family:
            continue
        reaches_back = is_first and first_known[number] < since
        if reaches_back or any(known_from < since <= day for known_from, day in ahead[number]):
            yield place, family[number]


def _by_night(events: Sequence[Event]) -> list[Event]:
    """The events in their order; those of a night with too many as one."""
    nights: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        nights[event.night].append(event)
    listed = []
    for night, several in nights.items():
        if len(several) <= MOST_EVENTS:
            listed += several
            continue
        parts = [[part for event in several for part in getattr(event, name)] for name in ("came", "went", "prices")]
        listed.append(Event(night, "several", None, None, *parts))
    return listed


def steps(rows: Versions, prices: Prices, lines: Lines, events: dict[int, list[Event]]) -> Iterator[Step]:
    """The histories, all families side by side: first those before any revision, then those after one, and so on."""
    families = int(rows.family.max(initial=-1)) + 1
    counts = np.array([len(events.get(family, ())) for family in range(families)], np.int64)
    came, went = np.zeros(len(rows), np.int64), np.full(len(rows), NEVER)
    price_came = np.zeros(len(prices.variant), np.int64)
    for of_family in events.values():
        for number, event in enumerate(of_family, start=1):
            came[event.came], went[event.went], price_came[event.prices] = number, number, number
    family_of = np.zeros(len(rows.count_day), np.int64)
    family_of[rows.variant] = rows.family
    for number in range(int(counts.max(initial=0)) + 1):
        night, next_night = np.full(families, ALWAYS), np.full(families, NEVER)
        for family in np.flatnonzero(counts >= number).tolist():
            of_family = events.get(family, [])
            night[family] = of_family[number - 1].night if number else ALWAYS
            next_night[family] = of_family[number].night if number < len(of_family) else NEVER
        is_active = counts >= number
        until = next_night[rows.family]
        alive = is_active[rows.family] & (went > number)
        alive &= np.where(came > 0, came <= number, rows.known_from < until)
        price_family = family_of[prices.variant]
        in_force = is_active[price_family] & np.where(
            price_came > 0, price_came <= number, prices.known_from < next_night[price_family]
        )
        numbers = _in_replay_order(rows, np.flatnonzero(alive))
        some = rows.taken(numbers)
        known_from = np.where(came[numbers] > 0, ALWAYS, some.known_from)
        codes, groups = _parts(some, known_from, numbers)
        replayed = replay_movements(
            _movements(_opened(some), codes, lines), _defaults(prices, in_force, len(rows.count_day))
        )
        balances = replayed.balances
        variant, pool = np.divmod(balances.cell.astype(np.int64), POOLS)
        code = balances.day.astype(np.int64)
        place = np.searchsorted(groups[0], variant * (PARTS * PARTS) + code)
        of_balance = family_of[variant]
        yield Step(
            number,
            variant,
            of_balance,
            pool,
            code,
            code // PARTS,
            groups[1][place],
            groups[2][place],
            night[of_balance],
            next_night[of_balance],
            replayed,
        )


def _in_replay_order(rows: Versions, numbers: Ints) -> Ints:
    """Some rows, given by time, then id, in the order of the replay."""
    some = rows.taken(numbers)
    pieces = some.quantity + some.damaged_quantity
    behind = transformations.behind_their_outs(some.transformation, some.is_in, pieces, some.moved_at)
    return numbers if behind is None else numbers[behind]


def _parts(rows: Versions, since_when: Ints, numbers: Ints) -> tuple[Ints, tuple[Ints, Ints, Ints]]:
    """
    Each row's day cut where rows of it came to be known on different nights or late, as one number.

    Beside it, by variant and that number in order: their key, from when all up to it are known, the late row or -1.
    """
    order = np.argsort(rows.variant, kind="stable")
    variant, day, since = rows.variant[order], rows.day[order], since_when[order]
    # a running maximum per variant: numbers of later variants lie above all of earlier ones
    lift = variant * (NEVER * 2)
    known_from = np.maximum.accumulate(since + lift) - lift if len(order) else since
    is_late = (since > day + 1) & (rows.quantity[order] + rows.damaged_quantity[order] > 0)
    is_new_day = np.ones(len(order), np.bool_)
    is_new_day[1:] = (variant[1:] != variant[:-1]) | (day[1:] != day[:-1])
    is_new = is_new_day | is_late
    is_new[1:] |= (known_from[1:] != known_from[:-1]) | is_late[:-1]
    part = np.cumsum(is_new) - 1
    of_day = np.maximum.accumulate(np.where(is_new_day, part, 0)) if len(order) else part
    code = day * PARTS + (part - of_day)
    codes = np.empty(len(order), np.int64)
    codes[order] = code
    late = np.where(is_late, numbers[order], -1)
    return codes, ((variant * (PARTS * PARTS) + code)[is_new], known_from[is_new], late[is_new])


def _opened(rows: Versions) -> Versions:
    """Opening rows with what the count has above the movements known."""
    if not rows.is_opening.any():
        return rows
    quantities = []
    for pool, pieces in enumerate((rows.quantity, rows.damaged_quantity)):
        moved = np.zeros(len(rows.count_day), np.int64)
        signed = np.where(rows.is_in, pieces, -pieces)
        np.add.at(moved, rows.variant[rows.before_count], signed[rows.before_count])
        left = np.maximum(rows.counted[rows.variant, pool] - moved[rows.variant], 0)
        quantities.append(np.where(rows.is_opening, left, pieces))
    return replace(rows, quantity=quantities[0], damaged_quantity=quantities[1])


def _movements(rows: Versions, codes: Ints, lines: Lines) -> Movements:
    pieces = rows.quantity + rows.damaged_quantity
    price, rest, source = stated(rows.own_price, rows.is_in, np.where(rows.is_in, rows.lot, -1), pieces, lines)
    legs = [
        Leg(
            int(row),
            int(rows.transformation[row]),
            bool(rows.is_in[row]),
            int(pieces[row]),
            None if rows.own_price[row] < 0 else int(rows.own_price[row]),
        )
        for row in np.flatnonzero(rows.transformation >= 0)
    ]
    group, share = transformations.linked_rows(legs, len(rows))
    return Movements(
        variant=rows.variant,
        is_in=rows.is_in,
        quantity=rows.quantity,
        damaged_quantity=rows.damaged_quantity,
        price=price,
        price_rest=rest,
        price_source=source,
        extra_cost=rows.extra_cost,
        day=codes,
        order=rows.order,
        group=group,
        share=share,
    )


def _defaults(prices: Prices, in_force: npt.NDArray[np.bool_], variants: int) -> DefaultCosts:
    counts = np.bincount(prices.variant[in_force], minlength=variants)
    return DefaultCosts(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        from_day=prices.from_day[in_force] * PARTS,
        price=prices.price[in_force],
        is_known=prices.is_known[in_force],
    )
