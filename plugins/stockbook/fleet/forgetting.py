"""
People who ask to be forgotten, in a fleet: on its one list, then out of each account, then searched for in all of it.

The list is first: an account that is at work, or that a killed command did not come to, takes it with its next step and
erases by it. What is older than that goes with the next command or ``stockbook fleet maintain``.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from stockbook import declaration_files, hash_key
from stockbook.counted import counted
from stockbook.erasure.forgetting import (
    Orders,
    known_in,
    name_orders,
    name_person,
    orders_of,
    people_of,
    require_none,
    sentences_of,
    too_short_to_search,
)
from stockbook.erasure.search import Search
from stockbook.erasure.spelling import Kind, Sought
from stockbook.errors import ConfigError, RunLocked
from stockbook.fleet import erasure_list, proof
from stockbook.fleet.clearing import Cleared, behind, clear
from stockbook.fleet.erasure_list import SharedErasures
from stockbook.fleet.work import Fleet, discard_outdated, restored, taken
from stockbook.night.retention import LOST
from stockbook.projection.erasures import FILE, key_of
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import FORGET
from stockbook.settings import Settings

# hashes of an account: a search for very many looks at every byte
_SEARCHED = 1_000


class Forgotten(NamedTuple):
    """What there is to say, rows that were erased, people known to nothing, and accounts that were left, with why."""

    sentences: list[str]
    rows: Counter[str]
    unknown: int
    refused: dict[str, str]


def forget(fleet: Fleet, kind: Kind, text: str, account: str = "") -> Forgotten:
    """
    Forget the people whom the lines of a text name in every account, or in one, and prove it. Safe to call again.

    Raises as ``forget_people``, and ConfigError for what cannot be a value.
    """
    require_key(fleet)
    return forget_people(fleet, kind, people_of(fleet.settings, kind, text), account)


def forget_people(fleet: Fleet, kind: Kind, people: Sequence[Sought], account: str = "") -> Forgotten:
    """
    The same for people who were read.

    Raises UnknownOrder for an order that no account knows and RunLocked where one that may know it is at work: nothing
    was done; ErasureUnproven when something of them is still found.
    """
    require_key(fleet)
    run_id = run_id_of(f"forget-{fleet.clock.utc():%Y%m%dT%H%M%S}")
    begun = [each for each, book in fleet.control.books().items() if book.home is not None]
    if account and account not in begun:
        raise ConfigError(f"There is no account {account} with books: `stockbook fleet status` lists them.")
    names = [account] if account else begun
    erasures = _list_of(fleet)
    fresh: list[Sought] = []
    if kind is Kind.order:
        named = name_orders(erasures, _orders(fleet, names, people, run_id))
    else:
        fresh = [person for person in people if name_person(erasures, person)]
        named = len(fresh)
    # from here on a killed command is finished by the next one, or by the next nights and the maintenance
    erasures.save()
    sought = {text for person in people for text in person.hashes}
    hashes_known: set[str] = set()

    def look(settings: Settings) -> None:
        hashes_known.update(known_in(settings, declaration_files.load(settings.models_dir), sought) if fresh else ())

    cleared = clear(fleet, _of(names, behind(fleet)), run_id, look)
    plain = [form for person in people for form in person.plain]
    search = Search([*plain, *sought, *erasures.added, *cleared.learned])
    accounts = (set(names) if account else {*names, *proof.accounts_in_store(fleet)}) - cleared.refused.keys()
    hits = proof.hits(fleet, search, accounts)
    if hits:
        # whatever an account is said to be: perhaps what it was cleared to is of a database brought back since
        cleared = cleared.then(clear(fleet, [each for each in names if each in accounts], run_id, is_anew=True))
        hits = proof.hits(fleet, search, accounts)
    require_none(hits)
    prove_age(fleet, cleared)
    discard_outdated(fleet)
    unknown = sum(hashes_known.isdisjoint(person.hashes) for person in fresh)
    sentences = sentences_of(kind, len(people), named, unknown, cleared.rows)
    sentences += _said(cleared) + too_short_to_search(search)
    if accounts:
        sentences.append(
            f"Every object of {counted(len(accounts), 'account')} in the store, their files of the lake and both "
            "databases were searched in twelve encodings, and nothing of them is found."
        )
    return Forgotten(sentences, cleared.rows, unknown, cleared.refused)


def forget_waiting(fleet: Fleet, kind: Kind, person: Sought) -> Forgotten:
    """The same for a request; raises RunLocked where an account was left, so that the request waits."""
    done = forget_people(fleet, kind, [person])
    if done.refused:
        raise RunLocked(
            f"{counted(len(done.refused), 'account')} could not be cleared, and the request waits: "
            f"{next(iter(done.refused.values()))}"
        )
    return done


def finish(fleet: Fleet) -> Forgotten:
    """
    Clear the accounts of which something may tell of somebody on the list still, or of an order of too many years ago.

    Raises ErasureUnproven where who is gone by age is found somewhere.
    """
    names = behind(fleet)
    if not names:
        return Forgotten([], Counter(), 0, {})
    run_id = run_id_of(f"forget-{fleet.clock.utc():%Y%m%dT%H%M%S}")
    cleared = clear(fleet, names, run_id)
    sentences = [f"People who were forgotten: {sum(cleared.rows.values()):,} more rows."]
    sentences += _said(cleared) + prove_age(fleet, cleared)
    return Forgotten(sentences, cleared.rows, 0, cleared.refused)


def prove_age(fleet: Fleet, cleared: Cleared) -> list[str]:
    """
    Search for who was known from old orders alone in all there is of the account, and note that they are gone.

    Of very many people some are searched for: all went the same way. Of somebody whom a killed command took from the
    books nothing is known any more that could be searched for. Raises ErasureUnproven.
    """
    count = 0
    for name, people in cleared.by_age.items():
        if hashes := sorted(people.hashes)[:_SEARCHED]:
            require_none(proof.hits(fleet, Search(hashes), {name}))
            count += len(hashes)
        fleet.control.note_personal({name: people.before})
    if not count:
        return []
    return [
        f"Who ordered too many years ago and never since: {counted(count, 'keyed value')} of theirs were searched for "
        "in the store, the files of the lake and both databases, and nothing is found.",
        f"  A later replay cannot answer: {LOST['personal_years']}.",
    ]


def require_key(fleet: Fleet) -> None:
    """Raise ConfigError unless this machine has the key that the fleet's books were begun with."""
    ours = hash_key.fingerprint(key_of(fleet.settings))
    for each, book in fleet.control.books().items():
        if book.hash_key and book.hash_key != ours:
            raise ConfigError(
                f"STOCKBOOK_HASH_KEY of this machine is not the key the books of account {each} were begun with: "
                "nobody would be known by it. Nothing was done."
            )


def _list_of(fleet: Fleet) -> SharedErasures:
    """The fleet's list, in a file beside the homes on this disk."""

    def share(content: bytes) -> bytes:
        with fleet.control.opened() as con:
            return erasure_list.together(con, content, is_asked=True)

    file = fleet.shared.scratch / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(share(b""))
    return SharedErasures(fleet.settings, file, fleet.clock.utc(), share)


def _orders(fleet: Fleet, names: Sequence[str], people: Sequence[Sought], run_id: str) -> Orders:
    """The orders of all accounts that people are named by."""
    orders: Orders = [[] for _ in people]
    for each in names:
        with taken(fleet, fleet.listed_or_former(each), run_id, FORGET) as work:
            restored(fleet, work)
            settings = work.night.settings
            here = orders_of(settings, declaration_files.load(settings.models_dir), people)
            orders = [before + more for before, more in zip(orders, here, strict=True)]
            work.home.trust()
    return orders


def _of(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    return [each for each in names if each in wanted]


def _said(cleared: Cleared) -> list[str]:
    if not cleared.objects:
        return []
    return [
        f"{counted(cleared.objects, 'object')} of the store that were older are removed: books, homes, pages, files."
    ]
