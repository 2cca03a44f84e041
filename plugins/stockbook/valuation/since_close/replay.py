"""
The stock of closed months after each event: what a close signed, and then one event more at a time.

A family (variants that transformations tie together) is replayed once per event, all families side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stockbook.valuation.as_known.forms import NEVER, Ints, Prices, Versions
from stockbook.valuation.as_known.line_forms import LineForms
from stockbook.valuation.as_known.replay import default_costs, in_replay_order, movements_of, opened
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.replay import replay
from stockbook.valuation.replay_result import Balances
from stockbook.valuation.replay_tables import POOLS
from stockbook.valuation.since_close.chain import Chain, Families, chain_of
from stockbook.valuation.since_close.closes import Close, Setting, replays_alike
from stockbook.valuation.since_close.events import CAUSES, Event, Found, Reach, found


@dataclass(frozen=True)
class Reading:
    """The forms by one reading of the settings, and the number of the event that brought or took each; 0 for none."""

    rows: Versions
    came: Ints
    went: Ints

    @classmethod
    def of(cls, rows: Versions, events: Found, chain: Chain) -> "Reading":
        """A form that ended unnoticed by what was signed was never there."""
        return cls(
            rows,
            came=chain.numbers(events.came, np.zeros(len(rows), np.int64)),
            went=chain.numbers(events.went, np.where(rows.known_to < NEVER, 0, NEVER)),
        )


@dataclass(frozen=True)
class Books:
    """All that the replays take. ``settings`` says by family and number of events which reading and headline hold."""

    readings: list[Reading]
    prices: Prices
    price_came: Ints
    forms: LineForms
    form_came: Ints
    families: Families
    settings: list[list[tuple[int, str]]]
    chain: Chain

    @classmethod
    def of(
        cls,
        readings: Sequence[tuple[ValuationPolicy, Versions]],
        prices: Prices,
        forms: LineForms,
        families: Families,
        closes: Sequence[Close],
        settings: dict[str, list[Setting]],
    ) -> "Books":
        """``readings`` has the forms by each of the settings that replay differently."""
        reach = Reach.of(closes, families.accounts)
        events = [found(rows, prices, forms, families.account[rows.family], reach) for _, rows in readings]
        chain = chain_of(events, families, settings)
        # a price or line that is an event by one reading is so by the others
        of_prices, of_lines = ({k: v for parts in events for k, v in parts[at].items()} for at in (3, 2))
        return cls(
            [Reading.of(rows, parts, chain) for (_, rows), parts in zip(readings, events, strict=True)],
            prices,
            chain.numbers(of_prices, np.zeros(len(prices.variant), np.int64)),
            forms,
            chain.numbers(of_lines, np.zeros(len(forms.lot), np.int64)),
            families,
            [
                _settings_of(chain.listed.get(family, []), settings[families.accounts[account]], readings)
                for family, account in enumerate(families.account.tolist())
            ],
            chain,
        )


def _settings_of(
    events: Sequence[Event], settings: Sequence[Setting], readings: Sequence[tuple[ValuationPolicy, Versions]]
) -> list[tuple[int, str]]:
    """The reading and the headline after so many events, from none."""
    in_force, places = 0, [0]
    for event in events:
        in_force = event.row if CAUSES[event.cause] == "policy" else in_force
        places.append(in_force)
    reading = [
        next(at for at, (policy, _) in enumerate(readings) if replays_alike(policy, setting.policy))
        for setting in settings
    ]
    return [(reading[place], settings[place].headline) for place in places]


@dataclass(frozen=True)
class Stock:
    """
    What a replay has for the last days of closed months: one entry per close, variant and pool.

    ``is_first`` marks what the close signed, ``is_last`` what is known now.
    """

    number: int
    close: Ints
    family: Ints
    variant: Ints
    pool: Ints
    is_first: npt.NDArray[np.bool_]
    is_last: npt.NDArray[np.bool_]
    headline: list[str]
    balances: Balances
    place: Ints


def stocks(books: Books, closes: Sequence[Close]) -> Iterator[Stock]:
    """The stock after so many events, from none to the most."""
    listed = [books.chain.listed.get(family, []) for family in range(len(books.families.account))]
    counts = np.array([len(events) for events in listed], np.int64)
    signed = np.array([[sum(event.night <= close.night for event in events) for events in listed] for close in closes])
    for number in range(int(counts.max(initial=0)) + 1):
        reading_of = np.array([settings[min(number, len(settings) - 1)][0] for settings in books.settings])
        for place, reading in enumerate(books.readings):
            is_active = (counts >= number) & (reading_of == place)
            if is_active.any():
                balances = _replayed(books, reading, number, is_active)
                yield _stock(books, number, balances, closes, signed, counts)


def _replayed(books: Books, reading: Reading, number: int, is_active: npt.NDArray[np.bool_]) -> Balances:
    alive = is_active[reading.rows.family] & (reading.came <= number) & (reading.went > number)
    numbers = in_replay_order(reading.rows, np.flatnonzero(alive))
    some = reading.rows.taken(numbers)
    some = replace(some, lot=books.forms.in_force(np.flatnonzero(books.form_came <= number), some.lot))
    of_variant = books.families.of_variant
    in_force = is_active[of_variant[books.prices.variant]] & (books.price_came <= number)
    movements = movements_of(opened(some), some.day, books.forms.lines)
    return replay(movements, default_costs(books.prices, in_force, len(of_variant))).balances


def _stock(books: Books, number: int, balances: Balances, closes: Sequence[Close], signed: Ints, counts: Ints) -> Stock:
    variant, pool = np.divmod(balances.cell.astype(np.int64), POOLS)
    family = books.families.of_variant[variant]
    account = books.families.account[family]
    day, following = balances.day.astype(np.int64), balances.next_row.astype(np.int64)
    until = np.where(following >= 0, day[following], NEVER)
    places = [
        np.flatnonzero(
            (day <= close.last_day)
            & (close.last_day < until)
            & (account == books.families.accounts.index(close.account))
            & (signed[at][family] <= number)
        )
        for at, close in enumerate(closes)
    ]
    place, close_no = np.concatenate(places), np.repeat(np.arange(len(closes)), [len(each) for each in places])
    return Stock(
        number=number,
        close=close_no,
        family=family[place],
        variant=variant[place],
        pool=pool[place],
        is_first=signed[close_no, family[place]] == number,
        is_last=counts[family[place]] == number,
        headline=[books.settings[each][number][1] for each in family[place].tolist()],
        balances=balances,
        place=place,
    )
