"""
The order in which models are built, found from their SQL.

A model is a ``.yml`` (declaration) and, unless a program builds it, a ``.sql`` beside it that is
one select. What it reads is found by parsing the select; nobody writes dependencies down.
"""

import logging
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.models.programs import PROGRAMS

# it tells of every index of an array it reads
logging.getLogger("sqlglot").setLevel(logging.WARNING)

BUILT_LAYERS = ("intermediate", "marts", "reports")


class Step(NamedTuple):
    """One thing to build: the declared tables it gives, the select (None for a program), what it reads."""

    name: str
    tables: tuple[Table, ...]
    sql: str | None
    program: str | None
    reads: frozenset[str]


def steps(models_dir: Path, tables: dict[str, Table]) -> list[Step]:
    """
    Every step in an order in which each comes after what it reads.

    Raises DeclarationError for a select that cannot be parsed, reads a table nobody declares, or
    stands in a circle.
    """
    found = [*_sql_steps(models_dir, tables), *_program_steps(tables)]
    maker = {table.name: step.name for step in found for table in step.tables}
    by_name = {step.name: step for step in found}
    known = {name for name, table in tables.items() if table.layer in ("staging", "meta")}
    known |= {f"{name}_history" for name, table in tables.items() if table.history} | {"staging.quarantine"}
    graph: dict[str, set[str]] = {}
    for step in found:
        unknown = sorted(step.reads - known - set(maker))
        if unknown:
            raise DeclarationError(f"{step.name} reads {unknown[0]}, which no declaration describes.")
        graph[step.name] = {maker[name] for name in step.reads if name in maker and maker[name] != step.name}
    try:
        order = list(TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order())
    except CycleError as error:
        raise DeclarationError(f"Models read each other in a circle: {' -> '.join(error.args[1])}.") from error
    return [by_name[name] for name in order]


def _sql_steps(models_dir: Path, tables: dict[str, Table]) -> list[Step]:
    found = []
    for table in tables.values():
        file = models_dir / table.folder / f"{table.table}.sql"
        if table.layer not in BUILT_LAYERS or table.kind in ("program", "written"):
            continue
        if not file.exists():
            raise DeclarationError(f"{table.name} is declared as a {table.kind} but has no {file.name} beside it.")
        sql = file.read_text()
        found.append(Step(table.name, (table,), sql, None, reads_of(sql, table.name)))
    undeclared = {f"{layer}.{file.stem}" for layer in BUILT_LAYERS for file in (models_dir / layer).rglob("*.sql")} - {
        step.name for step in found
    }
    if undeclared:
        raise DeclarationError(f"{sorted(undeclared)[0]} has a .sql but no declaration (.yml) beside it.")
    return found


def _program_steps(tables: dict[str, Table]) -> list[Step]:
    programs: dict[str, list[Table]] = {}
    for table in tables.values():
        if table.kind == "program":
            if table.program not in PROGRAMS:
                raise DeclarationError(
                    f"{table.name} names program {table.program!r}; known are {', '.join(sorted(PROGRAMS))}."
                )
            programs.setdefault(table.program, []).append(table)
    return [
        Step(f"program {name}", tuple(built), None, name, frozenset(PROGRAMS[name].reads))
        for name, built in programs.items()
    ]


@cache
def reads_of(sql: str, name: str) -> frozenset[str]:
    """
    The qualified tables, views and table macros a select reads, found by parsing it.

    Raises DeclarationError when it cannot be parsed, or reads a table without its schema.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        raise DeclarationError(f"{name} cannot be parsed as one select: {str(error).splitlines()[0]}") from error
    ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found = set()
    for table in tree.find_all(exp.Table):
        called = isinstance(table.this, exp.Func)
        if not table.db:
            if table.name and table.name not in ctes and not called:
                raise DeclarationError(f"{name} reads {table.name} without a schema: write layer.table.")
            continue  # a CTE, or range(), unnest(), generate_series(): no table
        found.add(f"{table.db}.{table.this.name}")
    return frozenset(found)
