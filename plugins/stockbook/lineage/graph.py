"""
The lineage of every column: from a column to what its table's own select or program makes it of, step by step.

Made once and kept (``caches.py``): whoever asks reads it, a night never does.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from stockbook import declaration_files
from stockbook.caches import cached, code_of
from stockbook.declarations import Table, without_extra
from stockbook.errors import DeclarationError
from stockbook.lineage import declared, wire
from stockbook.lineage.expressions import Macro
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Relation, Way
from stockbook.lineage.selects import Selects
from stockbook.models import macros
from stockbook.models.extra import plan
from stockbook.models.order import Step, steps
from stockbook.models.programs import PROGRAMS
from stockbook.project import SHIPPED
from stockbook.warehouse.schema import ROW_COLUMNS

# what reading a select raises that is written as none of ours is
_UNFOLLOWED = (DeclarationError, LookupError, TypeError, ValueError)
# column to (table, column, way); under ROWS what decides which rows there are
_Stored = dict[str, dict[str, list[tuple[str, str, int]]]]


class Graph:
    """What each column is made of, one step back; the way on is asked for."""

    def __init__(self, steps_back: Mapping[str, Mapping[str, Inputs]]) -> None:
        """``steps_back`` by table and column, with the rows of a table under ``ROWS``."""
        self.tables = steps_back
        self._closed: dict[Ref, Inputs] = {}

    def direct(self, ref: Ref) -> Inputs:
        """What a column is made of, one step back; empty for what comes from outside."""
        return self.tables.get(ref.table, {}).get(ref.column, {})

    def inputs(self, ref: Ref) -> Inputs:
        """One step back, with what decides the rows of its table."""
        rows = self.tables.get(ref.table, {}).get(ROWS, {})
        return {**rows, **self.direct(ref)} if ref.column != ROWS else dict(rows)

    def back(self, ref: Ref) -> Inputs:
        """Everything a column is made of or swayed by, through all tables."""
        if ref in self._closed:
            return self._closed[ref]
        # a table that remembers earlier nights is made of itself
        self._closed[ref] = {}
        everything: Inputs = {}
        for near, way in self.inputs(ref).items():
            for far, far_way in [(near, way), *((far, max(way, w)) for far, w in self.back(near).items())]:
                if far_way < everything.get(far, len(Way)):
                    everything[far] = far_way
        self._closed[ref] = everything
        return everything

    @cached_property
    def _forward(self) -> dict[Ref, Inputs]:
        forward: dict[Ref, Inputs] = {}
        for table, columns in self.tables.items():
            for column, inputs in columns.items():
                for ref, way in inputs.items():
                    forward.setdefault(ref, {})[Ref(table, column)] = way
        return forward

    def uses(self, ref: Ref) -> Inputs:
        """The columns that are made of it or swayed by it, one step on; under ``ROWS`` tables whose rows it decides."""
        return self._forward.get(ref, {})

    def onward(self, ref: Ref) -> Inputs:
        """Every column that is made of it or swayed by it, through all tables; ``ROWS`` where it decides rows."""
        everything: Inputs = {}
        waiting: list[tuple[Ref, Way]] = [(ref, Way.COPIED)]
        while waiting:
            near, so_far = waiting.pop()
            for user, way in self._users(near):
                through = max(so_far, way)
                if through < everything.get(user, len(Way)):
                    everything[user] = through
                    waiting.append((user, through))
        return everything

    def _users(self, ref: Ref) -> Iterator[tuple[Ref, Way]]:
        if ref.column == ROWS:
            yield from ((Ref(ref.table, column), Way.SWAYS) for column in self.tables[ref.table] if column != ROWS)
        yield from self.uses(ref).items()

    def ends(self, ref: Ref) -> Iterator[Ref]:
        """The fields outside, on the wire and in policies, that a column is made of, directly."""
        yield from sorted(
            far for far, way in self.back(ref).items() if way < Way.SWAYS and far.table not in self.tables
        )


def load(models_dir: Path, tables: Mapping[str, Table], extra_dir: Path | None = None) -> Graph:
    """The graph of all tables, those of a user's own folder too. Raises DeclarationError for a wrong declaration."""
    ordered = _ordered(models_dir, tables, extra_dir)

    def stored_form() -> _Stored:
        return {
            name: {column: sorted((*ref, int(way)) for ref, way in inputs.items()) for column, inputs in of.items()}
            for name, of in made(models_dir, tables, ordered).items()
        }

    stored = cached("lineage", _sources(models_dir, tables, ordered), _Stored, stored_form)
    return Graph(
        {
            name: {column: {Ref(at, of): Way(way) for at, of, way in refs} for column, refs in columns.items()}
            for name, columns in stored.items()
        }
    )


def _sources(models_dir: Path, tables: Mapping[str, Table], ordered: list[Step]) -> Iterator[bytes]:
    yield duckdb.__version__.encode()
    # the currency of a unit is the policy's, and nothing here depends on it
    for name, table in tables.items():
        columns = {key: msgspec.structs.replace(column, unit=None) for key, column in table.columns.items()}
        yield name.encode()
        yield msgspec.msgpack.encode(msgspec.structs.replace(table, columns=columns))
    yield from code_of(Path(__file__))
    for step in ordered:
        yield step.name.encode()
        yield (step.sql or "").encode()
    folders = (models_dir / macros.FOLDER, declared.FOLDER, SHIPPED / "include" / "sources")
    for file in sorted(file for folder in folders for file in folder.glob("*") if file.is_file()):
        yield file.name.encode()
        yield file.read_bytes()


def _ordered(models_dir: Path, tables: Mapping[str, Table], extra_dir: Path | None) -> list[Step]:
    """Our steps, and those of a user's folder that make one of the tables."""
    of_users = plan(extra_dir, models_dir, declaration_files.load(models_dir)).steps if extra_dir else ()
    return [*steps(models_dir, without_extra(tables)), *(step for step in of_users if step.name in tables)]


def made(
    models_dir: Path, tables: Mapping[str, Table], ordered: list[Step], strict: bool = False
) -> dict[str, dict[str, Inputs]]:
    """
    What each column of each table is made of, one step back.

    A select that cannot be followed is taken to be swayed by all that it reads; ``strict`` raises DeclarationError.
    """
    relations = dict(wire.relations(without_extra(tables)))
    columns_of = {name: _columns(table) for name, table in tables.items()}
    columns_of |= {name: list(relation.columns) for name, relation in relations.items()}
    said = declared.read()
    for table in tables.values():
        if table.layer == "meta":
            run: dict[str, Inputs] = {name: {Ref(wire.RUN, name): Way.COPIED} for name in table.columns}
            relations[table.name] = Relation(run, frozenset())
        elif table.layer == "staging" and table.name not in relations:
            relations[table.name] = declared.relation(table, said.get(table.name), (), columns_of)
            if table.is_staged:
                relations[table.name].columns.update(
                    {n: {Ref(wire.RUN, n.strip("_")): Way.COPIED} for n in ROW_COLUMNS}
                )
    parsed = _parsed(models_dir, {step.name: step.sql for step in ordered if step.sql is not None})
    selects = Selects(lambda name: _seen(name, columns_of, tables), parsed[1], parsed[2])
    for step in ordered:
        for table in step.tables:
            if step.program is not None:
                reads = PROGRAMS[step.program].reads
                relations[table.name] = declared.relation(table, said.get(table.name), reads, columns_of)
                continue
            try:
                relations[table.name] = _of_select(step, table, columns_of, selects, parsed[0])
            except _UNFOLLOWED as error:
                # a user's own model may be written in a way that none of ours is: its table is shown all the same
                if strict:
                    raise DeclarationError(f"{step.name}: its lineage cannot be followed: {error}") from error
                relations[table.name] = _of_all(step, table, columns_of)
    return {name: {**of.columns, ROWS: dict.fromkeys(of.rows, Way.SWAYS)} for name, of in relations.items()}


def read_by(selects: Mapping[str, str], models_dir: Path, tables: Mapping[str, Table]) -> dict[str, set[Ref]]:
    """The columns that each select reads from tables, by its name; none where it is not followed."""
    columns_of = {name: _columns(table) for name, table in tables.items()}
    columns_of |= {name: list(relation.columns) for name, relation in wire.relations(without_extra(tables))}
    trees, shared, aggregates = _parsed(models_dir, selects)
    reader = Selects(lambda name: _seen(name, columns_of, tables), shared, aggregates)
    by_name: dict[str, set[Ref]] = {name: set() for name in selects}
    for name, tree in trees.items():
        with suppress(*_UNFOLLOWED):
            relation = reader.relation(tree)
            refs = {*relation.rows, *(ref for inputs in relation.columns.values() for ref in inputs)}
            by_name[name] = {ref for ref in refs if ref.column != ROWS}
    return by_name


def _of_select(
    step: Step, table: Table, columns_of: Mapping[str, list[str]], selects: Selects, trees: Mapping[str, dict[str, Any]]
) -> Relation:
    relation = selects.relation(trees[step.name], tuple(table.parameters))
    # a table takes its columns by name; a view and a macro have those of the select
    if missing := sorted({*columns_of[table.name]} ^ relation.columns.keys()):
        raise DeclarationError(f"select and declaration do not agree on column {missing[0]}")
    return relation


def _of_all(step: Step, table: Table, columns_of: Mapping[str, list[str]]) -> Relation:
    """The relation of a table of which nothing is known but what it reads."""
    rows = frozenset(Ref(name, column) for name in step.reads for column in (ROWS, *columns_of.get(name, ())))
    return Relation({column: {} for column in columns_of[table.name]}, rows)


def _columns(table: Table) -> list[str]:
    account = [] if "account" in table.columns or not (table.is_staged or "account" in table.grain) else ["account"]
    return [*account, *table.columns, *(ROW_COLUMNS if table.is_staged else ())]


def _seen(name: str, columns_of: Mapping[str, list[str]], tables: Mapping[str, Table]) -> Relation:
    """A table as those see it that read it: every column is a copy of itself, and there are its rows."""
    table = tables.get(name)
    grain = frozenset({frozenset(table.grain)}) if table and table.grain and table.kind != "macro" else frozenset()
    columns: dict[str, Inputs] = {column: {Ref(name, column): Way.COPIED} for column in columns_of[name]}
    return Relation(columns, frozenset({Ref(name, ROWS)}), grain)


def _parsed(
    models_dir: Path, of_selects: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, Macro], frozenset[str]]:
    """The trees of all selects, of the macros that models share, and the names of DuckDB's aggregates."""
    shared = macros.expressions(models_dir)
    texts = {**of_selects} | {name: f"select {body}" for name, (_, body) in shared.items()}
    with duckdb.connect() as con:
        names, selects = list(texts), list(texts.values())
        trees = con.execute(_PARSED, {"selects": selects}).fetchall()
        of_type = "select distinct function_name from duckdb_functions() where function_type = 'aggregate'"
        aggregates = frozenset(name for (name,) in con.execute(of_type).fetchall())
    statements = {name: msgspec.json.decode(tree)["statements"][0] for name, (tree,) in zip(names, trees, strict=True)}
    return (
        statements,
        {
            name: Macro(parameters, statements.pop(name)["node"]["select_list"][0])
            for name, (parameters, _) in shared.items()
        },
        aggregates,
    )


_PARSED = """
select json_serialize_sql(sql, skip_null := true, skip_empty := true, skip_default := true)
from (select unnest($selects::varchar[]) as sql)
"""
