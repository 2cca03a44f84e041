"""The command: people are put on the list, everything under the home is worked out from it, and a search proves it."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from stockbook import declaration_files, hash_key
from stockbook.backup.snapshot import at_rest
from stockbook.clock import Clock
from stockbook.declarations import Table
from stockbook.erasure import spelling
from stockbook.erasure.applying import apply
from stockbook.erasure.finding import columns_of, personal_in
from stockbook.erasure.personal_tables import PersonalTable
from stockbook.erasure.search import Hit, Search
from stockbook.erasure.spelling import Kind, Sought
from stockbook.errors import ConfigError, ErasureUnproven, UnknownOrder
from stockbook.progress import Progress
from stockbook.projection.erasures import Erasures, order_name
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import FORGET, RunLock
from stockbook.settings import Settings
from stockbook.warehouse.connect import writer

_SHOWN = 10
# what an order is called besides its id, in the order in which systems are looked at
_NUMBERS = {"staging.orders": ("number", "remote_number"), "staging.flickrocket_fulfillments": ()}
_HEARSAY = "staging.shopline_fulfillment_orders"


class Forgotten(NamedTuple):
    """What was done: rows by place, what there is to say, and how many are known to nothing in the books."""

    rows: Counter[str]
    sentences: list[str]
    unknown: int = 0


def forget(settings: Settings, clock: Clock, kind: Kind, text: str) -> Forgotten:
    """
    Forget the people whom the lines of a text name, and prove it. Safe to call again.

    Raises ConfigError for what cannot be a value, for an order nobody knows and in a fleet, RunLocked while the home is
    used, ErasureUnproven when something of them is still found.
    """
    people = people_of(settings, kind, text)
    require_home(settings)
    lock = RunLock(settings.lock, clock, settings.lock_lease_seconds)
    run_id = _run_id(clock)
    lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with lock.step(run_id, FORGET):
            return _forget(settings, clock, kind, people)
    finally:
        lock.release(run_id)


def forget_waiting(settings: Settings, clock: Clock, progress: Progress, kind: Kind, person: Sought) -> Forgotten:
    """The same for one person whose values are not known any more, once whoever uses the home is done."""
    require_home(settings)
    run_id = _run_id(clock)
    with at_rest(settings, clock, progress, run_id, FORGET):
        return _forget(settings, clock, kind, [person])


def people_of(settings: Settings, kind: Kind, text: str) -> list[Sought]:
    """What is looked for of the people whom the lines of a text name. Raises ConfigError for what cannot be a value."""
    return [spelling.sought(value, kind, settings.hash_key or b"") for value in spelling.values_in(text, kind)]


def require_home(settings: Settings) -> None:
    """Raise ConfigError in a fleet, whose books are elsewhere, and where the key is not that of the home."""
    if settings.is_of_fleet:
        raise ConfigError(
            "This machine works for a fleet, whose books are not in this home: `stockbook forget` forgets people in "
            "all of them when store, control database and lake are set. Nothing was done."
        )
    hash_key.require_same(settings)


def _run_id(clock: Clock) -> str:
    return run_id_of(f"forget-{clock.utc():%Y%m%dT%H%M%S}")


def _forget(settings: Settings, clock: Clock, kind: Kind, people: Sequence[Sought]) -> Forgotten:
    tables = declaration_files.load(settings.models_dir)
    erasures = Erasures.of(settings, clock.utc())
    sought = {text for person in people for text in person.hashes}
    if kind is Kind.order:
        if not settings.warehouse.exists():
            raise ConfigError("No night was ever loaded into this home: no order is known. Nothing was done.")
        named, unknown = name_orders(erasures, orders_of(settings, tables, people)), 0
    else:
        hashes_known = known_in(settings, tables, sought)
        fresh = [person for person in people if name_person(erasures, person)]
        unknown = sum(hashes_known.isdisjoint(person.hashes) for person in fresh)
        named = len(fresh)
    # from here on a killed command is finished by the next one, or by the next night
    erasures.save()
    rows = apply(settings, tables, erasures)
    search = Search([*(form for person in people for form in person.plain), *sought, *erasures.added])
    require_none(search.hits(settings.home))
    sentences = sentences_of(kind, len(people), named, unknown, rows)
    if settings.closes.exists():
        sentences.append("Signed months and their digests stay as they are: they hold no person.")
    sentences += too_short_to_search(search)
    sentences.append("Every file under the home was searched in twelve encodings, and nothing of them is found.")
    return Forgotten(rows, sentences, unknown)


def require_none(hits: Sequence[Hit]) -> None:
    """Raise ErasureUnproven, with the places, where a search found something."""
    if hits:
        places = ", ".join(f"{hit.place} ({hit.encoding})" for hit in hits[:_SHOWN])
        raise ErasureUnproven(
            f"Something of the people to be forgotten is still in {len(hits)} places: {places}. What was erased stays "
            "so; remove what these places are, or run the command again."
        )


def name_person(erasures: Erasures, person: Sought) -> bool:
    """Put a person on the list; whether they were not."""
    for hashed_name in person.names:
        erasures.add("name", hashed_name)
    added = [erasures.add("person", text) for text in person.hashes]
    return any(added)


def known_in(settings: Settings, tables: dict[str, Table], sought: set[str]) -> set[str]:
    """Which of some hashes the books have."""
    hashes: set[str] = set()
    if settings.warehouse.exists():
        with writer(settings) as con:
            for each in _people_in(con, tables):
                for column in each.naming:
                    query = (
                        f"select distinct {column} from {each.table.name} where {column} in (select unnest(?::text[]))"
                    )
                    hashes.update(text for (text,) in con.execute(query, [sorted(sought)]).fetchall())
    return hashes


def _people_in(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> list[PersonalTable]:
    return [each for each in personal_in(tables, columns_of(con)) if each.emptied]


Orders = list[list[tuple[str, list[str]]]]
"""Of each value the orders it names, as the list calls them, with the hashes of whose they are."""


def orders_of(settings: Settings, tables: dict[str, Table], people: Sequence[Sought]) -> Orders:
    """The orders of a home that people are named by; none of a value that it does not know."""
    if not settings.warehouse.exists():
        return [[] for _ in people]
    orders: Orders = []
    with writer(settings) as con:
        there = _people_in(con, tables)
        for person in people:
            by_table = ((each, _orders(con, each, person.order or "")) for each in there)
            each, rows = next(((each, rows) for each, rows in by_table if rows), (None, []))
            orders.append(
                [
                    (order_name(each.system, account, order), [text for text in persons if text])
                    for account, order, *persons in rows
                    if each is not None
                ]
            )
    return orders


def name_orders(erasures: Erasures, orders: Orders) -> int:
    """Put orders, and those whose they are, on the list; how many were not. Raises UnknownOrder."""
    for number, named in enumerate(orders, start=1):
        if not named:
            raise UnknownOrder(
                f"No order is known by the {number}. value: expected an order's id or number, as fulfillment.cz, "
                "FlickRocket or SHOPLINE has it. Nothing was done."
            )
    fresh = 0
    for named in orders:
        is_new = False
        for order, persons in named:
            is_new |= erasures.add("order", order)
            for text in persons:
                is_new |= erasures.add("person", text)
        fresh += is_new
    return fresh


def _orders(con: duckdb.DuckDBPyConnection, each: PersonalTable, value: str) -> list[tuple[str, ...]]:
    """Orders of one system by their id or number: account, order, the hashes of whose they are."""
    if each.table.name not in (*_NUMBERS, _HEARSAY):
        return []
    names = [each.order, *_NUMBERS.get(each.table.name, ())]
    is_named = " or ".join(f"lower({name}) = lower($value)" for name in names)
    shown = ", ".join(["account", each.order, *each.naming])
    return con.execute(f"select distinct {shown} from {each.table.name} where {is_named}", {"value": value}).fetchall()


def sentences_of(kind: Kind, count: int, named: int, unknown: int, rows: Counter[str]) -> list[str]:
    """What there is to say of people who were named, and of what was erased."""
    sentences = [f"{count} named, {named} of them new on the list of who is forgotten."]
    if unknown:
        sentences.append(
            f"{unknown} of them are known to no order and no customer of these books now; they are on the list, and "
            "what a source sends of them later does not land."
        )
    if kind is Kind.phone:
        sentences.append(
            "Phones are known only of orders without an e-mail address: for the others name the address, or the order."
        )
    if rows:
        places = ", ".join(f"{place} {count:,}" for place, count in sorted(rows.items()))
        sentences.append(f"Erased in {sum(rows.values()):,} rows: {places}.")
    else:
        sentences.append("Nothing was left to erase.")
    return sentences


def too_short_to_search(search: Search) -> list[str]:
    """What a search could not look for."""
    if not search.too_short:
        return []
    return [f"{search.too_short} values are too short to be searched for in clear; their hashes were."]
