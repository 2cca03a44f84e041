"""
Which nights changed what was known of the past: the revisions of each family.

A night that only brings movements later than all before *appends*: balances known until then stay as they are. A night
that brings a row in front of known ones, another form of a row, or takes one away, *revises*: what was known until then
and from then on are two histories.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stockbook.valuation.as_known.forms import ALWAYS, NEVER, Prices, Versions
from stockbook.valuation.as_known.line_forms import LineForms

_PARTS = ("came", "went", "prices", "line_forms")
# of a night that revises a family more often than this one event is made
MOST_EVENTS = 50


@dataclass
class Event:
    """One revision: rows that came to be known and rows that ceased to be, prices and forms of lines, on a night."""

    night: int
    cause: str
    movement_id: int | None
    version: int | None
    came: list[int]
    went: list[int]
    prices: list[int]
    line_forms: list[int]
    receiving_id: int | None = None


def revisions(rows: Versions, prices: Prices, forms: LineForms) -> dict[int, list[Event]]:
    """The revisions of each family, oldest first, one row at a time; one for the whole night where a night has many."""
    by_key: dict[int, dict[tuple[int, int], Event]] = defaultdict(dict)
    keys = list(zip(rows.account.tolist(), rows.movement_id.tolist(), strict=True))
    begun = set(zip(keys, rows.known_from.tolist(), strict=True))
    ended = set(zip(keys, rows.known_to.tolist(), strict=True))

    def event(family: int, night: int, movement: int, cause: str, version: int | None) -> Event:
        return by_key[family].setdefault((night, movement), Event(night, cause, movement, version, [], [], [], []))

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
    for place, family in _late_lines(rows, forms):
        # after the movements of the night: they are replayed with what was known before it
        night = int(forms.known_from[place])
        edit = event(family, night, 2**61 + place, "receiving_line", None)
        edit.movement_id, edit.receiving_id = None, int(forms.receiving_id[place])
        edit.line_forms.append(place)
    for place, family in _late_prices(rows, prices):
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


def _late_lines(rows: Versions, forms: LineForms) -> Iterator[tuple[int, int]]:
    """Forms of lines that came to be known after a movement without a price of its own that belongs to them."""
    lots = int(forms.lot.max(initial=-1)) + 1
    takes = np.flatnonzero(rows.is_in & (rows.own_price < 0) & (rows.lot >= 0) & (rows.lot < lots))
    first_known, family = np.full(lots, NEVER), np.zeros(lots, np.int64)
    np.minimum.at(first_known, rows.lot[takes], rows.known_from[takes])
    family[rows.lot[takes]] = rows.family[takes]
    for place in np.flatnonzero(first_known[forms.lot] < forms.known_from).tolist():
        yield place, int(family[forms.lot[place]])


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
        came, went, late_prices, forms = (
            [part for event in several for part in getattr(event, name)] for name in _PARTS
        )
        listed.append(Event(night, "several", None, None, came, went, late_prices, forms))
    return listed
