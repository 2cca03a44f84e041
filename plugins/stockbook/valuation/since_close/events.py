"""
What nights saw after a month was closed, as events of each family, in the order in which they are told.

Only what reaches back into a month that was closed before it is an event; the rest changes nothing that was signed.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stockbook.valuation.as_known.forms import NEVER, Ints, Prices, Versions
from stockbook.valuation.as_known.line_forms import LineForms
from stockbook.valuation.since_close.closes import Close

# in the order in which those of one night are told
CAUSES = ("late", "changed", "gone", "price", "receiving_line", "default_cost", "transformation", "policy")
# of one night and cause; more are told as one
MOST_EVENTS = 50
# what of a movement, beside its price, its worth is made of
_CONTENT = ("variant", "is_in", "quantity", "damaged_quantity", "moved_at", "order", "transformation", "lot")


class Event(NamedTuple):
    """One thing that a night saw. They sort as they are told; ``row`` is the number of what was seen."""

    night: int
    cause: int
    row: int
    movement_id: int | None = None
    version: int | None = None


@dataclass(frozen=True)
class Reach:
    """How far back a night's news must go to change what had been signed, account by account."""

    of_account: list[tuple[Ints, Ints]]

    @classmethod
    def of(cls, closes: Sequence[Close], accounts: Sequence[str]) -> "Reach":
        """``accounts`` in the order of their numbers."""
        of_account = []
        for account in accounts:
            of_closes = sorted((close.night, close.last_day) for close in closes if close.account == account)
            nights, days = (np.array([pair[part] for pair in of_closes], np.int64) for part in (0, 1))
            of_account.append((nights, np.maximum.accumulate(days)))
        return cls(of_account)

    def signed_before(self, account: Ints, night: Ints) -> Ints:
        """The last day of the latest month that was closed before the night; -1 where none was."""
        latest = np.full(len(night), -1, np.int64)
        for number, (nights, days) in enumerate(self.of_account):
            rows = np.flatnonzero(account == number)
            before = np.searchsorted(nights, night[rows], side="left")
            latest[rows] = np.where(before > 0, days[np.maximum(before - 1, 0)], -1)
        return latest


# an event and the family it is of
Told = tuple[int, Event]


class Found(NamedTuple):
    """What brought or took forms of movements, and what brought forms of lines and prices: by their places."""

    came: dict[int, Told]
    went: dict[int, Told]
    line_forms: dict[int, Told]
    prices: dict[int, Told]


def found(rows: Versions, prices: Prices, forms: LineForms, account: Ints, reach: Reach) -> Found:
    """The events of these forms; ``account`` numbers each row's."""
    since = _reaches_to(rows)
    is_event = (reach.signed_before(account, rows.known_from) >= since) & ~rows.is_opening
    is_end = (rows.known_to < NEVER) & (reach.signed_before(account, rows.known_to) >= since)
    came, went = _of_movements(rows, np.flatnonzero(is_event), np.flatnonzero(is_end))
    lines = dict(_of_lines(rows, forms, account, reach, since))
    return Found(came, went, lines, dict(_of_prices(rows, prices, account, reach)))


def _reaches_to(rows: Versions) -> Ints:
    """The first day that each form of a movement, or one of those it is tied to, can change."""
    day = rows.day.copy()
    opened_on = np.full(len(rows.count_day), NEVER)
    opened_on[rows.variant[rows.is_opening]] = rows.day[rows.is_opening]
    day[rows.before_count] = np.minimum(day, opened_on[rows.variant])[rows.before_count]
    movement = _numbers(rows.account, rows.movement_id)
    # a movement may have been of two transformations
    for tie in (movement, rows.transformation, movement, rows.transformation):
        is_tied = tie >= 0
        first = np.full(int(tie.max(initial=-1)) + 1, NEVER)
        np.minimum.at(first, tie[is_tied], day[is_tied])
        day[is_tied] = first[tie[is_tied]]
    return day


def _numbers(*columns: Ints) -> Ints:
    """A number from 0 for each of the rows that differ."""
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def _of_movements(rows: Versions, came: Ints, went: Ints) -> tuple[dict[int, Told], dict[int, Told]]:
    by_night: dict[tuple[int, int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, places, nights in ((0, came, rows.known_from), (1, went, rows.known_to)):
        for row in places.tolist():
            key = int(rows.account[row]), int(rows.movement_id[row]), int(nights[row])
            by_night[key][side].append(row)
    begun, ended = dict[int, Told](), dict[int, Told]()
    for (_, movement, night), (new, old) in by_night.items():
        # a movement has one form at a time, and so one of each at most
        cause, number = _cause(rows, new[0] if new else -1, old[0] if old else -1)
        event = Event(night, CAUSES.index(cause), movement, movement, int(rows.version[(new or old)[0]]))
        if cause == "transformation":
            event = Event(night, CAUSES.index(cause), number)
        begun |= {row: (int(rows.family[row]), event) for row in new}
        ended |= {row: (int(rows.family[row]), event) for row in old}
    return begun, ended


def _cause(rows: Versions, new: int, old: int) -> tuple[str, int]:
    """What a form that came, one that went, or both are told as; of a transformation its number."""
    if new >= 0 and old >= 0 and all(getattr(rows, name)[new] == getattr(rows, name)[old] for name in _CONTENT):
        return "price", -1
    for row in (new, old):
        if row >= 0 and rows.transformation[row] >= 0:
            return "transformation", int(rows.transformation_id[row])
    return ("gone" if new < 0 else "late" if old < 0 else "changed"), -1


def _of_lines(rows: Versions, forms: LineForms, account: Ints, reach: Reach, since: Ints) -> Iterator[tuple[int, Told]]:
    lots = int(forms.lot.max(initial=-1)) + 1
    takes = np.flatnonzero(rows.is_in & (rows.lot >= 0) & (rows.lot < lots))
    first, account_of, family_of = np.full(lots, NEVER), np.full(lots, -1, np.int64), np.full(lots, -1, np.int64)
    np.minimum.at(first, rows.lot[takes], since[takes])
    account_of[rows.lot[takes]], family_of[rows.lot[takes]] = account[takes], rows.family[takes]
    is_event = reach.signed_before(account_of[forms.lot], forms.known_from) >= first[forms.lot]
    for place in np.flatnonzero(is_event & (first[forms.lot] < NEVER)).tolist():
        edit = Event(int(forms.known_from[place]), CAUSES.index("receiving_line"), int(forms.receiving_id[place]))
        yield place, (int(family_of[forms.lot[place]]), edit)


def _of_prices(rows: Versions, prices: Prices, account: Ints, reach: Reach) -> Iterator[tuple[int, Told]]:
    """A variant's first price reaches back; those behind it are in force from their own day, but not without it."""
    variants = len(rows.count_day)
    first, account_of, family_of = (np.full(variants, nothing) for nothing in (NEVER, -1, -1))
    np.minimum.at(first, rows.variant, rows.day)
    account_of[rows.variant], family_of[rows.variant] = account, rows.family
    numbers, places = np.unique(prices.variant, return_index=True)
    is_event = reach.signed_before(account_of[numbers], prices.known_from[places]) >= first[numbers]
    for number, place in zip(numbers[is_event].tolist(), places[is_event].tolist(), strict=True):
        event = Event(int(prices.known_from[place]), CAUSES.index("default_cost"), number)
        for each in np.flatnonzero(prices.variant == number).tolist():
            yield each, (int(family_of[number]), event)
