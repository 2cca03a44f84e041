"""
What a new version of the contract breaks of an old one, and what it adds.

Each change is named once. A table or column that is gone while a new one looks like it was renamed: the same type and
unit under the same words, or a table of mostly the same columns; where two look alike, nothing is guessed. To readers a
promise that is added breaks nothing: a column that is always there now, a type with room for more.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple, TypeVar

from stockbook.contracts.relation import Contract, PublishedColumn, Relation, fit

ALIKE = 0.85
"""The share of equal words from which two descriptions say the same thing of a renamed column."""
SAME_TABLE = 0.8
"""The share of equal columns from which two tables are one under another name."""

T = TypeVar("T")


class Change(NamedTuple):
    """``kind`` is what happened, ``where`` the qualified table or column by its old name, new ones by their own."""

    kind: str
    where: str
    is_breaking: bool
    says: str


def changes(old: Contract, new: Contract) -> list[Change]:
    """Every change, what breaks first."""
    renamed = _renamed(old.relations, new.relations, _table_likeness)
    named = [
        *_of_currencies(old.currencies, new.currencies),
        *_of_tables(old.relations, new.relations, renamed),
        *(
            change
            for name, relation in old.relations.items()
            if (now := new.relations.get(renamed.get(name, name)))
            for change in _of_relation(relation, now)
        ),
    ]
    return sorted(named, key=lambda change: not change.is_breaking)


def _of_currencies(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            words = re.sub(r"([A-Z])", r" \1", name).lower()
            yield Change("currency changed", name, True, f"the {words} was {old[name]} and is {new[name]}")


def _of_tables(
    old: Mapping[str, Relation], new: Mapping[str, Relation], renamed: Mapping[str, str]
) -> Iterator[Change]:
    for name in old.keys() - new.keys():
        if name in renamed:
            yield Change("table renamed", name, True, f"it is called {renamed[name]} now")
        else:
            yield Change("table gone", name, True, "it is not published any more")
    for name in sorted(new.keys() - old.keys() - set(renamed.values())):
        yield Change("table new", name, False, f"a {new[name].kind} that was not there")


def _of_relation(old: Relation, new: Relation) -> Iterator[Change]:
    name = old.name
    if (old.kind == "macro") != (new.kind == "macro"):
        yield Change("kind changed", name, True, f"it was a {old.kind} and is a {new.kind}: it is read otherwise")
    if list(old.parameters.items()) != list(new.parameters.items()):
        yield Change(
            "parameters changed", name, True, f"it took {_list(old.parameters)} and takes {_list(new.parameters)}"
        )
    if _words(old.description) != _words(new.description):
        yield Change("meaning changed", name, True, f"it said {old.description!r} and says {new.description!r}")
    renamed = _renamed(old.columns, new.columns, _column_likeness)
    if {renamed.get(column, column) for column in old.key} != set(new.key):
        yield Change("key changed", name, True, f"a row was one per {_keys(old)} and is one per {_keys(new)}")
    for column, was in old.columns.items():
        where = f"{name}.{column}"
        if column in renamed:
            yield Change("column renamed", where, True, f"it is called {renamed[column]} now")
        now = new.columns.get(renamed.get(column, column))
        if now is None:
            yield Change("column gone", where, True, "it is not published any more")
        else:
            yield from _of_column(where, was, now, column in renamed)
    for column in new.columns.keys() - old.columns.keys() - set(renamed.values()):
        yield Change("column new", f"{new.name}.{column}", False, new.columns[column].description)


def _of_column(where: str, old: PublishedColumn, new: PublishedColumn, is_renamed: bool) -> Iterator[Change]:
    kind = fit(old.type, new.type)
    if kind != "same":
        yield Change(f"type {kind}", where, kind != "widened", f"it was {old.type} and is {new.type}")
    if old.is_required and not new.is_required:
        yield Change("may be missing", where, True, "it was always there and may be NULL now")
    elif new.is_required and not old.is_required:
        yield Change("always there", where, False, "it could be NULL and is always there now")
    if old.unit != new.unit:
        yield Change(
            "unit changed", where, True, f"it was in {old.unit or 'no unit'} and is in {new.unit or 'no unit'}"
        )
    if old.treatment != new.treatment:
        was, now = (column.treatment or "not called personal" for column in (old, new))
        yield Change("classification changed", where, True, f"its personal data were {was} and are {now}")
    # the words of a renamed column are what it was known by
    if not is_renamed and _words(old.description) != _words(new.description):
        yield Change("meaning changed", where, True, f"it said {old.description!r} and says {new.description!r}")


def _renamed(old: Mapping[str, T], new: Mapping[str, T], likeness: Callable[[T, T], float]) -> dict[str, str]:
    """The new name of each that was renamed: a pair more alike than either is to any other."""
    gone, fresh = old.keys() - new.keys(), new.keys() - old.keys()
    scores = {(was, now): likeness(old[was], new[now]) for was in gone for now in fresh}
    pairs = {}
    for (was, now), score in scores.items():
        rivals = (other for pair, other in scores.items() if pair != (was, now) and (pair[0] == was or pair[1] == now))
        if score > max(rivals, default=0):
            pairs[was] = now
    return pairs


def _table_likeness(old: Relation, new: Relation) -> float:
    """The share of their columns that both have with their types, where that is enough to be one table; else 0."""
    if old.kind != new.kind:
        return 0
    was, now = ({(name, column.type) for name, column in relation.columns.items()} for relation in (old, new))
    share = len(was & now) / max(len(was), len(now), 1)
    return share if share >= SAME_TABLE else 0


def _column_likeness(old: PublishedColumn, new: PublishedColumn) -> float:
    """How alike their words are, where that is enough; else 0. Another type wants the very same words."""
    before, after = _words(old.description), _words(new.description)
    if not before or not after:
        return 0
    share = SequenceMatcher(None, before, after).ratio()
    least = ALIKE if (old.type, old.unit) == (new.type, new.unit) else 1
    return share if share >= least else 0


def _words(text: str) -> list[str]:
    """What a text says, whatever its spaces, capitals and stops."""
    return re.findall(r"\w+", text.lower())


def _list(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in parameters.items()) or "none"


def _keys(relation: Relation) -> str:
    return " × ".join(relation.key) or "nothing that is named"
