"""The events of every family in the order in which they are told."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import numpy as np

from stockbook.valuation.as_known.forms import Ints
from stockbook.valuation.since_close.closes import Setting
from stockbook.valuation.since_close.events import CAUSES, MOST_EVENTS, Event, Found, Told


class Families(NamedTuple):
    """The variants to be replayed: the family of each, the account of each family, and the accounts by number."""

    of_variant: Ints
    account: Ints
    accounts: list[str]

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "Families":
        """Those of ``known_variant``."""
        rows = con.execute("select account, family from known_variant order by variant").fetchall()
        accounts = sorted({account for account, _ in rows})
        account_of = np.zeros(1 + max(family for _, family in rows), np.int64)
        for account, family in rows:
            account_of[family] = accounts.index(account)
        return cls(np.array([family for _, family in rows], np.int64), account_of, accounts)


@dataclass(frozen=True)
class Chain:
    """
    The events of every family, in the order in which they are told; the first is number 1.

    ``number`` has the number of each by family and event, ``listed`` what is told of each number: one that stands for
    many has no movement.
    """

    number: dict[Told, int]
    listed: dict[int, list[Event]]

    @classmethod
    def of(cls, events: set[Told]) -> "Chain":
        """Of the events of each family."""
        by_family: dict[int, list[Event]] = defaultdict(list)
        for family, event in events:
            by_family[family].append(event)
        number, listed = dict[Told, int](), dict[int, list[Event]]()
        for family, several in by_family.items():
            of_night: dict[tuple[int, int], list[Event]] = defaultdict(list)
            for event in sorted(several):
                of_night[event.night, event.cause].append(event)
            in_order: list[Event] = []
            for (night, cause), alike in of_night.items():
                if len(alike) > MOST_EVENTS:
                    in_order.append(Event(night, cause, -1))
                    number |= {(family, event): len(in_order) for event in alike}
                    continue
                for event in alike:
                    in_order.append(event)
                    number[family, event] = len(in_order)
            listed[family] = in_order
        return cls(number, listed)

    def numbers(self, events: dict[int, Told], otherwise: Ints) -> Ints:
        """The number of the event of each place, ``otherwise`` where it has none."""
        numbered = otherwise.copy()
        for place, event in events.items():
            numbered[place] = self.number[event]
        return numbered


def chain_of(events: Sequence[Found], families: Families, settings: dict[str, list[Setting]]) -> Chain:
    """The chain of all that was found, by whichever reading of the settings."""
    all_events = set(_of_policies(settings, families))
    for parts in events:
        all_events |= {each for places in parts for each in places.values()}
    return Chain.of(all_events)


def _of_policies(settings: dict[str, list[Setting]], families: Families) -> Iterator[Told]:
    """New settings, of every family of the accounts whose closes were signed by others."""
    for family, account in enumerate(families.account.tolist()):
        for place, setting in enumerate(settings[families.accounts[account]][1:], start=1):
            yield family, Event(setting.night, CAUSES.index("policy"), place)
