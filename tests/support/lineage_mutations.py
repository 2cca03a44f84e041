"""
What really changes when a column of staging has other values: the models are made again, and compared column by column.

A home's file is copied and built once as it is. Each mutation then happens in a transaction that is undone: a column is
changed in half of its rows, and whatever reads what changed is made again, in order, until nothing changes any more.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook import declaration_files
from stockbook.declarations import Table
from stockbook.errors import StockbookError
from stockbook.lineage import graph
from stockbook.lineage.inputs import Ref, Way
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.project import MODELS, SHIPPED

# of a table: how many rows, all of them together, and each column whatever its rows
Content = dict[str, int]
WHOLE = "the rows"
_ARGUMENTS = {"date": "(select cast(as_of as date) from meta.current_run)", "boolean": "false"}


class Mutation(NamedTuple):
    """What changed when a column did: columns, and those among them that lineage does not name."""

    column: Ref
    changed: frozenset[Ref]
    unnamed: frozenset[Ref]
    refused: str | None = None


class Mutations:
    """A copy of a home's file whose columns can be changed."""

    def __init__(self, home: Path, copy: Path, policy_dir: Path) -> None:
        shutil.copy(home / "warehouse.duckdb", copy)
        self.tables = declaration_files.load(SHIPPED / MODELS)
        self.graph = graph.load(SHIPPED / MODELS, self.tables)
        self._steps = steps(SHIPPED / MODELS, self.tables)
        self._con = duckdb.connect(str(copy))
        # a sum of doubles is the same again only in the same order
        self._con.execute("set threads = 1")
        run_id, as_of, zone = self._con.execute("select run_id, as_of, zone from meta.current_run").fetchall()[0]
        self._context = BuildContext(as_of, run_id, ZoneInfo(zone), policy_dir, self.tables, full_refresh=True)
        create_macros(self._con, SHIPPED / MODELS)
        self._types: dict[str, dict[str, str]] = {}
        # columns without a value here: nothing can be seen to change in them
        self.empty: set[Ref] = set()
        for step in self._steps:
            run_step(self._con, step, self._context)
        self._before = {table.name: self._content(table) for step in self._steps for table in step.tables}

    def close(self) -> None:
        """Close the copy."""
        self._con.close()

    def candidates(self) -> list[Ref]:
        """The columns of staging and its histories that have values, and that something reads."""
        columns_read = []
        for schema, table, columns in self._con.execute(
            "select schema_name, table_name, list(column_name order by column_index) from duckdb_columns() "
            "where database_name = current_database() and schema_name = 'staging' group by all order by all"
        ).fetchall():
            name = f"{schema}.{table}"
            counts = ", ".join(f"count({column})" for column in columns)
            counted = self._con.execute(f"select {counts} from {name}").fetchall()[0]
            columns_read += [Ref(name, column) for column, count in zip(columns, counted, strict=True) if count]
        return [ref for ref in columns_read if self.graph.uses(ref)]

    def mutate(self, column: Ref, seed: int) -> Mutation:
        """What changes with the column; the copy is as it was afterwards."""
        self._con.execute("begin transaction")
        try:
            self._con.execute(self._update(column, seed))
            changed = frozenset(self._changed(column.table))
        except (duckdb.Error, StockbookError) as error:
            return Mutation(column, frozenset(), frozenset(), str(error).splitlines()[0])
        finally:
            self._con.execute("rollback")
        return Mutation(column, changed, changed - self.graph.onward(column).keys())

    def _changed(self, mutated: str) -> Iterator[Ref]:
        other = {mutated}
        for step in self._steps:
            if not step.reads & other:
                continue
            if step.tables[0].kind not in ("view", "macro"):
                run_step(self._con, step, self._context)
            for table in step.tables:
                before, now = self._before[table.name], self._content(table)
                if before != now:
                    other.add(table.name)
                yield from (Ref(table.name, name) for name in before if name != WHOLE and before[name] != now[name])

    def _content(self, table: Table) -> Content:
        arguments = ", ".join(_ARGUMENTS.get(kind, "'A-1'") for kind in table.parameters.values())
        relation = f"{table.name}({arguments})" if table.kind == "macro" else table.name
        if table.name not in self._types:
            described = self._con.execute(f"describe from {relation}").fetchall()
            self._types[table.name] = {name: kind for name, kind, *_ in described}
        types = self._types[table.name]
        values = {name: f"printf('%.9e', {name})" if kind == "DOUBLE" else name for name, kind in types.items()}
        sums = [f"coalesce(sum(hash({value})), 0)" for value in values.values()]
        counts = ", ".join(f"count({name})" for name in types)
        # a row more or less shows in every column that has a value in it
        row = self._con.execute(
            f"select coalesce(sum(hash({', '.join(values.values())})), 0), {', '.join(sums)}, {counts} from {relation}"
        ).fetchall()[0]
        self.empty |= {
            Ref(table.name, name) for name, count in zip(types, row[1 + len(types) :], strict=True) if not count
        }
        return {WHOLE: row[0], **dict(zip(types, row[1 : 1 + len(types)], strict=True))}

    def _update(self, column: Ref, seed: int) -> str:
        table, name = column
        declared = self.tables.get(table.removesuffix("_history"))
        kind = self._con.execute(
            "select data_type from duckdb_columns() where schema_name || '.' || table_name = ? and column_name = ? "
            "and database_name = current_database()",
            [table, name],
        ).fetchall()[0][0]
        is_key = declared is not None and (name in declared.grain or name == "account")
        values = self._con.execute(f"select distinct {name} from {table} where {name} is not null limit 13").fetchall()
        other = _other(name, kind, is_key, len(values), table)
        some = f"hash(rowid + {seed}) % 2 = 0 or rowid = (select max(rowid) from {table} where {name} is not null)"
        return f"update {table} set {name} = {other} where {some}"


def _other(name: str, kind: str, is_key: bool, values: int, table: str) -> str:
    """Another value of the same kind; of a key one that nothing else has."""
    if kind in ("DATE", "TIMESTAMP"):
        return f"{name} - interval {'1000' if is_key else '1'} day"
    if kind == "BOOLEAN":
        return f"not coalesce({name}, false)"
    if kind == "VARCHAR" and not is_key and 1 < values < 13:
        next_one = f"min(o.{name}) filter (where o.{name} > {table}.{name})"
        return f"(select coalesce({next_one}, min(o.{name})) from {table} as o)"
    if kind == "VARCHAR":
        return f"{name} || 'x'"
    if "INT" in kind or kind.startswith("DECIMAL") or kind == "DOUBLE":
        return f"{name} + {1_000_003 if is_key else 1}"
    return "null"


def drawn(mutations: Mutations, columns: list[Ref], count: int, seed: int, refused: int = 10) -> list[Mutation]:
    """``count`` mutations of columns drawn at random; those that a model refuses are drawn again, ``refused`` times."""
    chosen = random.Random(seed)
    done: list[Mutation] = []
    while (
        sum(each.refused is None for each in done) < count and sum(each.refused is not None for each in done) <= refused
    ):
        done.append(mutations.mutate(chosen.choice(columns), chosen.randrange(10**6)))
    return done


def never_changed(mutations: Mutations, done: list[Mutation]) -> list[tuple[Ref, Ref]]:
    """Pairs of a mutated column and one that is made of it directly, of which the second never changed."""
    changed: dict[Ref, set[Ref]] = {}
    for each in done:
        if each.refused is None:
            changed.setdefault(each.column, set()).update(each.changed)
    return sorted(
        (column, ref)
        for column, outputs in changed.items()
        for ref, way in mutations.graph.onward(column).items()
        if way < Way.SWAYS and ref not in outputs | mutations.empty and not ref.table.startswith("staging.")
    )
