"""
Stock as it was known: the balances of each history of a family, and in between.

Histories are replayed one revision after the other (revisions.py), so that what each of them did to the balances is
seen. Variants are replayed together with those that transformations tie them to (a *family*).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stockbook.valuation import transformations
from stockbook.valuation.as_known.forms import ALWAYS, NEVER, Ints, Prices, Versions
from stockbook.valuation.as_known.line_forms import LineForms
from stockbook.valuation.as_known.revisions import Event
from stockbook.valuation.receiving_lines import Lines, stated
from stockbook.valuation.replay import DefaultCosts, Movements
from stockbook.valuation.replay import replay as replay_movements
from stockbook.valuation.replay_result import Replay
from stockbook.valuation.replay_tables import POOLS
from stockbook.valuation.transformations import Leg

# parts of a day that are known from different nights; day and part make one number
PARTS = 2**20


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


def steps(rows: Versions, prices: Prices, forms: LineForms, events: dict[int, list[Event]]) -> Iterator[Step]:
    """The histories, all families side by side: first those before any revision, then those after one, and so on."""
    families = int(rows.family.max(initial=-1)) + 1
    counts = np.array([len(events.get(family, ())) for family in range(families)], np.int64)
    came, went = np.zeros(len(rows), np.int64), np.full(len(rows), NEVER)
    price_came, form_came = np.zeros(len(prices.variant), np.int64), np.zeros(len(forms.lot), np.int64)
    for of_family in events.values():
        for number, event in enumerate(of_family, start=1):
            came[event.came], went[event.went], price_came[event.prices] = number, number, number
            form_came[event.line_forms] = number
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
        numbers = in_replay_order(rows, np.flatnonzero(alive))
        some = rows.taken(numbers)
        # a form that is no revision came before all that it could have changed
        some = replace(some, lot=forms.in_force(np.flatnonzero(form_came <= number), some.lot))
        known_from = np.where(came[numbers] > 0, ALWAYS, some.known_from)
        codes, groups = _parts(some, known_from, numbers)
        replayed = replay_movements(
            movements_of(opened(some), codes, forms.lines), default_costs(prices, in_force, len(rows.count_day), PARTS)
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


def in_replay_order(rows: Versions, numbers: Ints) -> Ints:
    """Some rows, given by time, then id, in the order of the replay."""
    some = rows.taken(numbers)
    pieces = some.quantity + some.damaged_quantity
    behind = transformations.behind_their_outs(some.transformation, some.is_in, pieces, some.moved_at)
    return numbers if behind is None else numbers[behind]


def _parts(rows: Versions, since_when: Ints, numbers: Ints) -> tuple[Ints, tuple[Ints, Ints, Ints]]:
    """
    Each row's day cut where rows of it came to be known on different nights or late, as one number.

    Beside it, by variant and that number in order: their key, from when all up to it are known (``ALWAYS`` of what a
    revision brought), the late row or -1.
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
    # what a revision brought is its own, also behind a row of its night that came in order
    is_brought = since == ALWAYS
    is_new[1:] |= (known_from[1:] != known_from[:-1]) | is_late[:-1] | (is_brought[1:] != is_brought[:-1])
    part = np.cumsum(is_new) - 1
    of_day = np.maximum.accumulate(np.where(is_new_day, part, 0)) if len(order) else part
    code = day * PARTS + (part - of_day)
    codes = np.empty(len(order), np.int64)
    codes[order] = code
    late = np.where(is_late, numbers[order], -1)
    night = np.where(is_brought, ALWAYS, known_from)
    return codes, ((variant * (PARTS * PARTS) + code)[is_new], night[is_new], late[is_new])


def opened(rows: Versions) -> Versions:
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


def movements_of(rows: Versions, codes: Ints, lines: Lines) -> Movements:
    """Rows as the replay takes them, at these days; their lots are forms of lines."""
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


def default_costs(prices: Prices, in_force: npt.NDArray[np.bool_], variants: int, parts: int = 1) -> DefaultCosts:
    """Prices that are in force, their days in so many parts each."""
    counts = np.bincount(prices.variant[in_force], minlength=variants)
    return DefaultCosts(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        from_day=prices.from_day[in_force] * parts,
        price=prices.price[in_force],
        is_known=prices.is_known[in_force],
    )
