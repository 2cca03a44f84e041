"""
The ledger of fields held to what is declared and built, both ways.

From the declarations: each field of a listing and of an event has its entry, with the way its class says. From the
ledger: each entry is of a field, and what is kept flows through SQL into the mart it names, and on into a report or a
question. Where no SQL makes a table, its program is taken to carry what it reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from stockbook.declarations import Table
from stockbook.dictionary.questions import Question
from stockbook.models.order import Step
from stockbook.sources import field_ledger
from stockbook.sources.field_ledger import WAYS, Field, Ledger

_LEAF_WAYS = {"hash": "hashed", "hashes": "hashed", "digits": "hashed", "prefix": "shortened", "drop": "dropped"}
_LEAF_WAYS |= {"presence": "counted", "count": "counted"}


class Flow:
    """Which columns reach which tables: a column reaches a table where SQL on the way to it names the column."""

    def __init__(self, tables: dict[str, Table], steps: Iterable[Step], questions: Iterable[Question]) -> None:
        """``steps`` are all models, ``questions`` those of docs/queries.md."""
        self.tables = tables
        self._reads: dict[str, frozenset[str]] = {}
        self._sql: dict[str, str | None] = {}
        for step in steps:
            for table in step.tables:
                self._reads[table.name], self._sql[table.name] = step.reads, step.sql
        self.questions = {question.text for question in questions}
        for question in questions:
            self._reads[question.text], self._sql[question.text] = question.tables, question.sql

    @cached_property
    def _readers(self) -> dict[str, set[str]]:
        readers: dict[str, set[str]] = {}
        for name, reads in self._reads.items():
            for read in reads:
                readers.setdefault(read, set()).add(name)
        return readers

    def carries(self, starts: Iterable[str], words: Iterable[str], end: str) -> bool:
        """Whether one of the words is named on a way from one of the tables to ``end``."""
        between = _reachable(starts, self._readers) & _reachable([end], self._reads)
        return any(name in self._sql and self._names(name, tuple(words)) for name in between - set(starts))

    def _names(self, name: str, words: tuple[str, ...]) -> bool:
        sql = self._sql[name]
        return sql is None or re.search(rf"\b({'|'.join(map(re.escape, words))})\b", sql) is not None


def _reachable(starts: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    seen, waiting = set(starts), list(starts)
    while waiting:
        new = set(edges.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += new
    return seen


def complaints(ledger: Ledger, flow: Flow, bodies: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Everything that is not as the ledger says, in sentences; ``bodies`` are the declared ones of each source."""
    return [
        *_of_listings(ledger, flow),
        *_of_events(ledger, flow, bodies),
        *(
            f"{section} {name}: {complaint}"
            for section, fields in (*ledger.topics.items(), *ledger.headers.items())
            for name, field in fields.items()
            for complaint in _reach(field, ledger, flow, _drained(flow), [field.column] if field.column else [])
        ),
        *(
            f"filter {section} {name}: it must be used or unused, and say why"
            for section, fields in ledger.filters.items()
            for name, field in fields.items()
            if field.way not in ("used", "unused") or not field.why
        ),
    ]


def _of_listings(ledger: Ledger, flow: Flow) -> Iterator[str]:
    columns, drops = field_ledger.declared(flow.tables), field_ledger.dropped(flow.tables)
    for listing in sorted({*columns, *ledger.listings}):
        of_paths, fields = columns.get(listing, {}), ledger.listings.get(listing, {})
        left_out = {path: why for path, why in drops.get(listing, {}).items() if path not in of_paths}
        yield from (
            f"{listing} {path}: the ledger has no entry" for path in [*of_paths, *left_out] if path not in fields
        )
        for path, field in fields.items():
            where = f"{listing} {path}"
            if path in left_out:
                if (field.way, field.why) != ("dropped", left_out[path]):
                    yield f"{where}: the declaration drops it ({left_out[path]})"
            elif path not in of_paths:
                yield f"{where}: no declaration has such a field"
            else:
                ways = {WAYS[column.personal] for _, _, column in of_paths[path]}
                if field.way not in ways:
                    yield f"{where}: it is {' and '.join(sorted(ways))}, not {field.way}"
                starts = [name for table, _, _ in of_paths[path] for name in (table.name, f"{table.name}_history")]
                words = [name for _, name, _ in of_paths[path]]
                yield from (f"{where}: {complaint}" for complaint in _reach(field, ledger, flow, starts, words))


def _of_events(ledger: Ledger, flow: Flow, bodies: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    for source in sorted({*bodies, *ledger.bodies}):
        classes = dict(field_ledger.leaves(dict(bodies.get(source, {}))))
        fields = ledger.bodies.get(source, {})
        yield from (f"{source} {path}: the ledger has no entry" for path in classes if path not in fields)
        for path, field in fields.items():
            where = f"{source} {path}"
            if path not in classes:
                yield f"{where}: no declaration has such a field"
            elif field.way != (way := _LEAF_WAYS.get(classes[path], "kept")):
                yield f"{where}: it is {way}, not {field.way}"
            else:
                leaf = [] if field.mart else [path.rpartition(".")[2].removesuffix("[]")]
                yield from (f"{where}: {complaint}" for complaint in _reach(field, ledger, flow, _drained(flow), leaf))


def _drained(flow: Flow) -> list[str]:
    return [name for name, table in flow.tables.items() if table.layer == "staging" and table.kind == "drained"]


def _reach(field: Field, ledger: Ledger, flow: Flow, starts: list[str], words: list[str]) -> Iterator[str]:
    if field.way == "dropped":
        if not field.why:
            yield "it is dropped without a reason"
        return
    if field.like:
        listing, _, path = field.like.partition(" ")
        other = {**ledger.listings, **ledger.bodies}.get(listing, {}).get(path)
        if other is None or other.like or other.way == "dropped":
            yield f"it says the same as {field.like}, which is nowhere"
        return
    end = field.reaches
    if end is None or not (end in flow.questions or (end.startswith("reports.") and end in flow.tables)):
        yield f"it reaches nothing: {end} is no report and no question"
        return
    if field.mart is None:
        if not flow.carries(starts, words or ["account"], end):
            yield f"it does not reach {end}"
        return
    table, _, column = field.mart.partition(".")
    mart = f"marts.{table}"
    if mart not in flow.tables or column not in flow.tables[mart].columns:
        yield f"there is no column {field.mart}"
    elif not flow.carries(starts, words or [column], mart):
        yield f"it does not reach {field.mart}"
    elif not flow.carries([mart], [column], end):
        yield f"{field.mart} does not reach {end}"
